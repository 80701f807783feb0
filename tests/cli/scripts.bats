#!/usr/bin/env bats
# What stands around the programs: installation of packages, the download, races, and the targets of make.

load helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    mkdir bin
}

# fake NAME [LINE]...: a program of that name, first in PATH inside `faked`.
fake() {
    local name=$1
    shift
    printf '%s\n' '#!/bin/sh' "$@" > "bin/$name"
    chmod +x "bin/$name"
}

# faked COMMAND...: runs it with the fakes before, and with only the plainest programs after them.
faked() {
    local tool path
    for tool in sh env cat sed sort tr sudo dirname mkdir mv rm touch; do
        path=$(command -v "$tool") && [ ! -e "bin/$tool" ] && ln -s "$path" "bin/$tool"
    done
    run --separate-stderr env PATH="$BATS_TEST_TMPDIR/bin" "$@"
}

@test "deps: with everything there it does nothing and says nothing" {
    run --separate-stderr "$ROOT/scripts/deps" --check build test
    [ "$status" -eq 0 ]
    [ -z "$output$stderr" ]
}

@test "deps: without apt-get the packages are printed, and the exit status is 1" {
    faked "$ROOT/scripts/deps" build test
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    one_error_line deps "no apt-get"
    for package in gcc make binutils libarchive-dev libutf8proc-dev libsqlite3-dev libjansson-dev libxxhash-dev \
        libcmocka-dev bats; do
        contains "$stderr" "$package"
    done
}

@test "deps: --check names what is missing and installs nothing" {
    fake apt-get 'touch called'
    fake pkg-config 'case "$2" in jansson) exit 1 ;; esac'
    fake gcc
    fake cc
    fake make
    fake objcopy
    faked "$ROOT/scripts/deps" --check
    [ "$status" -eq 1 ]
    one_error_line deps "libjansson-dev"
    [ ! -e called ]
    case $stderr in *libarchive*) flunk "libarchive is there" ;; esac
}

@test "deps: installs exactly what is missing, after fetching package lists where there are none" {
    fake id 'echo 0'
    fake apt-cache 'exit 1'
    fake apt-get 'echo "$*" >> log' 'case $1 in update) ;; install) touch installed ;; esac' \
        'case "$*" in *libjansson-dev*) touch installed ;; esac'
    fake pkg-config 'case "$2" in jansson) [ -e installed ] ;; esac'
    fake gcc
    fake cc
    fake make
    fake objcopy
    faked "$ROOT/scripts/deps"
    [ "$status" -eq 0 ] || flunk "deps failed"
    [ "$(sed -n 1p log)" = "update -q" ]
    contains "$(sed -n 2p log)" "install"
    contains "$(sed -n 2p log)" " libjansson-dev"
    [ "$(wc -l < log)" -eq 2 ]
}

@test "deps: an installation that brings nothing is a failure" {
    fake id 'echo 0'
    fake apt-cache
    fake apt-get 'exit 0'
    fake pkg-config 'case "$2" in jansson) exit 1 ;; esac'
    fake gcc
    fake cc
    fake make
    fake objcopy
    faked "$ROOT/scripts/deps"
    [ "$status" -eq 1 ]
    contains "$stderr" "did not bring: libjansson-dev"
}

@test "deps: a group that does not exist is a usage error" {
    run --separate-stderr "$ROOT/scripts/deps" nonsense
    [ "$status" -eq 2 ]
}

@test "deps: pyarrow goes into a venv, once" {
    mkdir scripts
    cp "$ROOT/scripts/deps" scripts
    fake python3 'case $* in
        *ensurepip*) ;;
        "-m venv"*) mkdir -p "$3/bin" && sed "s/case.*/case \$* in *pip*) touch installed ;; *) [ -e installed ] ;; esac; exit/" "$0" > "$3/bin/python" &&
            chmod +x "$3/bin/python" && echo venv >> log ;;
        *) exit 1 ;;
        esac'
    ln -s "$(command -v chmod)" bin/chmod
    faked scripts/deps --check parquet
    [ "$status" -eq 1 ]
    one_error_line deps "missing: pyarrow (of PyPI, into build/parquet)"
    [ ! -e build ]
    faked scripts/deps parquet
    [ "$status" -eq 0 ] || flunk "deps failed"
    [ -e installed ]
    faked scripts/deps --check parquet
    [ "$status" -eq 0 ]
    faked scripts/deps parquet
    [ "$(cat log)" = venv ]
}

