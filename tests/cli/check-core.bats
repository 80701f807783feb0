#!/usr/bin/env bats
# The core of libbolt needs no operating system, and the script that says so notices when it does.

load helpers

@test "the core of libbolt needs the C library, libm, utf8proc and xxHash, and nothing else" {
    run "$ROOT/scripts/check-core" "$BUILD/pic/core.o"
    [ "$status" -eq 0 ] || flunk "breaches"
    [ -z "$output" ] || flunk "talks though all is well"
    nm "$BUILD/pic/core.o" | grep -q ' T bolt_open_memory$' || flunk "not the core"
    nm "$BUILD/pic/core.o" | grep -q ' [Tt] infer_feed$' || flunk "not the core"
}

@test "what an operating system gives is noticed" {
    cd "$BATS_TEST_TMPDIR"
    for symbol in mmap pthread_create sched_getaffinity open fopen getenv clock_gettime printf exit; do
        echo "int $symbol(void); int core(void); int core(void) { return $symbol(); }" > core.c
        cc -w -fno-builtin -fPIC -c core.c -o core.o
        run "$ROOT/scripts/check-core" "$PWD/core.o"
        [ "$status" -eq 1 ] || flunk "$symbol not noticed"
        contains "$output" "needs $symbol"
    done
}

@test "a core that is not built is no good core" {
    run "$ROOT/scripts/check-core" "$BATS_TEST_TMPDIR/none.o"
    [ "$status" -eq 1 ]
    echo text > "$BATS_TEST_TMPDIR/text.o"
    run "$ROOT/scripts/check-core" "$BATS_TEST_TMPDIR/text.o"
    [ "$status" -eq 1 ]
}
