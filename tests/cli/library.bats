#!/usr/bin/env bats
# libbolt as others meet it: installed into a folder of its own, compiled against, linked, run.
# shellcheck disable=SC2016 # programs of awk stand in single quotes

load helpers

# make_ TARGET [ARGUMENT]...: make, for the configuration under test.
make_() {
    local config=${BUILD##*/}
    case $config in
    asan | tsan | debug) ;;
    *) config=release ;;
    esac
    # a make that runs the tests has flags that are not for this one
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s --no-print-directory -C "$ROOT" CONFIG=$config \
        OUT="$BUILD" "$@" > "$BATS_FILE_TMPDIR/make.log" 2>&1 ||
        flunk "make $*: $(head -n 20 "$BATS_FILE_TMPDIR/make.log")"
}

setup_file() {
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run"
    "$BUILD/export" -q "$BATS_FILE_TMPDIR/run" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" \
        --embed q8 -o "$BATS_FILE_TMPDIR/model.bolt"
    make_ install PREFIX="$BATS_FILE_TMPDIR/usr"
}

setup() {
    model=$BATS_FILE_TMPDIR/model.bolt
    prefix=$BATS_FILE_TMPDIR/usr
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
    cc=${CC:-cc}
    sanitizer=
    if nm "$BUILD/libbolt.a" 2> /dev/null | grep -q __asan_init; then
        sanitizer=-fsanitize=address,undefined
    fi
    cd "$BATS_TEST_TMPDIR" || return
}

# compile SOURCE PROGRAM [--static]: with what pkg-config says and nothing else.
compile() {
    local flags
    flags=$(pkg-config --cflags --libs ${3+"$3"} bolt)
    # shellcheck disable=SC2086 # flags are words
    $cc -std=c99 -pedantic -Wall -Wextra -Werror $sanitizer ${3+-static} "$1" $flags -o "$2"
}

# speaks_ids MATH: the example, printing ids in place of text, with an arithmetic.
speaks_ids() {
    sed -e 's/fwrite(text.*/printf("%d,%.0s", (int)ids[0], text);/' -e '/printf("%s", beginning)/d' \
        -e "s/\"model.bolt\", NULL, &model/\"\", \&(struct bolt_model_options){sizeof(struct bolt_model_options), $1, NULL}, \&model/" \
        "$ROOT/examples/tell.c"
}

defined_globals() {
    nm "$@" -g --defined-only | awk 'NF == 3 { print $3 }' | sort -u
}

@test "library: the example has fewer than 40 lines" {
    [ "$(wc -l < "$ROOT/examples/tell.c")" -lt 40 ]
}

@test "library: the example, linked to the shared library, tells what sample tells" {
    compile "$ROOT/examples/tell.c" tell
    for seed in 42 43; do
        run --separate-stderr ./tell "$model" "Once upon a time" "$seed"
        [ "$status" -eq 0 ]
        contains "$output" "Once upon a time"
    done
    for math in INT8 EXACT; do
        speaks_ids "BOLT_$math" > ids.c
        compile ids.c ids
        for seed in 1 42 123456789; do
            for prompt in "Once upon a time" "Tom" ""; do
                succeeds sample --json --math "$(echo $math | tr A-Z a-z)" --seed $seed -p "$prompt" "$model"
                expected=$(printf '%s\n' "$output" | jq -c .tokens)
                run --separate-stderr ./ids "$model" "$prompt" $seed
                [ "$status" -eq 0 ]
                [ "[${output%,}]" = "$expected" ] || flunk "expected $expected"
            done
        done
    done
}

@test "library: the example, linked statically, tells the same" {
    [ -z "$sanitizer" ] || skip "a sanitizer cannot be linked statically"
    compile "$ROOT/examples/tell.c" shared
    compile "$ROOT/examples/tell.c" static --static
    ! ldd static 2>&1 | grep -q '=>' || flunk "not static"
    unset LD_LIBRARY_PATH
    ./static "$model" Tom 7 > static.txt
    LD_LIBRARY_PATH=$prefix/lib ./shared "$model" Tom 7 > shared.txt
    same static.txt shared.txt
}

@test "library: the example fails with one line that names the file" {
    compile "$ROOT/examples/tell.c" tell
    run --separate-stderr ./tell none.bolt
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    contains "$stderr" "tell: none.bolt: cannot open"
    head -c 1000 "$model" > cut.bolt
    run --separate-stderr ./tell cut.bolt
    [ "$status" -eq 1 ]
    contains "$stderr" "cut.bolt: wrong size, perhaps truncated"
}

@test "library: the header is plain C99 and C++, and needs only stddef.h and stdint.h" {
    printf '#include <bolt.h>\nint main(void) { return bolt_api_version() != BOLT_API_VERSION; }\n' > user.c
    $cc -std=c99 -pedantic -Wall -Wextra -Werror -I "$prefix/include" -fsyntax-only user.c
    [ "$(grep -c '^#include' "$prefix/include/bolt.h")" -eq 2 ]
    grep -q '^#include <stddef.h>' "$prefix/include/bolt.h"
    grep -q '^#include <stdint.h>' "$prefix/include/bolt.h"
    command -v c++ > /dev/null || skip "no C++ compiler"
    cp user.c user.cc
    # shellcheck disable=SC2046 # flags are words
    c++ -Wall -Wextra -Werror $sanitizer user.cc $(pkg-config --cflags --libs bolt) -o user
    ./user
}

