#!/usr/bin/env bats
# Charts of what train logs, and README's pictures.

load helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

needs_plot() {
    command -v gnuplot > /dev/null || skip "gnuplot is not installed"
}

# plot STATUS [ARGUMENT]...
plot() {
    run --separate-stderr "$ROOT/scripts/plot-loss" "${@:2}"
    [ "$status" -eq "$1" ] || flunk "plot-loss: exit status $status, expected $1"
}

# curves FILE.svg: what one chart shows, in the numbers of its axes, as its ticks tell them: a line of "x,y" a curve, then
# one of those that have a mark (the key's own among them).
curves() {
    awk '
        /<path/ { while ($0 !~ /\/>/ && (getline more) > 0) $0 = $0 " " more }
        function number(text) { gsub(/<[^>]*>|[ \t]/, "", text); return text + 0 }
        /text-anchor="(end|middle)"/ && match($0, /d=.M[0-9.]*,[0-9.]*/) {
            split(substr($0, RSTART + 4, RLENGTH - 4), at, ",")
            axis = /"end"/ ? "y" : "x"
            pixel = axis == "y" ? at[2] : at[1]
            getline
            value = number($0)
            if (n[axis]++ == 0) { v0[axis] = value; p0[axis] = pixel }
            else scale[axis] = (value - v0[axis]) / (pixel - p0[axis])
        }
        function place(x, y) {
            return sprintf(" %.2f,%.2f", v0["x"] + (x - p0["x"]) * scale["x"], v0["y"] + (y - p0["y"]) * scale["y"])
        }
        /<g id="[a-z]*_plot_/ { inside = depth + 1; marks = "" }
        inside && match($0, /<path[^>]* d=.[^>]*>/) {
            path = substr($0, RSTART, RLENGTH)
            sub(/.* d=./, "", path)
            sub(/^M[0-9.,]* L[0-9.,]* M/, "M", path)     # the sample in the key
            k = split(path, step, " ")
            line = ""
            for (i = 1; i <= k; i++)
                if (split(substr(step[i], 2), at, ",") == 2) line = line (step[i] ~ /^M/ && line ? " /" : "") place(at[1], at[2])
            print "curve" line
        }
        inside && /<use / && match($0, /translate\([0-9.,]*/) {
            split(substr($0, RSTART + 10, RLENGTH - 10), at, ",")
            marks = marks place(at[1], at[2])
        }
        {
            depth += gsub(/<g[ >]/, "") - gsub(/<\/g>/, "")
            if (inside && depth < inside) {
                if (marks) print "marks" marks
                inside = 0
            }
        }' "$1"
}

# One million tokens and one hour a report, the validation every other one.
hand_made_log() {
    cat << 'END'
{"step":1,"tokens":1000000,"epoch":0,"loss":8,"lr":0.001,"tok_s":10000,"grad_norm":2,"progress":0.25,"elapsed":3600}
{"step":2,"tokens":2000000,"epoch":0,"loss":6.5,"lr":0.004,"tok_s":30000,"grad_norm":1,"progress":0.5,"elapsed":7200,"val_loss":6.25,"val_bpc":3,"zero_share":0.3,"block_zero_share":[0.25,0.35]}
{"step":3,"tokens":3000000,"epoch":0,"loss":4,"lr":0.002,"tok_s":20000,"grad_norm":1.5,"progress":0.75,"elapsed":14400}
{"step":4,"tokens":4000000,"epoch":0,"loss":3.75,"lr":0.001,"tok_s":20000,"grad_norm":1,"progress":1,"elapsed":18000,"val_loss":3.5,"val_bpc":1.6875,"zero_share":0.34,"block_zero_share":[0.3,0.38]}
END
}

@test "plot-loss: every curve goes through the values of the log" {
    needs_plot
    hand_made_log > log.jsonl
    shows() {
        plot 0 -c "$1" -o chart.svg log.jsonl
        curves chart.svg > shown
        for line in "${@:2}"; do
            grep -qF -- "$line" shown || flunk "$1: no '$line' in: $(cat shown)"
        done
    }
    shows tokens "curve 1.00,8.00 2.00,6.50 3.00,4.00 4.00,3.75" "curve 2.00,6.25 4.00,3.50" "marks 2.00,6.25 4.00,3.50"
    shows hours "curve 1.00,8.00 2.00,6.50 4.00,4.00 5.00,3.75" "curve 2.00,6.25 5.00,3.50"
    shows bpc "curve 2.00,3.00 5.00,1.69" "marks 2.00,3.00 5.00,1.69"
    shows lr "curve 1.00,1.00 2.00,4.00 3.00,2.00 4.00,1.00"
    shows speed "curve 1.00,10.00 2.00,30.00 3.00,20.00 4.00,20.00"
    shows grad "curve 1.00,2.00 2.00,1.00 3.00,1.50 4.00,1.00"
    shows zeros "curve 2.00,25.00 4.00,30.00" "curve 2.00,35.00 4.00,38.00"
    grep -qF 'thousand tokens' chart.svg && flunk "wrong unit"
    grep -qF 'million tokens' chart.svg
    # all of them in one file; bits per character where nats a token say nothing
    plot 0 -o chart.svg log.jsonl
    [ "$(grep -c '<text>million tokens' chart.svg)" -eq 5 ]
    run grep 'bits per character' chart.svg
    [ "$status" -eq 1 ]
    sed 's/"val_bpc":[0-9.]*/"val_bpc":1.25/' log.jsonl > finer.jsonl
    plot 0 -o chart.svg log.jsonl finer.jsonl
    grep -q 'bits per character' chart.svg
    # a second run beside it: whole models
    mkdir other
    sed 's/"zero_share":0.3,/"zero_share":0.5,/' log.jsonl > other/log.jsonl
    plot 0 -c zeros -o chart.svg log.jsonl other
    curves chart.svg > shown
    grep -qF "curve 2.00,30.00 4.00,34.00" shown
    grep -qF "curve 2.00,50.00 4.00,34.00" shown
}

@test "plot-loss: a log that is being written, of a run that fell back, without validation, of one report" {
    needs_plot
    hand_made_log | head -c 500 > log.jsonl
    plot 0 -c tokens -o chart.svg log.jsonl
    contains "$(curves chart.svg)" "curve 1.00,8.00 2.00,6.50"
    { hand_made_log | head -n 3; hand_made_log | tail -n 3; } > log.jsonl
    plot 0 -c tokens -o chart.svg log.jsonl
    contains "$(curves chart.svg)" "curve 1.00,8.00 2.00,6.50 3.00,4.00 / 2.00,6.50 3.00,4.00 4.00,3.75"
    hand_made_log | jq -c 'del(.val_loss, .val_bpc, .zero_share, .block_zero_share)' > log.jsonl
    plot 0 -o chart.svg log.jsonl
    contains "$(cat chart.svg)" "Loss in training"
    [[ $(cat chart.svg) != *"that are 0"* ]]
    hand_made_log | sed -n 2p > log.jsonl
    plot 0 -c tokens -o chart.svg log.jsonl
    contains "$(curves chart.svg)" "2.00,6.50"
    contains "$(curves chart.svg)" "2.00,6.25"
    : > log.jsonl
    plot 1 -o chart.svg log.jsonl
    one_error_line plot-loss "log.jsonl: no report yet"
    cp log.jsonl empty.jsonl
    hand_made_log > log.jsonl
    plot 0 -o chart.svg empty.jsonl log.jsonl
    [ "$stderr" = "plot-loss: empty.jsonl: no report yet" ]
    plot 0 --help
    contains "$output" "LOG is a log.jsonl"
    echo '{"other":1}' > log.jsonl
    plot 1 -o chart.svg log.jsonl
    one_error_line plot-loss "log.jsonl: not a log of train"
    plot 1 missing.jsonl
    one_error_line plot-loss "missing.jsonl"
    plot 1 -o no/folder.svg log.jsonl
    plot 2 -c wrong log.jsonl
}

@test "plot-loss: each part of the data has a curve with its name at the end" {
    needs_plot
    hand_made_log | jq -c 'if .val_loss then .val_parts = {tiny: {loss: (.val_loss - 1), bpc: (.val_bpc / 2)},
        "a b'"'"'s": {loss: (.val_loss + 1), bpc: (.val_bpc * 2)}} else . end' > log.jsonl
    plot 0 -c tokens -o chart.svg log.jsonl
    curves chart.svg > shown
    for line in "2.00,6.25 4.00,3.50" "2.00,5.25 4.00,2.50" "2.00,7.25 4.00,4.50"; do
        grep -qF "marks $line" shown || flunk "no '$line' in: $(cat shown)"
    done
    # from the highest curve to the lowest
    grep -oE "<text>(a b.s|all parts|tiny)</text>" chart.svg > order
    [ "$(sed 's/<[^>]*>//g' order)" = "a b's"$'\n'"all parts"$'\n'tiny ] || flunk "names stand as: $(cat order)"
    plot 0 -c bpc -o chart.svg log.jsonl
    curves chart.svg > shown
    grep -qF "marks 2.00,1.50 5.00,0.84" shown
    # beside another run they are whole models
    mkdir other
    hand_made_log > other/log.jsonl
    plot 0 -c tokens -o chart.svg log.jsonl other
    curves chart.svg > shown
    [ "$(grep -c '^marks' shown)" -eq 2 ]
}

@test "plot-loss: of very many points the extremes stay, and the first 2 % may leave the chart" {
    needs_plot
    awk 'BEGIN { for (i = 1; i <= 9000; i++) {
        loss = i == 6543 ? 7 : i == 7654 ? 1 : i < 90 ? 100 : 3 + i % 2 / 10
        printf "{\"tokens\":%d,\"loss\":%.1f}\n", i * 1000, loss } }' > log.jsonl
    plot 0 -c tokens -o chart.svg log.jsonl
    curves chart.svg > shown
    grep -qE ' 6\.54,7\.00 .* 7\.65,1\.00 ' shown
    [ "$(wc -w < shown)" -lt 1500 ]
    [[ $(cat shown) != *",100.00"* ]]
}

