# The shortest part of each path that tells it from the others, without the end that all have: a line of names
# for a line of paths, whose parts are fields (-F /).
{ n[NR] = NF; for (i = 1; i <= NF; i++) part[NR, i] = $i }
function same_end(a, b, k) { return k < n[a] && k < n[b] && part[a, n[a] - k] == part[b, n[b] - k] }
END {
    for (all = NR > 1; all; skipped += all)
        for (r = 2; r <= NR; r++)
            if (!same_end(1, r, skipped)) all = 0
    for (r = 1; r <= NR; r++) {
        longest = skipped
        for (q = 1; q <= NR; q++)
            for (k = skipped; q != r && same_end(q, r, k); k++)
                if (k + 1 > longest) longest = k + 1
        first = n[r] - longest
        last = n[r] - skipped
        if (last < 1) last = n[r]
        if (first < 1) first = last < n[r] ? 1 : last
        name = part[r, first]
        while (++first <= last) name = name "/" part[r, first]
        sub(/\.jsonl$/, "", name)
        print name
    }
}
