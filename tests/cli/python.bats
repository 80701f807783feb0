#!/usr/bin/env bats
# The Python package over the library just built. PYTHON names another interpreter than python3.

load helpers

@test "the package tells what sample tells, encodes, scores, and raises what went wrong" {
    python=${PYTHON:-python3}
    command -v "$python" > /dev/null || skip "there is no $python"
    if nm "$BUILD/libbolt.so" | grep -q '__asan_init\|__tsan_init'; then
        skip "Python cannot load a library built with sanitizers"
    fi
    small_data "$BATS_TEST_TMPDIR/data"
    small_train "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/run"
    "$BUILD/export" -q "$BATS_TEST_TMPDIR/run" --vocab "$BATS_TEST_TMPDIR/data/vocab.db" -o "$BATS_TEST_TMPDIR/model.bolt"
    cd "$ROOT/bindings/python" || return
    run env PYTHONDONTWRITEBYTECODE=1 BOLT_LIBRARY="$BUILD/libbolt.so" MODEL="$BATS_TEST_TMPDIR/model.bolt" \
        SAMPLE="$BUILD/sample" "$python" -m unittest test_bolt
    [ "$status" -eq 0 ] || flunk "$output"
    [ "${lines[-1]}" = OK ] || flunk "$output"
}

@test "without the library the package says what to do" {
    python=${PYTHON:-python3}
    command -v "$python" > /dev/null || skip "there is no $python"
    cd "$ROOT/bindings/python" || return
    run env PYTHONDONTWRITEBYTECODE=1 BOLT_LIBRARY=/none/libbolt.so "$python" -c 'import bolt'
    [ "$status" -eq 1 ]
    contains "$output" "/none/libbolt.so: cannot be loaded"
    contains "$output" "make install"
}
