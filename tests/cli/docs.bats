#!/usr/bin/env bats
# What README and its like tell people to type: marked blocks run, and options that are named exist.
#
# A block of code is marked by a line <!-- run: NAME --> before it.

load helpers

blocks() {
    mkdir -p "$2"
    awk -v dir="$2" -f "$ROOT/tests/support/docs-blocks" "$ROOT/$1"
}

# The project's folder, as commands that are written for it see it: with the programs of this build,
# and room for what they make.
stand_in() {
    mkdir -p here
    for entry in Makefile scripts common tools tests examples bindings; do ln -s "$ROOT/$entry" here/; done
    ln -s "$BUILD" here/build
    cd here || return
    build/stories --seed 11 --mb 0.4 | gzip > letters.txt.gz
    build/stories --seed 12 --mb 0.1 > notes.txt
    zip -q notes.zip notes.txt
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

@test "README: a model of one's own text, by the commands that stand there" {
    blocks README.md blocks
    stand_in
    sed -i 's/HOURS=0.25/HOURS=0.002 ARGS="--dim 32 --hidden 64 --seq-len 32"/' ../blocks/own-text
    grep -q 'HOURS=0.002' ../blocks/own-text
    run --separate-stderr bash -eu ../blocks/own-text < /dev/null
    [ "$status" -eq 0 ] || flunk "a command failed"
    case $output in *"Once upon a time"*) ;; *) flunk "no story" ;; esac
    case $output$stderr in *"bits per character"*) ;; *) flunk "no evaluation" ;; esac
    [ -s model.bolt ]
}

@test "docs/files.md: shards, vocabulary and checkpoint are read in Python as it says" {
    python=${PYTHON:-python3}
    "$python" -c 'import numpy, safetensors' 2> /dev/null || skip "$python lacks numpy or safetensors"
    blocks docs/files.md blocks
    stand_in
    build/prep -q -o data --vocab-size 400 notes.txt
    build/train -q --data data --save-dir checkpoints --dim 16 --blocks 1 --hidden 16 --seq-len 16 --steps 2 --eval-every 1 \
        --sample-every 0
    run --separate-stderr "$python" - < ../blocks/read.py
    [ "$status" -eq 0 ] || flunk "the Python failed"
    # The first story, as text, stands in what prep read.
    story=$(printf '%s\n' "$output" | grep -m 1 '^[A-Z]')
    grep -qF "${story:0:40}" notes.txt || flunk "not a story that went in: $story"
}

@test "every option that the documents name exists" {
    wrong=
    for program in prep train export sample eval; do
        "$BUILD/$program" --help > "$program.help"
    done
    n_seen=0
    for page in "$ROOT"/{README,FAQ,BENCH,RECIPES}.md "$ROOT"/docs/*.md; do
        while IFS= read -r line; do
            n_seen=$((n_seen + 1))
            # Words after a program's name, up to the end of its command.
            for program in prep train export sample eval; do
                words=$(grep -oE "(^|[ /])$program( [^|#;&]*|\$)" <<< "$line") || continue
                for option in $(grep -oE -- ' --[a-z][a-z0-9-]*' <<< "$words"); do
                    grep -qE -- "(^|[ ,])$option([ ,=]|\$)" "$program.help" || wrong="$wrong ${page##*/}: $program $option;"
                done
            done
        done < <(awk -v all=1 -f "$ROOT/tests/support/docs-blocks" "$page")
    done
    [ "$n_seen" -gt 100 ]
    [ -z "$wrong" ] || flunk "no such option:$wrong"
}
