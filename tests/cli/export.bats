#!/usr/bin/env bats
# export: the file it writes, what it refuses, and what --info tells of every file of ours.

load helpers

setup_file() {
    load helpers
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run"
}

setup() {
    DATA=$BATS_FILE_TMPDIR/data
    RUN=$BATS_FILE_TMPDIR/run
    VOCAB=$DATA/vocab.db
    mkdir "$BATS_TEST_TMPDIR/here" # bats keeps files of its own beside it
    cd "$BATS_TEST_TMPDIR/here" || return 1
}

# a text value, and any other value, of a JSON object on one line
json_text() {
    printf '%s\n' "$1" | sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p"
}
json_value() {
    printf '%s\n' "$1" | sed -n "s/.*\"$2\":\([^,}\"]*\).*/\1/p"
}

@test "export writes a blob that sample and eval can use, and nothing else" {
    succeeds export "$RUN" -o model.bolt --vocab "$VOCAB"
    [ -z "$output" ]
    contains "$stderr" "checkpoint: $RUN/best.safetensors"
    [ "$(ls -A)" = model.bolt ]
    succeeds sample model.bolt -n 10 -p Once
    contains "$output" Once
    succeeds eval model.bolt "$DATA/valid.txt"
}

@test "the same model gives the same bytes: from another path, at another time, at any --cpu" {
    mkdir away
    cp "$RUN/best.safetensors" away/renamed.safetensors
    touch -d '2001-01-01' away/renamed.safetensors
    for embed in f32 f16 q8; do
        succeeds export "$RUN/best.safetensors" -o one.bolt --vocab "$VOCAB" --embed $embed
        succeeds export away/renamed.safetensors -o two.bolt --vocab "$VOCAB" --embed $embed --cpu c
        same one.bolt two.bolt
    done
}

@test "a blob made of the exported weights is the blob of the checkpoint: the state does not count" {
    succeeds export "$RUN" -o w.safetensors --format safetensors
    succeeds export "$RUN" -o one.bolt --vocab "$VOCAB"
    succeeds export w.safetensors -o two.bolt --vocab "$VOCAB"
    same one.bolt two.bolt
}

@test "standard output takes the file too" {
    succeeds export "$RUN" -o model.bolt --vocab "$VOCAB"
    "$BUILD/export" -q "$RUN" -o - --vocab "$VOCAB" > piped.bolt
    same model.bolt piped.bolt
}

@test "blob = checkpoint: --verify finds equal losses, and so does eval" {
    for embed in f32 f16 q8; do
        succeeds export "$RUN" -o model.bolt --vocab "$VOCAB" --embed $embed --verify "$DATA/valid.txt"
        contains "$output" "checkpoint loss"
        contains "$output" "output loss"
    done
    succeeds export "$RUN" -o w.safetensors --format safetensors --vocab "$VOCAB" --verify "$DATA/valid.txt"
    succeeds export "$RUN" -o model.bolt --vocab "$VOCAB" --embed f32 --verify "$DATA/valid.txt" --json
    [ "$(json_value "$output" equal)" = true ] || flunk "not equal"
    succeeds eval --json model.bolt "$DATA/valid.txt"
    loss=$(json_value "$output" loss)
    succeeds eval --json --vocab "$VOCAB" "$RUN" "$DATA/valid.txt"
    [ "$(json_value "$output" loss)" = "$loss" ] || flunk "eval: $loss for the blob"
}

