#!/usr/bin/env bats
# Stories out of Parquet: what pyarrow writes, and the files of PARQUET_DIR, give what the same text gives. Needs pyarrow
# (scripts/deps parquet).

load helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    "$ROOT/scripts/deps" --check parquet 2> /dev/null || skip "no pyarrow"
    python=python3
    "$python" -c 'import pyarrow' 2> /dev/null || python=$ROOT/build/parquet/bin/python
}

# parquet OPTION...: one run of the script.
parquet() {
    run --separate-stderr "$ROOT/scripts/parquet-stories" "$@"
}

# expect_shard PLAIN FILE...: what the script writes into prep, in both forms, makes the shard of PLAIN.
expect_shard() {
    rm -rf out text
    "$ROOT/scripts/parquet-stories" "${@:2}" | "$BUILD/prep" -q -o out --vocab-size 300 --valid-fraction 0 --field "${field:-text}" -
    same out/train.shard "$1"
    "$ROOT/scripts/parquet-stories" --text "${@:2}" | "$BUILD/prep" -q -o text --vocab-size 300 --valid-fraction 0 -
    same text/train.shard "$1"
}

# text_of FILE COLUMN: its rows as text, by pyarrow alone.
text_of() {
    "$python" -c 'import sys, pyarrow.parquet as pq
for row in pq.read_table(sys.argv[1])[sys.argv[2]].to_pylist():
    sys.stdout.buffer.write(((row or "") + "<|endoftext|>").encode())' "$1" "$2"
}

# rows WRITE: awkward.parquet with two columns; WRITE is how pyarrow writes the table t.
rows() {
    "$python" - "$1" << 'END'
import random, sys
import pyarrow as pa, pyarrow.parquet as pq
random.seed(7)
words = ['a cat', 'sat\\', 'said "no"', 'one\ntwo', 'tab\there', '\x01\x1f', '\r\n', 'caf\u00e9', '\u2028', '\U0001f600', '</s>', '\x7f']
stories = [None, '', 'x', '\\', '"', 'a\0b'] + [' '.join(random.choices(words, k=random.randrange(1, 60))) for _ in range(3000)]
t = pa.table({'n': pa.array(range(len(stories))), 'text': pa.array(stories, pa.string())})
eval(sys.argv[1])
END
}

@test "what pyarrow writes: the shard is that of the same text" {
    rows 'pq.write_table(t, "a.parquet")'
    text_of a.parquet text > a.txt
    "$BUILD/prep" -q -o plain --vocab-size 300 --valid-fraction 0 a.txt
    for write in 'pq.write_table(t, "a.parquet", compression="zstd", row_group_size=100)' \
        'pq.write_table(t, "a.parquet", compression="none", use_dictionary=False, data_page_version="2.0")' \
        'pq.write_table(t.set_column(1, "text", t["text"].dictionary_encode()), "a.parquet", compression="gzip")' \
        'pq.write_table(t.set_column(1, "text", t["text"].cast(pa.large_string())), "a.parquet", version="1.0")'; do
        rows "$write"
        expect_shard plain/train.shard a.parquet
    done
    # and several files are one after the other
    rows '(pq.write_table(t.slice(0, 1000), "1.parquet"), pq.write_table(t.slice(1000), "2.parquet"))'
    expect_shard plain/train.shard 1.parquet 2.parquet
}

