#!/usr/bin/env bats
# The folder of export --format hf in transformers and lm-evaluation-harness.

load common

setup_file() {
    load common
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" --steps 200 --dilation 1,3
    "$BUILD/export" -q "$BATS_FILE_TMPDIR/run" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" --format hf -o "$BATS_FILE_TMPDIR/model"
}

setup() {
    needs_modules torch transformers tokenizers safetensors
    cd "$BATS_TEST_TMPDIR" || return
    data=$BATS_FILE_TMPDIR/data
    folder=$BATS_FILE_TMPDIR/model
    export PYTHONWARNINGS=ignore TRANSFORMERS_VERBOSITY=error HF_HOME=$BATS_TEST_TMPDIR/cache
}

# checked COMMAND [ARGUMENT]...: hf.py finds what it must.
checked() {
    run "$python" "$ROOT/tests/runtimes/hf.py" "$@"
    [ "$status" -eq 0 ] || flunk "$output"
}

# The figures a check printed, beside its result.
figures() {
    printf '%s\n' "$output" | grep -o "$1" | sed 's/^/# /' >&3
}

@test "logits of the golden files: at once, token by token, padded" {
    for golden in "$ROOT"/tests/golden/*.safetensors ${GOLDEN_DIR:+"$GOLDEN_DIR"/*.safetensors}; do
        "$BUILD/export" -q "$golden" -o weights.safetensors
        checked golden "$folder" weights.safetensors "$golden"
        figures 'transformers .*'
    done
}

@test "greedy text is that of sample --math exact: pipeline, batch, beams, a saved copy" {
    greedy "$BATS_FILE_TMPDIR/run" "$data" "${prompts[@]}" > pairs
    checked tell "$folder" < pairs
}

@test "the same of a model with attention and a norm of the embedding" {
    small_train "$data" run --steps 200 --mixers attention,conv --heads 2 --key-width 4 --window 6 --embed-norm
    "$BUILD/export" -q run --vocab "$data/vocab.db" --format hf -o model
    greedy run "$data" "${prompts[@]}" > pairs
    checked tell model < pairs
}

@test "bits per byte are those of eval, and in lm-evaluation-harness" {
    jq -Rs 'split("<|endoftext|>")[] | gsub("^\\s+|\\s+$"; "") | select(. != "")' "$data/valid.txt" |
        jq -c . > stories
    "$BUILD/eval" -q "$BATS_FILE_TMPDIR/run" --vocab "$data/vocab.db" --json "$data/valid.txt" > eval.json
    checked score "$folder" stories "$(jq .bpb eval.json)"
    figures '[0-9.]* bits per byte.*'
    needs_modules lm_eval datasets accelerate
    checked harness "$folder" stories
    figures '[0-9.]* bits per byte.*'
}