@test "--json reports one object with the fingerprint --info tells" {
    succeeds export "$RUN" -o model.bolt --vocab "$VOCAB" --json
    [ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ]
    print=$(json_text "$output" fingerprint)
    [ ${#print} -eq 16 ] || flunk "fingerprint '$print'"
    succeeds export --info model.bolt --json
    [ "$(json_text "$output" fingerprint)" = "$print" ] || flunk "another than '$print'"
}

@test "-q silences talk, not the losses" {
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB" --verify "$DATA/valid.txt"
    [ -z "$stderr" ]
    contains "$output" "output loss"
}

@test "a directory without best.safetensors gives its newest good step" {
    cp -r "$RUN" run
    rm run/best.safetensors
    printf damaged > run/step-000000099.safetensors
    succeeds export run -o model.bolt --vocab "$VOCAB"
    contains "$stderr" "checkpoint: run/step-000000020.safetensors"
    printf damaged > run/best.safetensors # the next best would be another model
    fails 1 "run/best.safetensors: " export run -o x.bolt --vocab "$VOCAB"
    mkdir empty
    fails 1 "empty: holds no good checkpoint" export empty -o x.bolt --vocab "$VOCAB"
    # the folder before it in the chain
    fails 1 "data: holds what prep wrote" export --info "$DATA"
}

@test "hf: a folder of eight files, its weights those of --format safetensors, the same bytes again" {
    succeeds export "$RUN" -o w.safetensors
    succeeds export "$RUN" --vocab "$VOCAB" -o model.bolt --embed f32
    succeeds export "$RUN" --vocab "$VOCAB" --format hf -o deep/one
    contains "$stderr" "wrote 8 files into deep/one"
    succeeds export model.bolt --format hf -o two
    same w.safetensors deep/one/model.safetensors
    [ "$(ls deep/one | wc -l)" -eq 8 ]
    for file in config.json generation_config.json tokenizer.json tokenizer_config.json; do
        jq -e . "deep/one/$file" > out || flunk "$file is no JSON"
        same "deep/one/$file" "two/$file"
    done
    same "$ROOT/tools/export/hf/modeling_bolt.py" two/modeling_bolt.py
    same "$ROOT/tools/export/hf/configuration_bolt.py" two/configuration_bolt.py
    jq -c '[.vocab_size, .hidden_size, .num_hidden_layers, .intermediate_size, .conv_kernel, .seq_len]' two/config.json > out
    [ "$(cat out)" = '[400,32,2,48,4,32]' ] || flunk "$(cat out)"
    [ "$(jq -c .conv_dilation two/config.json)" = '[1,1]' ]
    grep -q '| training steps | 20 |' deep/one/README.md || flunk "no training steps on the card"
    ! grep -q 'training steps' two/README.md || flunk "training steps of a blob"
}

@test "of a folder all files appear or none: a disk that fails at the last step leaves nothing new, and all of the old" {
    [ -f "$BUILD/tests/inject.so" ] || skip "inject.so is not built"
    succeeds export "$RUN" --vocab "$VOCAB" -o model.bolt
    export ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$BUILD/tests/inject.so
    mkdir folder
    n=0
    for fault in sync:1 sync:8 sync:9 rename:1 rename:8; do
        FAULT=$fault:fail fails 1 "folder/" export model.bolt --format hf -o folder
        n=$((n + $(find folder -type f | wc -l)))
    done
    [ "$n" -eq 0 ] || flunk "$n files are left"
    succeeds export "$RUN" --vocab "$VOCAB" --format hf -o folder # another card
    cp -r folder before
    for fault in sync:9 rename:1 rename:5 rename:9; do
        FAULT=$fault:fail fails 1 "folder/" export model.bolt --format hf -o folder
        diff -r before folder > lost || flunk "$fault: $(cat lost)"
    done
}

@test "hf writes a folder, needs a vocabulary, and replaces none of its inputs" {
    fails 2 "writes a folder" export "$RUN" --vocab "$VOCAB" --format hf -o -
    fails 2 "holds no vocabulary" export "$RUN" --format hf -o folder
    printf x > file
    mkdir mine
    echo 'My project.' > mine/README.md # not replaced without a word, nor is the model of another program
    fails 1 "mine/README.md: is of something else" export -q "$RUN" --vocab "$VOCAB" --format hf -o mine
    [ "$(ls mine)" = README.md ] || flunk "written into the folder"
    "$BUILD/export" -q "$RUN" --vocab "$VOCAB" --format hf -o again
    fails 1 "again/config.json: is of something else" export -q "$RUN" --vocab "$VOCAB" --format onnx --for transformersjs -o again
    "$BUILD/export" -q "$RUN" --vocab "$VOCAB" --format onnx --for transformersjs -o js
    fails 1 "js/config.json: is of something else" export -q "$RUN" --vocab "$VOCAB" --format hf -o js
    succeeds export -q "$RUN" --vocab "$VOCAB" --format hf -o again
    fails 1 "file: exists and is not a directory" export -q "$RUN" --vocab "$VOCAB" --format hf -o file
    mkdir folder
    succeeds export -q "$RUN" -o folder/model.safetensors
    cp folder/model.safetensors before
    fails 1 "is the input" export folder/model.safetensors --vocab "$VOCAB" --format hf -o folder
    same before folder/model.safetensors
    [ "$(ls folder)" = model.safetensors ] || flunk "$(ls folder)"
}

@test "onnx: the kinds of weights, what is said of them, the same bytes again" {
    for weights in f32 int8 int2; do
        succeeds export --json "$RUN" --weights $weights -o $weights.onnx
        printf '%s\n' "$output" > said
        [ "$(jq -r '[.format, .weights, .state_length] | @csv' said)" = "\"onnx\",\"$weights\",4" ] || flunk "$(cat said)"
        succeeds export "$RUN" --format onnx --weights $weights -o again
        same $weights.onnx again
    done
    [ "$(jq .opset said)" -eq 25 ]
    succeeds export "$RUN" -o again.onnx
    same f32.onnx again.onnx
    [ "$(stat -c %s f32.onnx)" -gt "$(stat -c %s int8.onnx)" ]
    [ "$(stat -c %s int8.onnx)" -gt "$(stat -c %s int2.onnx)" ]
    succeeds export "$RUN" --vocab "$VOCAB" -o model.bolt --embed f32
    succeeds export model.bolt -o again.onnx
    same f32.onnx again.onnx
}

@test "onnx for Transformers.js: a folder" {
    succeeds export "$RUN" --vocab "$VOCAB" --format onnx --for transformersjs --weights int8 -o folder
    contains "$stderr" "wrote 5 files into folder"
    [ -s folder/onnx/model_int8.onnx ]
    jq -c '[.model_type, .num_hidden_layers, .layer_types, .conv_L_cache, .["transformers.js_config"].dtype]' \
        folder/config.json > out
    [ "$(cat out)" = '["lfm2",3,["conv","conv","full_attention"],4,"int8"]' ] || flunk "$(cat out)"
    succeeds export "$RUN" --vocab "$VOCAB" --format hf -o hf
    for file in tokenizer.json tokenizer_config.json generation_config.json; do
        same folder/$file hf/$file
    done
    fails 2 "holds no vocabulary" export -q "$RUN" --format onnx --for transformersjs -o other
    fails 2 "takes --weights f32 or int8" export -q "$RUN" --format onnx --for transformersjs --weights int2 -o other
    fails 2 "writes a folder" export -q "$RUN" --format onnx --for transformersjs -o -
    fails 2 "--weights is not for the format bolt" export -q "$RUN" --weights int8 -o other
    fails 2 "--for is not for the format hf" export -q "$RUN" --format hf --for transformersjs -o other
    [ ! -e other ]
}

@test "--info describes every kind of file, for people and as JSON" {
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB"
    succeeds export -q "$RUN" -o w.safetensors --format safetensors
    while IFS='|' read -r file kind; do
        succeeds export --info "$file"
        contains "$output" "$kind"
        succeeds export --info "$file" --json
        [ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ] || flunk "more than one line"
        [ "$(json_text "$output" kind)" = "$kind" ] || flunk "$file: expected kind $kind"
    done <<EOF
model.bolt|model blob
$RUN|checkpoint
$RUN/step-000000020.safetensors|checkpoint
w.safetensors|weights
$DATA/train.shard|token shard
$VOCAB|vocabulary
EOF
}

@test "all files of one run carry the same vocabulary fingerprint" {
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB"
    succeeds export --info "$VOCAB" --json
    want=$(json_text "$output" vocab_fingerprint)
    [ ${#want} -eq 16 ] || flunk "no fingerprint"
    for file in model.bolt "$RUN" "$DATA/train.shard" "$DATA/valid.shard"; do
        succeeds export --info "$file" --json
        [ "$(json_text "$output" vocab_fingerprint)" = "$want" ] || flunk "$file: another vocabulary"
    done
}

@test "--info shows no control bytes of a file's own text" {
    header=$(printf '{"__metadata__":{"a":"x\\u001b[31mred"}}')
    { printf '\\%03o\\000\\000\\000\\000\\000\\000\\000' ${#header} | xargs -0 printf '%b'
      printf '%s' "$header"; } > odd.safetensors
    succeeds export --info odd.safetensors
    contains "$output" "red"
    case $output in *$'\e'*) flunk "an escape came through" ;; esac
}

@test "--info refuses what is none of ours, or damaged" {
    printf 'hello there, this is text\n' > text
    : > nothing
    fails 1 "text: unknown kind of file" export --info text
    fails 1 "nothing: is empty" export --info nothing
    fails 1 "absent" export --info absent
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB"
    for file in model.bolt "$RUN/best.safetensors" "$DATA/train.shard" "$VOCAB"; do
        size=$(stat -c %s "$file")
        head -c $((size - 5)) "$file" > cut.bin
        fails 1 "cut.bin: " export --info cut.bin
        [ -z "$output" ]
    done
}

# build_driver NAME [OPTION]...: ./drive out of NAME.c, with the compiler's options.
build_driver() {
    local name=$1
    shift
    ${CC:-cc} -std=c99 -pedantic -Wall -Wextra -Werror -O1 "$@" -I. -DHEADER="\"$name.h\"" -DNAME="$name" \
        -DCAPITALS="$(echo "$name" | tr a-z A-Z)" -o drive "$name.c" "$ROOT/tests/firmware/drive.c"
}

# tokens JSON: the ids of one story of sample, one a line.
tokens() {
    printf '%s\n' "$1" | sed 's/.*"tokens":\[\([^]]*\)\].*/\1/' | tr , '\n'
}

@test "C source of a blob tells the greedy story of sample --math exact" {
    for embed in f32 f16 q8; do
        succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB" --embed $embed
        succeeds export model.bolt -o story.c --format c
        [ -z "$output" ]
        contains "$stderr" "wrote story.c and story.h: "
        build_driver story
        ./drive greedy 200 > got
        [ -s got ]
        succeeds sample model.bolt --math exact -t 0 -n 200 --json
        tokens "$output" | cmp - got || flunk "$embed: other tokens"
    done
}

@test "C source of a checkpoint is that of its blob, and of the name asked for" {
    mkdir a b
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB" --embed q8
    succeeds export -q model.bolt -o a/story.c --format c
    succeeds export -q "$RUN" -o b/story.c --format c --vocab "$VOCAB"
    succeeds export --info model.bolt --json
    contains "$(cat a/story.h)" "Vocabulary $(json_text "$output" vocab_fingerprint)."
    same a/story.c b/story.c
    same a/story.h b/story.h
    succeeds export -q "$RUN" -o b/my-story.c --format c --vocab "$VOCAB"
    contains "$(cat b/my-story.h)" "struct my_story {"
    succeeds export "$RUN" -o b/x.c --format c --name Bolt2 --embed f16 --vocab "$VOCAB" --json
    [ "$(json_text "$output" embed)" = f16 ] || flunk "expected f16"
    [ "$(json_text "$output" header)" = b/x.h ] || flunk "expected b/x.h"
    contains "$(cat b/x.h)" "#define BOLT2_RAM_BYTES $(json_value "$output" ram_bytes) "
    contains "$(cat b/x.h)" "#define BOLT2_RAM_BYTES $(json_value "$output" ram_bytes_no_logits) "
    contains "$(cat b/x.h)" "#define BOLT2_FLASH_BYTES $(json_value "$output" flash_bytes) "
    if grep -i runtime b/x.c b/x.h; then flunk "a name was not exchanged"; fi
}

@test "C source: bad input, and nothing half-written" {
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB"
    head -c 3000 model.bolt > cut.bolt
    mkdir out
    fails 1 "cut.bolt: " export -q cut.bolt -o out/x.c --format c
    fails 2 "name its database with --vocab DB" export -q "$RUN" -o out/x.c --format c
    fails 1 "absent" export -q absent -o out/x.c --format c
    fails 1 "absent/x.c" export -q model.bolt -o absent/x.c --format c
    empty_dir out
    mkdir out/x.h
    fails 1 "out/x.h: is a directory" export -q model.bolt -o out/x.c --format c
    [ "$(ls -A out)" = x.h ]
    cp model.bolt m.h
    fails 1 "m.h: is of something else" export -q m.h -o m.c --format c
    same m.h model.bolt
    echo '/* mine */' > own.h
    fails 1 "own.h: is of something else" export -q model.bolt -o own.c
    [ "$(ls own.*)" = own.h ] && grep -q mine own.h || flunk "a header was replaced"
}

@test "C source works without the logits, and under the sanitizers" {
    succeeds export -q "$RUN" -o story.c --format c --vocab "$VOCAB"
    build_driver story
    ./drive text 50 > want
    build_driver story -DSTORY_NO_LOGITS -DWITHOUT_LOGITS
    ./drive text 50 > got
    same got want
    build_driver story -fsanitize=address,undefined -fno-sanitize-recover=all
    ./drive text 50 > got
    same got want
}

@test "without --format the ending of the file's name says it" {
    for name in x.safetensors x.c x.bolt x; do
        succeeds export "$RUN" -o $name --vocab "$VOCAB" --json
        case $name in *.*) want=${name#*.} ;; *) want=bolt ;; esac
        [ "$(json_text "$output" format)" = "$want" ] || flunk "$name: expected $want"
    done
    succeeds export "$RUN" -o other.c --format bolt --vocab "$VOCAB"
    same other.c x.bolt
}

@test "safetensors of a blob are those of its checkpoint" {
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB" --embed f32
    succeeds export -q "$RUN" -o run.safetensors
    succeeds export -q model.bolt -o blob.safetensors --vocab "$VOCAB"
    same run.safetensors blob.safetensors
    fails 2 "--verify compares with a checkpoint" export -q model.bolt -o x.safetensors --vocab "$VOCAB" \
        --verify "$DATA/valid.txt"
    [ ! -e x.safetensors ]
}

@test "wrong usage is exit 2" {
    fails 2 "no CHECKPOINT" export -o x.bolt
    fails 2 "more than one CHECKPOINT" export a b -o x.bolt
    fails 2 "no output file" export "$RUN" --vocab "$VOCAB"
    fails 2 "--vocab" export "$RUN" -o x.bolt
    fails 2 "--embed" export "$RUN" -o x.bolt --vocab "$VOCAB" --embed f64
    fails 2 "--embed" export "$RUN" -o x --format safetensors --embed f32
    fails 2 "--name is not for" export "$RUN" -o x.bolt --vocab "$VOCAB" --name x
    fails 2 "must end in .c" export "$RUN" -o x.h --format c --vocab "$VOCAB"
    fails 2 "must end in .c" export "$RUN" -o - --format c --vocab "$VOCAB"
    fails 2 "--name NAME" export "$RUN" -o 3d.c --format c --vocab "$VOCAB"
    fails 2 "--name: '3d'" export "$RUN" -o x.c --name 3d --format c --vocab "$VOCAB"
    fails 2 "--name: 'while'" export "$RUN" -o x.c --name while --format c --vocab "$VOCAB"
    fails 2 "--verify" export "$RUN" -o x.c --format c --vocab "$VOCAB" --verify t
    fails 2 "--verify" export "$RUN" -o x --format safetensors --verify t
    fails 2 "--verify" export "$RUN" -o - --vocab "$VOCAB" --verify t
    fails 2 "--json" export "$RUN" -o - --vocab "$VOCAB" --json
    fails 2 "--info takes no CHECKPOINT" export "$RUN" --info "$RUN"
    for option in -oout --vocab=x --format=c --embed=q8 --name=x --weights=f32 --for=transformersjs --verify=x --threads=2; do
        fails 2 "--info takes no --" export --info "$RUN" "$option"
    done
    fails 2 "--cpu" export "$RUN" -o x --vocab "$VOCAB" --cpu vax
    for name in model.json model.gguf x.ONNX dir.c/model.pt; do
        fails 2 "$name: its ending is none of a format (.bolt, .safetensors, .c, tokenizer.json, .onnx); say which with --format" \
            export "$RUN" -o "$name" --vocab "$VOCAB"
    done
    fails 2 "nonsense" export --nonsense
    empty_dir .
}

@test "input that does not fit is one line, exit 1, and nothing is written" {
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB"
    head -c 3000 "$RUN/best.safetensors" > cut.safetensors
    printf 'some text that is no model\n' > text
    mkdir out other
    stories 5 300 > other/train.txt
    "$BUILD/prep" -q -o other --vocab-size 390 other/train.txt
    fails 1 "absent" export -q absent -o out/x --vocab "$VOCAB"
    fails 1 "text: neither a model blob nor a checkpoint" export -q text -o out/x --vocab "$VOCAB"
    fails 1 "cut.safetensors: truncated" export -q cut.safetensors -o out/x --vocab "$VOCAB"
    fails 1 "model.bolt: is a model blob already" export -q model.bolt -o out/x --vocab "$VOCAB"
    fails 1 "absent.db" export -q "$RUN" -o out/x --vocab absent.db
    fails 1 "text" export -q "$RUN" -o out/x --vocab text
    fails 1 "found 390 tokens, expected 400" export -q "$RUN" -o out/x --vocab other/vocab.db
    "$BUILD/prep" -q -o other --vocab-size 400 other/train.txt
    fails 1 "give the one it was trained with" export -q "$RUN" -o out/x --vocab other/vocab.db
    empty_dir out
}

@test "a full disk or a folder that is not there: an error, and nothing half-written" {
    fails 1 "/dev/full: " export -q "$RUN" -o /dev/full --vocab "$VOCAB"
    fails 1 "/dev/full: " export -q "$RUN" -o /dev/full --format safetensors
    fails 1 "absent/x" export -q "$RUN" -o absent/x --vocab "$VOCAB"
    "$BUILD/export" -q "$RUN" -o model.bolt --vocab "$VOCAB"
    cp model.bolt before.bolt
    : > empty
    for text in absent empty; do # read before anything is replaced
        fails 1 "$text" export -q "$RUN" -o model.bolt --embed q8 --vocab "$VOCAB" --verify $text
        same model.bolt before.bolt
    done
    # shellcheck disable=SC2016 # expanded by the inner shell
    run --separate-stderr sh -c '"$1" -q --info "$2" > /dev/full' sh "$BUILD/export" "$RUN"
    [ "$status" -eq 1 ] || flunk "--info into a full disk"
    one_error_line export "standard output"
    fails 1 "/proc/x" export -q "$RUN" -o /proc/x --vocab "$VOCAB" # no one writes there
}

@test "a read-only folder: an error, and nothing half-written" {
    [ "$(id -u)" -ne 0 ] || skip "root writes into read-only folders"
    mkdir closed
    chmod 555 closed
    fails 1 "closed/x" export -q "$RUN" -o closed/x --vocab "$VOCAB"
    empty_dir closed
}

@test "an output that is one of the inputs is refused" {
    cp "$RUN/best.safetensors" c.safetensors
    cp "$VOCAB" vocab.db
    ln -s c.safetensors link
    fails 1 "c.safetensors: is the input" export -q c.safetensors -o c.safetensors --vocab vocab.db
    fails 1 "link: is the input" export -q c.safetensors -o link --format safetensors
    fails 1 "vocab.db: is the input" export -q c.safetensors -o vocab.db --vocab vocab.db --format bolt
    same c.safetensors "$RUN/best.safetensors"
    same vocab.db "$VOCAB"
}

@test "an output that exists is replaced only by a whole one" {
    printf 'precious\n' > model.bolt
    head -c 3000 "$RUN/best.safetensors" > cut.safetensors
    fails 1 "cut.safetensors" export -q cut.safetensors -o model.bolt --vocab "$VOCAB"
    [ "$(cat model.bolt)" = precious ]
    succeeds export -q "$RUN" -o model.bolt --vocab "$VOCAB"
    succeeds export --info model.bolt
    for name in no-ending .hidden version-1.2; do # a bolt file too
        succeeds export -q "$RUN" -o "$name" --vocab "$VOCAB"
        same "$name" model.bolt
    done
}

@test "tokenizer.json: the tokens and merges of the vocabulary, from a checkpoint or a blob" {
    succeeds export -q "$RUN" -o tokenizer.json --vocab "$VOCAB"
    jq -e '.version == "1.0" and .model.type == "BPE"' tokenizer.json > answer
    # every token, in the alphabet in which a space is U+0120 and a line feed U+010A
    sqlite3 "$VOCAB" "SELECT id FROM tokens WHERE bytes = CAST(' the' AS BLOB)" > want
    jq '.model.vocab["\u0120the"]' tokenizer.json > got
    same want got
    sqlite3 "$VOCAB" 'SELECT count(*) FROM tokens; SELECT count(*) FROM merges' > want
    jq '(.model.vocab | length), (.model.merges | length)' tokenizer.json > got
    same want got
    jq -e '[.model.vocab[]] | sort == [range(length)]' tokenizer.json > answer
    jq -e '.model.vocab as $v | .added_tokens | length == 4 and all($v[.content] == .id)' tokenizer.json > answer
    # each merge joins to a token
    jq -e '.model.vocab as $v | .model.merges | all($v[.[0] + .[1]] != null)' tokenizer.json > answer
    [ "$(jq -c '[.normalizer.normalizers[].type]' tokenizer.json)" = '["NFC","Replace","Replace","Replace","Strip"]' ]
    # the same of a blob; by the ending of its name, or because it was asked for
    "$BUILD/export" -q "$RUN" -o model.bolt --vocab "$VOCAB"
    succeeds export -q model.bolt -o other.tokenizer.json
    same tokenizer.json other.tokenizer.json
    succeeds export -q model.bolt -o x --format tokenizer.json
    same tokenizer.json x
    fails 2 "--vocab" export "$RUN" -o tokenizer.json
    fails 2 "--embed" export "$RUN" -o tokenizer.json --embed q8
}
