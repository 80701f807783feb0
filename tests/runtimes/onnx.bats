#!/usr/bin/env bats
# Graphs of ONNX in onnxruntime and in Transformers.js. PYTHON names a Python that has onnx and onnxruntime, NODE_MODULES
# a folder whose node_modules has @huggingface/transformers.

load ../cli/helpers

setup_file() {
    load ../cli/helpers
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" --steps 200 --dilation 1,3
}

setup() {
    python=${PYTHON:-python3}
    export PYTHONDONTWRITEBYTECODE=1
    cd "$BATS_TEST_TMPDIR" || return
    data=$BATS_FILE_TMPDIR/data
    run=$BATS_FILE_TMPDIR/run
}

needs_onnxruntime() {
    "$python" -c 'import onnx, onnxruntime, tokenizers, safetensors' 2> /dev/null ||
        skip "$python has no onnx, onnxruntime, tokenizers and safetensors"
}

# checked COMMAND [ARGUMENT]...: onnx_run.py finds what it must.
checked() {
    run "$python" "$ROOT/tests/runtimes/onnx_run.py" "$@"
    [ "$status" -eq 0 ] || flunk "$output"
}

# told PROMPT: a triple of prompt, greedy story and the most tokens drawn.
told() {
    "$BUILD/sample" -q "$run" --vocab "$data/vocab.db" --math exact -t 0 -n 60 -p "$1" |
        jq -Rs --arg prompt "$1" '[$prompt, rtrimstr("\n"), 60]'
}

triples() {
    { told "Once upon a time"; told "The"; told "One day, a little girl named Lily found a needle."; } | jq -s .
}

@test "logits of the golden files: at once, in parts, token by token, with all kinds of weights" {
    needs_onnxruntime
    for golden in "$ROOT"/tests/golden/*.safetensors ${GOLDEN_DIR:+"$GOLDEN_DIR"/*.safetensors}; do
        for weights in f32 int8 int2; do
            "$BUILD/export" -q "$golden" --weights $weights -o $weights.onnx
            checked golden $weights.onnx "$golden"
            printf '# %s\n' "${lines[@]}" >&3
        done
    done
}

@test "a story token for token is that of sample --math exact" {
    needs_onnxruntime
    triples > triples
    "$BUILD/export" -q "$data/vocab.db" -o tokenizer.json
    for weights in f32 int8 int2; do
        "$BUILD/export" -q "$run" --weights $weights -o $weights.onnx
        checked tell $weights.onnx tokenizer.json < triples
    done
}

@test "Transformers.js tells the story of sample --math exact" {
    command -v node > /dev/null || skip "there is no node"
    NODE_MODULES=$(cd "${NODE_MODULES:-.}" && pwd)
    export NODE_MODULES
    [ -d "$NODE_MODULES/node_modules/@huggingface/transformers" ] ||
        skip "NODE_MODULES names no folder with @huggingface/transformers"
    triples > triples
    for weights in f32 int8; do
        "$BUILD/export" -q "$run" --vocab "$data/vocab.db" --format onnx --for transformersjs --weights $weights \
            -o models/bolt-$weights
    done
    run node "$ROOT/tests/runtimes/transformersjs.mjs" models bolt-f32 bolt-int8 < triples
    [ "$status" -eq 0 ] || flunk "$output"
    printf '# %s\n' "${lines[@]}" | grep Transformers.js >&3
}