@test "real files: the shard is that of the same text" {
    [ -d "${PARQUET_DIR-}" ] || skip "PARQUET_DIR is not set"
    for f in "$PARQUET_DIR"/*.parquet; do
        field=text
        [[ $f != *simplestories* ]] || field=story
        text_of "$f" "$field" > a.txt
        rm -rf plain
        "$BUILD/prep" -q -o plain --vocab-size 300 --valid-fraction 0 a.txt
        expect_shard plain/train.shard "$f"
    done
}

@test "--where: what a row must hold, as Python or SQL says it" {
    rows 'pq.write_table(t, "a.parquet")'
    # count WHERE EXPECTED
    count() {
        parquet --where "$1" a.parquet
        [ "$status" -eq 0 ] || flunk "--where $1 failed"
        [ "${#lines[@]}" -eq "$2" ] || flunk "--where $1: ${#lines[@]} rows, expected $2"
    }
    count 'n < 10' 10
    count 'n < 10 and not n == 3' 9
    count '10 <= n < 20 or n = 2990' 11
    count 'n in (1, 2, 3) AND n <> 2' 2
    count "text = 'x'" 1
    count 'text IS NULL' 1
    count 'text is not null and len(text) <= 1 and n < 5' 4
    count 'n > -1 and n not in [0]' 3005
    count "text NOT IN ('x')" 3004 # nor is the null
    count "not (text in ('x'))" 3004
    count "text in ('x', '')" 2
    rows 'pq.write_table(pa.table({"text": ["it\x27s", "its", ""]}), "q.parquet")'
    parquet --where "text = 'it''s' or text = ''" q.parquet # as SQL doubles a quote
    [ "${lines[*]}" = '{"text": "it'"'"'s"} {"text": ""}' ] || flunk "$output"
    parquet --where 'm > 1' a.parquet
    [ "$status" -eq 1 ]
    contains "$stderr" "a.parquet: --where: has no column 'm' (found n, text)"
    parquet --where 'n > "a"' a.parquet
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    contains "$stderr" "parquet-stories: a.parquet: "
    for bad in "text = 'a' and 'n' <> 'x'" '"text" = "x"' 'n > 1 or 1 = 1' 'n >' '__import__("os")' 'n + 1' 'n is 3'; do
        parquet --where "$bad" a.parquet
        [ "$status" -eq 1 ]
        [ -z "$output" ]
        contains "$stderr" "parquet-stories: --where $bad: "
    done
}

@test "columns: text or story, or the one that is named" {
    rows 'pq.write_table(t.append_column("story", t["text"]).drop(["text"]), "a.parquet")'
    parquet a.parquet
    [ "${lines[0]}" = '{"story": null}' ]
    [ "${lines[2]}" = '{"story": "x"}' ]
    parquet --field story --as text a.parquet
    [ "${lines[2]}" = '{"text": "x"}' ]
    parquet --field other a.parquet
    [ "$status" -eq 1 ]
    contains "$stderr" "a.parquet: has no column 'other' (found n, story)"
    parquet --field n a.parquet
    [ "$status" -eq 1 ]
    contains "$stderr" "a.parquet: column 'n' is no text (found int64)"
    rows 'pq.write_table(pa.table({"a": ["x"], "b": ["y"]}), "a.parquet")'
    parquet a.parquet
    [ "$status" -eq 1 ]
    contains "$stderr" "a.parquet: which column has the stories? --field NAME (text columns: a, b)"
}

@test "a file that is damaged, cut, missing or none: one line, and no reader takes the output for whole" {
    rows 'pq.write_table(t, "a.parquet", row_group_size=1000)'
    head -c 5000 a.parquet > cut.parquet
    echo text > text.parquet
    for f in cut text none; do
        parquet $f.parquet
        [ "$status" -eq 1 ] && [ -z "$output" ] || flunk "$f was taken"
        one_error_line parquet-stories "$f.parquet: "
    done
    "$python" -c 'd = bytearray(open("a.parquet", "rb").read())
for i in range(len(d) * 4 // 5, len(d) * 4 // 5 + 500):
    d[i] ^= 0x55
open("bad.parquet", "wb").write(d)'
    parquet bad.parquet
    [ "$status" -eq 1 ] || flunk "the damage was not noticed"
    one_error_line parquet-stories "bad.parquet: is damaged: "
    printf '%s\n' "$output" > bad.json
    [ "$(wc -l < bad.json)" -gt 1000 ]
    fails 1 "wrong JSON" prep -o out --field text bad.json
    "$ROOT/scripts/parquet-stories" --text bad.parquet > bad.txt 2> /dev/null || true
    [ "$(wc -c < bad.txt)" -gt 10000 ]
    fails 1 "is damaged: a run of NUL bytes" prep -o out bad.txt
    succeeds prep -q -o ok --vocab-size 300 --field text <("$ROOT/scripts/parquet-stories" a.parquet)
    fails 1 "is Parquet: 'scripts/parquet-stories FILE' writes its stories as JSON lines for a pipe" prep -o out a.parquet
}

@test "one that is ended by a signal: no reader takes the output for whole" {
    rows 'pq.write_table(t, "a.parquet")'
    mkfifo pipe
    for form in --field=text --text; do
        "$ROOT/scripts/parquet-stories" "$form" a.parquet a.parquet a.parquet a.parquet a.parquet a.parquet a.parquet a.parquet > pipe & # more than a pipe takes
        pid=$!
        {
            head -c 100000
            kill -TERM "$pid"
            cat
        } < pipe > out.cut
        wait "$pid" || status=$?
        [ "$status" -eq 143 ]
        fails 1 out.cut prep -q -o out --vocab-size 300 out.cut
    done
}

@test "a full disk: one line, which does not blame the file" {
    rows 'pq.write_table(t, "a.parquet")'
    for form in "" --text; do
        run --separate-stderr bash -c '"$0" $1 a.parquet > /dev/full' "$ROOT/scripts/parquet-stories" "$form"
        [ "$status" -eq 1 ]
        one_error_line parquet-stories "cannot write: No space left on device"
    done
}

@test "make data: Parquet as any other corpus" {
    rows '(pq.write_table(t.slice(100), "a.parquet"), pq.write_table(t.slice(0, 100), "v.parquet"))'
    text_of a.parquet text > a.txt
    text_of v.parquet text > v.txt
    data() {
        run --separate-stderr make -C "$ROOT" --no-print-directory -s data OUT="$BUILD" DATA="$PWD/d" \
            CORPUS="$PWD/a.parquet" VALID="$PWD/v.parquet" PREP_ARGS="-q --vocab-size 300" "$@"
    }
    data
    [ "$status" -eq 0 ] || flunk "make data failed"
    succeeds prep -q -o plain --vocab-size 300 --valid v.txt a.txt
    for f in train.shard valid.shard; do same d/$f plain/$f; done
    # an option that says how text is read is not meant for these stories
    data PREP_ARGS="-q --vocab-size 300 --separator line"
    [ "$status" -eq 0 ] || flunk "make data failed"
    for f in train.shard valid.shard; do same d/$f plain/$f; done
    data WHERE="len(text) > 100 and text <> 'x'"
    [ "$status" -eq 0 ] || flunk "make data failed"
    if cmp -s d/train.shard plain/train.shard; then flunk "WHERE took all"; fi
    rm -r d
    head -c 5000 a.parquet > b.parquet
    data CORPUS="$PWD/b.parquet"
    [ "$status" -ne 0 ]
    contains "$stderr" "parquet-stories: $PWD/b.parquet: "
    [ ! -e d/train.shard ] || flunk "a shard was made"
}
