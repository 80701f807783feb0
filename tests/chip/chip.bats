#!/usr/bin/env bats
# Models in C source on an emulated Cortex-M7: the stories of sample, and what the header promises.

load ../cli/helpers

setup_file() {
    command -v arm-none-eabi-gcc qemu-system-arm > /dev/null || return 0
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" --steps 150 --dilation 1,3
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

# on_chip EMBED [DEFINE]: builds and runs the example on the model stored so; its output goes to `told`.
on_chip() {
    "$BUILD/export" -q "$BATS_FILE_TMPDIR/run" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" --embed "$1" -o model.bolt
    make run MODEL=model.bolt EMBED="$1" TOKENS=60 DEFINES="${2-}" > log 2>&1 ||
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

@test "the story of sample --math exact, embedding in q8, f16 and f32" {
    same_story q8
    same_story f16
    same_story f32
}

@test "without logits: the same story, less memory" {
    same_story q8
    full=$(figure RAM)
    same_story q8 -DSTORY_NO_LOGITS
    [ "$(figure RAM)" -lt "$full" ]
}

@test "flash, memory and stack are what the header states" {
    on_chip q8
    flash=$(figure flash) ram=$(figure RAM) stack=$(figure stack)
    stated_flash=$(sed -n 's/.*STORY_FLASH_BYTES \([0-9]*\).*/\1/p' story.h)
    stated_ram=$(sed -n 's/.*STORY_RAM_BYTES \([0-9]*\).*/\1/p' story.h | head -n 1)
    # code and pointers come to the constant data, the board's few variables to the struct
    [ "$flash" -ge "$stated_flash" ] && [ "$flash" -le $((stated_flash + 16384)) ]
    [ "$ram" -ge "$stated_ram" ] && [ "$ram" -le $((stated_ram + 64)) ]
    [ "$stack" -gt 100 ] && [ "$stack" -lt 1280 ]
    [ "$(figure instructions)" -gt 1000 ]
}
