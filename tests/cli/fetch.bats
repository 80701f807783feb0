#!/usr/bin/env bats
# The download, from a server that behaves and from one that does not. Needs Python for the server, and curl.

load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    command -v curl > /dev/null && "${PYTHON:-python3}" -c 'import http.server' 2> /dev/null || return 0
    stories 1 60 > data
    stories 2 60 > other
    echo good > mode
    "${PYTHON:-python3}" "$ROOT/tests/support/fileserver.py" . 3>&- &
    echo $! > pid
    for ((i = 0; i < 200; i++)); do
        [ ! -s port ] || break
        sleep 0.05
    done
}

teardown_file() {
    [ ! -e "$BATS_FILE_TMPDIR/pid" ] || kill "$(cat "$BATS_FILE_TMPDIR/pid")"
}

setup() {
    server=$BATS_FILE_TMPDIR
    [ -s "$server/port" ] || skip "no curl, or no Python to serve files"
    mkdir "$BATS_TEST_TMPDIR/here"
    cd "$BATS_TEST_TMPDIR/here" || return
    export no_proxy='*' FETCH_TRIES=0 # a test looks at what a run leaves that was cut short
    url=http://127.0.0.1:$(cat "$server/port")/stories.txt
    n=$(wc -c < "$server/data")
    : > "$server/log"
}

# fetch MODE [URL] [SUM]: one run against the server in that mode.
fetch() {
    echo "$1" > "$server/mode"
    run --separate-stderr "$ROOT/scripts/fetch" "${2:-$url}" f.txt ${3:+"$3"}
}

# fetched [FILE]: the last run ended with the right file and left nothing else.
fetched() {
    [ "$status" -eq 0 ] || flunk "the download failed"
    same f.txt "$server/${1:-data}"
    [ "$(ls -A)" = f.txt ] || flunk "left behind: $(ls -A)"
}

# refused TEXT: the last run failed, saying TEXT, without a file under the name.
refused() {
    [ "$status" -eq 1 ] || flunk "exit status $status, expected 1"
    contains "$stderr" "fetch: "
    contains "$stderr" "$1"
    [ ! -e f.txt ] || flunk "f.txt is there"
}

# asked LINE...: the requests since the test began, each as its Range or "-".
asked() {
    [ "$(cut -d ' ' -f 2 "$server/log")" = "$(printf '%s\n' "$@")" ] || flunk "asked otherwise: $(cat "$server/log")"
}

@test "a whole file, at once" {
    fetch good
    fetched
    asked -
}

@test "a connection that breaks: the next run goes on from there" {
    for mode in half dated bare; do
        : > "$server/log"
        rm -f f.txt
        fetch $mode
        refused "the same command resumes the download"
        fetch $mode
        fetched
        asked - "bytes=$((n / 2))-"
    done
}

@test "a whole part only lacks its name" {
    for mode in good silent; do
        : > "$server/log"
        rm -f f.txt
        fetch half
        cp "$server/data" f.txt.part # a run that was killed before it could rename it
        fetch $mode
        fetched
        asked - "bytes=$n-"
    done
}

@test "a part longer than the file is of another one" {
    fetch half
    cat "$server/data" "$server/data" > f.txt.part
    fetch good
    fetched
    contains "$stderr" "f.txt.part of $((2 * n)) bytes does not fit the file ($n bytes): started over"
}

@test "a server without ranges sends all of it again" {
    fetch half
    fetch plain
    fetched
    contains "$stderr" "started over"
}

@test "a server that answers a range from another place is not trusted" {
    fetch half
    fetch zero
    fetched
    contains "$stderr" "started over"
}

@test "a server that sends ranges by the piece: each run brings one" {
    fetch half
    fetch piece
    refused "$((n / 2 + 1000)) bytes of $n have come; the same command resumes the download"
    fetch good
    fetched
    asked - "bytes=$((n / 2))-" "bytes=$((n / 2 + 1000))-"
}

@test "parts of two versions of a file are not joined" {
    for mode in half dated; do
        rm -f f.txt
        fetch $mode
        fetch "$mode other"
        refused "the same command resumes the download" # it was started over, and broke again
        fetch "$mode other"
        fetched other
    done
    # without a validator only the checksum can tell
    rm f.txt
    fetch bare
    fetch "bare other" "$url" "$(sha256sum < "$server/other" | cut -d ' ' -f 1)"
    contains "$stderr" "f.txt.part has the wrong checksum: started over"
    fetch "good other"
    fetched other
}

