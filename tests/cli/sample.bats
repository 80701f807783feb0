#!/usr/bin/env bats
# sample: what it prints, from where its prompts come, and how it fails.
# shellcheck disable=SC2016 # programs of bash -c and jq stand in single quotes

load helpers

setup_file() {
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run"
    local checkpoints=("$BATS_FILE_TMPDIR"/run/step-*.safetensors)
    cp "${checkpoints[-1]}" "$BATS_FILE_TMPDIR/model.safetensors"
    "$BUILD/export" -q "$BATS_FILE_TMPDIR/model.safetensors" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" \
        --embed f32 -o "$BATS_FILE_TMPDIR/model.bolt"
}

setup() {
    model=$BATS_FILE_TMPDIR/model.bolt
    cd "$BATS_TEST_TMPDIR" || return
}

# json KEY: a value of the first object of the last output.
json() {
    printf '%s\n' "${lines[0]}" | jq -r ".$1"
}

# story: the last output without the speed, which is never the same.
story() {
    printf '%s\n' "$output" | jq -c 'del(.tok_s)'
}

@test "sample: the story begins with the prompt, and comes again with the same seed" {
    succeeds sample "$model" -p "Once upon a time" -n 40
    first=$output
    contains "$first" "Once upon a time"
    [ "${#first}" -gt 20 ]
    [ -z "$stderr" ]
    succeeds sample "$model" -p "Once upon a time" -n 40 --seed 42
    [ "$output" = "$first" ]
    succeeds sample "$model" -p "Once upon a time" -n 40 --seed 43
    [ "$output" != "$first" ]
}

@test "sample: white space around a prompt is dropped" {
    succeeds sample "$model" -p "Once upon a time" -n 20
    first=$output
    succeeds sample "$model" -p $'  Once upon a time \n' -n 20
    [ "$output" = "$first" ]
}

@test "sample: a prompt's line ends may be those of any system" {
    succeeds sample "$model" -p $'Once upon\na time' -n 20
    want=$output
    for prompt in $'Once upon\r\na time' $'Once upon\ra time' $'\357\273\277Once upon\n\357\273\277a time'; do
        succeeds sample "$model" -p "$prompt" -n 20
        [ "$output" = "$want" ] || flunk "another story"
    done
    printf 'Once upon\na time\nTom\n' > lf
    feed lf sample --json "$model" -n 5
    want=$(story)
    [ "${#lines[@]}" -eq 3 ]
    for end in '\r\n' '\r' '\n\r\n'; do
        printf "Once upon${end}a time${end}Tom$end" > prompts
        feed prompts sample --json "$model" -n 5
        [ "$(story)" = "$want" ] || flunk "lines that end in $end tell other stories"
    done
}

@test "sample: a checkpoint with its vocabulary tells what the blob tells" {
    succeeds sample "$model" -p "The dog" -n 60
    first=$output
    succeeds sample --vocab "$BATS_FILE_TMPDIR/data/vocab.db" "$BATS_FILE_TMPDIR/model.safetensors" \
        -p "The dog" -n 60
    [ "$output" = "$first" ]
}

@test "sample: temperature 0 does not depend on the seed, nor does top-k 1" {
    succeeds sample "$model" -p "The" -n 30 -t 0 --seed 1
    first=$output
    succeeds sample "$model" -p "The" -n 30 -t 0 --seed 2
    [ "$output" = "$first" ]
    succeeds sample "$model" -p "The" -n 30 -k 1 --seed 3
    [ "$output" = "$first" ]
    succeeds sample "$model" -p "The" -n 30 -k 0 --top-p 0 --seed 4
    [ "$output" = "$first" ]
    succeeds sample "$model" -p "The" -n 30 -k 0 --min-p 1 --seed 5
    [ "$output" = "$first" ]
}

@test "sample: -n bounds the tokens drawn, and the prompt's are not counted" {
    succeeds sample --json "$model" -p "Once upon a time there was" -n 3 -t 5 -k 0 --seed 1
    [ "$(json stop)" = length ]
    [ "$(json n_tokens)" -eq 3 ]
    longer=$(json text)
    succeeds sample --json "$model" -p "Once upon a time there was" -n 2 -t 5 -k 0 --seed 1
    shorter=$(json text)
    contains "$longer" "$shorter"
}

@test "sample: the story is the same however far it may go" {
    succeeds sample "$model" -n 300
    long=$output
    succeeds sample "$model" -n 30
    [ "${long:0:${#output}}" = "$output" ]
}

