# shellcheck shell=sh disable=SC2154 # variables of plot-loss
# What charts become: SVG, PNG, a page, or characters. Read by scripts/plot-loss after charts.sh.

# gnuplot_file TERMINAL COLUMNS FILE CHART...: charts side by side in one file of $work, or on standard output.
gnuplot_file() {
    terminal=$1 columns=$2 file=$3
    shift 3
    {
        echo "set encoding utf8; set terminal $terminal"
        [ -z "$file" ] || echo "set output '$file'"
        [ "$form" = text ] || {
            echo "set lmargin 6.5; set tmargin 2.5; set bmargin $([ "$form" = png ] && echo 3.2 || echo 2.5)"
            echo "set xtics offset 0,$([ "$form" = png ] && echo 0 || echo 0.3); set xlabel offset 0,$([ "$form" = png ] && echo 0.3 || echo 1)"
            echo "set grid lt 1 lw 0.7 lc rgb '#b0808080'"
        }
        echo "set border 3 lw 0.7 lc rgb '#$ink'; set tics nomirror out scale 0.5 textcolor rgb '#$ink'"
        [ $# -eq 1 ] || echo "set multiplot layout $((($# + columns - 1) / columns)),$columns"
        for chart in "$@"; do cat "$work/$chart.gp"; done
    } > "$work/all.gp"
    (cd "$work" && gnuplot all.gp) || fail "gnuplot failed"
}

html_text() {
    sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'
}

# The names of all runs, for a title.
all_names() {
    paste -s -d, "$work/names" | sed 's/,/, /g'
}

# svg NAME COLUMNS CHART... > an SVG, which may be shown in any size
svg() {
    name=$1 columns=$2
    shift 2
    [ $# -gt 1 ] || columns=1
    rows=$((($# + columns - 1) / columns))
    gnuplot_file "svg size $((columns * 480)),$((rows * 320)) fixed font 'sans-serif,15' noenhanced name '$name'" \
        "$columns" "$name.svg" "$@"
    awk -v title="Training of $(all_names | sed 's/\\/\\\\/g' | html_text)" -f "$parts/tidy-svg.awk" "$work/$name.svg"
}

# png CHART... > a PNG
png() {
    columns=$(($# > 1 ? 2 : 1))
    rows=$((($# + columns - 1) / columns))
    gnuplot_file "pngcairo size $((columns * 640)),$((rows * 430)) font 'sans-serif,13' noenhanced" \
        $columns all.png "$@"
    cat "$work/all.png"
}

# ---- the page

# Last reports, a row a run.
table() {
    echo '<table><thead><tr><th>run<th>steps<th>tokens<th>time<th>done<th>loss<th>validation, best<th>bits a character<th>tokens/s</thead><tbody>'
    for run in $runs; do
        case $(mark "$run") in
        7) sign='●' ;; 5) sign='■' ;; 9) sign='▲' ;; 13) sign='◆' ;; 11) sign='▼' ;; 6) sign='○' ;; 4) sign='□' ;; *) sign='△' ;;
        esac
        printf '<tr><th><span style="color:#%s">%s</span> %s' "$(colour "$run")" $sign "$(name_of "$run" | html_text)"
        jq -s -r -f "$parts/row.jq" "$work/json$run"
    done
    echo '</tbody></table>'
}

# page CHART... > one file of HTML with every chart
page() {
    title=$(all_names | html_text)
    reload=
    [ -z "$refresh" ] || reload="<meta http-equiv=\"refresh\" content=\"$refresh\">"
    cat << END
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
$reload
<title>Training: $title</title>
<style>
$(cat "$parts/page.css")
</style>
<h1>Training: $title</h1>
<p>Drawn $(date '+%Y-%m-%d %H:%M %Z')${refresh:+, reloaded every $refresh seconds}. A row is the last report of a run.</p>
<div>
END
    table
    echo '</div><main>'
    for chart in "$@"; do
        # names are one space for the whole page
        svg "$chart" 1 "$chart" > "$work/drawn"
        sed "/^<?xml/d; s/\\(gpPt\\|gpDot\\|textbox\\|greybox\\|gnuplot_canvas\\)/$chart-\\1/g
            s/rgb(122, *122, *122)/var(--ink)/g; s/^<svg/<svg role=\"img\"/" "$work/drawn"
    done
    echo '</main></html>'
}