@test "a part of another address is not continued, nor one of nobody knows where" {
    fetch half
    fetch "good other" "$url.2"
    fetched other
    contains "$stderr" "f.txt.part comes from $url: started over"
    rm f.txt
    head -c 500 "$server/other" > f.txt.part
    fetch good
    fetched
    contains "$stderr" "nothing tells where f.txt.part comes from: started over"
}

@test "the checksum and size that the server publishes are verified" {
    fetch sum
    fetched
    rm f.txt
    fetch badsum
    refused "the file has the wrong checksum (found $(sha256sum < "$server/data" | cut -d ' ' -f 1), expected 000000"
    [ -z "$(ls -A)" ] || flunk "left behind: $(ls -A)"
    # a part with a fault in it
    fetch half
    printf x | dd of=f.txt.part conv=notrunc bs=1 seek=77 2> /dev/null
    fetch sum
    fetched
    contains "$stderr" "f.txt.part has the wrong checksum: started over"
}

@test "a checksum given is verified" {
    fetch good "$url" "$(sha256sum < "$server/data" | cut -d ' ' -f 1)"
    fetched
    rm f.txt
    fetch good "$url" "$(sha256sum < "$server/other" | cut -d ' ' -f 1)"
    refused "wrong checksum"
    [ -z "$(ls -A)" ]
    # a file that is there stays, and is said to, or has another one
    cp "$server/other" f.txt
    fetch good
    fetched other
    contains "$stderr" "f.txt is there, and is not downloaded again"
    fetch good "$url" "$(sha256sum < "$server/data" | cut -d ' ' -f 1)"
    [ "$status" -eq 1 ]
    contains "$stderr" "f.txt: is there, with another checksum"
    fetch good "$url" "$(sha256sum < f.txt | cut -d ' ' -f 1)"
    fetched other
}

@test "what is no file of stories is named, and nothing is left" {
    fetch page
    refused "the server sent a web page"
    [ -z "$(ls -A)" ]
    fetch pointer
    refused "pointer of Git LFS"
    [ -z "$(ls -A)" ]
    fetch empty
    refused "the file is empty"
    fetch missing
    refused "the server refused (HTTP 404)"
    fetch good
    fetched
}

@test "a connection that breaks or falls silent: the same run asks for the rest" {
    export FETCH_TRIES=3 FETCH_STALL=1
    for mode in half stall; do
        : > "$server/log"
        rm -f f.txt
        fetch $mode
        fetched
        contains "$stderr" "going on from byte $((n / 2))"
        asked - "bytes=$((n / 2))-"
    done
    rm f.txt
    fetch mute
    refused "no connection"
}

@test "a server that lies about a range is found out by the checksum" {
    fetch half
    fetch liar
    fetched
    contains "$stderr" "f.txt.part has the wrong checksum: started over"
}

