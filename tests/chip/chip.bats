#!/usr/bin/env bats
# Models in C source on an emulated Cortex-M7: the stories of sample, and what the header promises.

load ../cli/helpers

setup_file() {
    command -v arm-none-eabi-gcc qemu-system-arm > /dev/null || return 0
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" --steps 150 --dilation 1,3
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/mixed" --steps 200 --blocks 3 --optimiser muon \
        --mixers attention,conv,attention --heads 2 --key-width 5 --window 11 --embed-norm
    make -s -C "$ROOT" OUT="$BUILD" install PREFIX="$BATS_FILE_TMPDIR/usr" > /dev/null
}

setup() {
    for program in arm-none-eabi-gcc qemu-system-arm; do
        command -v $program > /dev/null || skip "$program is not installed: run make deps GROUPS=chip"
    done
    export PATH=$BATS_FILE_TMPDIR/usr/bin:$PATH
    cp "$ROOT"/examples/cortex-m/* "$BATS_TEST_TMPDIR"
    cd "$BATS_TEST_TMPDIR" || return
}

# on_chip RUN EMBED [DEFINE]: builds and runs the example on that model, stored so; its output goes to `told`.
on_chip() {
    "$BUILD/export" -q "$BATS_FILE_TMPDIR/$1" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" --embed "$2" -o model.bolt
    make run MODEL=model.bolt EMBED="$2" TOKENS=60 DEFINES="${3-}" > log 2>&1 ||
        flunk "$(tail -n 20 log)"
    sed -n '/^qemu-system-arm/,$p' log | sed 1d > told
}

# figure NAME: the first number of a line of `told`.
figure() {
    sed -n "s/^$1 *\([0-9]*\).*/\1/p" told
}

same_story() {
    on_chip "$@"
    "$BUILD/sample" -q --math exact -t 0 -n 60 model.bolt < /dev/null > expected
    head -c "$(stat -c %s expected)" told | cmp - expected
    # and it ends there
    [ "$(tail -c +"$(($(stat -c %s expected) + 1))" told | head -n 1 | cut -d ' ' -f 1)" = tokens ]
}

# stated NAME: what the header says of flash, memory (with logits) or stack.
stated() {
    sed -n "s/.*STORY_$1 \([0-9]*\).*/\1/p; s/.*$1 than \([0-9]*\) bytes of stack.*/\1/p" story.h | head -n 1
}

# Flash, memory and stack are what the header states: code and pointers come to the constant data, the
# board's few variables to the struct.
as_stated() {
    flash=$(stated FLASH_BYTES) ram=$(stated RAM_BYTES)
    [ "$(figure flash)" -ge "$flash" ]
    [ "$(figure flash)" -le $((flash + 16384)) ]
    [ "$(figure RAM)" -ge "$ram" ]
    [ "$(figure RAM)" -le $((ram + 64)) ]
    [ "$(figure stack)" -gt 100 ]
    [ "$(figure stack)" -lt "$(stated less)" ]
    [ "$(figure instructions)" -gt 1000 ]
}

@test "the story of sample --math exact, embedding in q8, f16 and f32" {
    same_story run q8
    same_story run f16
    same_story run f32
}

@test "without logits: the same story, less memory" {
    same_story run q8
    full=$(figure RAM)
    same_story run q8 -DSTORY_NO_LOGITS
    [ "$(figure RAM)" -lt "$full" ]
}

@test "flash, memory and stack are what the header states" {
    on_chip run q8
    as_stated
}

@test "the same of a model with attention and a norm of the embedding" {
    same_story mixed q8 -DSTORY_NO_LOGITS
    same_story mixed f16
    [ "$(head -n 1 told | tr -s ' ' '\n' | sort -u | wc -l)" -gt 4 ] # no dull story
    as_stated
}