@test "deps: what npm has goes beside the venv, once" {
    mkdir scripts
    cp "$ROOT/scripts/deps" scripts
    fake python3 'exit 0'
    fake node
    fake npm '[ "$1 $2" = "install --prefix" ] || exit 1' 'case $* in *--ignore-scripts*@huggingface/transformers) ;; *) exit 1 ;; esac' \
        'mkdir -p "$3/node_modules/@huggingface/transformers" && echo npm >> log'
    faked scripts/deps --check runtimes
    [ "$status" -eq 1 ]
    one_error_line deps "missing: @huggingface/transformers (of npm, into build/runtimes)"
    faked scripts/deps runtimes
    [ "$status" -eq 0 ] || flunk "deps failed"
    [ -d build/runtimes/node_modules/@huggingface/transformers ]
    faked scripts/deps --check runtimes
    [ "$status" -eq 0 ]
    faked scripts/deps runtimes
    [ "$(cat log)" = npm ]
    rm -r build
    fake npm 'mkdir -p "$3/node_modules/@huggingface/transformers" && exit 1'
    faked scripts/deps runtimes
    [ "$status" -eq 1 ]
    contains "$stderr" "npm did not bring @huggingface/transformers"
    faked scripts/deps --check runtimes
    [ "$status" -eq 1 ]
    one_error_line deps "missing: @huggingface/transformers"
}

@test "fetch: a file that is there is not fetched again" {
    echo story > file.txt
    fake curl 'touch called'
    PATH=$PWD/bin:$PATH run "$ROOT/scripts/fetch" https://example.invalid/file.txt file.txt
    [ "$status" -eq 0 ]
    [ ! -e called ]
}

@test "fetch: a download that stops midway resumes, and only a whole file gets the name" {
    # The first call writes half of it and loses the connection, the second goes on from there.
    fake curl 'while [ "$1" != --output ]; do shift; done' \
        'if [ -e "$2" ]; then printf "second\n" >> "$2"; else printf "first\n" > "$2"; exit 56; fi'
    FETCH_TRIES=0 PATH=$PWD/bin:$PATH run "$ROOT/scripts/fetch" https://example.invalid/f sub/f.txt
    [ "$status" -eq 1 ]
    contains "$output" "resumes the download"
    [ ! -e sub/f.txt ]
    PATH=$PWD/bin:$PATH run "$ROOT/scripts/fetch" https://example.invalid/f sub/f.txt
    [ "$status" -eq 0 ]
    [ "$(cat sub/f.txt)" = $'first\nsecond' ]
    [ ! -e sub/f.txt.part ]
}

@test "fetch: without a network the error names the other ways" {
    fake curl 'exit 6'
    PATH=$PWD/bin:$PATH run "$ROOT/scripts/fetch" https://example.invalid/f f.txt
    [ "$status" -eq 1 ]
    contains "$output" "https://example.invalid/f: no connection"
    contains "$output" "CORPUS="
    contains "$output" "VALID="
    contains "$output" "TRAIN_URL="
}

