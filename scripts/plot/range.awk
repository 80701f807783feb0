# The vertical range of a chart of the curves in FILE...: "YMIN YMAX LOG", LOG 1 for a logarithmic y.
#
#   awk -v kind=KIND -v room=HEADROOM -f range.awk FILE...
#
# KIND loss: all but the first 2 % of a curve; zero: from 0; speed: from 0 to twice the 95th percentile at most; log: from 0,
# or logarithmic if it spans much; any. HEADROOM is a share of the height.
FNR == 1 { file++ }
NF < 2 { next }
{ n++; f[n] = file; X[n] = $1; Y[n] = $2; count[file]++ }
!(file in first) || $1 < first[file] { first[file] = $1 }
!(file in last) || $1 > last[file] { last[file] = $1 }
END {
    low = high = "none"
    for (i = 1; i <= n; i++) {
        if (kind == "loss" && count[f[i]] > 50 && X[i] < first[f[i]] + 0.02 * (last[f[i]] - first[f[i]])) continue
        if (low == "none" || Y[i] < low) low = Y[i]
        if (high == "none" || Y[i] > high) high = Y[i]
    }
    logarithmic = kind == "log" && low > 0 && high / low > 30
    if (logarithmic) {
        print low / 1.2, high * 1.2 * (high / low) ^ room, 1
        exit
    }
    based = kind != "any" && kind != "loss" && low >= 0
    if (based) low = 0
    if (kind == "speed") {
        a = low
        b = high
        while (b - a > high / 1000) {
            m = (a + b) / 2
            below = 0
            for (i = 1; i <= n; i++) below += Y[i] <= m
            if (below < 0.95 * n) a = m; else b = m
        }
        if (high > 2 * b) high = 2 * b
    }
    span = high - low
    if (span <= 0) span = high ? (high < 0 ? -high : high) / 5 : 1
    print based ? low : low - 0.05 * span, high + (0.05 + room) * span, 0
}
