#!/usr/bin/env bats
# Bits per character of other people's models, counted as eval counts them. PYTHON names a Python that has
# torch and transformers.

load helpers

@test "a small random GPT-Neo reads what one prediction at a time gives" {
    python=${PYTHON:-python3}
    "$python" -c 'import torch, transformers' 2> /dev/null || skip "$python has no torch and transformers"
    run "$python" "$ROOT/tests/bench/hf_bpc.py" --self-test
    [ "$status" -eq 0 ] || flunk "$output"
    contains "$output" "bits per character"
}
