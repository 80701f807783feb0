# Of utf8proc's table of properties, leaves what normalisation and categories need (see web.mk): category,
# combining class, decomposition, composition and its exclusion. The rest is made nothing, and of lines
# that are alike then, one is kept: the table of numbers is written anew.
#
#   awk -f trim-unicode.awk utf8proc_data.c
BEGIN { FS = ","; OFS = "," }
/^static const utf8proc_property_t / { in_lines = 1; header = $0; next }
/^static const utf8proc_uint16_t utf8proc_stage2table/ { in_numbers = 1; number_header = $0; next }
in_lines && NF == 18 {
    $3 = 0                           # direction
    $6 = $7 = $8 = $9 = "UINT16_MAX" # case
    $11 = $13 = $14 = "false"        # mirrored, ignorable, control
    $15 = $16 = 0                    # width
    $17 = "0}"                       # grapheme breaks
    gsub(/ /, "")
    if (!($0 in place)) {
        place[$0] = n_lines
        line[n_lines++] = $0
    }
    new[n_old++] = place[$0]
    next
}
in_numbers && /^[ 0-9,]+(};)?$/ {
    for (i = 1; i <= NF; i++)
        if ($i ~ /[0-9]/)
            number[n_numbers++] = $i + 0
    if (/};/)
        in_numbers = 0
    next
}
in_lines && /^};/ {
    in_lines = 0
    next
}
in_lines || in_numbers {
    failed = 1 # another layout than this was written for
    exit
}
{ print }
END {
    if (failed || n_old == 0 || n_numbers == 0)
        exit 1
    print header
    for (i = 0; i < n_lines; i++)
        print line[i]
    print "};"
    print number_header
    for (i = 0; i < n_numbers; i++) {
        if (number[i] >= n_old)
            exit 1
        printf "%d,%s", new[number[i]], i % 16 == 15 ? "\n" : " "
    }
    print "};"
}