@test "plot-loss: one page for a browser, pictures, and characters on the terminal" {
    needs_plot
    mkdir -p runs/first/out "runs/<it's> & more/out"
    hand_made_log > runs/first/out/log.jsonl
    hand_made_log | head -n 3 > "runs/<it's> & more/out/log.jsonl"
    plot 0 -r 300 -o page.html runs/*/out
    [ -z "$output$stderr" ]
    contains "$(cat page.html)" 'http-equiv="refresh" content="300"'
    contains "$(cat page.html)" "&lt;it's&gt; &amp; more"
    contains "$(tr -d '\n' < page.html)" '<td>4<td>4,000,000<td>5 h 0 min<td>100 %<td>3.750<td>3.500<td>1.688<td>20,000'
    [ "$(grep -c '<svg' page.html)" -eq 6 ]
    run grep -nE '<script|https?://[^w]|<it' page.html
    [ "$status" -eq 1 ] || flunk "the page asks for something, or a name is not escaped"
    plot 0 -o page.html runs/first/out
    [[ $(cat page.html) != *refresh* ]]
    plot 0 -o chart.png runs/*/out
    [ "$(od -A n -t x1 -N 4 chart.png)" = " 89 50 4e 47" ]
    name=üüüüüüüüüüüüüüüüüüüü
    mkdir "$name"
    hand_made_log > "$name/log.jsonl"
    LC_ALL=C plot 0 -c tokens -o chart.svg "$name"
    [ -z "$stderr" ] || flunk "not silent in the locale that cron has"
    contains "$(cat chart.svg)" "<text>...üüüüüüüüüüü</text>"
    ln -s "$ROOT/scripts/plot-loss" drawer # its parts are where it is itself
    run ./drawer runs/first/out
    [ "$status" -eq 0 ]
    contains "$output" " out "
    contains "$output" "million tokens"
    [ -z "$(find . -name '*.part*')" ]
    plot 1 -r 300 -o chart.svg runs/first/out
    one_error_line plot-loss "-r is for a page"
    # a page without its charts is none
    cp page.html before
    mkdir bin
    printf '#!/bin/sh\nexit 1\n' > bin/gnuplot
    chmod +x bin/gnuplot
    PATH=$PWD/bin:$PATH plot 1 -o page.html runs/first/out
    one_error_line plot-loss "gnuplot failed"
    same page.html before
}