@test "make data: takes files, and a second call does nothing until something changes" {
    stories 1 400 > a.txt
    stories 2 40 > v.txt
    data() {
        run make -C "$ROOT" --no-print-directory data DATA="$BATS_TEST_TMPDIR/d" OUT="$BUILD" \
            CORPUS="$BATS_TEST_TMPDIR/a.txt" VALID="$BATS_TEST_TMPDIR/v.txt" PREP_ARGS="$1"
        [ "$status" -eq 0 ] || flunk "make data failed"
    }
    data "-q --vocab-size 400"
    [ -f d/train.shard ]
    [ -f d/valid.shard ]
    [ -f d/vocab.db ]
    before=$(stat -c %Y.%i d/train.shard)
    data "-q --vocab-size 400"
    [ "$(stat -c %Y.%i d/train.shard)" = "$before" ] || flunk "prep ran again"
    [ "$output" = "$BATS_TEST_TMPDIR/d: the vocabulary and the shards are up to date" ]
    data "-q --vocab-size 420"
    [ "$(stat -c %Y.%i d/train.shard)" != "$before" ] || flunk "prep did not run with other options"
    before=$(stat -c %Y.%i d/train.shard)
    rm d/valid.shard
    data "-q --vocab-size 420"
    [ -f d/valid.shard ]
    PRESET=swift data "-q"
    contains "$(cat d/.options)" "| --preset swift -q"
    PRESET=quick run make -s -C "$ROOT" data
    [ "$status" -ne 0 ]
    contains "$output" "PRESET=quick: expected small, large or swift"
    run make -s -C "$ROOT" data DATA="$BATS_TEST_TMPDIR/e" OUT="$BUILD" CORPUS=a.txt VALID="$PWD/none.txt"
    [ "$status" -ne 0 ]
    contains "$output" "data: a.txt: no such file"
    [ ! -e e ]
}

@test "make data: what prep --append added is not made anew without a word" {
    stories 1 400 > a.txt
    stories 401 440 > b.txt
    data() {
        run make -C "$ROOT" --no-print-directory data DATA="$BATS_TEST_TMPDIR/d" OUT="$BUILD" CORPUS="$BATS_TEST_TMPDIR/a.txt" \
            PREP_ARGS="-q --vocab-size 400"
    }
    data
    [ "$status" -eq 0 ] || flunk "make data failed"
    "$BUILD/prep" -q --append -o d b.txt
    cp -r d kept
    data
    [ "$status" -eq 0 ] || flunk "make data failed, though nothing is to be done"
    sleep 0.01
    touch a.txt
    data
    [ "$status" -ne 0 ]
    contains "$output" "d/shards.json is newer than what make data wrote (prep --append?): remove $BATS_TEST_TMPDIR/d/.made to make it anew"
    for f in shards.json train.shard; do same d/$f kept/$f; done
    rm d/.made
    data
    [ "$status" -eq 0 ] || flunk "make data failed after .made was removed"
}

@test "make data: quotes and patterns in names and options, several shards, fields of any form" {
    data() {
        run make -s -C "$ROOT" --no-print-directory data DATA="$BATS_TEST_TMPDIR/d" OUT="$BUILD" "$@"
    }
    sources() { sqlite3 d/vocab.db "SELECT name FROM sources WHERE split = 'train'" | xargs -d '\n'; }
    mkdir in
    stories 1 40 > "in/it's&a.txt"
    stories 2 40 > in/b.txt
    stories 3 40 > in/c.txt
    touch -d 2020-01-01 in/c.txt
    mv in/c.txt .
    options="-q --vocab-size 300 --shard-tokens 2000 --separator '</s>'"
    data CORPUS="$PWD/in/*.txt" PREP_ARGS="$options"
    [ "$status" -eq 0 ] || flunk "make data failed"
    [ "$(sources)" = "b.txt it's&a.txt" ] || flunk "$(sources)"
    before=$(stat -c %Y.%i d/shards.json)
    data CORPUS="$PWD/in/*.txt" PREP_ARGS="$options"
    [ "$status" -eq 0 ]
    [ "$(stat -c %Y.%i d/shards.json)" = "$before" ] || flunk "prep ran again"
    mv c.txt in # an older file, which the pattern stands for now
    data CORPUS="$PWD/in/*.txt" PREP_ARGS="$options"
    [ "$(sources)" = "b.txt c.txt it's&a.txt" ] || flunk "$(sources)"
    jq -Rs -c 'split("<|endoftext|>")[] | {body: .}' in/b.txt > b.jsonl
    data CORPUS="$PWD/b.jsonl" FIELD=body PREP_ARGS="-q --vocab-size 300"
    [ "$status" -eq 0 ] || flunk "make data failed"
    # what would be passed over
    data CORPUS="$PWD/b.jsonl" FIELD=body WHERE='score > 3'
    [ "$status" -ne 0 ]
    contains "$output" "WHERE chooses rows of Parquet, and none of the files is"
    data CORPUS="$PWD/b.jsonl" DATASET=simplestories
    [ "$status" -ne 0 ]
    contains "$output" "CORPUS takes files of yours, DATASET a data set: give one of them"
    data CORPUS="$PWD/b.parquet" PREP_ARGS="--field body"
    [ "$status" -ne 0 ]
    contains "$output" "the column of Parquet is FIELD=NAME"
}