@test "sample: --json prints one object a story and nothing else" {
    succeeds sample --json "$model" -p "One day" -p "Tom" --count 2 -n 10
    [ "${#lines[@]}" -eq 4 ]
    printf '%s\n' "$output" | jq -es '
        map(.prompt) == ["One day", "One day", "Tom", "Tom"] and
        map(.story) == [0, 1, 0, 1] and
        all(.prompt as $p | .text | startswith($p)) and
        all((.tokens | length) == .n_tokens and .n_tokens <= 10) and
        all(.stop == if .n_tokens == 10 then "length" else "eos" end) and
        all(.tok_s > 0) and
        .[0].tokens != .[1].tokens' || flunk "not as expected"
    succeeds sample "$model" -p "One day" --count 1 -n 10
    plain=$output
    succeeds sample --json "$model" -p "One day" -n 10
    [ "$(json text)" = "$plain" ]
}

@test "sample: a story does not depend on the stories before it" {
    succeeds sample --json "$model" -p "Tom" --count 3 -n 10
    alone=$(story)
    succeeds sample --json "$model" -p "One day" -p "Tom" --count 3 -n 10
    after=$(story | tail -n 3)
    [ "$alone" = "$after" ]
}

@test "sample: several stories are set apart as in a corpus, so that eval reads them" {
    succeeds sample "$model" --count 3 -n 30
    [ "$(printf '%s\n' "$output" | grep -c '^<|endoftext|>$')" -eq 2 ]
    printf '%s\n' "$output" > told.txt
    succeeds eval --json "$model" told.txt
    [ "$(json n_stories)" -eq 3 ]
}

@test "sample: prompts come from standard input, one a line, blank lines passed over" {
    printf 'One day\n\n  \nTom and Lily' > prompts
    feed prompts sample --json "$model" -n 5
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 2 ]
    contains "${lines[0]}" '"prompt":"One day"'
    contains "${lines[1]}" '"prompt":"Tom and Lily"'
    feed prompts sample --json "$model" -n 5 -p "The cat"
    [ "${#lines[@]}" -eq 1 ]
    contains "${lines[0]}" '"prompt":"The cat"'
}

@test "sample: without a prompt one story is told from its beginning" {
    succeeds sample --json "$model" -n 5
    [ "${#lines[@]}" -eq 1 ]
    [ -z "$(json prompt)" ]
    from_null=$(story)
    succeeds sample --json "$model" -n 5 -p ''
    [ "$(story)" = "$from_null" ]
    run --separate-stderr bash -c '"$0" --json "$1" -n 5 <&-' "$BUILD/sample" "$model"
    [ "$status" -eq 0 ]
    [ "$(story)" = "$from_null" ]
}

@test "sample: a mark in a prompt, as in lines of a corpus, is told" {
    printf 'Tom saw a dog.\n<|endoftext|>\nThe end.\n' > corpus
    feed corpus sample "$model" -n 2
    [ "$status" -eq 0 ]
    [ "$(printf '%s\n' "$stderr" | grep -c 'the prompt holds <|endoftext|>')" -eq 1 ]
    feed corpus sample -q "$model" -n 2
    [ -z "$stderr" ]
}

@test "sample: the output is valid UTF-8 to the last character, whatever the prompt" {
    printf 'Caf\xe9 \xf0\x9f\x98 \x00 na\xc3\xafve\n' > prompts
    feed prompts sample "$model" -n 100 -t 10 -k 0
    [ "$status" -eq 0 ]
    contains "$stderr" "not valid UTF-8: U+FFFD stands in 2 places"
    "$BUILD/sample" "$model" -n 200 -t 50 -k 0 < prompts > told
    iconv -f UTF-8 -t UTF-8 told > /dev/null
    grep -q 'naïve' told
}

@test "sample: options out of range are refused with their range" {
    fails 2 "--max-tokens" sample "$model" -n 0
    fails 2 "--max-tokens" sample "$model" -n 1x
    fails 2 "--temperature" sample "$model" --temperature -1
    fails 2 "--top-p" sample "$model" --top-p 1.5
    fails 2 "--min-p" sample "$model" --min-p nan
    fails 2 "--repeat-penalty" sample "$model" --repeat-penalty 0
    fails 2 "--top-k" sample "$model" --top-k -1
    fails 2 "--seed" sample "$model" --seed -1
    fails 2 "--cpu" sample "$model" --cpu z80
    fails 2 "nonsense" sample "$model" --nonsense
    fails 2 "MODEL" sample
    fails 2 "MODEL" sample "$model" "$model"
}