@test "a data set that is not open to all needs a token, which no other host gets" {
    export HF_ENDPOINT=${url%/*}
    fetch gated
    refused "the server refused (HTTP 401): a data set that is not open to all needs HF_TOKEN"
    HF_TOKEN=secret fetch gated
    fetched
    rm f.txt
    : > "$server/log"
    HF_ENDPOINT=https://huggingface.co HF_TOKEN=secret fetch good
    fetched
    [ "$(cut -d ' ' -f 3 "$server/log")" = - ] || flunk "the token went to another host"
    # nor where the host that gets it redirects to
    rm f.txt
    : > "$server/log"
    HF_TOKEN=secret fetch away
    fetched
    [ "$(cut -d ' ' -f 3- "$server/log")" = $'Bearer secret\n-' ] || flunk "the token went along: $(cat "$server/log")"
}

@test "a data set by its name: its files, each once, with their checksums" {
    mkdir "$server/files"
    printf '0 %s\n' a b c > "$server/files/train-00000-of-00007.parquet"
    printf '1 %s\n' a b c > "$server/files/train-00001-of-00007.parquet"
    printf 'test\n' > "$server/files/test-00000-of-00001.parquet"
    export HF_ENDPOINT=${url%/*}
    echo good > "$server/mode"
    run --separate-stderr "$ROOT/scripts/fetch" -n simplestories d 2
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 3 ]
    [ ! -e d ] && [ ! -s "$server/log" ] || flunk "-n did more than print"
    [ "${lines[1]}" = "$HF_ENDPOINT/datasets/SimpleStories/SimpleStories/resolve/main/data/train-00000-of-00007.parquet" ]
    run --separate-stderr "$ROOT/scripts/fetch" simplestories d 2
    [ "$status" -eq 0 ] || flunk "the download failed"
    for f in d/simplestories/*; do same "$f" "$server/files/${f##*/}"; done
    [ "$(ls -A d/simplestories | wc -l)" -eq 3 ]
    run "$ROOT/scripts/fetch" -l simplestories d 2
    [ "$output" = "d/simplestories/test-00000-of-00001.parquet
d/simplestories/train-00000-of-00007.parquet
d/simplestories/train-00001-of-00007.parquet" ]
    run "$ROOT/scripts/fetch" -l -p valid simplestories d 2
    [ "$output" = d/simplestories/test-00000-of-00001.parquet ]
    # again, with one of them lost
    : > "$server/log"
    rm d/simplestories/train-00001-of-00007.parquet
    "$ROOT/scripts/fetch" simplestories d 2
    [ "$(wc -l < "$server/log")" -eq 1 ]
    # the checksums given go to the files in their order
    rm d/simplestories/train-*
    run env TRAIN_SHA256="$(cd "$server/files" && sha256sum train-* | cut -d ' ' -f 1 | xargs)" \
        "$ROOT/scripts/fetch" simplestories d 2
    [ "$status" -eq 0 ]
    rm d/simplestories/train-*
    run env TRAIN_SHA256="$(cd "$server/files" && sha256sum train-* | cut -d ' ' -f 1 | tac | xargs)" \
        "$ROOT/scripts/fetch" simplestories d 2
    [ "$status" -eq 1 ]
    contains "$output" "train-00000-of-00007.parquet: the file has the wrong checksum"
    run "$ROOT/scripts/fetch" -n simplestories d 8
    [ "$status" -eq 2 ]
    contains "$output" "simplestories: has 7 files to train on, not 8"
    run "$ROOT/scripts/fetch" tinystores d
    [ "$status" -eq 2 ]
    contains "$output" "tinystores: unknown data set (expected tinystories, tinystories-v2, simplestories or fineweb-edu)"
}

@test "make data: a data set by its name, from a server" {
    export HF_ENDPOINT=${url%/*}
    mkdir -p "$server/files"
    cp "$server/data" "$server/files/TinyStories-train.txt"
    cp "$server/other" "$server/files/TinyStories-valid.txt"
    echo good > "$server/mode"
    data() {
        run make -C "$ROOT" --no-print-directory -s data OUT="$BUILD" DATA="$PWD/d" PREP_ARGS="-q --vocab-size 300" "$@"
    }
    data DATASET=tinystories
    [ "$status" -eq 0 ] || flunk "make data failed"
    succeeds prep -q -o plain --vocab-size 300 --valid "$server/other" "$server/data"
    for f in train.shard valid.shard; do same d/$f plain/$f; done
    : > "$server/log"
    data DATASET=tinystories
    [ "$status" -eq 0 ] && [ ! -s "$server/log" ] || flunk "asked again"
    data DATASET=stories DATA="$PWD/e"
    [ "$status" -ne 0 ]
    contains "$output" "stories: unknown data set (expected tinystories,"
    [ ! -e e ]
    # one file from another place, the other as ever
    data DATA="$PWD/f" TRAIN_URL="${url%/*}/elsewhere.txt" TRAIN_SHA256="$(sha256sum < "$server/data" | cut -d ' ' -f 1)"
    [ "$status" -eq 0 ]
    same f/train.shard d/train.shard
    grep -q '^/elsewhere.txt' "$server/log"
    data DATA="$PWD/g" DATASET_URL="${url%/*}/flat" VALID="$server/other" TRAIN_SHA256=00
    [ "$status" -ne 0 ]
    contains "$output" "/flat/TinyStories-train.txt: the file has the wrong checksum"
}
