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

@test "sample: the output is valid UTF-8 to the last character, whatever the prompt" {
    printf 'Caf\xe9 \xf0\x9f\x98 \x00 na\xc3\xafve\n' > prompts
    feed prompts sample "$model" -n 100 -t 10 -k 0
    [ "$status" -eq 0 ]
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

@test "sample: a checkpoint wants its own vocabulary" {
    fails 1 "--vocab" sample "$BATS_FILE_TMPDIR/model.safetensors"
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
