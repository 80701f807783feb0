#!/usr/bin/env bats
# parity: it passes on good golden vectors, and one changed number in any group makes it fail.

load helpers

setup() {
    BUILD=$BUILD/tests
    golden=$ROOT/tests/golden/bolt-tiny.safetensors
    file=$BATS_TEST_TMPDIR/changed.safetensors
}

# header_bytes FILE: the length of its JSON header.
header_bytes() {
    od -An -tu8 -N8 "$1" | tr -d ' '
}

# change TENSOR INDEX: $file is the golden file with 1/8 of that number added or taken off, by turning
# one bit of its fraction.
change() {
    local n at byte
    cp "$golden" "$file"
    n=$(header_bytes "$golden")
    at=$(tail -c +9 "$golden" | head -c "$n" | jq --arg name "$1" '.[$name].data_offsets[0]')
    at=$((8 + n + at + 4 * $2 + 2))
    byte=$(od -An -tu1 -j "$at" -N 1 "$file" | tr -d ' ')
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
}

# fails_in GROUP: parity finds the changed number, in this group and no other.
fails_in() {
    tool parity "$file"
    [ "$status" -eq 1 ] || flunk "exit status $status"
    [ "$(printf '%s\n' "$output" | grep FAILED | cut -c 1-18 | sed 's/ *$//')" = "$1" ] || flunk "expected: $1"
    [ "${lines[-1]}" = "5 passed, 1 failed" ] || flunk "closing line: ${lines[-1]}"
}

@test "good golden vectors pass, all six groups of them" {
    succeeds parity "$golden"
    [ "${lines[-1]}" = "6 passed, 0 failed" ] || flunk "closing line: ${lines[-1]}"
}

@test "one changed number fails, whichever group it is in" {
    change output.logits 700
    fails_in "logits"
    change grad.blocks.0.ffn.W_gate.weight 17
    fails_in "gradients"
    change step1.blocks.1.mixer.conv.weight 40
    fails_in "weights, 1 step"
    change step3.embedding.weight 500
    fails_in "weights, 3 steps"
    change output.losses 2
    fails_in "losses"
    change output.grad_norms 1
    fails_in "gradient norms"
}

@test "one changed weight or token fails" {
    change embedding.weight 100
    tool parity "$file"
    [ "$status" -eq 1 ] || flunk "a changed weight passes"
    change input.targets 3
    tool parity "$file"
    [ "$status" -eq 1 ] || flunk "a changed target passes"
}

@test "groups that the file does not hold are left out" {
    n=$(header_bytes "$golden")
    tail -c +9 "$golden" | head -c "$n" |
        sed 's/"output.logits"/"absent.logits"/; s/"output.grad_norms"/"absent.grad_norms"/; s/"step3\./"absen./g' > "$BATS_TEST_TMPDIR/header"
    {
        head -c 8 "$golden"
        cat "$BATS_TEST_TMPDIR/header"
        tail -c +$((9 + n)) "$golden"
    } > "$file"
    succeeds parity "$file"
    [ "${lines[-1]}" = "3 passed, 0 failed" ] || flunk "closing line: ${lines[-1]}"
}

@test "a file that is missing, cut or no golden file is one error" {
    fails 1 "none.safetensors: " parity none.safetensors
    head -c 5000 "$golden" > "$file"
    fails 1 "$file: " parity "$file"
    : > "$file"
    fails 1 "$file: " parity "$file"
}
