#!/usr/bin/env bats
# Stories told by the programs of 64-bit ARM under emulation: the bytes of this machine's own.
# BUILD is the folder of the emulated programs, HOST (default build) that of the machine's.

load ../cli/helpers

setup_file() {
    export EMULATED=$BUILD
    export BUILD=${HOST:-$ROOT/build}
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" --steps 60
    for embed in f16 q8; do
        "$BUILD/export" -q "$BATS_FILE_TMPDIR/run" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" \
            --embed "$embed" -o "$BATS_FILE_TMPDIR/$embed.bolt"
    done
}

setup() {
    command -v "$EMULATOR" > /dev/null || skip "EMULATOR is not given: run make check-arm"
    cd "$BATS_FILE_TMPDIR" || return
}

# same_stories SEEDS OPTION...: both machines tell the same with every seed up to SEEDS.
same_stories() {
    local seeds=$1 seed
    shift
    for ((seed = 1; seed <= seeds; seed++)); do
        "$BUILD/sample" "$@" --seed "$seed" < /dev/null > here
        "$EMULATOR" "$EMULATED/sample" "$@" --seed "$seed" < /dev/null > there
        [ -s here ]
        cmp here there || flunk "another story: $* --seed $seed"
    done
}

@test "arm: twenty stories in exact arithmetic are the same bytes" {
    same_stories 20 f16.bolt --math exact -n 60 -p "Once upon a time"
}

@test "arm: so they are at every level and in int8" {
    for level in c v128 neon dotprod; do
        for math in exact int8; do
            "$BUILD/sample" q8.bolt --math $math -n 40 < /dev/null > here
            "$EMULATOR" "$EMULATED/sample" q8.bolt --math $math --cpu $level -n 40 < /dev/null > there
            cmp here there || flunk "another story: $math, $level"
        done
    done
}

@test "arm: a level of another architecture is refused" {
    run --separate-stderr "$EMULATOR" "$EMULATED/sample" q8.bolt --cpu avx2
    [ "$status" -eq 2 ]
    contains "$stderr" "this processor has no avx2 (its best level is "
}

@test "arm: what one machine packs, the other packs to the same bytes" {
    "$EMULATOR" "$EMULATED/export" -q run --vocab data/vocab.db --embed f16 -o there.bolt
    cmp f16.bolt there.bolt
}
