#!/usr/bin/env bats
# This tree keeps the rules of scripts/check-includes, and the script that says so can fail: breaches planted in a
# copy are reported, each by the file that holds it.

load helpers

# The copy has three folders only: compiling every header for every test would take long.
setup() {
    tree=$BATS_TEST_TMPDIR/tree
    mkdir -p "$tree/common" "$tree/tools/sample" "$tree/tools/train"
    cp -R "$ROOT/common/base" "$ROOT/common/os" "$ROOT/common/dims" "$tree/common/"
}

check() {
    BUILD=$tree/build run "$ROOT/scripts/check-includes" "$tree"
}

# plant FILE TEXT: writes a file of the copy.
plant() {
    mkdir -p "$(dirname "$tree/$1")"
    printf '%s\n' "$2" > "$tree/$1"
}

# reported TEXT: the check fails, and one of its lines, which must be the only one, contains TEXT.
reported() {
    check
    [ "$status" -eq 1 ] || flunk "not noticed"
    contains "$output" "$1"
    [ "${#lines[@]}" -eq 1 ] || flunk "expected one breach"
}

@test "this tree keeps the rules" {
    run "$ROOT/scripts/check-includes"
    [ "$status" -eq 0 ] || flunk "breaches"
    [ -z "$output" ] || flunk "talks though all is well"
}

@test "a copy without a breach is good" {
    check
    [ "$status" -eq 0 ] || flunk "breaches"
}

@test "an arrow pointing the wrong way" {
    plant common/base/extra.h '#include "dims/dims.h"'
    reported 'common/base/extra.h: includes "dims/dims.h", which common/base may not'
}

@test "neighbours" {
    plant common/kern/kern.h '#include "dims/dims.h"'
    reported 'common/kern/kern.h: includes "dims/dims.h"'
}

@test "model never includes blob" {
    plant common/blob/blob.h '#include "base/base.h"'
    plant common/model/model.h ' #  include  "blob/blob.h"'
    reported 'common/model/model.h: includes "blob/blob.h"'
}

@test "common includes no tool, and no tool another tool" {
    plant tools/train/loss.h '#include "base/base.h"'
    plant common/model/model.h '#include "train/loss.h"'
    reported 'common/model/model.h: includes "train/loss.h"'
    rm "$tree/common/model/model.h"
    plant tools/sample/tell.h '#include "train/loss.h"'
    reported 'tools/sample/tell.h: includes "train/loss.h", which tools/sample may not'
}

@test "a folder that the table of folders lacks" {
    plant common/extra/extra.h '#include "base/base.h"'
    reported 'common/extra/extra.h: includes "base/base.h", which common/extra may not'
}

@test "headers of ours without their folder, or in angle brackets" {
    plant common/base/extra.c '#include "base/base.h"
#include "err.h"'
    reported 'common/base/extra.c: includes "err.h", expected "base/err.h"'
    plant common/base/extra.c '#include "base/base.h"
#include <base/err.h>'
    reported 'common/base/extra.c: includes <base/err.h>, expected "base/err.h"'
}

@test "a third-party header outside its place" {
    plant common/base/extra.c '#include "base/base.h"
#include <pthread.h>'
    reported 'common/base/extra.c: includes <pthread.h>, which belongs to: common/os/threads.c'
    rm "$tree/common/base/extra.c"
    plant tools/sample/tell.c '#include <jansson.h>'
    check
    contains "$output" 'tools/sample/tell.c: includes <jansson.h>, which belongs to:'
}

@test "a third-party header in two files of its folder" {
    plant common/text/one.h ''
    plant common/text/two.h ''
    plant common/text/one.c '#include "text/one.h"
#include <utf8proc.h>'
    plant common/text/two.c '#include "text/two.h"
#include <utf8proc.h>'
    reported 'common/text/: <utf8proc.h> is included by more than one file'
}

@test "a third-party header in a header" {
    plant common/format/db.h '#include <sqlite3.h>'
    reported 'common/format/db.h: a header may not include <sqlite3.h>'
}

@test "a library that is not on the list" {
    plant common/base/extra.c '#include "base/base.h"
#include <lzma.h>'
    reported 'common/base/extra.c: includes <lzma.h>, a library that is not in the list'
}

@test "another header before its own" {
    plant common/base/extra.h ''
    plant common/base/extra.c '#include <stdio.h>
#include "base/extra.h"'
    reported 'common/base/extra.c: includes <stdio.h> first, expected "base/extra.h"'
    rm "$tree/common/base/extra.h"
    plant common/base/extra.c '#include <stdio.h>'
    reported 'common/base/extra.c: includes <stdio.h> first, expected a header of base/'
}

@test "a header that needs another before it" {
    plant common/base/extra.h 'size_t extra_size(void);'
    reported 'common/base/extra.h: does not compile alone'
}

# archive FOLDER NAME TEXT: compiles TEXT as NAME.c into the copy's archive of common/FOLDER.
archive() {
    mkdir -p "$tree/build/parts"
    printf '%s\n' "$3" > "$BATS_TEST_TMPDIR/$2.c"
    cc -c -o "$BATS_TEST_TMPDIR/$2.o" "$BATS_TEST_TMPDIR/$2.c"
    ar rcs "$tree/build/parts/$1.a" "$BATS_TEST_TMPDIR/$2.o"
}

@test "a symbol without its file's name" {
    archive dims dims 'int dims_good(void) { return 1; } static int hidden; int *dims_get(void) { return &hidden; }'
    check
    [ "$status" -eq 0 ] || flunk "good names refused"
    archive dims shapes 'int shapes_fine = 1; int dimsy(void) { return 1; }'
    reported 'common/dims/shapes.c: exports dimsy, expected a name that begins with shapes_'
}

@test "a library that prints or exits" {
    archive dims dims '#include <stdlib.h>
void dims_end(void) { exit(1); }'
    reported 'common/dims/dims.c: uses exit, but only common/cli prints and exits'
    archive dims dims '#include <stdio.h>
void dims_say(void) { fprintf(stderr, "hello\n"); }'
    reported 'common/dims/dims.c: uses stderr'
    rm "$tree/build/parts/dims.a"
    archive cli talk '#include <stdlib.h>
void cli_end(void) { exit(1); }'
    check
    [ "$status" -eq 0 ] || flunk "cli may exit"
}

@test "memory that runs out has its code" {
    plant common/base/extra.c '#include "base/err.h"
int extra_fail(struct err *e) { return err_memory(e, "out of memory"); }'
    check
    [ "$status" -eq 0 ] || flunk "breaches"
    plant common/base/extra.c '#include "base/err.h"
int extra_fail(struct err *e) { return err_set(e, "%s: out of memory", "a"); }'
    reported 'common/base/extra.c:2: says "out of memory", expected err_memory'
}

@test "a test's name says that it is one" {
    plant tests/unit/base.c 'static int folder(void **state) { return !state; }
static void test_good(void **state) { (void)state; }'
    check
    [ "$status" -eq 0 ] || flunk "breaches"
    plant tests/unit/base.c 'static void adds(void **state) { (void)state; }'
    reported 'tests/unit/base.c:1: the test adds, expected test_adds'
}
