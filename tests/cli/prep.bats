# prep: stories in, vocab.db and two shards out.
load helpers

# A corpus of 300 stories as text, and the same stories as JSON.
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    "$BUILD/stories" --seed 5 --count 300 > a.txt
    jq -R -s -c 'split("<|endoftext|>\n") | map(select(length > 0)) | map({summary: "x", story: .})' a.txt > a.json
    jq -c '.[]' a.json > a.jsonl
    jq '.' a.json > pretty.json
    "$BUILD/prep" -q -o ref --vocab-size 400 a.txt
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    in=$BATS_FILE_TMPDIR
}

# gives_reference [OPTION]... INPUT...: the shards of a.txt, to the byte.
gives_reference() {
    rm -rf out
    succeeds prep -q -o out --vocab-size 400 "$@"
    same "$in/ref/train.shard" out/train.shard
    same "$in/ref/valid.shard" out/valid.shard
}

# field PATH: of the JSON report of the last run.
field() {
    jq -r "$1" <<< "$output"
}

# text STORY...: in the text form.
text() {
    printf '%s\n<|endoftext|>\n' "$@"
}

@test "compressed text gives the same shards" {
    gzip -k -c "$in/a.txt" > a.gz
    bzip2 -k -c "$in/a.txt" > a.bz2
    xz -k -c "$in/a.txt" > a.xz
    zstd -q -c "$in/a.txt" > a.zst
    for file in a.gz a.bz2 a.xz a.zst; do
        gives_reference "$file"
    done
}

@test "archives give the same shards" {
    awk -v RS='<\\|endoftext\\|>\n' '{ printf "%s<|endoftext|>\n", $0 > ("m" int((NR - 1) / 100)) }' "$in/a.txt"
    mkdir folder
    mv m0 m1 m2 folder
    gzip folder/m1
    tar --sort=name -cf a.tar folder
    tar --sort=name -czf a.tar.gz folder
    tar --sort=name -cJf a.tar.xz folder
    (cd folder && zip -q -r ../a.zip m0 m1.gz m2)
    gives_reference a.tar
    gives_reference a.tar.gz
    gives_reference a.tar.xz
    gives_reference a.zip
    gives_reference folder/m0 folder/m1.gz folder/m2
}

@test "JSON arrays and JSON lines give the same shards" {
    gives_reference "$in/a.json"
    gives_reference "$in/a.jsonl"
    gives_reference "$in/pretty.json"
    tar -czf a.tar.gz -C "$in" a.json
    gives_reference a.tar.gz
    jq -c 'map({tale: .story})' "$in/a.json" > tale.json
    gives_reference --field tale tale.json
    gives_reference --format json "$in/a.json"
    gives_reference --format jsonl "$in/a.jsonl"
}

@test "line ends of Windows and the old Mac, and byte-order marks, make the same stories" {
    sed 's/\. /.\n/g' "$in/a.txt" > lf.txt # many lines a story
    sed 's/$/\r/' lf.txt > crlf.txt
    tr '\n' '\r' < lf.txt > cr.txt
    awk '{ printf "%s%s", $0, substr("\n\r\n\r", 1 + NR % 3, NR % 3 == 1 ? 2 : 1) }' lf.txt > mixed.txt
    sed "s/^/$(printf '\357\273\277')/" lf.txt > marked.txt # every line as if files had been joined
    sed "s/$(printf '\357\273\277')<|/<|/; s/\$/\r/" marked.txt > marked-crlf.txt
    jq -R -s -c 'split("<|endoftext|>\r\n") | map(select(length > 0)) | map({story: .})' crlf.txt > crlf.json
    jq -R -s -c 'split("<|endoftext|>\r") | map(select(length > 0)) | .[] | {story: .}' cr.txt > cr.jsonl
    gzip -k crlf.txt
    tar -cf cr.tar cr.txt
    for form in nfc none; do
        succeeds prep -q --json -o lf --vocab-size 400 --normalize $form lf.txt
        [ "$(field .lines)" = lf ]
        for file in crlf.txt cr.txt mixed.txt marked.txt marked-crlf.txt crlf.json cr.jsonl crlf.txt.gz cr.tar; do
            succeeds prep -q -o out --vocab-size 400 --normalize $form $file
            for f in train.shard valid.shard; do same lf/$f out/$f; done
        done
    done
    succeeds prep -q --json -o out --vocab-size 400 --valid crlf.txt lf.txt
    [ "$(field .n_overlap)" -eq 300 ]
}

