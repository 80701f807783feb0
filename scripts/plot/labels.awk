# Names at the ends of their curves, far enough from each other to be read, as commands of gnuplot. Lines of value,
# colour and name, highest first:
#
#   awk -F '\t' -v low=YMIN -v high=YMAX -v logarithmic=LOG -f labels.awk
{ colour[NR] = $2; name[NR] = $3 }
{ at[NR] = logarithmic ? log($1 / low) / log(high / low) : ($1 - low) / (high - low) }
NR > 1 && at[NR] > at[NR - 1] - 0.08 { at[NR] = at[NR - 1] - 0.08 }
END {
    for (i = NR; i > 0; i--) {
        least = i == NR ? 0 : at[i + 1] + 0.08
        if (at[i] < least) at[i] = least
        printf "set label %d %s at graph 1.02, graph %.4f left textcolor rgb \"#%s\"\n", i + 1, name[i], at[i], colour[i]
    }
}
