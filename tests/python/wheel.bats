#!/usr/bin/env bats
# The package as a user gets it: a wheel that carries the library, and pip install beside an installed library.
# Needs PyPI, for the compiler of the wheel. PYTHONS names the interpreters to install it for.

load ../cli/helpers

setup_file() {
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run"
    "$BUILD/export" -q "$BATS_FILE_TMPDIR/run" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" -o "$BATS_FILE_TMPDIR/model.bolt"
}

# tests_pass PYTHON: the package's tests with what that interpreter has installed.
tests_pass() {
    cp "$ROOT/bindings/python/test_bolt.py" "$BATS_TEST_TMPDIR"
    cd "$BATS_TEST_TMPDIR" || return
    run env -u BOLT_LIBRARY -u PYTHONPATH MODEL="$BATS_FILE_TMPDIR/model.bolt" SAMPLE="$BUILD/sample" "$1" -m unittest test_bolt
    [ "$status" -eq 0 ] || flunk "$output"
}

@test "a wheel with the library inside, installed into a fresh venv" {
    run "$ROOT/scripts/wheel" "$ROOT/build/wheel"
    [ "$status" -eq 0 ] || flunk "$output"
    wheel=$(find "$ROOT/build/wheel" -maxdepth 1 -name 'flashlm_bolt-*-py3-none-manylinux_2_28_x86_64.whl')
    [ -f "$wheel" ]
    # nothing newer than glibc 2.28, and no library but that
    newest=$(objdump -T "$ROOT/build/wheel/build/libbolt.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
    [ "$(printf '%s\n' "$newest" GLIBC_2.28 | sort -V | tail -n 1)" = GLIBC_2.28 ]
    [ -z "$(objdump -p "$ROOT/build/wheel/build/libbolt.so" | awk '/NEEDED/ { print $2 }' | grep -v '^lib\(c\|m\|pthread\)\.so')" ]
    for python in ${PYTHONS:-python3}; do
        "$python" -m venv "$BATS_TEST_TMPDIR/venv-$python"
        "$BATS_TEST_TMPDIR/venv-$python/bin/pip" install -q --no-index "$wheel"
        tests_pass "$BATS_TEST_TMPDIR/venv-$python/bin/python"
    done
    # every instruction set of this machine is in it
    run "$BATS_TEST_TMPDIR/venv-python3/bin/python" -c "import bolt; print(bolt.Model('$BATS_FILE_TMPDIR/model.bolt').info.cpu)"
    best=$("$BUILD/sample" --bench --json -q "$BATS_FILE_TMPDIR/model.bolt" 2> /dev/null | jq -r .cpu)
    [ "$output" = "$best" ]
}

@test "pip install of the folder finds an installed library" {
    make -s -C "$ROOT" install PREFIX="$BATS_TEST_TMPDIR/usr" > /dev/null
    python3 -m venv "$BATS_TEST_TMPDIR/venv"
    cp -R "$ROOT/bindings/python" "$BATS_TEST_TMPDIR/package"
    "$BATS_TEST_TMPDIR/venv/bin/pip" install -q "$BATS_TEST_TMPDIR/package"
    export LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/usr/lib
    tests_pass "$BATS_TEST_TMPDIR/venv/bin/python"
}
