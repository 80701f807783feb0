#!/usr/bin/env bats
# The computation of a token as BLOB.md defines it, written a second time in NumPy, gives the bits of libbolt.

load helpers

# Why the test cannot be done here; nothing if it can.
obstacle() {
    if ! "${PYTHON:-python3}" -c 'import numpy' 2> /dev/null; then
        echo "NumPy is not installed"
    elif ! [ -f "$BUILD/libbolt.so" ]; then
        echo "libbolt.so is not built"
    elif nm "$BUILD/libbolt.so" | grep -q __asan_init; then
        echo "Python cannot load a library built with sanitizers"
    fi
}

setup_file() {
    [ -z "$(obstacle)" ] || return 0
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/mixed" --mixers conv,attention --heads 2 --key-width 5 \
        --window 11 --embed-norm
}

setup() {
    local why
    why=$(obstacle)
    [ -z "$why" ] || skip "$why"
}

# same_bits_for EMBED [RUN]
same_bits_for() {
    "$BUILD/export" -q "$BATS_FILE_TMPDIR/${2:-run}" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" --embed "$1" \
        -o "$BATS_TEST_TMPDIR/model.bolt"
    run "${PYTHON:-python3}" "$ROOT/tests/golden/bitexact.py" "$BUILD/libbolt.so" "$BATS_TEST_TMPDIR/model.bolt"
    [ "$status" -eq 0 ] || flunk "$output"
    contains "$output" "exact c same bits"
    contains "$output" "int8  c same bits"
}

@test "the same bits by a second implementation, embedding in f32" {
    same_bits_for f32
}

@test "the same bits by a second implementation, embedding in f16" {
    same_bits_for f16
}

@test "the same bits by a second implementation, embedding in q8" {
    same_bits_for q8
}

@test "the same bits by a second implementation, with attention" {
    same_bits_for f16 mixed
    same_bits_for q8 mixed
}
