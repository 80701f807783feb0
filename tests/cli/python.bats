#!/usr/bin/env bats
# The Python package over the library just built. PYTHON names another interpreter than python3.

load helpers

@test "the package tells what sample tells, encodes, scores, and raises what went wrong" {
    python=${PYTHON:-python3}
    command -v "$python" > /dev/null || skip "there is no $python"
    if nm "$BUILD/libbolt.so" | grep -q '__asan_init\|__tsan_init'; then
        skip "Python cannot load a library built with sanitizers"
    fi
    cd "$BATS_TEST_TMPDIR" || return
    small_data data
    small_train data conv
    small_train data attention --mixers conv,attention --heads 2 --key-width 5 --window 11 --embed-norm
    for model in conv attention; do
        "$BUILD/export" -q $model --vocab data/vocab.db -o $model.bolt
        run env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$ROOT/bindings/python" BOLT_LIBRARY="$BUILD/libbolt.so" \
            MODEL=$model.bolt SAMPLE="$BUILD/sample" "$python" -m unittest test_bolt
        [ "$status" -eq 0 ] || flunk "$model: $output"
        [ "${lines[-1]}" = OK ] || flunk "$model: $output"
    done
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
