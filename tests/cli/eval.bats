#!/usr/bin/env bats
# eval: the figures, the forms of text it reads, and how it fails.
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
    data=$BATS_FILE_TMPDIR/data
    cd "$BATS_TEST_TMPDIR" || return
}

# check FILTER [JQ-OPTION]...: a jq filter that must be true of the array of the last output's objects.
check() {
    local filter=$1
    shift
    printf '%s\n' "$output" | jq -es "$@" \
        "def near(\$b; \$tolerance): (. - \$b | fabs) <= \$tolerance * (\$b | fabs); $filter" ||
        flunk "not so: $filter"
}

# figures FILE...: the objects without what is allowed to differ.
figures() {
    succeeds eval --json "$model" "$@"
    printf '%s\n' "$output" | jq -c 'del(.seconds, .tok_s, .file)'
}

# stories_of FILE: the stories of a text file as a JSON array of strings.
stories_of() {
    jq -Rs 'split("<|endoftext|>\n") | map(gsub("^\\s+|\\s+$"; "") | select(. != ""))' "$1"
}

@test "eval: the figures fit each other and the text" {
    succeeds eval --json "$model" "$data/valid.txt"
    [ "${#lines[@]}" -eq 1 ]
    stories_of "$data/valid.txt" > stories.json
    check '$s[0] as $s | (2 | log) as $ln2 | .[0] |
        .n_stories == ($s | length) and
        .n_chars == ($s | map(length) | add) and
        .n_bytes == ($s | map(utf8bytelength) | add) and
        .loss > 0 and .loss < 10 and
        .unk_share == 0 and .seconds > 0 and .tok_s > 0 and
        (. as $r | .ppl | near($r.loss | exp; 1e-12)) and
        (. as $r | .bpc | near($r.loss * $r.n_tokens / $ln2 / $r.n_chars; 1e-12)) and
        (. as $r | .bpb | near($r.loss * $r.n_tokens / $ln2 / $r.n_bytes; 1e-12))' \
        --slurpfile s stories.json
}

@test "eval: text, compressed text, JSON, JSON lines, an archive and standard input read the same" {
    want=$(figures "$data/valid.txt")
    gzip -c "$data/valid.txt" > valid.txt.gz
    xz -c "$data/valid.txt" > valid.txt.xz
    stories_of "$data/valid.txt" | jq 'map({story: .})' > valid.json
    stories_of "$data/valid.txt" | jq -c '.[] | {text: .}' > valid.jsonl
    tar -czf valid.tar.gz valid.json
    [ "$(figures valid.txt.gz)" = "$want" ]
    [ "$(figures valid.txt.xz)" = "$want" ]
    [ "$(figures valid.json)" = "$want" ]
    [ "$(figures valid.tar.gz)" = "$want" ]
    [ "$(figures --field text valid.jsonl)" = "$want" ]
    feed "$data/valid.txt" eval --json "$model" -
    [ "$status" -eq 0 ]
    [ "$(printf '%s\n' "$output" | jq -c 'del(.seconds, .tok_s, .file)')" = "$want" ]
}

@test "eval: a shard reads like the text it was made from" {
    # no duplicates among the generated stories, so nothing was dropped
    [ "$(figures "$data/valid.txt")" = "$(figures "$data/valid.shard")" ]
    [ "$(figures --v4-scoring "$data/valid.txt")" = "$(figures --v4-scoring "$data/valid.shard")" ]
}

@test "eval: the figures do not depend on the number of threads" {
    want=$(figures --threads 1 "$data/valid.txt")
    [ "$(figures --threads 2 "$data/valid.txt")" = "$want" ]
    [ "$(figures --threads 7 "$data/valid.txt")" = "$want" ]
}