@test "a vocabulary of 0.1.0 keeps its form: a carriage return is a character of it" {
    local old=$ROOT/tests/compat/0.1.0/vocab.db
    sed 's/\. /.\n/g' "$in/a.txt" > lf.txt
    sed 's/$/\r/' lf.txt > crlf.txt
    succeeds prep -q --json -o lf --vocab "$old" lf.txt
    [ "$(field .lines)" = kept ]
    [ "$(field .vocab_fingerprint)" = "$("$BUILD/export" --json --info "$old" | jq -r .vocab_fingerprint)" ]
    n_lf=$(field '.train.n_chars + .valid.n_chars')
    succeeds prep -q --json -o crlf --vocab "$old" crlf.txt
    [ "$(field '.train.n_chars + .valid.n_chars')" -gt "$n_lf" ]
    [ "$(sqlite3 crlf/vocab.db 'PRAGMA user_version')" -eq 1 ]
}

@test "inline marks, a missing last mark and a byte order mark do not matter" {
    sed 's/^<|endoftext|>$/<|endoftext|>\r/' "$in/a.txt" > crlf
    gives_reference crlf
    awk 'NR > 1 && $0 != "<|endoftext|>" && !mark { printf "\n" } { printf "%s", $0; mark = $0 == "<|endoftext|>" }' \
        "$in/a.txt" > inline
    gives_reference inline
    head -n -1 "$in/a.txt" > unended
    gives_reference unended
    (printf '\357\273\277' && cat "$in/a.txt") > bom
    gives_reference bom
}

@test "standard input gives the same shards" {
    rm -rf out
    feed "$in/a.txt" prep -q -o out --vocab-size 400 -
    [ "$status" -eq 0 ] || flunk "failed"
    same "$in/ref/train.shard" out/train.shard
    gzip -c "$in/a.txt" > a.gz
    "$BUILD/prep" -q -o out --vocab-size 400 - < <(cat a.gz)
    same "$in/ref/train.shard" out/train.shard
    same "$in/ref/valid.shard" out/valid.shard
}

@test "any number of threads gives the same files" {
    stories 9 3000 > many.txt
    for n in 1 2 7; do
        succeeds prep -q --threads $n -o out$n --vocab-size 500 many.txt
    done
    for file in vocab.db train.shard valid.shard; do
        same out1/$file out2/$file
        same out1/$file out7/$file
    done
}

@test "a second run over the first gives the same files" {
    succeeds prep -q -o out --vocab-size 400 "$in/a.txt"
    succeeds prep -q -o out --vocab-size 400 "$in/a.txt"
    for file in vocab.db train.shard valid.shard; do
        same "$in/ref/$file" out/$file
    done
    [ "$(find out -type f | wc -l)" -eq 3 ]
}

@test "duplicates and empty stories are dropped and counted" {
    (cat "$in/a.txt" && text "" "  " && head -c 20000 "$in/a.txt") > doubled.txt
    printf 'no more\n' >> doubled.txt
    n=$(head -c 20000 "$in/a.txt" | grep -c '^<|endoftext|>')
    succeeds prep -q --json -o out --vocab-size 400 --valid-fraction 0 doubled.txt
    [ "$(field .train.n_duplicates)" -eq "$n" ]
    [ "$(field .train.n_empty)" -eq 2 ]
    [ "$(field .train.n_stories)" -eq 301 ]
    succeeds prep -q --json -o out --vocab-size 400 --valid-fraction 0 --keep-duplicates doubled.txt
    [ "$(field .train.n_duplicates)" -eq 0 ]
    [ "$(field .train.n_stories)" -eq $((301 + n)) ]
}

@test "stories equal but for white space around them and normalisation are duplicates" {
    (cat "$in/a.txt" && text "caf$(printf '\303\251')" "  cafe$(printf '\314\201') ") > form.txt
    succeeds prep -q --json -o out --vocab-size 400 --valid-fraction 0 form.txt
    [ "$(field .train.n_duplicates)" -eq 1 ]
    succeeds prep -q --json -o out --vocab-size 400 --valid-fraction 0 --normalize none form.txt
    [ "$(field .train.n_duplicates)" -eq 0 ]
}

@test "invalid UTF-8 is counted and replaced, never fatal" {
    (cat "$in/a.txt" && printf 'a\377b\300c\n<|endoftext|>\n') > bad.txt
    succeeds prep -q --json -o out --vocab-size 400 --valid-fraction 0 bad.txt
    [ "$(field .train.n_invalid)" -eq 2 ]
    [ "$(field .train.n_stories)" -eq 301 ]
    printf '[{"story":"a\377b %s c"},{"story":"%s"}]' '\ud800' "$(seq -s ' ' 300)" > bad.json
    succeeds prep -q --json -o out --vocab-size 262 --valid-fraction 0 bad.json
    [ "$(field .train.n_invalid)" -eq 2 ]
}

