# What prep and eval read, by options that both have; and what prep holds out of little.
load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    small_data data
    small_train data run
    "$BUILD/export" -q run/step-000000020.safetensors --vocab data/vocab.db -o model.bolt
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    model=$BATS_FILE_TMPDIR/model.bolt
    vocab=$BATS_FILE_TMPDIR/data/vocab.db
}

# both_read COUNT [OPTION]... FILE: prep and eval find that many stories in it.
both_read() {
    local want=$1
    shift
    succeeds prep -q --json --vocab "$vocab" --valid-fraction 0 -o out "$@"
    [ "$(jq .train.n_stories <<< "$output")" -eq "$want" ] || flunk "prep $*: expected $want stories"
    n_bytes=$(jq .train.n_bytes <<< "$output")
    succeeds eval -q --json "$model" "$@"
    [ "$(jq .n_stories <<< "$output")" -eq "$want" ] || flunk "eval $*: expected $want stories"
    [ "$(jq .n_bytes <<< "$output")" -eq "$n_bytes" ] || flunk "eval $*: expected $n_bytes bytes"
}

# both_fail STATUS TEXT [OPTION]... FILE
both_fail() {
    local want=$1 text=$2
    shift 2
    fails "$want" "$text" prep -q --vocab "$vocab" --valid-fraction 0 -o out "$@"
    fails "$want" "$text" eval -q "$model" "$@"
}

# held_out TEXT: what valid.shard holds, decoded.
held_out() {
    local pieces hex
    pieces=$(sqlite3 out/vocab.db "select id, hex(bytes) from tokens")
    hex=$(tail -c +"$(($(od -An -t u8 -j 24 -N 8 out/valid.shard) + 1))" out/valid.shard |
        head -c $((2 * $(od -An -t u8 -j 40 -N 8 out/valid.shard))) | od -An -v -t u2 -w2 |
        awk -F '|' 'NR == FNR { piece[$1] = $2; next } { printf "%s", ($1 + 0 == 3 ? "0A" : piece[$1 + 0]) }' \
            <(printf '%s\n' "$pieces") - | sed 's/../\\x&/g')
    printf '%b' "$hex"
}

@test "reading: forms, fields and separators" {
    printf 'emma\nolivia\n\nava\n' > names.txt
    both_read 3 --separator line names.txt
    printf 'One.\nMore.\n\nTwo.\r\n\r\nThree.\n' > blank.txt
    both_read 3 --separator blank-line blank.txt
    printf 'One.</s>Two.<|endoftext|>Three.</s>' > other.txt
    both_read 3 --separator '</s>' other.txt
    printf '{"data":[{"t":{"x":"One."}},{"t":{"x":"Two."}}]}' > inner.json
    both_read 2 --field data.t.x inner.json
    printf '{"story":"One."}\n{"id":2}\n{"story":null}\n' > missing.jsonl
    both_read 1 --skip-missing missing.jsonl
    succeeds eval "$model" --skip-missing missing.jsonl
    contains "$stderr" "eval: 1 records without the field were skipped"
    both_fail 1 'record 2 (line 2) has no field "story" (found "id")' missing.jsonl
    printf 'id,text\n1,"One, two.\n\nThree."\n2,Four.\n' > t.csv
    both_read 2 --field text t.csv
    printf 'id\ttext\n1\tOne, two.\n2\tFour.\n' > t.tsv
    both_read 2 --field text t.tsv
    both_read 1 --format text t.tsv
    printf 'text\n"One,\ntwo."\n"Three."\n' > s.csv
    printf '"One."\n"Two."\n' > strings.jsonl
    for end in '\r' '\r\n'; do # of the old Mac, and of Windows
        for file in t.csv t.tsv s.csv strings.jsonl; do
            awk -v ORS="$end" 1 $file > other.$file
            case $file in
            strings.jsonl) both_read 2 other.$file ;;
            *) both_read 2 --field text other.$file ;;
            esac
        done
    done
    both_fail 1 'no column "story" (found "id", "text")' t.csv
    printf "{'story': 'One.'}\n" > python.jsonl
    both_fail 1 "strings in single quotes, as Python prints them" python.jsonl
}