@test "eval: exact and int8 figures are the same digits for every --threads and --cpu, and those of f32 but for rounding" {
    f32=$(figures "$data/valid.txt" | jq 'del(.math)')
    for math in exact int8; do
        want=$(figures --math "$math" --threads 1 --cpu c "$data/valid.txt")
        [ "$(jq -r .math <<< "$want")" = "$math" ]
        for cpu in c v128 avx2 avx512 avx512vnni avx512bf16; do
            "$BUILD/eval" -q --cpu "$cpu" "$model" "$data/valid.txt" > /dev/null 2>&1 || continue
            [ "$(figures --math "$math" --threads 2 --cpu "$cpu" "$data/valid.txt")" = "$want" ]
        done
        [ "$(figures --math "$math" --threads 7 "$data/valid.shard")" = "$want" ]
        output=$want
        check '.[0] | (if .math == "exact" then 1e-6 else 0.01 end) as $tolerance |
            .n_tokens == $f32.n_tokens and .n_chars == $f32.n_chars and .loss != $f32.loss and
            (.bpc | near($f32.bpc; $tolerance))' --argjson f32 "$f32"
    done
    output=$(figures "$data/valid.txt")
    check '.[0].math == "f32"'
}

@test "eval: --v4-scoring predicts the same in every arithmetic" {
    stories 6 200 > a.txt
    want=$(figures --v4-scoring a.txt | jq -c '[.v4_scoring | .n_tokens, .n_chars, .n_bytes, .n_stories]')
    for math in exact int8; do
        got=$(figures --v4-scoring --math "$math" a.txt)
        [ "$(jq -c '[.v4_scoring | .n_tokens, .n_chars, .n_bytes, .n_stories]' <<< "$got")" = "$want" ]
        [ "$(figures --v4-scoring --math "$math" --threads 3 --cpu c a.txt)" = "$got" ]
    done
}

@test "eval: a checkpoint with its vocabulary scores like its blob" {
    succeeds eval --json "$model" "$data/valid.txt"
    printf '%s\n' "$output" > blob.json
    succeeds eval --json --vocab "$data/vocab.db" "$BATS_FILE_TMPDIR/model.safetensors" "$data/valid.txt"
    check '$blob[0] as $b | .[0] | .n_tokens == $b.n_tokens and (.loss | near($b.loss; 1e-6))' \
        --slurpfile blob blob.json
}

@test "eval: stories do not see each other, so files add up" {
    stories 3 30 > a.txt
    stories 4 30 > b.txt
    cat a.txt b.txt > ab.txt
    succeeds eval --json "$model" ab.txt
    printf '%s\n' "$output" > ab.json
    succeeds eval --json "$model" a.txt b.txt
    check '$ab[0] as $ab | . as $r |
        length == 3 and .[0].file == "a.txt" and .[1].file == "b.txt" and .[2].files == 2 and
        all("n_tokens", "n_chars", "n_bytes", "n_stories";
            . as $key | $r[0][$key] + $r[1][$key] == $r[2][$key] and $r[2][$key] == $ab[$key]) and
        all("loss", "ppl", "bpc", "bpb"; . as $key | $r[2][$key] | near($ab[$key]; 1e-9))' \
        --slurpfile ab ab.json
}

@test "eval: text is normalised and trimmed before it is counted" {
    printf '  Cafe\xcc\x81 is o\xffpen. \n\n<|endoftext|>\n\n \n<|endoftext|>\n' > a.txt
    succeeds eval --json --invalid replace "$model" a.txt
    check '.[0] | .n_stories == 1 and
        .n_chars == ("Caf\u00e9 is o\ufffdpen." | length) and
        .n_bytes == ("Caf\u00e9 is o\ufffdpen." | utf8bytelength)'
}

@test "eval: line ends of any system and byte-order marks score the same" {
    sed 's/\. /.\n/g' "$data/valid.txt" > lf.txt
    want=$(figures lf.txt)
    sed 's/$/\r/' lf.txt > crlf.txt
    tr '\n' '\r' < lf.txt > cr.txt
    sed "s/^/$(printf '\357\273\277')/" lf.txt > marked.txt
    jq -R -s -c 'split("<|endoftext|>\r\n") | map(select(length > 0)) | .[] | {story: .}' crlf.txt > crlf.jsonl
    for file in crlf.txt cr.txt marked.txt crlf.jsonl; do
        [ "$(figures $file)" = "$want" ] || flunk "$file scores otherwise"
    done
}

