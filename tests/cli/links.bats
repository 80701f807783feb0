#!/usr/bin/env bats
# A program brings the libraries it uses and no other.

load helpers

setup() {
    if nm "$BUILD/sample" | grep -q __asan_init || nm "$BUILD/sample" | grep -q __tsan_init; then
        skip "a sanitizer brings libraries of its own"
    fi
}

# needed PROGRAM: the libraries it asks for, a line each, without "lib" and version.
needed() {
    readelf -d "$BUILD/$1" | sed -n 's/.*NEEDED.*\[lib\([^.]*\)\.so.*/\1/p'
}

@test "no program asks for a library of which it uses nothing" {
    for program in prep train export sample eval stories; do
        run ldd -u "$BUILD/$program"
        [ "$status" -eq 0 ] || flunk "$program asks in vain for: $output"
    done
}

@test "only what reads texts of any kind brings the libraries for them" {
    needed prep | grep -qx archive
    for program in train sample stories; do
        ! needed "$program" | grep -Ex 'archive|z|zstd|yajl|csv' || flunk "in $program"
    done
    ! needed stories | grep -Ex 'sqlite3|utf8proc|jansson' || flunk "in stories"
}