@test "reading: a form is known by its first row however long that is, from a file as from a pipe" {
    for n in 4000 7000; do
        long=$(seq -f 'Sentence number %.0f.' -s ' ' $n) # 90 kB, less than a block of a file; and 160
        printf 'text\n"%s"\n"Two."\n' "$long" > one.csv
        printf 'id,text\n1,"%s"\n2,"Two."\n' "$long" > two.csv
        printf '"%s"\n"Two."\n' "$long" > strings.jsonl
        printf '"One," he said. "%s"\n"Two."\n' "$long" > prose.txt
        for file in one.csv two.csv strings.jsonl prose.txt; do
            want=2 field=(--field text)
            case $file in
            strings.jsonl) field=() ;;
            prose.txt) want=1 field=() ;;
            esac
            both_read $want "${field[@]}" $file
            feed <(cat $file) prep -q --json --vocab "$vocab" --valid-fraction 0 -o out "${field[@]}" -
            [ "$(jq -c '[.train.n_stories, .train.n_bytes]' <<< "$output")" = "[$want,$n_bytes]" ] || flunk "$file from a pipe"
        done
        both_fail 1 'no column "story" (found "id", "text")' two.csv
        both_fail 1 'no column "story" (found "text")' one.csv
    done
}

@test "reading: encodings" {
    printf 'caf\351 au lait' > latin1.txt
    both_read 1 --encoding latin1 latin1.txt
    [ "$n_bytes" -eq 13 ]
    both_fail 1 "latin1.txt: 8.3 % of its characters are invalid as UTF-8: name its encoding" latin1.txt
    both_read 1 --invalid replace latin1.txt
    contains "$stderr" "latin1.txt: 1 invalid character was replaced by U+FFFD"
    printf 'One.<|endoftext|>Two.' | iconv -f UTF-8 -t UTF-16 > utf16.txt
    both_read 2 utf16.txt
    printf 'One.<|endoftext|>Two.' | iconv -f UTF-8 -t UTF-16LE > bare.txt
    both_fail 1 "bare.txt: looks like UTF-16LE without a byte-order mark: read it with --encoding UTF-16LE" bare.txt
    both_read 2 --encoding UTF-16LE bare.txt
    printf '%s' "$(printf '\320\232\320\276\321\202' | iconv -f UTF-8 -t KOI8-R)" > koi8.txt
    tar cf koi8.tar koi8.txt utf16.txt
    both_read 3 --encoding KOI8-R koi8.tar
}

@test "reading: archives within archives, from a pipe, with litter" {
    mkdir o __MACOSX
    printf 'One.' > 1.txt
    printf 'Two.' > 2.txt
    printf '\0\5\26\7\0\2\0\0Mac OS X' > __MACOSX/._1.txt
    tar cJf o/part1.xz 1.txt
    zip -q o/part2.zip 2.txt __MACOSX/._1.txt
    tar --sort=name -czf owt.tar.gz o
    both_read 2 owt.tar.gz
    succeeds prep -q --json --vocab "$vocab" --valid-fraction 0 -o out owt.tar.gz
    [ "$(jq .n_passed_over <<< "$output")" -eq 1 ]
    run --separate-stderr "$BUILD/eval" -q --json "$model" - < <(cat o/part2.zip)
    [ "$status" -eq 0 ]
    [ "$(jq .n_stories <<< "$output")" -eq 1 ]
    run --separate-stderr env TMPDIR=/nonexistent "$BUILD/eval" -q --json "$model" - < <(cat o/part2.zip)
    [ "$status" -eq 1 ]
    one_error_line eval "standard input: cannot make a temporary file in /nonexistent"
    tar cf deep.tar owt.tar.gz
    both_fail 1 "deep.tar: owt.tar.gz: o/part1.xz: is an archive within archives, more than 2 deep" deep.tar
    cat o/part2.zip o/part2.zip > two.zip
    both_fail 1 "two.zip: the zip archive begins only at byte $(wc -c < o/part2.zip)" two.zip
    head -c 100000 /dev/zero | tr '\0' 'x' | gzip > large.gz
    both_fail 1 "large.gz: unpacks to more than 99999 bytes" --max-bytes 99999 large.gz
}

@test "reading: options that mean nothing" {
    printf 'One.' > a.txt
    both_fail 2 "--field" --field "" a.txt
    both_fail 2 "--separator" --separator "" a.txt
    both_fail 2 "iconv does not know 'UTF-7.5'" --encoding UTF-7.5 a.txt
    both_fail 2 "--invalid" --invalid drop a.txt
    both_fail 2 "--max-bytes" --max-bytes 0 a.txt
    both_fail 2 "--format" --format parquet a.txt
}

@test "reading: warnings stand under -q, too" {
    printf 'One.\n[EOS]\n<|endoftext|>\nTwo. [EOS]<|endoftext|>' > marked.txt
    both_read 2 marked.txt
    contains "$stderr" 'eval: marked.txt: 2 of 2 stories end with "[EOS]"'
    head -c 70000 /dev/zero | tr '\0' 'x' > long.txt
    both_read 1 long.txt
    contains "$stderr" "eval: long.txt: 70.0 kB of text without <|endoftext|> in it: read as one story"
    tar cf two.tar marked.txt marked.txt
    head -c 1024 two.tar > cut.tar
    both_read 2 cut.tar
    contains "$stderr" "cut.tar: the tar archive has no end mark"
    printf 'One.<|endoftext|>Two.' > plain.txt
    both_read 2 --field body plain.txt
    contains "$stderr" "plain.txt: is text, in which --field body finds nothing: all of it was read"
    printf '{"body":"Three."}{"body":"Four."}' > records.json
    tar cf both.tar plain.txt records.json
    both_read 4 --field body both.tar
    [ -z "$stderr" ] || flunk "a warning of an archive that has records"
}