@test "make train, export, sample, eval: one after the other, and train goes on where it stopped" {
    small_data "$PWD/d"
    run_make() {
        run --separate-stderr make -s -C "$ROOT" "$1" OUT="$BUILD" DATA="$BATS_TEST_TMPDIR/d" \
            CHECKPOINTS="$BATS_TEST_TMPDIR/${3-c}" INIT_FROM="${4-}" MODEL="$BATS_TEST_TMPDIR/m.bolt" ARGS="${2-}"
        [ "$status" -eq 0 ] || flunk "make $1 failed"
    }
    small="-q --dim 32 --blocks 2 --hidden 48 --seq-len 32 --batch 4"
    run_make train "$small --steps 10"
    [ -f c/step-000000010.safetensors ]
    run_make train "$small --steps 20"
    [ -f c/step-000000020.safetensors ]
    PRESET=swift run_make train "$small --steps 5" swift
    [ "$("$BUILD/export" --json --info swift/step-000000005.safetensors | jq -r .recipe)" = swift ]
    for steps in 3 6; do # another run from its weights, which goes on likewise
        run_make train "-q --steps $steps" more "$PWD/c"
    done
    [ "$("$BUILD/export" --json --info more/step-000000006.safetensors | jq .dim)" = 32 ]
    run_make export -q
    run_make sample "-n 20 -p Once"
    contains "$output" "Once"
    run_make eval --json
    contains "$output" '"bpc"'
    # in one command each goes on from the one before
    rm m.bolt
    run --separate-stderr make -s -j3 -C "$ROOT" train export sample OUT="$BUILD" DATA="$BATS_TEST_TMPDIR/d" \
        CHECKPOINTS="$BATS_TEST_TMPDIR/whole" MODEL="$BATS_TEST_TMPDIR/m.bolt" HOURS=0.0003 ARGS=-q
    [ "$status" -eq 0 ] || flunk "make train export sample failed"
    [ -n "$output" ] && [ "$("$BUILD/export" --json --info m.bolt | jq .dim)" -gt 100 ] || flunk "another model"
}

@test "make export: without a checkpoint it says what to do" {
    run make -s -C "$ROOT" export OUT="$BUILD" CHECKPOINTS="$BATS_TEST_TMPDIR/none"
    [ "$status" -ne 0 ]
    contains "$output" "make train"
}

@test "make: a CONFIG that there is not, and a folder with spaces, are errors" {
    run make -n -C "$ROOT" CONFIG=debgu
    [ "$status" -ne 0 ]
    contains "$output" "CONFIG=debgu: expected release, debug, asan"
    run make -n -C "$ROOT" OUT="$PWD/a b"
    [ "$status" -ne 0 ]
    contains "$output" "OUT: expected a folder without spaces"
    run make -n -C "$ROOT" OUT="$BUILD" data DATA="my data"
    [ "$status" -ne 0 ]
    contains "$output" "DATA: expected a folder without spaces (found 'my data')"
    run make -n -C "$ROOT" OUT="$BUILD" install PREFIX=usr
    [ "$status" -ne 0 ]
    contains "$output" "PREFIX and LIBDIR are written into bolt.pc: they must begin with /"
}

@test "make: what failed to compile is not taken for an object" {
    fake compiler 'case $1 in -dumpmachine) echo x86_64-linux; exit ;; esac' 'while [ "$1" != -o ]; do shift; done' 'echo half > "$2"; exit 1'
    run make -s -C "$ROOT" OUT="$PWD/o" CC="$PWD/bin/compiler" "$PWD/o/obj/common/base/err.o"
    [ "$status" -ne 0 ]
    [ -d o/obj/common/base ] && [ ! -e o/obj/common/base/err.o ]
}

