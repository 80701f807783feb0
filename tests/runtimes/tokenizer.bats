#!/usr/bin/env bats
# tokenizer.json in the library it is written for.

load common

setup_file() {
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" --steps 2
}

setup() {
    needs_modules tokenizers
    cd "$BATS_TEST_TMPDIR" || return
}

# same_ids DATA RUN N [STORIES]...: of N random strings and of stories.
same_ids() {
    local data=$1 checkpoint=$2
    shift 2
    "$BUILD/export" -q "$checkpoint" --vocab "$data/vocab.db" -o model.bolt
    "$BUILD/export" -q model.bolt -o tokenizer.json
    run env BOLT_LIBRARY="$BUILD/libbolt.so" PYTHONPATH="$ROOT/bindings/python" PYTHONDONTWRITEBYTECODE=1 \
        "$python" "$ROOT/tests/runtimes/ids.py" model.bolt tokenizer.json "$@"
    [ "$status" -eq 0 ] || flunk "$output"
    printf '# %s\n' "${lines[@]}" >&3
}

@test "ids of random text, for each normal form" {
    same_ids "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" 20000
    for form in none nfkc; do
        "$BUILD/prep" -q -o "$form" --normalize "$form" --vocab-size 400 --valid "$BATS_FILE_TMPDIR/data/valid.txt" \
            "$BATS_FILE_TMPDIR/data/train.txt"
        small_train "$form" "$form/run" --steps 2
        same_ids "$form" "$form/run" 5000
    done
}

@test "ids of real stories and of 100,000 random strings, own vocabulary" {
    needs_tinystories
    "$BUILD/prep" -q -o data --valid "$TINYSTORIES_DIR/valid.txt.gz" "$TINYSTORIES_DIR/train.txt.gz"
    small_train data run --steps 2
    same_ids data run 100000 "$TINYSTORIES_DIR/train.txt.gz" "$TINYSTORIES_DIR/valid.txt.gz"
}

@test "ids of random text and of real stories, superwords" {
    "$BUILD/prep" -q -o few --superwords 150 --vocab-size 500 --valid "$BATS_FILE_TMPDIR/data/valid.txt" \
        "$BATS_FILE_TMPDIR/data/train.txt"
    small_train few few/run --steps 2
    same_ids few few/run 20000
    needs_tinystories
    "$BUILD/prep" -q -o data --superwords 2048 --vocab-size 4096 --valid "$TINYSTORIES_DIR/valid.txt.gz" \
        "$TINYSTORIES_DIR/train.txt.gz"
    small_train data run --steps 2
    same_ids data run 20000 "$TINYSTORIES_DIR/valid.txt.gz"
}

@test "ids of real stories and of random strings, GPT-2's tokens" {
    needs_tinystories
    needs_gpt2
    "$BUILD/prep" -q -o data --tokenizer gpt2 --gpt2-vocab "$GPT2_DIR/vocab.json" --gpt2-merges "$GPT2_DIR/merges.txt" \
        --valid "$TINYSTORIES_DIR/valid.txt.gz" "$TINYSTORIES_DIR/train.txt.gz"
    small_train data run --steps 2
    same_ids data run 20000 "$TINYSTORIES_DIR/valid.txt.gz"
}
