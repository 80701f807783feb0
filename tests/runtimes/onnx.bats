#!/usr/bin/env bats
# Graphs of ONNX in onnxruntime and in Transformers.js.

load common

setup_file() {
    load common
    small_data "$BATS_FILE_TMPDIR/data"
    "$BUILD/prep" -q -o "$BATS_FILE_TMPDIR/data" --vocab-size 400 --superwords 60 --valid "$BATS_FILE_TMPDIR/data/valid.txt" \
        "$BATS_FILE_TMPDIR/data/train.txt"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/conv" --steps 200 --dilation 1,3
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/attention" --steps 200 --mixers attention,conv --heads 2 \
        --key-width 4 --window 6 --embed-norm
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    data=$BATS_FILE_TMPDIR/data
    conv=$BATS_FILE_TMPDIR/conv
    attention=$BATS_FILE_TMPDIR/attention
}

# checked COMMAND [ARGUMENT]...: onnx_run.py finds what it must.
checked() {
    run "$python" "$ROOT/tests/runtimes/onnx_run.py" "$@"
    [ "$status" -eq 0 ] || flunk "$output"
}

@test "logits of the golden files: at once, in parts, token by token, with all kinds of weights" {
    needs_modules onnx onnxruntime tokenizers safetensors
    for golden in "$ROOT"/tests/golden/*.safetensors ${GOLDEN_DIR:+"$GOLDEN_DIR"/*.safetensors}; do
        for weights in f32 int8 int2; do
            "$BUILD/export" -q "$golden" --weights $weights -o $weights.onnx
            checked golden $weights.onnx "$golden"
            printf '# %s\n' "${lines[@]}" >&3
        done
    done
}

@test "a story token for token is that of sample --math exact" {
    needs_modules onnx onnxruntime tokenizers safetensors
    "$BUILD/export" -q "$data/vocab.db" -o tokenizer.json
    for model in "$conv" "$attention"; do
        greedy "$model" "$data" "${prompts[@]}" > triples
        for weights in f32 int8 int2; do
            "$BUILD/export" -q "$model" --weights $weights -o $weights.onnx
            checked tell $weights.onnx tokenizer.json < triples
        done
    done
}

@test "Transformers.js tells the story of sample --math exact" {
    command -v node > /dev/null || skip "there is no node"
    [ -d "$NODE_MODULES/node_modules/@huggingface/transformers" ] ||
        skip "NODE_MODULES names no folder with @huggingface/transformers"
    NODE_MODULES=$(cd "$NODE_MODULES" && pwd)
    for model in conv attention; do
        greedy "${!model}" "$data" "${prompts[@]}" > triples
        for weights in f32 int8; do
            "$BUILD/export" -q "${!model}" --vocab "$data/vocab.db" --format onnx --for transformersjs --weights $weights \
                -o models/$model-$weights
        done
        run node "$ROOT/tests/runtimes/transformersjs.mjs" models $model-f32 $model-int8 < triples
        [ "$status" -eq 0 ] || flunk "$output"
        printf '# %s\n' "${lines[@]}" | grep Transformers.js >&3
    done
}
