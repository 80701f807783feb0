# The points of one column over another: a table of reports becomes lines of "X Y". Where x falls back, an empty line
# begins a new stroke. Of more than 1,200 points, the first, last, highest and lowest of each of 300 slices.
#
#   awk -F '\t' -v x=COLUMN -v y=COLUMN -v x_unit=SIZE -v y_unit=SIZE -f curve.awk REPORTS
function put(i) { if (i > done) printf "%.10g %.10g\n", X[i], Y[i]; done = i > done ? i : done }
function slice(a, b,   i, low, high) {
    low = high = a
    for (i = a; i <= b; i++) {
        if (Y[i] < Y[low]) low = i
        if (Y[i] > Y[high]) high = i
    }
    put(a); put(low < high ? low : high); put(low < high ? high : low); put(b)
}
NF < y || $x == "-" || $y == "-" { next }
{ X[++n] = $x / x_unit; Y[n] = $y / y_unit; if (X[n] > most) most = X[n] }
END {
    width = n > 1200 ? most / 300 : 0
    for (i = 1; i <= n; i = j) {
        for (j = i + 1; j <= n && X[j] >= X[j - 1] && width && int(X[j] / width) == int(X[i] / width); j++)
            continue
        slice(i, j - 1)
        if (j <= n && X[j] < X[j - 1]) print ""
    }
}