@test "sample: a model that is missing, empty, cut, changed or something else is one error" {
    fails 1 "missing.bolt: cannot open: No such file" sample missing.bolt
    : > empty.bolt
    fails 1 "empty.bolt: " sample empty.bolt
    head -c 5000 "$model" > cut.bolt
    fails 1 "cut.bolt: " sample cut.bolt
    cp "$model" bad.bolt
    printf '\x55' | dd of=bad.bolt bs=1 seek=6000 conv=notrunc status=none
    fails 1 "bad.bolt: " sample bad.bolt
    fails 1 "$BATS_FILE_TMPDIR/data/train.txt: " sample "$BATS_FILE_TMPDIR/data/train.txt"
    fails 1 "$BATS_TEST_TMPDIR" sample "$BATS_TEST_TMPDIR"
}

@test "sample: a checkpoint needs its own vocabulary" {
    fails 2 "--vocab" sample "$BATS_FILE_TMPDIR/model.safetensors"
    stories 5 400 > other.txt
    "$BUILD/prep" -q -o other --vocab-size 400 other.txt
    fails 1 "other/vocab.db: " sample --vocab other/vocab.db "$BATS_FILE_TMPDIR/model.safetensors"
    fails 1 "other/vocab.db: " sample --vocab other/vocab.db "$model"
    fails 1 "none.db: " sample --vocab none.db "$BATS_FILE_TMPDIR/model.safetensors"
}

@test "sample: a full disk and a closed pipe are errors" {
    run --separate-stderr bash -c '"$0" "$1" -n 50 > /dev/full < /dev/null' "$BUILD/sample" "$model"
    [ "$status" -eq 1 ]
    one_error_line sample "standard output: No space left on device"
    run --separate-stderr bash -c \
        '{ "$0" "$1" --count 1000 < /dev/null; echo "$?" > status; } | head -n 1' "$BUILD/sample" "$model"
    [ "$(cat status)" -eq 1 ]
    one_error_line sample "standard output: Broken pipe"
}

@test "sample: standard input that cannot be read is an error" {
    run --separate-stderr bash -c '"$0" "$1" < .' "$BUILD/sample" "$model"
    [ "$status" -eq 1 ]
    one_error_line sample "standard input: Is a directory"
}

@test "sample: -v tells the speed on standard error, -q silences it" {
    succeeds sample -v "$model" -n 5
    contains "$stderr" "tokens/s"
    succeeds sample -v -q "$model" -n 5
    [ -z "$stderr" ]
    [ -n "$output" ]
}

# stories_of [OPTION]...: JSON without the speeds, five stories of three prompts.
stories_of() {
    "$BUILD/sample" --json "$model" -p "One day" -p "Tom" -p "" --count 2 -n 25 "$@" < /dev/null |
        jq -c 'del(.tok_s)'
}

@test "sample: a long prompt is read by many threads, and the story after it is the same" {
    local prompt="One day" i
    for i in 1 2 3 4 5 6; do
        prompt+=" a little girl named Lily went to the park to play with her big red ball number $i,"
    done
    for math in int8 exact; do
        "$BUILD/sample" "$model" -p "$prompt" -n 20 --repeat-penalty 1.3 --math "$math" --threads 1 > one
        "$BUILD/sample" "$model" -p "$prompt" -n 20 --repeat-penalty 1.3 --math "$math" --threads 2 > many
        cmp one many
    done
}

@test "sample: the same stories with any number of threads, in both kinds of arithmetic" {
    for math in int8 exact; do
        stories_of --math "$math" --threads 1 > one
        for threads in 2 3 8; do
            stories_of --math "$math" --threads "$threads" > many
            same one many
        done
        [ "$(wc -l < one)" -eq 6 ]
        mv one "$math"
    done
    run cmp int8 exact # log-probabilities at least
    [ "$status" -eq 1 ]
}

@test "sample: the same stories at every level of instructions, in both kinds of arithmetic" {
    for math in int8 exact; do
        stories_of --math "$math" > best
        for level in c v128 avx2 avx512 avx512vnni avx512bf16; do
            "$BUILD/sample" -q --cpu "$level" "$model" -n 1 < /dev/null > told 2>&1 ||
                { contains "$(cat told)" "--cpu" && continue; }
            stories_of --math "$math" --cpu "$level" > other
            same best other
        done
    done
}

