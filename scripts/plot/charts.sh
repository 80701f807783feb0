# shellcheck shell=sh disable=SC2154 # variables of plot-loss
# Charts as commands of gnuplot. Read by scripts/plot-loss; $parts is this folder, $work has the tables of reports
# run1, run2, ... and part1, part2, ...

# ---- scales

# greatest COLUMN: of all runs; 0 if none has it.
greatest() {
    awk -F '\t' -v c="$1" '$c != "-" && $c + 0 > most { most = $c } END { print most + 0 }' "$work"/run*
}

# unit NUMBER LIMIT:SIZE:NAME...: the first whose limit the number reaches, as "SIZE NAME".
unit() {
    for candidate in "$2" "$3" "$4" "$5"; do
        awk -v a="$1" -v b="${candidate%%:*}" 'BEGIN { exit !(a + 0 >= b + 0) }' || continue
        candidate=${candidate#*:}
        echo "${candidate%%:*} ${candidate#*:}"
        return
    done
}

# extent COLUMN UNIT: "LEFT RIGHT" of a chart over it.
extent() {
    awk -F '\t' -v c="$1" -v unit="$2" -f "$parts/extent.awk" "$work"/run*
}

# range KIND HEADROOM CURVE_FILE...: "YMIN YMAX LOG"
range() {
    (cd "$work" && y_kind=$1 headroom=$2 && shift 2 &&
        awk -v kind="$y_kind" -v room="$headroom" -f "$parts/range.awk" "$@")
}

# ---- colours, marks and names

# Colours of about the same lightness, legible on white and on black, and marks that tell runs apart without them.
ink=7a7a7a
colour() {
    set -- $((($1 - 1) % 7 + 1)) 2a78d6 d95f02 00966e a4469b 94761a c04070 3b9ab8
    shift "$1"
    echo "$1"
}
mark() {
    set -- $((($1 - 1) % 8 + 1)) 7 5 9 13 11 6 4 8
    shift "$1"
    echo "$1"
}
# From the first block to the last: blue to orange.
shade() {
    awk -v i="$1" -v n="$2" 'BEGIN {
        t = n > 1 ? (i - 1) / (n - 1) : 0
        printf "%02x%02x%02x\n", 42 + t * 175, 120 - t * 25, 214 - t * 212
    }'
}
# A name in quotes of gnuplot.
quoted() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"
}
name_of() {
    sed -n "${1}p" "$work/names"
}
# The same for the key of a chart, shortened to the room there.
short_name_of() {
    name_of "$1" | LC_ALL=C awk 'length > 26 { $0 = substr($0, length - 22); sub(/^[\200-\277]+/, ""); $0 = "..." $0 } { print }'
}

# ---- the curves of a chart

# curve X Y X_UNIT Y_UNIT < reports > points
curve() {
    awk -F '\t' -v x="$1" -v y="$2" -v x_unit="$3" -v y_unit="$4" -f "$parts/curve.awk"
}

# add CURVE_FILE STYLE COLOUR MARK NAME: a curve, if it has points; one of few points shows each.
add() {
    [ -s "$work/$1" ] || return 0
    n_points=$(grep -c . "$work/$1")
    case $2 in
    thin) style="lines lw 1 lc rgb '#60$3'" ;;
    plain) style="lines lw 1.6 lc rgb '#$3'" ;;
    marks) style="linespoints lw 2 pt $4 ps 0.8 pi $((n_points / 15 + 1)) lc rgb '#$3'" ;;
    esac
    [ "$2" = marks ] || [ "$n_points" -gt 1 ] || style="points pt $4 ps 0.5 lc rgb '#$3'"
    files="$files $1"
    title=notitle
    [ -z "$5" ] || {
        title="title $(quoted "$5")" n_names=$((n_names + 1))
        printf '%s\t%s\t%s\n' "$(awk 'NF { y = $2 } END { print y }' "$work/$1")" "$3" "$(quoted "$5")" >> "$work/$chart.named"
    }
    plots="$plots${plots:+, }'$1' with $style $title"
}

# add_parts COLUMN: the validation of each part of the data.
add_parts() {
    for i in $(seq "$n_parts"); do
        curve "$x" "$1" "$x_unit" 1 < "$work/part$i" > "$work/$chart-part$i"
        add "$chart-part$i" marks "$(colour $((i + 1)))" "$(mark $((i + 1)))" "$(sed -n "${i}p" "$work/parts")"
    done
}

# add_losses RUN NAME: training, and validation if there is one.
add_losses() {
    curve "$x" 4 "$x_unit" 1 < "$work/run$1" > "$work/$chart-valid$1"
    curve "$x" 3 "$x_unit" 1 < "$work/run$1" > "$work/$chart-train$1"
    if [ -s "$work/$chart-valid$1" ]; then
        add "$chart-train$1" thin "$(colour "$1")" "$(mark "$1")" ""
    else
        add "$chart-train$1" plain "$(colour "$1")" "$(mark "$1")" "$2"
    fi
    add "$chart-valid$1" marks "$(colour "$1")" "$(mark "$1")" "$2"
    add_parts 4
}