@test "eval: --v4-scoring counts the characters of stories longer than 50, and 256 predictions at most" {
    jq -nr '"x" * 50, "<|endoftext|>", "7" * 51, "<|endoftext|>",
        "One day a dog ran to the park. " * 200' > a.txt
    jq -nr 'range(600) | "\(.) It was a sunny day and the bird was happy in the tree.\n<|endoftext|>"' \
        > many.txt
    succeeds eval --json --v4-scoring "$model" a.txt many.txt
    check '(2 | log) as $ln2 | .[0].v4_scoring as $v4 |
        .[0].n_stories == 3 and
        $v4.n_stories == 2 and $v4.n_chars == 51 + 31 * 200 - 1 and
        $v4.n_tokens > 256 and $v4.n_tokens <= 256 + 50 and
        .[1].v4_scoring.n_stories == 500 and
        ($v4.bpc | near($v4.loss * $v4.n_tokens / $ln2 / $v4.n_chars; 1e-12))'
    succeeds eval --json "$model" a.txt
    check '.[0] | has("v4_scoring") | not'
}

@test "eval: the table has a row a file, a total and, when asked for, the v4 figures marked as such" {
    stories 3 10 > a.txt
    stories 4 10 > b.txt
    succeeds eval "$model" a.txt
    [ "${#lines[@]}" -eq 2 ]
    contains "${lines[0]}" "bpc"
    contains "$stderr" "tokens/s"
    succeeds eval --math int8 "$model" a.txt
    contains "$output" "--math int8"
    succeeds eval -q "$model" a.txt b.txt --v4-scoring
    [ -z "$stderr" ]
    contains "${lines[1]}" "a.txt"
    contains "${lines[2]}" "b.txt"
    contains "${lines[3]}" "(total)"
    contains "$output" "original v4 script"
    contains "$output" "reads lower"
    [ "$(printf '%s\n' "${lines[@]}" | wc -L)" -le 80 ] || flunk "wider than a terminal"
}

@test "eval: with a vocabulary that knows not all, the share of UNK is printed" {
    needs_gpt2
    stories 1 400 > train.txt
    "$BUILD/prep" -q -o gpt2 --tokenizer gpt2 --gpt2-vocab "$GPT2_DIR/vocab.json" \
        --gpt2-merges "$GPT2_DIR/merges.txt" --vocab-size 100 train.txt
    small_train gpt2 run
    last=(run/step-*.safetensors)
    succeeds eval --vocab gpt2/vocab.db "${last[-1]}" train.txt
    contains "${lines[0]}" "UNK"
    contains "$output" "flatters"
    succeeds eval --json --vocab gpt2/vocab.db "${last[-1]}" train.txt
    check '.[0].unk_share > 0 and .[0].unk_share < 1'
    fails 1 "gpt2/train.shard: --v4-scoring needs the text" eval --v4-scoring --vocab gpt2/vocab.db \
        "${last[-1]}" gpt2/train.shard
}

@test "eval: text that is missing, empty, without stories or damaged is one error" {
    stories 3 10 > a.txt
    fails 1 "missing.txt: cannot open: No such file" eval "$model" a.txt missing.txt
    : > empty.txt
    fails 1 "empty.txt: " eval "$model" empty.txt
    printf '\n \n<|endoftext|>\n\n' > blank.txt
    fails 1 "blank.txt: no story" eval "$model" blank.txt
    gzip -c "$data/train.txt" | head -c 3000 > cut.gz
    fails 1 "cut.gz: " eval "$model" cut.gz
    printf '[{"story": "Once"}, {"story"' > cut.json
    fails 1 "cut.json: " eval "$model" cut.json
    printf '[{"text": "Once"}]' > field.json
    fails 1 "field.json: " eval "$model" field.json
    fails 1 "standard input" eval "$model" -
}

@test "eval: a shard that is damaged or of another vocabulary is one error" {
    head -c 1000 "$data/valid.shard" > cut.shard
    fails 1 "cut.shard: " eval "$model" cut.shard
    cp "$data/valid.shard" bad.shard
    printf '\x55\x55' | dd of=bad.shard bs=1 seek=900 conv=notrunc status=none
    fails 1 "bad.shard: " eval "$model" bad.shard
    stories 5 400 > other.txt
    "$BUILD/prep" -q -o other --vocab-size 400 other.txt
    fails 1 "other/train.shard: made with another vocabulary" eval "$model" other/train.shard
}