@test "sample: a draw that needs some exact logits tells what one tells that is given all" {
    for options in "--temperature 0" "--temperature 1.2" "--top-k 4 --top-p 0.9" "--top-k 40 --ignore-eos" "--top-k 0"; do
        # shellcheck disable=SC2086 # several options
        "$BUILD/sample" "$model" -p "One day" -n 60 --math exact --threads 2 $options < /dev/null > some
        # shellcheck disable=SC2086
        "$BUILD/sample" --json "$model" -p "One day" -n 60 --math exact $options < /dev/null |
            jq -rj 'select(.text).text' > all # with log-probabilities
        [ "$(wc -c < all)" -gt 60 ]
        [ "$(head -c "$(wc -c < all)" some)" = "$(cat all)" ]
    done
}

@test "sample: a story is the same alone and in a large batch" {
    "$BUILD/sample" --json "$model" -p "One day" --count 70 -n 15 --threads 2 < /dev/null |
        jq -c 'del(.tok_s)' > many
    [ "$(wc -l < many)" -eq 70 ]
    "$BUILD/sample" --json "$model" -p "One day" --count 3 -n 15 --threads 1 < /dev/null |
        jq -c 'del(.tok_s)' > few
    head -n 3 many > first
    same few first
    for _ in 1 2 3; do
        "$BUILD/sample" --json "$model" -p "One day" -n 15 < /dev/null | jq -c 'del(.tok_s)' > alone
        head -n 1 many > first
        same alone first
    done
    jq -es 'map(.story) == [range(70)]' many
}

@test "sample: a hundred prompts come out in order, whatever their stories' lengths" {
    for ((i = 0; i < 100; i++)); do
        printf 'Tom %*s has %d\n' "$((i % 7 * 20))" "" "$i"
    done | tr -s ' ' > prompts
    feed prompts sample --json "$model" -n 40 --threads 3
    [ "$status" -eq 0 ]
    printf '%s\n' "$output" | jq -r .prompt > told
    same prompts told
    printf '%s\n' "$output" | jq -c 'del(.tok_s)' > three
    feed prompts sample --json "$model" -n 40 --threads 1
    printf '%s\n' "$output" | jq -c 'del(.tok_s)' > one
    same one three
    feed prompts sample "$model" -n 40 --threads 2
    printf '%s\n' "$output" > text
    jq -r .text one | awk 'NR > 1 { print "<|endoftext|>" } { print }' > expected
    [ "$(grep -c '^<|endoftext|>$' text)" -eq 99 ]
    jq -rs 'map(.text) | join("\n<|endoftext|>\n")' one > expected
    same expected text
}

@test "sample: tokens, log-probabilities and text belong together" {
    succeeds sample --json "$model" -p "One day" -n 30 --ignore-eos
    printf '%s\n' "$output" > long
    jq -e '(.tokens | length) == 30 and (.logprobs | length) == 30 and .n_tokens == 30 and
        all(.logprobs[]; . <= 0) and .stop == "length" and all(.tokens[]; . > 3)' long
    succeeds sample --json "$model" -p "One day" -n 20 --ignore-eos
    printf '%s\n' "$output" > short
    jq -es '.[0] as $l | .[1] as $s | $l.tokens[:20] == $s.tokens and
        $l.logprobs[:20] == $s.logprobs and ($l.text | startswith($s.text))' long short
    # the likeliest of 400 tokens has at least the mean probability
    succeeds sample --json "$model" -p "One day" -n 30 -t 0
    printf '%s\n' "$output" | jq -e 'all(.logprobs[]; . >= -6)'
}

@test "sample: --ignore-eos runs on to -n" {
    succeeds sample --json "$model" --count 8 -n 400 -t 5 -k 0
    printf '%s\n' "$output" | jq -es 'any(.stop == "eos")' || flunk "no story ended by itself"
    succeeds sample --json "$model" --count 8 -n 400 -t 5 -k 0 --ignore-eos
    printf '%s\n' "$output" | jq -es 'all(.n_tokens == 400 and .stop == "length")'
}