@test "the split does not depend on order, and equal stories fall on one side" {
    awk -v RS='<\\|endoftext\\|>\n' '{ s[NR] = $0 } END { for (i = NR; i > 0; i--) printf "%s<|endoftext|>\n", s[i] }' \
        "$in/a.txt" > reversed.txt
    succeeds prep -q --json -o forward --vocab-size 400 --valid-fraction 0.2 "$in/a.txt"
    forward=$output
    succeeds prep -q --json -o backward --vocab-size 400 --valid-fraction 0.2 reversed.txt
    for key in .vocab_fingerprint .train.n_chars .train.n_tokens .valid.n_chars .valid.n_stories .n_overlap; do
        [ "$(jq -r $key <<< "$forward")" = "$(field $key)" ] || flunk "$key differs"
    done
    n=$(field .valid.n_stories)
    [ "$n" -gt 30 ]
    [ "$n" -lt 90 ]
    succeeds prep -q --json -o twice --vocab-size 400 --valid-fraction 0.2 --keep-duplicates "$in/a.txt" reversed.txt
    [ "$(field .valid.n_stories)" -eq $((2 * n)) ]
    [ "$(field .n_overlap)" -eq 0 ]
}

@test "validation files: kept whole, overlap with training counted" {
    (head -n 40 "$in/a.txt" && text new new "$(printf ' \t')") > valid.txt
    n=$(head -n 40 "$in/a.txt" | grep -c '^<|endoftext|>')
    [ "$(sed -n 40p "$in/a.txt")" = "<|endoftext|>" ] || (head -n 40 "$in/a.txt" && printf '<|endoftext|>\n' && text new new " ") > valid.txt
    succeeds prep -q --json -o out --vocab-size 400 --valid valid.txt "$in/a.txt"
    [ "$(field .n_overlap)" -eq "$n" ]
    [ "$(field .train.n_stories)" -eq 300 ]
    [ "$(field .valid.n_duplicates)" -eq 0 ]
    [ "$(field .valid.n_empty)" -eq 1 ]
    # the same vocabulary and training shard as without a validation file
    succeeds prep -q -o alone --vocab-size 400 --valid-fraction 0 "$in/a.txt"
    same alone/train.shard out/train.shard
}

@test "an existing vocabulary is used again" {
    succeeds prep -q -o out --vocab "$in/ref/vocab.db" "$in/a.txt"
    same "$in/ref/train.shard" out/train.shard
    same "$in/ref/valid.shard" out/valid.shard
    stories 77 50 > other.txt
    succeeds prep -q --json -o other --vocab "$in/ref/vocab.db" --normalize nfc other.txt
    reused=$(field .vocab_fingerprint)
    succeeds prep -q --json -o out --vocab-size 400 "$in/a.txt"
    [ "$reused" = "$(field .vocab_fingerprint)" ]
    # in place
    succeeds prep -q -o out --vocab out/vocab.db "$in/a.txt"
    same "$in/ref/vocab.db" out/vocab.db
    fails 1 "ref/vocab.db: made for another normalisation" prep -o new --vocab "$in/ref/vocab.db" --normalize nfkc "$in/a.txt"
    fails 1 "a.txt" prep -o new --vocab "$in/a.txt" "$in/a.txt"
    fails 2 "--vocab" prep -o new --vocab "$in/ref/vocab.db" --vocab-size 500 "$in/a.txt"
    [ ! -e new ]
}