@test "make: with link-time optimisation, names that it would hide are there, and names that are hidden stay so" {
    echo 'int a;' > a.c
    cc -flto -c a.c 2> /dev/null && readelf -S a.o 2> /dev/null | grep -q '\.gnu\.lto_' || skip "no such compiler"
    for object in obj/tools/export/embedded pic/common/base/err obj/common/base/err; do
        run make -s -C "$ROOT" CONFIG=release OUT="$PWD/o" CFLAGS="-flto -O0" "$PWD/o/$object.o"
        [ "$status" -eq 0 ] || flunk "$object: failed"
        readelf -S "o/$object.o" > sections
        [ "$(grep -c '\.gnu\.lto_' sections)" -gt 0 ] && echo "$object" >> optimised
    done
    [ "$(cat optimised)" = obj/common/base/err ]
}

@test "make: CPPFLAGS, CFLAGS and LDFLAGS of the environment reach what they are for" {
    CPPFLAGS=-DGIVEN CFLAGS=-fgiven LDFLAGS=-Wl,given run make -n -C "$ROOT" CONFIG=release OUT="$PWD/o" all V=1
    [ "$status" -eq 0 ]
    printf '%s\n' "$output" | sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' > commands
    [ "$(grep -c ' -c -o ' commands)" -gt 100 ]
    [ "$(grep -c ' -c -o ' commands)" -eq "$(grep ' -c -o ' commands | grep -c -- ' -DGIVEN -fgiven ')" ]
    for file in prep train export sample eval libbolt.so; do
        grep -- "-o $PWD/o/$file " commands | grep -q -- '-fgiven -Wl,given' || flunk "$file is linked otherwise"
    done
}

@test "make: other flags build anew, the same ones do not" {
    # makes COUNT [FLAG]...: that many objects are compiled.
    makes() {
        run make -C "$ROOT" CONFIG=release OUT="$PWD/o" V=1 "${@:2}" "$PWD"/o/obj/common/base/{err,rng}.o
        [ "$status" -eq 0 ] || flunk "make ${*:2} failed"
        [ "$(grep -c ' -c -o ' <<< "$output")" -eq "$1" ] || flunk "make ${*:2} compiled other than $1 files"
    }
    makes 2
    makes 0
    makes 0 -n
    makes 2 CFLAGS="-O0 -DNAME='\"a b\"'"
    makes 0 CFLAGS="-O0 -DNAME='\"a b\"'"
    makes 0 CFLAGS="-O0 -DNAME='\"a b\"' -Werror"
    touch "$PWD/o/obj/common/base/err.o" # newer than the file of flags
    makes 2 LDFLAGS=-s
    makes 2
    makes 0
}

@test "make install: programs and man pages, and uninstall removes them" {
    run make -s -C "$ROOT" install OUT="$BUILD" DESTDIR="$PWD/root" PREFIX=/usr
    [ "$status" -eq 0 ] || flunk "install failed"
    for t in prep train export sample eval; do
        [ -x "root/usr/bin/bolt-$t" ]
        [ -f "root/usr/share/man/man1/bolt-$t.1" ]
    done
    root/usr/bin/bolt-sample --version
    contains "$(root/usr/bin/bolt-prep --help)" "| bolt-prep -o data" # examples, too
    # pages say what one has to type, and where formats are described
    page() {
        mandoc -T ascii "root/usr/share/man/man$1" | sed "s/.$(printf '\b')//g" > page
    }
    page 1/bolt-train.1
    grep -q '^ *bolt-train - train a ternary' page
    grep -q '^ *bolt-train \[options\] --data' page
    grep -q '^ *bolt-train --data data --resume$' page
    grep -q '^ *bolt-prep(1), bolt-export(1)' page
    grep -q 'bolt-ckpt(5)' page
    page 1/bolt-prep.1
    grep -q ' train and valid' page
    for name in blob ckpt shard vocab; do
        page 5/bolt-$name.5
        grep -q "^ *bolt-$name - " page
        grep -q '^RULES FOR READERS' page
    done
    page 5/bolt-shard.5
    grep -Eq '^ *16 +8 +file_bytes +size of the whole file$' page
    grep -Eq '^ *1\. +The file has at least 128 bytes\.$' page
    grep -q '^ *00000000  42 4f 4c 54 53 48 52 44 ' page
    run make -s -C "$ROOT" uninstall OUT="$BUILD" DESTDIR="$PWD/root" PREFIX=/usr
    empty_dir root
}