@test "hold-out: one story at least, the same in any order, with all that equal it" {
    for i in 1 2 3 4 5; do printf 'Story number %d.\n<|endoftext|>\n' $i; done > few.txt
    for i in 5 4 3 2 1; do printf 'Story number %d.\n<|endoftext|>\n' $i; done > back.txt
    succeeds prep -q --json --vocab-size 262 -o out few.txt
    [ "$(jq -c '[.train.n_stories, .valid.n_stories]' <<< "$output")" = "[4,1]" ]
    held=$(held_out)
    grep -qx "$held" few.txt
    succeeds prep -q --vocab-size 262 -o out back.txt
    [ "$(held_out)" = "$held" ]
    succeeds prep -q --json --keep-duplicates --vocab-size 262 -o out few.txt back.txt
    [ "$(jq -c '[.train.n_stories, .valid.n_stories, [.sources[].n_stories]]' <<< "$output")" = "[8,2,[4,1,4,1]]" ]
    [ "$(held_out)" = "$held"$'\n'"$held" ]
    # what is held out teaches nothing
    grep -vx "$held" few.txt > rest.txt
    succeeds prep -q --json --vocab-size 262 --valid-fraction 0 -o rest rest.txt
    fingerprint=$(jq -r .train.fingerprint <<< "$output")
    succeeds prep -q --json --vocab-size 262 -o out few.txt
    [ "$(jq -r .train.fingerprint <<< "$output")" = "$fingerprint" ]
    succeeds prep -q --json --vocab-size 262 --valid-fraction 0 -o out few.txt
    [ "$(jq .valid.n_stories <<< "$output")" -eq 0 ]
    printf 'Same.<|endoftext|>Same.' > same.txt
    succeeds prep -q --json --vocab-size 260 --keep-duplicates -o out same.txt
    [ "$(jq -c '[.train.n_stories, .valid.n_stories]' <<< "$output")" = "[2,0]" ]
}

@test "hold-out: a single text is cut at a line end" {
    for i in $(seq 100 199); do printf 'Line number %d.\n' "$i"; done > book.txt
    succeeds prep -q --json --vocab-size 270 -o out book.txt
    [ "$(held_out)" = "Line number 199." ]
    succeeds prep -q --json --vocab-size 270 --valid-fraction 0.1 -o out book.txt
    [ "$(held_out)" = "$(tail -n 10 book.txt)" ]
    [ "$(jq -c '[.train.n_stories, .valid.n_stories]' <<< "$output")" = "[1,1]" ]
    # at the same place in every form of it
    jq -Rs '{story: rtrimstr("\n")}' book.txt > book.json
    awk '{ printf "%s\n%s", (NR == 1 ? "\n" : ""), $0 } END { print "\n \n" }' book.txt | sed 's/$/\r/' > spaced.txt
    succeeds prep -q --vocab-size 270 -o ref book.txt
    cat <(printf '<|endoftext|>\n') book.txt <(printf '<|endoftext|>\n \n<|endoftext|>\n') > marked.txt
    for file in book.json spaced.txt marked.txt; do
        succeeds prep -q --vocab-size 270 -o out $file
        same out/train.shard ref/train.shard
        same out/valid.shard ref/valid.shard
    done
    succeeds prep -q --json --vocab-size 270 --valid-fraction 0 -o out book.txt
    [ "$(jq .valid.n_stories <<< "$output")" -eq 0 ]
    tr '\n' ' ' < book.txt > line.txt
    succeeds prep -q --json --vocab-size 270 -o out line.txt
    [ "$(jq .valid.n_stories <<< "$output")" -eq 0 ]
    # and is for training whatever its hash
    succeeds prep -q --json --vocab-size 270 --valid-fraction 0.999 -o out line.txt
    [ "$(jq -c '[.train.n_stories, .valid.n_stories]' <<< "$output")" = "[1,0]" ]
    # five megabytes of it are more than a batch
    for i in $(seq 50); do cat book.txt book.txt book.txt; done > many.txt
    for i in $(seq 20); do cat many.txt; done > large.txt
    succeeds prep -q --json --vocab-size 270 -o out large.txt
    [ "$(jq -c '[.train.n_stories, .valid.n_stories]' <<< "$output")" = "[1,1]" ]
}