@test "make pictures: the pictures of README show what the figures say" {
    needs_plot
    run make -s -C "$ROOT" pictures PICTURES="$PWD/drawn"
    [ "$status" -eq 0 ] || flunk "make pictures failed"
    same drawn/still.svg "$ROOT/docs/pictures/still.svg"
    # another gnuplot may draw the same with other bytes
    curves drawn/loss.svg > now
    curves "$ROOT/docs/pictures/loss.svg" > kept
    same now kept
    [ "$(grep -c '^marks' now)" -eq "$(find "$ROOT/docs/figures" -name '*.jsonl' | wc -l)" ]
}

@test "still: text of a terminal as a picture; lines that are too long are refused" {
    printf '%s\n' '$ cat <a> & b' 'Zoë said: "x"' > text
    "$ROOT/scripts/still" 'A "still" of <x>' < text > out.svg
    contains "$(cat out.svg)" '>$ cat &lt;a&gt; &amp; b</text>'
    contains "$(cat out.svg)" '<title>A "still" of &lt;x&gt;</title>'
    contains "$(cat out.svg)" '>Zoë said: "x"</text>'
    run bash -c "printf '%0101d\n' 1 | '$ROOT/scripts/still' x"
    [ "$status" -eq 1 ]
    contains "$output" "line 1: too long (found 101 characters"
    run bash -c "printf 'a\n\033[1mb\n' | '$ROOT/scripts/still' x"
    [ "$status" -eq 1 ]
    contains "$output" "line 2: a control character"
    [[ $output != *svg* ]]
    contains "$("$ROOT/scripts/still" 'C:\new' < text)" '<title>C:\new</title>'
    run bash -c "'$ROOT/scripts/still' x < /dev/null"
    [ "$status" -eq 1 ]
}