@test "make install: below /usr/local unless told otherwise" {
    run env -u PREFIX make -s -C "$ROOT" install OUT="$BUILD" DESTDIR="$PWD/root"
    [ "$status" -eq 0 ] || flunk "install failed"
    [ -x root/usr/local/bin/bolt-prep ]
    [ -f root/usr/local/share/man/man1/bolt-prep.1 ]
    # what they say of themselves is what one has to type
    run root/usr/local/bin/bolt-export
    [ "$status" -eq 2 ]
    contains "$output" "(try 'bolt-export --help')"
    run root/usr/local/bin/bolt-export --help
    contains "$output" "Usage: bolt-export "
}

@test "make dist: the archive holds what is tracked, and installs from itself" {
    [ -e "$ROOT/.git" ] && command -v git > /dev/null || skip "not a repository"
    run make -s -C "$ROOT" dist
    [ "$status" -eq 0 ] || flunk "make dist failed"
    tar -xf "$ROOT"/build/flashlm-bolt-*.tar.gz
    (cd flashlm-bolt-*/ && find . -type f -o -type l) | sed 's|^\./||' | sort > packed
    git -C "$ROOT" ls-tree -r --name-only HEAD | sort > tracked
    same packed tracked
    # no git there, and the programs are those that are built (make check-dist builds it, too)
    (cd flashlm-bolt-*/ && GIT_DIR=/nonexistent make -s -o all install OUT="$BUILD" DESTDIR="$PWD/../root" PREFIX=/opt/bolt)
    contains "$(root/opt/bolt/bin/bolt-eval --help)" "Usage: bolt-eval"
    [ -s root/opt/bolt/share/man/man5/bolt-blob.5 ]
    # lint finds its files without git; another archive needs it
    mkdir stubs
    for program in clang-format shellcheck mandoc; do
        printf '#!/bin/sh\nprintf "%%s\\n" "$@" >> %s\n' "$PWD/$program.files" > stubs/$program
        chmod +x stubs/$program
    done
    (cd flashlm-bolt-*/ && PATH=$OLDPWD/stubs:$PATH scripts/lint > /dev/null)
    same <(grep '\.[ch]$' packed) <(grep '\.[ch]$' clang-format.files)
    grep -qx tests/run shellcheck.files && grep -qx tests/cli/docs.bats shellcheck.files && grep -qx tools/prep/prep.1 mandoc.files
    run make -s -C flashlm-bolt-*/ dist
    [ "$status" -ne 0 ]
    contains "$output" "dist: not a repository of git"
    (cd flashlm-bolt-*/ && make -s uninstall OUT="$BUILD" DESTDIR="$PWD/../root" PREFIX=/opt/bolt)
    empty_dir root
    # where git does not trust the folder
    (cd flashlm-bolt-*/ && touch .git)
    PATH=$PWD/stubs:$PATH run flashlm-bolt-*/scripts/lint
    [ "$status" -eq 1 ]
    contains "$output" "lint: found no files to look at"
}

@test "--help of a script is the text at its head, and does nothing else" {
    mkdir empty
    cd empty || return
    for script in bench demo deps fetch lint plot-loss race still train-night wheel; do
        run --separate-stderr "$ROOT/scripts/$script" --help < /dev/null
        [ "$status" -eq 0 ] && [ -z "$stderr" ] || flunk "scripts/$script --help"
        [ "${lines[0]}" = "$(sed -n '2s/^# //p' "$ROOT/scripts/$script")" ] || flunk "scripts/$script --help: not its text"
    done
    [ -z "$(ls -A)" ]
}

@test "make help: every target has its line" {
    run make -s -C "$ROOT" help
    for t in all deps data train export sample eval demo test bench asan tsan fuzz lint format install \
        uninstall dist clean help; do
        contains "$output" "make $t "
    done
}

@test "stories: the same seed writes the same text, another seed another" {
    stories 5 50 > a
    stories 5 50 > b
    stories 6 50 > c
    same a b
    run cmp -s a c
    [ "$status" -ne 0 ]
    [ "$(grep -c '^<|endoftext|>$' a)" -eq 50 ]
}

