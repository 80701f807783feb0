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

@test "CONTRIBUTING: one test by itself" {
    blocks CONTRIBUTING.md blocks
    stand_in
    run --separate-stderr bash -eu ../blocks/one-test < /dev/null
    [ "$status" -eq 0 ] || flunk "a command failed"
    contains "$output$stderr" "PASSED"
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

@test "docs/training.md: parts and a curriculum, by the commands that stand there" {
    blocks docs/training.md blocks
    stand_in
    build/stories --seed 13 --mb 0.1 > TinyStories.txt
    cp notes.txt openstax.txt
    build/stories --seed 14 --count 50 | jq -R -s 'split("<|endoftext|>")[] | {text: .}' > fineweb.jsonl
    sed -i 's/--hours 8/--steps 6 --dim 16 --blocks 1 --hidden 16 --seq-len 16/' ../blocks/school
    grep -q -- '--steps 6' ../blocks/school
    run --separate-stderr bash -eu ../blocks/school < /dev/null
    [ "$status" -eq 0 ] || flunk "a command failed"
    build/train --status checkpoints --json | jq -e '.val_parts.edu.loss > 0'
}

@test "the examples of the manuals run one after the other, as the pages are installed" {
    stand_in
    mkdir bin
    for program in prep train export sample eval; do
        ln -s "$BUILD/$program" bin/bolt-$program
        "$ROOT/scripts/man-page" "$ROOT/tools/$program/$program.1" |
            sed -n '/^\.SH EXAMPLES/,/^\.SH [^E]/{/^\.EX/,/^\.EE/{/^\.E/!p}}' | sed 's/\\-/-/g; s/\\(aq/'"'"'/g; s/\\e/\\/g' > $program.sh
        [ "$(wc -l < $program.sh)" -gt 3 ] || flunk "no examples of $program"
    done
    # the files they name, and sizes for a test
    build/stories --seed 13 --count 400 > TinyStories-train.txt
    build/stories --seed 14 --count 60 | tee valid.txt TinyStories.txt openstax.txt a.txt b.txt > TinyStories-valid.txt
    tar -czf TinyStories_all_data.tar.gz TinyStories.txt
    mkdir more
    gzip -c TinyStories-train.txt > more/a.gz
    build/stories --seed 15 --count 60 | jq -R -s -c 'split("<|endoftext|>")[] | {text: .}' | tee fineweb.jsonl > fineweb-1.jsonl
    build/stories --seed 16 --count 60 | jq -R -s -c 'split("<|endoftext|>")[] | {story: .}' > new-stories.jsonl
    zstd -q fineweb-1.jsonl
    cp valid.txt stories.txt
    gzip -k valid.txt
    echo 'Once upon a time' > prompts.txt
    printf '50%%: tiny\n50%%: tiny 1 to 0, edu 1 to 3\n' > stages.txt
    sed -i 's/ --vocab-size 4096/ --vocab-size 400/; /--tokenizer gpt2/d' prep.sh
    # what another page's example wrote
    sed -i '/--vocab-from tokenizer.json/i bolt-export data/vocab.db -o tokenizer.json' prep.sh
    sed -i 's/ --small//; s/ --dim 128 --blocks 4/ --blocks 4/; s/ --hours [0-9]*//; s/ --epochs 2//
        /^bolt-train/{/--status/!s/$/ --dim 16 --hidden 16 --seq-len 16 --steps 3 --eval-every 1 --sample-every 0/}
        /--resume/s/.*/bolt-train --data data --resume --steps 4/; /--blocks 4/!s/ --dim 16/ --blocks 1 --dim 16/' train.sh
    sed -i 's/ --count 100 / --count 3 -n 5 -t 0 -p "Once upon a time" /' eval.sh # a model that knows no text yet
    for program in prep train export sample eval; do
        PATH=$PWD/bin:$PATH run --separate-stderr bash -eux -o pipefail $program.sh < /dev/null
        [ "$status" -eq 0 ] || flunk "the examples of $program.1"
    done
    [ -s model.bolt ] && [ -s story.c ] && [ -s story.onnx ] && [ -s story/config.json ]
}

# documents: every text that names options, as lines of code: "PAGE<tab>LINE".
documents() {
    for page in *.md docs/*.md bindings/*/README.md examples/*/README.md common/*/*.md; do
        awk -v all=1 -f tests/support/docs-blocks "$page" | sed "s|^|$page\t|"
    done
    for page in tools/*/*.1 common/bolt/bolt.3; do
        mandoc -T ascii -O width=500 "$page" | sed "s/.$(printf '\b')//g; s|^|$page\t|"
    done
    grep -E '(^|[ /])(prep|train|export|sample|eval) -' scripts/*.* scripts/train-night examples/*.* | sed 's/:/\t/'
}

@test "every option that a document names exists" {
    (cd "$ROOT" && documents) > lines
    for program in prep train export sample eval; do
        "$BUILD/$program" --help | sed "s/^/$program\t/"
    done > help
    # the project's scripts have options, too; what is none of a program's stands in one of their texts
    cat "$ROOT"/scripts/{race,plot-loss,fetch,deps,parquet-stories,import-v4,lint} | sed "s/^/scripts\t/" > help-scripts
    run awk -F '\t' '
        FILENAME ~ /^help/ {
            while (match($2, /--[a-z][a-z0-9-]*/)) {
                has[$1, substr($2, RSTART, RLENGTH)] = any[substr($2, RSTART, RLENGTH)] = 1
                $2 = substr($2, RSTART + RLENGTH)
            }
            next
        }
        {
            n_lines++
            # words after a name, up to the end of its command or sentence
            line = $2
            if (line ~ /^--[a-z]/ && $1 !~ /\.[13]$/) {      # an option by itself, of any program
                split(line, word, /[ =,.;:)]/)
                n_options++
                if (!any[word[1]]) print $1 ": " word[1]
            }
            while (match(line, /(^|[ \/]|bolt-)(prep|train|export|sample|eval) +[^|#;&)]*/)) {
                command = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
                sub(/^([ \/]|bolt-)/, "", command)
                sub(/[.:] .*/, "", command)
                name = command
                sub(/ .*/, "", name)
                while (match(command, / --[a-z][a-z0-9-]*/)) {
                    n_options++
                    option = substr(command, RSTART + 1, RLENGTH - 1)
                    command = substr(command, RSTART + RLENGTH)
                    if (!has[name, option]) print $1 ": " name " " option
                }
            }
        }
        END { if (n_lines < 1000 || n_options < 250) print n_lines " lines, " n_options " options: too few to be all" }' \
        help help-scripts lines
    [ -z "$output" ] || flunk "no such option"
}

