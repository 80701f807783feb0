#!/usr/bin/env bats
# The golden files, computed once more by PyTorch.

load common

@test "every golden file is what PyTorch computes from its weights and tokens" {
    needs_modules torch safetensors
    run "$python" "$ROOT/tests/golden/golden.py" check "$ROOT"/tests/golden/*.safetensors
    [ "$status" -eq 0 ] || flunk "$output"
    printf '# %s\n' "${lines[@]##*/}" >&3
}