@test "library: what it defines for others begins with bolt_ and stands in the header" {
    grep -o '\bbolt_[a-z_]*(' "$prefix/include/bolt.h" | tr -d '(' | sort -u > declared
    defined_globals "$prefix/lib/libbolt.a" | grep -v '^__\(odr_asan\|asan\)' > static || true
    defined_globals -D "$prefix/lib/libbolt.so" | grep -v '^__\(odr_asan\|asan\)' > shared || true
    [ "$(wc -l < static)" -ge 16 ]
    diff declared static
    diff declared shared
}

@test "library: it has no data that changes" {
    [ -z "$sanitizer" ] || skip "a sanitizer adds some"
    size -A "$prefix/lib/libbolt.a" |
        awk '$1 ~ /^\.(bss|data|tbss|tdata)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 { print; bad = 1 } END { exit bad }'
}

@test "library: it needs neither SQLite nor libarchive nor a JSON reader" {
    readelf -d "$prefix/lib/libbolt.so" > dynamic
    grep -q 'SONAME.*\[libbolt\.so\.[0-9]*\]' dynamic
    grep -o 'NEEDED.*\[[^]]*' dynamic | sed 's/.*\[//; s/\.so.*//' | sort > needed
    if [ -z "$sanitizer" ]; then
        printf '%s\n' ld-linux-x86-64 libc libm libpthread libutf8proc libxxhash | sort > allowed
        [ -z "$(comm -23 needed allowed)" ] || flunk "needs $(comm -23 needed allowed)"
    fi
    grep -q utf8proc needed
    ldd "$prefix/lib/libbolt.so" > libraries
    ! grep -E 'sqlite|archive|jansson|libz' libraries || flunk "one library too many"
    nm -u "$prefix/lib/libbolt.a" > undefined
    grep -q utf8proc_ undefined
    ! grep -E ' (sqlite3_|archive_|json_|gz|inflate)' undefined || flunk "one function too many"
    ! grep -E ' (printf|puts|putchar|perror|exit|_exit|signal|sigaction|stdout|stderr)$' undefined ||
        flunk "prints, exits or handles signals"
}

@test "library: installation honours DESTDIR, PREFIX and LIBDIR, and uninstall takes all of it back" {
    places="DESTDIR=$BATS_TEST_TMPDIR/root PREFIX=/opt/b LIBDIR=/opt/b/lib64"
    # shellcheck disable=SC2086 # three words
    make_ install $places
    lib=root/opt/b/lib64
    [ -f root/opt/b/include/bolt.h ]
    [ -f root/opt/b/share/man/man3/bolt.3 ]
    [ -x root/opt/b/bin/bolt-sample ]
    [ -f $lib/libbolt.a ]
    version=$(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --modversion bolt)
    [ "$("$BUILD/sample" --version | grep -o '[0-9][0-9.]*')" = "$version" ]
    [ "$(readlink $lib/libbolt.so)" = "libbolt.so.${version%%.*}" ]
    [ "$(readlink -f $lib/libbolt.so)" = "$(readlink -f $lib/libbolt.so."$version")" ]
    [ "$(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --variable=libdir bolt)" = /opt/b/lib64 ]
    contains "$(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --cflags bolt)" /opt/b/include
    contains "$(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --static --libs bolt)" -lutf8proc
    # shellcheck disable=SC2086 # three words
    make_ uninstall $places
    [ -z "$(find root ! -type d)" ] || flunk "left: $(find root ! -type d)"
}

@test "library: the example in C++, two stories in two threads, tells the streams 0 and 1 of sample" {
    command -v c++ > /dev/null || skip "no C++ compiler"
    # shellcheck disable=SC2046 # flags are words
    c++ -std=c++11 -Wall -Wextra -Werror -pthread $sanitizer "$ROOT/examples/streams.cc" \
        $(pkg-config --cflags --libs bolt) -o streams
    run --separate-stderr ./streams "$model" "Once upon a time"
    [ "$status" -eq 0 ]
    succeeds sample --json --count 2 -p "Once upon a time" "$model"
    printf '%s\n' "$output" | jq -rs '.[0].text, "", .[1].text' > expected
    ./streams "$model" "Once upon a time" | jq -jRs . > told # which puts U+FFFD for bytes that are no character, as sample does
    same expected told
    run --separate-stderr ./streams none.bolt
    [ "$status" -eq 1 ]
    one_error_line streams none.bolt
}

@test "library: the shell pipeline, with the programs as installed" {
    printf '%s\n' "Once upon a time" "Tom" > prompts
    run --separate-stderr env PATH="$prefix/bin:$PATH" "$ROOT/examples/pipeline.sh" "$model" out < prompts
    [ "$status" -eq 0 ] || flunk "failed"
    [ "$(wc -l < out/stories.jsonl)" -eq 6 ]
    [ "$(grep -c endoftext out/best.txt)" -eq 3 ]
    contains "$output" "3 stories, "
    [ -s out/data/train.shard ]
    # the half that was kept is the likelier one
    jq -s 'sort_by(-(.logprobs | add / length)) | .[:3] | map(.text)' out/stories.jsonl > want
    jq -Rs 'split("\n<|endoftext|>\n") | .[:3]' out/best.txt > got
    same want got
    run --separate-stderr env PATH="$prefix/bin:$PATH" "$ROOT/examples/pipeline.sh" none.bolt other < prompts
    [ "$status" -eq 1 ]
    one_error_line bolt-sample none.bolt
}