@test "BENCH.md and make bench have the same rows" {
    # programs that claim to be fast, in the place of some minutes
    mkdir stub
    cat > stub/train << 'END'
#!/bin/sh
echo '{"tok_s":21345.6,"share_of_peak":0.634,"precision":"bf16","threads":2,"rss_mb":271.8}'
END
    cat > stub/sample << 'END'
#!/bin/sh
echo '{"tok_s":31553,"tok_s_topk":30600,"int8_share":0.3,"us_blocks":12,"us_head":19,"us_per_token_split":23.9,"streams_tok_s":1,
    "load_ms":3.91,"position_ratio":0.99,"rss_anon_mb":3.7,"embed":"f16"}'
END
    chmod +x stub/*
    touch model.bolt
    BUILD=stub "$ROOT/scripts/bench" model.bolt > printed
    contains "$(cat printed)" '| 21,300 tokens/s, 63 % of the processor'"'"'s bf16 peak | `train --bench --small` |'
    contains "$(cat printed)" '| 41,800 tokens/s |'
    rows() {
        awk -F ' *\\| *' '/^## / { in_table = $0 ~ /^## (Training|Telling stories)$/ } /^### / { in_table = 0 }
            in_table && NF == 5 && $4 ~ /^(command$|`(train|sample) --bench)/ { print $2 " | " $4 }' "$1"
    }
    rows printed > printed.rows
    [ "$(wc -l < printed.rows)" -gt 15 ]
    rows "$ROOT/BENCH.md" | grep -vx ' | command' | diff - printed.rows || flunk "they differ"
    # no model, and a processor that lacks an instruction set
    printf '#!/bin/sh\nexit 2\n' > stub/train
    BUILD=stub "$ROOT/scripts/bench" > printed
    contains "$(cat printed)" '| not measured: needs a model.bolt | `sample --bench model.bolt` |'
    contains "$(cat printed)" '| not measured: this processor lacks these instructions |'
    # a table of nothing would look like a result
    BUILD=stub run "$ROOT/scripts/bench" other.bolt
    [ "$status" -eq 1 ]
    [ "$output" = "bench: other.bolt: no such file" ]
    BUILD=none run "$ROOT/scripts/bench"
    [ "$status" -eq 1 ]
}

@test "every file and every target of make that a document names exists" {
    cd "$ROOT" || return
    # "run" is examples/cortex-m's
    { make -s help | sed -n 's/^  make \([^ ]*\).*/\1/p'; echo run; sed -n 's/^    *\([a-z-]*\)).*/check-\1/p' tests/run; } | sort > "$BATS_TEST_TMPDIR/targets"
    for page in {[!C]*,CONTRIBUTING}.md docs/*.md bindings/*/README.md examples/*/README.md; do # CHANGELOG tells of what is gone
        awk -v all=1 -f tests/support/docs-blocks "$page" > "$BATS_TEST_TMPDIR/code"
        grep -oE '(^|[ (])(common|tools|tests|scripts|docs|examples|bindings|\.ci)/[A-Za-z0-9._/-]+' "$BATS_TEST_TMPDIR/code" |
            sed -E 's/^[ (]//; s/[.,:]+$//' | grep -v NAME | sort -u | while read -r file; do
            [ -e "$file" ] || compgen -G "$file.*" > /dev/null || echo "$page: $file"
        done
        grep -oE '\]\([^)#]+' "$page" | cut -c 3- | grep -v '^https:' | sort -u | while read -r file; do
            [ -e "$(dirname "$page")/$file" ] || echo "$page: a link to $file"
        done
        grep -oE '(^|[ (])make [a-z][a-z-]*' "$BATS_TEST_TMPDIR/code" | sed 's/.*make //' | sort -u |
            comm -23 - "$BATS_TEST_TMPDIR/targets" | sed "s|^|$page: make |"
    done > "$BATS_TEST_TMPDIR/wrong"
    [ ! -s "$BATS_TEST_TMPDIR/wrong" ] || flunk "not there: $(cat "$BATS_TEST_TMPDIR/wrong")"
}
