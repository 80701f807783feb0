#!/usr/bin/env bats
# The runner itself: that a failure, a crash, a hang and an empty run are counted as failures. It runs in
# a small tree of its own, with programs that behave as told.

load helpers

setup() {
    unset GOLDEN_DIR # its files are not these tests'
    cd "$BATS_TEST_TMPDIR" || return
    mkdir -p tests/unit tests/cli tests/golden scripts build/tests
    cp "$ROOT/tests/run" tests/run
}

# program NAME [LINE]...: a test program.
program() {
    local name=$1
    shift
    touch "tests/unit/$name.c"
    printf '%s\n' '#!/bin/sh' "$@" > "build/tests/$name"
    chmod +x "build/tests/$name"
}

# closes TEXT STATUS GROUP...: the runner's last line and exit status.
closes() {
    local text=$1 want=$2
    shift 2
    BUILD=build run tests/run "$@"
    [ "${lines[-1]}" = "$text" ] || flunk "the last line is '${lines[-1]}', expected '$text'"
    [ "$status" -eq "$want" ] || flunk "exit status $status, expected $want"
}

@test "run: counts what passed and what was skipped" {
    program one 'echo 1..3; echo "ok 1 - a"; echo "ok 2 - b"; echo "not ok 3 # SKIP c"'
    program two 'echo 1..1; echo "ok 1 - a"'
    closes "3 passed, 0 failed" 0 unit
    [ "${lines[-2]}" = "1 skipped" ] || flunk "the skipped test is not counted"
}

@test "run: threads are the programs that can start one, and those of which nobody knows" {
    mkdir bin
    printf '%s\n' '#!/bin/sh' '[ -e "$1" ] || exit 1' 'case $1 in *starts) echo "U pthread_create@GLIBC_2.34" ;; *still) echo "T main" ;; *) exit 1 ;; esac' > bin/nm
    chmod +x bin/nm
    for name in starts still odd; do program $name 'echo 1..1; echo "ok 1 - a"'; done
    PATH=$PWD/bin:$PATH closes "2 passed, 0 failed" 0 threads
    contains "$output" "starts"
    contains "$output" "odd"
    PATH=$PWD/bin:$PATH PLAIN=none closes "3 passed, 0 failed" 0 threads
    touch tests/unit/missing.c
    PATH=$PWD/bin:$PATH closes "2 passed, 1 failed" 1 threads
    BUILD=build PATH=$PWD/bin:$PATH run tests/run --list threads
    [ "$output" = $'build/tests/missing\nbuild/tests/odd\nbuild/tests/starts' ] || flunk "$output"
}

@test "run: a failed test is counted, and its output shown" {
    program one 'echo 1..2; echo "ok 1 - a"; echo "not ok 2 - b"; echo "# 1 != 2"; exit 1'
    closes "1 passed, 1 failed" 1 unit
    contains "$output" "# 1 != 2"
}

@test "run: a program that crashes has failed, and so have the tests it did not reach" {
    program one 'echo 1..3; echo "ok 1 - a"; kill -SEGV $$'
    program two 'echo 1..1; echo "ok 1 - a"'
    closes "2 passed, 2 failed" 1 unit
}

@test "run: a program that fails after its last test has failed" {
    program one 'echo 1..1; echo "ok 1 - a"; exit 23'
    closes "1 passed, 1 failed" 1 unit
}

@test "run: a program that stops early with status 0 has failed" {
    program one 'echo 1..3; echo "ok 1 - a"'
    closes "1 passed, 2 failed" 1 unit
}

@test "run: a program without a test, and one that is not there, have failed" {
    program one
    touch tests/unit/missing.c
    closes "0 passed, 2 failed" 1 unit
}

@test "run: a program that hangs has failed" {
    program one 'echo 1..1; sleep 60; echo "ok 1 - a"'
    TEST_TIMEOUT=1 closes "0 passed, 1 failed" 1 unit
}

@test "run: bats files and closing lines are counted too" {
    printf '@test "good" {\n true\n}\n@test "bad" {\n false\n}\n@test "not here" {\n skip\n}\n' > tests/cli/a.bats
    program kcheck 'echo "7 passed, 0 failed"'
    program parity 'case $1 in *bad*) echo "1 passed, 2 failed"; exit 1 ;; *) echo "3 passed, 0 failed" ;; esac'
    rm tests/unit/*
    touch tests/golden/good.safetensors tests/golden/bad.safetensors
    printf '#!/bin/sh\nexit 0\n' > scripts/check-good
    printf '#!/bin/sh\nexit 1\n' > scripts/check-bad
    chmod +x scripts/check-*
    closes "13 passed, 4 failed" 1 cli kern parity rules
    contains "$output" "1 skipped"
}

@test "run: golden files of GOLDEN_DIR are added, but not twice" {
    program parity 'echo "1 passed, 0 failed"'
    mkdir more
    touch tests/golden/a.safetensors more/a.safetensors more/b.safetensors
    GOLDEN_DIR=$PWD/more closes "2 passed, 0 failed" 0 parity
}

@test "run: a group that does not exist is a usage error" {
    BUILD=build run tests/run nonsense
    [ "$status" -ne 0 ]
}