# add_blocks N: the zeros of the N blocks of the only run.
add_blocks() {
    for i in $(seq "$1"); do
        curve "$x" $((9 + i)) "$x_unit" "$y_unit" < "$work/run1" > "$work/zeros-$i"
        label=
        [ "$1" -gt 8 ] && [ "$i" -gt 1 ] && [ "$i" -lt "$1" ] || label="block $i"
        add "zeros-$i" marks "$(shade "$i" "$1")" "$(mark "$i")" "$label"
    done
}

# add_runs NAMED: one column of every run, or its losses.
add_runs() {
    for run in $runs; do
        label=
        [ "$1" != yes ] || label=$(short_name_of "$run")
        [ "$n_parts" -eq 0 ] || label="all parts"
        case $chart in
        tokens | hours)
            add_losses "$run" "$label"
            continue
            ;;
        zeros | bpc) style=marks ;;
        *) style=plain ;;
        esac
        curve "$x" "$y" "$x_unit" "$y_unit" < "$work/run$run" > "$work/$chart-$run"
        [ "$chart" = bpc ] || [ "$n_parts" -eq 0 ] || label=
        add "$chart-$run" "$style" "$(colour "$run")" "$(mark "$run")" "$label"
        [ "$chart" != bpc ] || add_parts 8
    done
}

# ---- a chart

over_tokens() {
    x=1 x_unit=${token_unit%% *} x_label=${token_unit#* } x_extent=$token_extent
}
over_time() {
    x=2 x_unit=${time_unit%% *} x_label=${time_unit#* } x_extent=$time_extent
}

# Axes and title of $chart.
describe() {
    kind=any y_unit=1
    over_tokens
    case $chart in
    tokens | hours)
        kind=loss
        what="Loss, nats a token: lines training, marks validation"
        [ "$chart" = tokens ] || over_time
        [ "$(greatest 4)" != 0 ] || what="Loss in training, nats a token"
        ;;
    bpc)
        kind=loss y=8 what="Validation, bits per character"
        over_time
        ;;
    lr) kind=zero y=5 y_unit=0.001 what="Learning rate, thousandths" ;;
    speed) kind=speed y=6 y_unit=${speed_unit%% *} what="Speed, ${speed_unit#* }" ;;
    grad) kind=log y=7 what="Norm of the gradient, before clipping" ;;
    zeros) y=9 y_unit=0.01 what="Ternary weights that are 0, %" ;;
    esac
}

# write_chart LEFT RIGHT YMIN YMAX LOG: names stand at the ends of the curves if they are few and short, else in a key.
write_chart() {
    echo "set title; unset label; unset key; set label 1 '$what' at graph 0, graph 1.08 left textcolor rgb '#$ink'"
    echo "set xlabel '$x_label' noenhanced textcolor rgb '#$ink'"
    [ "$5" -eq 0 ] && echo "unset logscale y" || echo "set logscale y"
    [ "$form" = text ] || echo "set rmargin $([ -n "$direct" ] && echo "$longest" || echo 2)"
    if [ -n "$direct" ]; then
        sort -g -r "$work/$chart.named" |
            awk -F '\t' -v low="$3" -v high="$4" -v logarithmic="$5" -f "$parts/labels.awk"
    elif [ "$n_names" -gt 0 ]; then
        echo "set key top right maxrows $rows samplen 1.5 textcolor rgb '#$ink'"
    fi
    echo "plot [$1:$2] [$3:$4] $plots"
}

# draw CHART NAMED: leaves $work/CHART.gp, or nothing if no log has anything of it. NAMED is yes for the chart that
# names the runs.
draw() {
    chart=$1 n_names=0 files='' plots=''
    describe
    n_blocks=0
    [ "$chart$n_runs" != zeros1 ] || n_blocks=$(awk -F '\t' 'NF - 9 > most { most = NF - 9 } END { print most + 0 }' "$work/run1")
    if [ "$n_blocks" -gt 0 ]; then
        what="$what, by blocks"
        add_blocks "$n_blocks"
    else
        add_runs "$2"
    fi
    [ -n "$plots" ] || return 0
    rows=$((n_names < 4 ? n_names : (n_names + 1) / 2))
    headroom=$(printf "0.%02d" $((rows * 22)))
    [ $kind != loss ] || [ $n_names -gt 3 ] || headroom=0
    longest=0
    [ $n_names -eq 0 ] || longest=$(cut -f 3 "$work/$chart.named" | wc -L)
    direct=
    [ "$form" = text ] || [ $n_names -lt 2 ] || [ $n_names -gt 8 ] || [ "$longest" -gt 14 ] || direct=yes headroom=0
    # shellcheck disable=SC2046,SC2086 # lists of names and numbers
    write_chart $x_extent $(range $kind $headroom $files) > "$work/$chart.gp"
}