@test "the database tells where the stories came from" {
    succeeds prep -q -o out --vocab-size 400 --valid "$in/a.jsonl" "$in/a.txt" "$in/a.json"
    [ "$(sqlite3 out/vocab.db 'select name, split, stories, duplicates from sources order by number')" = \
        "a.txt|train|300|0
a.json|train|0|300
a.jsonl|valid|300|0" ]
}

@test "the report: a table, nothing with -q, one object with --json" {
    succeeds prep -o out --vocab-size 400 "$in/a.txt"
    [ -z "$output" ]
    contains "$stderr" "characters a token"
    contains "$stderr" "duplicates dropped"
    succeeds prep -q -o out --vocab-size 400 "$in/a.txt"
    [ -z "$output$stderr" ]
    succeeds prep --json -q -o out --vocab-size 400 "$in/a.txt"
    [ -z "$stderr" ]
    [ "$(wc -l <<< "$output")" -eq 1 ]
    [ "$(field '.train.n_stories + .valid.n_stories')" -eq 300 ]
    [ "$(field .vocab_size)" -eq 400 ]
}

@test "input that is not there or not readable" {
    fails 1 ".: is a directory, expected a file" prep -o unmade "$in/a.txt" . # found before anything is read
    [ ! -e unmade ]
    fails 1 "none.txt: cannot open: No such file" prep -o out none.txt
    fails 1 "none.txt: cannot open: No such file" prep -o out --valid none.txt "$in/a.txt"
    fails 1 "$in: is a directory" prep -o out "$in"
    if [ "$(id -u)" -ne 0 ]; then
        cp "$in/a.txt" closed.txt
        chmod 000 closed.txt
        fails 1 "closed.txt: cannot open: Permission denied" prep -o out closed.txt
    fi
}

@test "empty and storyless input" {
    : > empty.txt
    fails 1 "empty.txt: is empty" prep -o out empty.txt
    gzip -k empty.txt
    fails 1 "empty.txt.gz: is empty" prep -o out empty.txt.gz
    text "" " " > blank.txt
    fails 1 "blank.txt: holds no story" prep -o out blank.txt
    printf '[]' > none.json
    fails 1 "none.json: holds no story" prep -o out none.json
    fails 1 "blank.txt: holds no story for validation" prep -o out --vocab-size 400 --valid blank.txt "$in/a.txt"
    fails 1 "a.txt: no story is left for training" prep -o out --vocab-size 400 --valid-fraction 1 "$in/a.txt"
    fails 1 "standard input: is empty" prep -o out -
    empty_dir out
}

@test "damaged input" {
    for kind in gzip bzip2 xz "zstd -q"; do
        $kind -c "$in/a.txt" > a.packed
        head -c 9000 a.packed > cut.packed
        fails 1 "cut.packed: cannot read: " prep -o out --vocab-size 400 cut.packed
    done
    gzip -c "$in/a.txt" > flipped.gz
    printf '\252' | dd of=flipped.gz bs=1 seek=9000 conv=notrunc status=none
    fails 1 "flipped.gz: cannot read: damaged gzip data" prep -o out --vocab-size 400 flipped.gz
    tar -cf a.tar -C "$in" a.txt
    head -c 100000 a.tar > cut.tar
    fails 1 "cut.tar: a.txt: cannot read: Truncated" prep -o out --vocab-size 400 cut.tar
    (cd "$in" && zip -q - a.txt) > a.zip
    head -c 9000 a.zip > cut.zip
    fails 1 "cut.zip: " prep -o out --vocab-size 400 cut.zip
    head -c 9000 a.zip | tail -c 8000 > middle.bin
    fails 1 "middle.bin: is neither text nor an archive" prep -o out middle.bin
    empty_dir out
}

@test "wrong JSON" {
    head -c 5000 "$in/a.json" > cut.json
    fails 1 "cut.json: wrong JSON: it ends early, in record " prep -o out cut.json
    head -c 5000 "$in/a.jsonl" > cut.jsonl
    fails 1 "cut.jsonl: wrong JSON: it ends early, in record " prep -o out cut.jsonl
    fails 1 "a.json: record 1 (line 1) has no field \"text\" (found \"summary\", \"story\")" prep -o out --field text "$in/a.json"
    printf '[{"story": 1}]' > number.json
    fails 1 "number.json: record 1 (line 1): field \"story\" is not a string (found a number)" prep -o out number.json
    printf '[{"story": "a"}, {"story": }]' > syntax.json
    fails 1 "syntax.json: wrong JSON after record 2 (line 1)" prep -o out syntax.json
    fails 1 "a.txt: wrong JSON" prep -o out --format json "$in/a.txt"
}

@test "too few distinct pieces: a default shrinks with a warning, a size asked for names the largest" {
    local gpt2=() largest
    text "Once upon a time." > tiny.txt
    stories 5 60 > small.txt
    [ -z "${GPT2_DIR-}" ] || gpt2=(--tokenizer gpt2 --gpt2-vocab "$GPT2_DIR/vocab.json" --gpt2-merges "$GPT2_DIR/merges.txt")
    for file in tiny.txt small.txt; do
        for kind in bpe gpt2; do
            [ $kind = bpe ] && set -- || set -- "${gpt2[@]}"
            [ $kind = bpe ] || [ $# -gt 0 ] || continue
            rm -rf out
            fails 1 "too few distinct pieces for a vocabulary of 10000 tokens: the largest that works is " \
                prep -o out "$@" --vocab-size 10000 --valid-fraction 0 $file
            empty_dir out
            largest=${stderr##* }
            fails 1 "the largest that works is $largest" \
                prep -o out "$@" --vocab-size $((largest + 1)) --valid-fraction 0 $file
            succeeds prep -q -o asked "$@" --vocab-size "$largest" --valid-fraction 0 $file
            [ -z "$stderr" ]
            succeeds prep -q -o out "$@" --valid-fraction 0 $file
            one_error_line prep "too few distinct pieces for the default of 10000 tokens: the vocabulary has $largest"
            for f in vocab.db train.shard; do same asked/$f out/$f; done
        done
    done
}

# long_lines WORD...: 300 stories, each of 40 of the words in one line with nothing between them.
long_lines() {
    printf '%s\n' "$@" | awk '{ word[NR] = $0 } END {
        for (i = 0; i < 300; i++) {
            for (k = 0; k < 40; k++) {
                seed = (seed * 16807 + 7) % 2147483647
                printf "%s", word[1 + int(seed / 256) % NR]
            }
            print "\n<|endoftext|>"
        }
    }'
}

@test "words of hundreds of bytes teach: protein, Chinese and Thai without spaces, digits, rules" {
    long_lines MKVLAT GHHEAE LKPLAQ SHATKH KIPIKY LEFISE AIIHVL > protein.txt
    long_lines 从前 有一个 小女孩 她叫 莉莉 喜欢 在公园里 玩耍 > chinese.txt
    long_lines เด็กผู้หญิง ตัวเล็ก ชื่อ ลิลลี่ ชอบเล่น ในสวน > thai.txt
    long_lines 314159 265358 979323 846264 338327 950288 419716 > digits.txt
    long_lines -=-=-= +--+-- ====== '~~~~' '|.|.|' '_____' > rules.txt
    for f in protein chinese thai digits rules; do
        succeeds prep -q --json -o $f --vocab-size 330 --valid-fraction 0 --threads 1 $f.txt
        # Few distinct words, so that each is a token or two: far fewer tokens than bytes.
        [ "$(jq '.train.n_bytes > 4 * .train.n_tokens' <<< "$output")" = true ] || flunk "$f: learned little"
        succeeds prep -q -o again --vocab-size 330 --valid-fraction 0 --threads 3 $f.txt
        same $f/train.shard again/train.shard
        same $f/vocab.db again/vocab.db
    done
}

# Words of its own in every second story, so that 1,000 distinct ones are there again and again, in several batches.
@test "--max-words: rare words dropped from memory are in the shards nevertheless" {
    stories 9 2500 | awk '/^<\|endoftext/ && n++ % 2 { print "q" n "x z" n * 7 } { print }' > a.txt
    stories 3 4 > few.txt
    succeeds prep -q -o all --vocab-size 400 --superwords 60 --part a=a.txt --part few=few.txt
    succeeds prep -q -o words --vocab-size 400 --part a=a.txt --part few=few.txt
    for v in all words; do
        for n in 1 3; do
            rm -rf out
            succeeds prep -q --json --threads $n -o out --max-words 1000 --vocab $v/vocab.db --part a=a.txt --part few=few.txt
            [ "$(field '.n_prunings > 3 and .n_words < 1000')" = true ]
            for f in train-a.shard valid-a.shard train-few.shard valid-few.shard; do same $v/$f out/$f; done
        done
    done
    for n in 1 3; do
        succeeds prep -q --json --threads $n -o learned$n --max-words 1000 --vocab-size 400 --superwords 60 a.txt
        [ "$(field .n_prunings)" -gt 3 ]
    done
    for f in vocab.db train.shard valid.shard; do same learned1/$f learned3/$f; done
    [ "$(sqlite3 learned1/vocab.db "SELECT count(*) FROM tokens WHERE bytes = CAST(' the' AS BLOB)")" = 1 ]
}

@test "superwords: tokens of several words, the same for any threads, counted, and read by eval" {
    stories 9 2000 > many.txt
    for n in 1 2 7; do
        succeeds prep -q --json --threads $n -o out$n --vocab-size 600 --superwords 200 many.txt
    done
    for file in vocab.db train.shard valid.shard; do
        same out1/$file out2/$file
        same out1/$file out7/$file
    done
    [ "$(field .pretokens)" = sentences ]
    [ "$(field .train.n_tokens)" -eq "$(sqlite3 out1/vocab.db 'SELECT sum(count) FROM tokens')" ]
    [ "$(sqlite3 out1/vocab.db "SELECT count(*) FROM tokens WHERE kind = 'merged' AND instr(substr(bytes, 2), x'20')")" -gt 20 ]
    # none crosses the end of a sentence or a line
    [ "$(sqlite3 out1/vocab.db "SELECT count(*) FROM vocab WHERE text GLOB '*[.!?]*[a-zA-Z]*' OR text GLOB '*\\n*[^\\n]*'")" -eq 0 ]
    n=$(field .train.n_tokens)
    succeeds prep -q --json -o words --vocab-size 600 many.txt
    [ "$(field .pretokens)" = words ]
    [ "$(field .train.n_tokens)" -gt "$n" ]
    # the vocabulary as a given one; from text it reads as from shards
    succeeds prep -q -o again --vocab out1/vocab.db many.txt
    for file in vocab.db train.shard valid.shard; do same out1/$file again/$file; done
    small_train out1 run --steps 2
    "$BUILD/export" -q run --vocab out1/vocab.db -o model.bolt
    "$BUILD/prep" -q -o out --vocab out1/vocab.db --valid many.txt "$in/a.txt"
    shard=$("$BUILD/eval" -q --json model.bolt out/valid.shard | jq -c '[.n_tokens, .n_chars]')
    for text in "$("$BUILD/eval" -q --json model.bolt many.txt)" \
        "$("$BUILD/eval" -q --json run --vocab out1/vocab.db many.txt)"; do
        [ "$(jq -c '[.n_tokens, .n_chars]' <<< "$text")" = "$shard" ]
    done
    # as many as were asked for: none of them makes up for pieces that words lack
    stories 5 60 > small.txt
    for n in 30 60000; do
        rm -rf new
        fails 1 "of 65000 tokens, $n of them superwords: the largest that works is " prep -o new --vocab-size 65000 --superwords $n small.txt
        [ ! -e new/vocab.db ]
        read -r size found _ <<< "$(sed 's/.*works is //; s/, / /' <<< "$stderr")"
        [ $n -eq 60000 ] || [ "$found" -eq $n ] || flunk "other than $n superwords"
        succeeds prep -q -o new --vocab-size "$size" --superwords "$found" small.txt
        [ "$(sqlite3 new/vocab.db 'SELECT count(*) FROM tokens')" -eq "$size" ]
    done
    succeeds prep -q -o default --superwords 30 small.txt
    contains "$stderr" "the default of 10000 tokens, 30 of them superwords: the vocabulary has "
    size=$(sed 's/.*vocabulary has //; s/,.*//' <<< "$stderr")
    succeeds prep -q -o new --vocab-size "$size" --superwords 30 small.txt
    same new/vocab.db default/vocab.db
}

@test "a preset is a bundle of options, each of which can be given by itself" {
    succeeds prep -q -o swift --preset swift "$in/a.txt"
    n=$(sqlite3 swift/vocab.db 'SELECT count(*) FROM tokens')
    [ "$n" -le 4096 ]
    succeeds prep -q -o out --preset swift --vocab-size 400 "$in/a.txt"
    same "$in/ref/vocab.db" out/vocab.db
    succeeds prep -q -o small --preset small "$in/a.txt"
    succeeds prep -q -o out "$in/a.txt"
    same small/vocab.db out/vocab.db
}

@test "a text is shown as its tokens" {
    sqlite3 "$in/ref/vocab.db" 'SELECT id, count, text FROM vocab WHERE text = "O" OR text = "␣a" ORDER BY length' > rows
    succeeds prep -q --inspect ' O a' --vocab "$in/ref/vocab.db"
    [ "$(tr -d ', ' <<< "$output")" = "$(tr -d '|' < rows)" ]
    succeeds prep -q --json --inspect $'a\r\n\xc3\xa9\xff!\t.' --vocab "$in/ref/vocab.db"
    [ "$(jq -c '[.n_chars, .n_tokens == (.tokens | length), ([.tokens[].text] | join("|"))]' <<< "$output")" = \
        '[7,true,"a|\\n|<C3>|<A9>|<EF>|<BF>|<BD>|!|\\t|."]' ]
    succeeds prep --inspect $'a\xff<|endoftext|>\xc3' --vocab "$in/ref/vocab.db"
    contains "$stderr" "not valid UTF-8: U+FFFD stands in 2 places"
    contains "$stderr" "holds <|endoftext|>, which ends a story in a corpus"
    succeeds prep --inspect '' --vocab "$in/ref/vocab.db"
    [ -z "$output" ]
    fails 1 "a.txt" prep --inspect x --vocab "$in/a.txt"
    fails 2 "--inspect needs --vocab" prep --inspect x
    fails 2 "--inspect takes no INPUT" prep --inspect x --vocab "$in/ref/vocab.db" "$in/a.txt"
    for option in -oout --append --part=a=b --valid=x --valid-fraction=0.1 --shard-tokens=9 --keep-duplicates --format=text \
        --separator=x --encoding=UTF-8 --max-words=2000 --plan-threads=4 --threads=2; do
        fails 2 "--inspect takes no --" prep --inspect x --vocab "$in/ref/vocab.db" "$option"
        fails 2 "--report takes no --" prep --report out "$option"
    done
    fails 2 "--report takes no --vocab" prep --report out --vocab "$in/ref/vocab.db"
    fails 2 "--report takes no --inspect" prep --report out --inspect x
}

@test "a folder is described" {
    succeeds prep -q --json -o out --vocab-size 400 --valid-fraction 0.2 "$in/a.txt"
    ran=$output
    succeeds prep -q --json --report out
    for part in train valid; do
        for what in n_stories n_chars n_bytes n_tokens n_unk coverage; do
            [ "$(field ".$part.$what")" = "$(jq ".$part.$what" <<< "$ran")" ] || flunk "$part $what"
        done
        [ "$(field ".$part | .least_story <= .median_story and .median_story <= .p90_story and .p90_story <= .most_story")" = true ]
        [ "$(field ".$part | (.mean_story * .n_stories + .n_stories | round) == .n_tokens")" = true ]
    done
    [ "$(field '.commonest | map([.id, .count])')" = "$(sqlite3 -json out/vocab.db \
        'SELECT id, count FROM tokens WHERE count > 0 ORDER BY count DESC, id LIMIT 10' | jq 'map([.id, .count])')" ]
    [ "$(field '.rarest[-1].count')" = "$(sqlite3 out/vocab.db 'SELECT min(count) FROM tokens WHERE count > 0')" ]
    [ "$(field .train.n_unused)" = "$(sqlite3 out/vocab.db "SELECT count(*) FROM tokens WHERE count = 0 AND kind <> 'special'")" ]
    succeeds prep --report out
    contains "$output" "nine of ten"
    cp "$in/ref/valid.shard" out # the same vocabulary size, another vocabulary
    fails 1 "out/valid.shard: made with another vocabulary" prep --report out
    rm out/valid.shard
    fails 1 "out/valid.shard" prep --report out
    fails 2 "--report takes no --output" prep --report out -o new
}

@test "places that cannot be written" {
    mkdir full
    ln -s /dev/full full/train.shard
    fails 1 "full/train.shard: cannot write: No space left on device" prep -o full --vocab-size 400 "$in/a.txt"
    [ "$(ls -A full)" = train.shard ]
    : > file
    fails 1 "file" prep -o file --vocab-size 400 "$in/a.txt"
    fails 1 "file" prep -o file/below --vocab-size 400 "$in/a.txt"
    if [ "$(id -u)" -ne 0 ]; then
        mkdir locked
        chmod 500 locked
        fails 1 "locked" prep -o locked --vocab-size 400 "$in/a.txt"
        empty_dir locked
    fi
    fails 1 "/proc/none" prep -o /proc/none --vocab-size 400 "$in/a.txt"
}

@test "a limit on the size of files" {
    stories 8 3000 > s.txt
    run --separate-stderr bash -c "ulimit -f 100; exec '$BUILD/prep' -q -o out --vocab-size 400 s.txt"
    [ "$status" -eq 1 ]
    one_error_line prep "File too large"
    empty_dir out
}

@test "usage errors" {
    fails 2 "no -o DIR" prep "$in/a.txt"
    fails 2 "no INPUT" prep -o out
    fails 2 "--nonsense" prep -o out --nonsense "$in/a.txt"
    fails 2 "--vocab-size" prep -o out --vocab-size 259 "$in/a.txt"
    fails 2 "--vocab-size" prep -o out --vocab-size 65537 "$in/a.txt"
    fails 2 "--vocab-size" prep -o out --vocab-size 10k "$in/a.txt"
    fails 2 "--valid-fraction" prep -o out --valid-fraction 1.5 "$in/a.txt"
    fails 2 "--valid-fraction" prep -o out --valid-fraction -0.1 "$in/a.txt"
    fails 2 "--valid-fraction" prep -o out --valid "$in/a.txt" --valid-fraction 0.1 "$in/a.txt"
    fails 2 "--threads" prep -o out --threads 0 "$in/a.txt"
    fails 2 "--tokenizer" prep -o out --tokenizer wordpiece "$in/a.txt"
    fails 2 "--gpt2-vocab" prep -o out --tokenizer gpt2 "$in/a.txt"
    fails 2 "--tokenizer gpt2" prep -o out --gpt2-vocab "$in/a.txt" "$in/a.txt"
    fails 2 "--superwords" prep -o out --superwords -1 "$in/a.txt"
    fails 2 "expected at most 140 of 400 tokens" prep -o out --vocab-size 400 --superwords 141 "$in/a.txt"
    fails 2 "--superwords need" prep -o out --tokenizer gpt2 --superwords 9 --gpt2-vocab "$in/a.txt" --gpt2-merges "$in/a.txt" "$in/a.txt"
    fails 2 "--vocab takes an existing" prep -o out --vocab "$in/ref/vocab.db" --superwords 9 "$in/a.txt"
    fails 2 "--vocab takes an existing" prep -o out --vocab "$in/ref/vocab.db" --preset swift "$in/a.txt"
    fails 2 "--preset" prep -o out --preset fast "$in/a.txt"
    fails 2 "--normalize" prep -o out --normalize nfd "$in/a.txt"
    fails 2 "--format" prep -o out --format xml "$in/a.txt"
    fails 2 "standard input" prep -o out - -
    [ ! -e out ]
}

@test "--json on a full disk is an error" {
    run --separate-stderr bash -c "'$BUILD/prep' -q --json -o out --vocab-size 400 '$in/a.txt' > /dev/full"
    [ "$status" -eq 1 ]
    one_error_line prep "standard output"
}

@test "a signal leaves nothing half-written" {
    stories 3 200 > some.txt
    mkfifo pipe
    for signal in TERM=143 USR1=138 USR2=140 XCPU=152 KILL=137; do
        rm -rf out
        "$BUILD/prep" -q -o out --vocab-size 400 - < pipe 3>&- &
        pid=$!
        exec 9> pipe
        cat some.txt >&9
        for _ in $(seq 100); do
            [ ! -d out ] || break
            sleep 0.05
        done
        kill "-${signal%=*}" $pid
        exec 9>&-
        code=0
        wait $pid || code=$?
        [ "$code" -eq "${signal#*=}" ]
        empty_dir out
    done
}

@test "what a killed run has left is removed by the next one" {
    mkdir out
    : > out/.train.shard.a1b2c3.bolt.tmp
    : > out/.vocab.db.a1b2c3.bolt.tmp
    : > out/.other.db.a1b2c3.bolt.tmp
    succeeds prep -q -o out --vocab-size 400 "$in/a.txt"
    [ "$(find out -name '.*')" = out/.other.db.a1b2c3.bolt.tmp ]
}

@test "real stories: as many tokens of GPT-2 as are known, 99.96 % covered" {
    needs_tinystories
    needs_gpt2
    succeeds prep -q --json -o out --tokenizer gpt2 --gpt2-vocab "$GPT2_DIR/vocab.json" \
        --gpt2-merges "$GPT2_DIR/merges.txt" --valid "$TINYSTORIES_DIR/valid.txt.gz" "$TINYSTORIES_DIR/train.txt.gz"
    [ "$(field .train.n_tokens)" -eq 4601597 ]
    [ "$(field .train.n_stories)" -eq 23169 ]
    [ "$(field .valid.n_stories)" -eq 1000 ]
    [ "$(field .n_overlap)" -eq 0 ]
    [ "$(field '.train.coverage * 10000 | round')" -eq 9996 ]
    [ "$(field .vocab_size)" -eq 10000 ]
    one=$output
    succeeds prep -q --json --threads 1 -o out --tokenizer gpt2 --gpt2-vocab "$GPT2_DIR/vocab.json" \
        --gpt2-merges "$GPT2_DIR/merges.txt" --valid "$TINYSTORIES_DIR/valid.txt.gz" "$TINYSTORIES_DIR/train.txt.gz"
    [ "$(field .train.fingerprint)" = "$(jq -r .train.fingerprint <<< "$one")" ]
}

@test "real stories: a byte-level vocabulary knows everything" {
    needs_tinystories
    succeeds prep -q --json -o out "$TINYSTORIES_DIR/train.txt.gz"
    [ "$(field .train.n_unk)" -eq 0 ]
    [ "$(field '.train.n_stories + .valid.n_stories')" -eq 23169 ]
    [ "$(field '.train.tokens_per_char < 0.2458')" = true ]
}

@test "prep: --plan-threads does the work, and projects it for more threads" {
    stories 1 300 > a.txt
    succeeds prep -q -o plain --vocab-size 400 a.txt
    succeeds prep -q --json -o planned --vocab-size 400 --plan-threads 16 a.txt
    jq -e '.projected_threads == 16 and (.phases | keys == ["learn", "read", "write"]) and .phases.read.tasks > 0 and
        ([.phases[].efficiency, .all.efficiency] | all(. > 0 and . <= 1))' <<< "$output"
    diff -r plain planned
}