@test "stories: no two are alike, and nothing of the grammar is left in them" {
    stories 3 3000 > text
    [ "$(tr '\n' ' ' < text | sed 's/<|endoftext|>/\n/g' | sort | uniq -d | grep -c '[a-z]')" -eq 0 ]
    run grep -n '[][{}~|]' <(grep -v '^<|endoftext|>$' text)
    [ "$status" -eq 1 ] || flunk "brackets of the grammar in a story"
    run grep -nE '\b[Aa] [aeiouAEIOU]|  | [.,!?]' text
    [ "$status" -eq 1 ] || flunk "bad article, space or stop"
}

@test "stories: --mb bounds the size; files are refused" {
    "$BUILD/stories" --mb 0.5 > text
    size=$(wc -c < text)
    [ "$size" -ge 500000 ]
    [ "$size" -lt 510000 ]
    fails 2 "takes no files" stories text
    fails 2 "--mb" stories --mb -1
}

@test "stories: a full disk is an error" {
    run bash -c '"$1" --mb 1 > /dev/full' - "$BUILD/stories"
    [ "$status" -eq 1 ]
    contains "$output" "No space left"
}

@test "race: a table with figures of both halves, a verdict, and a race that goes on" {
    stories 1 200 > train.txt
    stories 2 40 > valid.txt
    model='--dim 16 --blocks 1 --hidden 16 --seq-len 32 --batch 4'
    cat > list << END
# the second doesn't learn anything, the third has a number of steps of its own
base | --vocab-size 300 | $model
b.se | --vocab-size 300 | $model --lr 1e-9
END
    printf '%s' "words | --vocab-size 320 | $model --steps 44" >> list # a last line without its end
    race() {
        run --separate-stderr env BUILD="$BUILD" "$ROOT/scripts/race" --train train.txt --valid valid.txt -o out \
            --steps "${steps:-40}" --seeds "1 2" --at-once 2 list
    }
    race
    [ "$status" -eq 0 ] || flunk "failed"
    echo "$stderr" > first
    [ "$(wc -l < out/results.jsonl)" -eq 6 ]
    [ "$(jq -s 'map(.steps) | unique == [40, 44]' out/results.jsonl)" = true ]
    contains "${lines[1]}" baseline
    contains "${lines[2]}" "not kept"
    [ "$(wc -L <<< "$output")" -le 80 ] || flunk "wider than 80 columns"
    # both halves are there, whole, and differ
    cat out/judge.txt out/report.txt | sort > both
    sort valid.txt | cmp - both
    [ "$(grep -c endoftext out/judge.txt)" -eq 20 ]
    # the median of two and the spread, from the figures of the runs
    jq -s '[.[] | select(.name == "base") | .judged] | [(max + min) / 2, max - min]' out/results.jsonl > want
    awk -F '\t' '$1 == "base" { printf "[%.15g,%.15g]", $4, $7 }' out/table.tsv > got
    jq -es '(.[0][0] - .[1][0] | fabs) < 1e-12 and (.[0][1] - .[1][1] | fabs) < 1e-12' want got
    # again: nothing runs anew, the table is the same
    table=$output
    cp out/results.jsonl before
    race
    [ "$output" = "$table" ]
    cmp before out/results.jsonl
    steps=50 race
    [ "$status" -eq 1 ]
    one_error_line race "other conditions"
    # the data were made once for those that share them
    [ "$(grep -c "prep for" first)" -eq 2 ]
    # nor would it be the same race
    touch train.txt
    race
    [ "$status" -eq 1 ]
    one_error_line race "train.txt: is newer than the race in out"
    touch -d 2020-01-01 train.txt
    # other options under the name of runs that are there would go by their figures
    sed -i 's/lr 1e-9/lr 1e-8/' list
    race
    [ "$status" -eq 1 ]
    one_error_line race "out/b.se-1: ran with other options"
}