@test "sample: --stop ends a story before the text, wherever tokens begin" {
    prompt="One day"
    succeeds sample "$model" -p "$prompt" -n 60 --seed 5
    drawn=${output#"$prompt"}
    [ "${#drawn}" -gt 100 ]
    for at in 0 1 7 16 33 50 71; do
        for length in 1 3 9 20; do
            text=${drawn:at:length}
            case $text in *$'\357\277\275'*) continue ;; esac # bytes that are no character are another text
            succeeds sample "$model" -p "$prompt" -n 60 --seed 5 --stop "$text"
            [ "$output" = "$prompt${drawn%%"$text"*}" ] || flunk "stop text '$text'"
        done
    done
    succeeds sample --json "$model" -p "$prompt" -n 60 --seed 5 --stop "${drawn:30:9}" \
        --stop "no such text" --stop "${drawn:90:9}"
    [ "$(json stop)" = stop ]
    [ "$(json text)" = "$prompt${drawn%%"${drawn:30:9}"*}" ]
    succeeds sample --json "$model" -p "$prompt" -n 60 --seed 5 --stop "no such text"
    [ "$(json stop)" != stop ]
    [ "$(json text)" = "$prompt$drawn" ]
    fails 2 "--stop" sample "$model" --stop ''
}

@test "sample: --stop does not look into the prompt" {
    succeeds sample --json "$model" -p "One day" -n 1 --stop "One day"
    contains "$(json text)" "One day"
    [ "$(json n_tokens)" -eq 1 ]
}

@test "sample: what may become a stop text at the end of a story is shown after all" {
    succeeds sample "$model" -p "One day" -n 20 --ignore-eos
    whole=$output
    succeeds sample "$model" -p "One day" -n 20 --ignore-eos --stop "${whole: -3}and no further"
    [ "$output" = "$whole" ]
}

@test "sample: a line is answered before the next comes" {
    for threads in 1 2; do
        rm -f in out
        mkfifo in out
        "$BUILD/sample" --json -n 5 --threads "$threads" "$model" < in > out &
        exec 5> in 6< out
        for prompt in "One day" "Tom" "The dog"; do
            printf '%s\n' "$prompt" >&5
            read -r -t 30 line <&6 || flunk "no answer to '$prompt'"
            contains "$line" "\"prompt\":\"$prompt\""
        done
        exec 5>&-
        wait "$!"
        [ -z "$(cat <&6)" ]
        exec 6<&-
    done
}

@test "sample: a story appears while it is told, and while lines may come" {
    mkfifo in out
    "$BUILD/sample" -n 1000000000 --ignore-eos --threads 2 "$model" < in > out 2> /dev/null &
    exec 5> in 6< out
    printf 'One day\nTom\n' >&5
    [ "$(head -c 7 <&6)" = "One day" ]
    [ "$(head -c 100 <&6 | wc -c)" -eq 100 ]
    exec 6<&-
    status=0
    wait "$!" || status=$?
    [ "$status" -eq 1 ] # its pipe was closed
    exec 5>&-
}

@test "sample: a signal ends it while it waits for a line" {
    mkfifo in
    "$BUILD/sample" --threads 2 "$model" < in > out &
    exec 5> in
    printf 'One day\n' >&5
    for _ in {1..300}; do
        grep -q . out && break
        sleep 0.1
    done
    kill -TERM "$!"
    status=0
    wait "$!" || status=$?
    [ "$status" -eq 143 ]
    exec 5>&-
}

@test "sample: --bench has all its figures, and tells no story" {
    succeeds sample --bench --json "$model" --threads 2
    [ "${#lines[@]}" -eq 1 ]
    printf '%s\n' "$output" | jq -e '
        ([.tok_s, .tok_s_topk, .us_per_token, .us_head, .us_blocks, .us_rest, .us_per_token_split,
          .prefill_tok_s, .streams_tok_s, .load_ms, .rss_mb, .rss_anon_mb, .int8_peak_gmac_s,
          .int8_share, .position_ratio] | all(type == "number" and . > 0)) and
        .math == "int8" and .threads == 2 and .embed == "f32" and .n_streams == 64 and
        (.cpu | type) == "string" and .n_rounds >= 5' || flunk "not as expected"
    for option in -pOne -n5 --count=2 --stop=x --ignore-eos; do
        fails 2 "--bench takes no --" sample --bench "$model" "$option"
    done
    fails 1 "missing.bolt" sample --bench missing.bolt
}

@test "sample: --bench as a table, in exact arithmetic with one thread" {
    succeeds sample --bench "$model" --threads 1 --math exact
    contains "${lines[0]}" "math exact"
    contains "${lines[0]}" "1 thread,"
    contains "$output" "tokens/s"
}

@test "sample: --math and --threads refuse what they do not know" {
    fails 2 "--math" sample "$model" --math float
    fails 2 "--threads" sample "$model" --threads 0
    fails 2 "--threads" sample "$model" --threads 1025
}