@test "eval: a model that is missing, cut or without its vocabulary is one error" {
    fails 1 "missing.bolt: cannot open: No such file" eval missing.bolt "$data/valid.txt"
    head -c 5000 "$model" > cut.bolt
    fails 1 "cut.bolt: " eval cut.bolt "$data/valid.txt"
    fails 2 "--vocab" eval "$BATS_FILE_TMPDIR/model.safetensors" "$data/valid.txt"
    head -c 5000 "$BATS_FILE_TMPDIR/model.safetensors" > cut.safetensors
    fails 1 "cut.safetensors: " eval --vocab "$data/vocab.db" cut.safetensors "$data/valid.txt"
}

@test "eval: a model whose numbers overflow has no loss, which is an error" {
    header=$(od -An -tu8 -N8 "$BATS_FILE_TMPDIR/model.safetensors" | tr -d ' ')
    size=$(wc -c < "$BATS_FILE_TMPDIR/model.safetensors")
    # under other names the checksums are none
    head -c $((header + 8)) "$BATS_FILE_TMPDIR/model.safetensors" | LC_ALL=C sed 's/_xxh3"/_none"/g' > huge.safetensors
    yes $'\xf9\x02\x15\x50' | LC_ALL=C tr -d '\n' | head -c $((size - header - 8)) >> huge.safetensors # 1e10
    fails 1 "valid.txt: its loss is not finite" eval -q --vocab "$data/vocab.db" huge.safetensors "$data/valid.txt"
}

@test "eval: wrong usage" {
    fails 2 "MODEL" eval
    fails 2 "FILE" eval "$model"
    fails 2 "--threads" eval --threads 0 "$model" "$data/valid.txt"
    fails 2 "--format" eval --format xml "$model" "$data/valid.txt"
    fails 2 "--math" eval --math int4 "$model" "$data/valid.txt"
    fails 2 "nonsense" eval --nonsense "$model" "$data/valid.txt"
}

@test "eval: a full disk is an error" {
    run --separate-stderr bash -c '"$0" -q "$1" "$2" > /dev/full' "$BUILD/eval" "$model" "$data/valid.txt"
    [ "$status" -eq 1 ]
    one_error_line eval "standard output: No space left on device"
}

@test "eval: options that would have no effect are refused" {
    for option in --format=text --field=x --skip-missing --separator=line --encoding=UTF-8 --invalid=replace --max-bytes=9; do
        fails 2 "${option%=*} is for text, and $data/valid.shard holds tokens" eval "$model" "$data/valid.shard" "$data" "$option"
    done
    succeeds eval -q "$model" "$data/valid.shard" "$data/valid.txt" --format text
    fails 2 "--format text has no fields: it takes no --field" eval "$model" "$data/valid.txt" --format text --field x
    fails 2 "--format text has no fields: it takes no --skip-missing" eval "$model" "$data/valid.txt" --format text --skip-missing
    fails 2 "--separator line is for text, not for --format json" eval "$model" "$data/valid.txt" --format json --separator line
    fails 2 "--plan-threads takes no --threads" eval "$model" "$data/valid.txt" --plan-threads 4 -j 2
    fails 2 "--plan-threads takes no --v4-scoring" eval "$model" "$data/valid.txt" --plan-threads 4 --v4-scoring
}

@test "eval: --plan-threads projects reading and scoring" {
    succeeds eval -q --plan-threads 16 --json "$model" "$data/valid.txt"
    check '.[0] | .projected_threads == 16 and (.phases | keys == ["read", "score"]) and .phases.score.tasks > 0 and
        ([.phases[].efficiency, .all.efficiency] | all(. > 0 and . <= 1))'
    succeeds eval -q --plan-threads 16 "$model" "$data/valid.shard"
    contains "$output" "a projection for 16 threads"
}