@test "race: takes turns by the clock, and keeps what is better by twice the spread" {
    stories 1 200 > train.txt
    stories 2 40 > valid.txt
    model='--dim 16 --blocks 1 --hidden 16 --seq-len 32 --batch 4'
    printf '%s\n' "still | --vocab-size 300 | $model --lr 1e-9" "base | --vocab-size 300 | $model" > list
    run --separate-stderr env BUILD="$BUILD" "$ROOT/scripts/race" --train train.txt --valid valid.txt -o out \
        --minutes 0.06 --turn 0.03 --seeds "1 2" --at-once 1 list
    [ "$status" -eq 0 ] || flunk "failed"
    [[ ${lines[2]} == *"  kept" ]] || flunk "not kept"
    contains "$stderr" "turn 2 of all"
    run --separate-stderr "$ROOT/scripts/race" --train train.txt --valid valid.txt -o other --minutes 0 list
    [ "$status" -eq 1 ]
    one_error_line race "minutes are a number above 0 (found 0)"
    run --separate-stderr "$ROOT/scripts/race" --train train.txt --valid valid.txt -o other --chart x.pdf list
    [ "$status" -eq 1 ]
    one_error_line race "x.pdf: the name ends neither in .png nor in .svg"
    [ ! -e other ]
    # a list that is none
    echo "base | --vocab-size 300" > list
    run --separate-stderr "$ROOT/scripts/race" --train train.txt --valid valid.txt -o other list
    [ "$status" -eq 1 ]
    one_error_line race "expected NAME | options of prep | options of train"
}

@test "race: a run that fails when its turn ends is a failure, and no run outlives the race" {
    stories 1 20 > train.txt
    printf '%s\n' 'a | | --set a' 'b | | --set b' > list
    fake prep 'while [ "$1" != -o ]; do shift; done' 'mkdir -p "$2" && touch "$2/valid.shard"'
    fake train 'trap "echo full >&2; exit 1" TERM' 'while :; do sleep 0.05; done'
    run timeout 30 env BUILD="$PWD/bin" "$ROOT/scripts/race" --train train.txt --valid train.txt -o out --turn 0.005 \
        --seeds 1 --at-once 1 list
    [ "$status" -eq 1 ]
    contains "$output" "train failed for a, seed 1"
    fake train 'trap "touch $0.ended; exit 143" TERM' 'touch $0.begun' 'while :; do sleep 0.05; done'
    BUILD=$PWD/bin "$ROOT/scripts/race" --train train.txt --valid train.txt -o out --seeds 1 --at-once 2 list 2> said 3>&- &
    for ((i = 0; i < 200; i++)); do [ -e bin/train.begun ] && break || sleep 0.05; done
    kill "$!"
    wait "$!" || status=$?
    [ "$status" -eq 143 ]
    for ((i = 0; i < 200; i++)); do [ -e bin/train.ended ] && break || sleep 0.05; done
    [ -e bin/train.ended ] || flunk "train goes on"
}

@test "demo: figures have points in any language; no figures and no time are errors" {
    mkdir scripts
    cp "$ROOT/scripts/demo" scripts
    for program in stories prep export; do fake $program; done
    fake train 'echo "$*" > hours'
    fake sample 'echo story'
    fake eval 'case $* in *--json*) printf "{\"bpc\": %s}\n" 0.7126 1.5 1.25 ;; esac'
    demo() {
        run --separate-stderr env BUILD="$PWD/bin" "$@" scripts/demo
    }
    language=
    if localedef -i de_DE -f ISO-8859-1 "$PWD/comma" 2> /dev/null; then
        language="LOCPATH=$PWD LC_ALL=comma"
    fi
    # shellcheck disable=SC2086 # words
    demo $language DEMO_MINUTES=1.5
    [ "$status" -eq 0 ] || flunk "failed"
    contains "$(cat hours)" "--hours 0.025000000 "
    contains "$output" "Bits per character: 0.713 on the validation stories, 1.500 on the story above."
    fake eval 'case $* in *--json*) exit 1 ;; esac'
    demo DEMO_MINUTES=1.5
    [ "$status" -ne 0 ]
    [[ $output != *"Bits per"* ]]
    for minutes in 0 x 1,5 -1; do
        demo DEMO_MINUTES=$minutes
        [ "$status" -eq 2 ]
        one_error_line demo "DEMO_MINUTES is a number above 0 (found $minutes)"
    done
}
