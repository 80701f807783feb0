# Folders of several shards: cut, added to, trained on and evaluated as if they were one file.
load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    stories 5 300 > a.txt
    stories 6 200 > b.txt
    "$BUILD/prep" -q -o one --vocab-size 400 a.txt
    "$BUILD/prep" -q -o many --vocab-size 400 --shard-tokens 9000 a.txt
    "$BUILD/prep" -q -o all --vocab one/vocab.db a.txt b.txt
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    in=$BATS_FILE_TMPDIR
}

# prints FOLDER: the fingerprints of its splits, by what prep says when there is nothing to add.
prints() {
    "$BUILD/prep" -q --json --append -o "$1" "$in/a.txt" | jq -c '[.train.fingerprint, .valid.fingerprint]'
}

# holds FOLDER N: N training stories.
holds() {
    succeeds prep --json --report "$1"
    [ "$(jq .train.n_stories <<< "$output")" -eq "$2" ] || flunk "$1 has $(jq .train.n_stories <<< "$output") stories, not $2"
}

@test "a folder of one shard has no list, and --shard-tokens cuts the same stories" {
    [ "$(cd "$in/one" && echo *)" = "train.shard valid.shard vocab.db" ]
    same "$in/one/vocab.db" "$in/many/vocab.db"
    [ "$(jq -r '.shards | map(select(.split == "train")) | length' "$in/many/shards.json")" -gt 5 ]
    [ -f "$in/many/train-00000.shard" ]
    [ ! -e "$in/many/train.shard" ]
    for f in "$in"/many/train-*.shard; do
        [ "$("$BUILD/export" --json --info "$f" | jq .n_tokens)" -le 9000 ]
    done
    cp -r "$in/one" "$in/many" .
    [ "$(prints one)" = "$(prints many)" ] || flunk "the fingerprints depend on the files"
    jq 'del(.folder, .n_shards)' <(cd "$in" && "$BUILD/prep" --json --report one) > a
    jq 'del(.folder, .n_shards)' <(cd "$in" && "$BUILD/prep" --json --report many) > b
    same a b
    fails 1 "few: --shard-tokens 1 gives more than the 240 files that one run writes; give a larger number, or" prep -q -o few --vocab-size 400 --shard-tokens 1 "$in/a.txt"
    empty_dir few
}

@test "training and evaluation are the same bits wherever one file ends" {
    for d in one many; do
        small_train "$in/$d" "run-$d" > /dev/null
        jq -c 'del(.tok_s, .elapsed)' "run-$d/log.jsonl" > "log-$d"
    done
    same log-one log-many
    "$BUILD/export" -q run-one --vocab "$in/one/vocab.db" -o one.bolt
    "$BUILD/export" -q run-many --vocab "$in/one/vocab.db" -o many.bolt
    same one.bolt many.bolt
    for f in one many one/valid.shard; do
        "$BUILD/eval" -q --json one.bolt "$in/$f" | jq -c 'del(.file, .seconds, .tok_s)'
    done > figures
    [ "$(sort -u figures | wc -l)" -eq 1 ] || flunk "$(cat figures)"
    "$BUILD/eval" -q --json one.bolt "$in"/many/train-*.shard | tail -n 1 | jq -c '[.n_tokens, .n_stories, .n_chars]' > a
    "$BUILD/eval" -q --json one.bolt "$in/one/train.shard" | jq -c '[.n_tokens, .n_stories, .n_chars]' > b
    same a b
    mkdir empty
    fails 1 "empty/valid.shard: cannot open" eval one.bolt empty
}

@test "train takes a list of folders and shards" {
    cp -r "$in/one" c
    "$BUILD/prep" -q -o d --vocab c/vocab.db --valid-fraction 0 "$in/b.txt"
    "$BUILD/prep" -q --append --valid-fraction 0 -o c "$in/b.txt"
    small_train c run-c > /dev/null
    small_train "$in/one" run-d --data d > /dev/null
    small_train "$in/one" run-e --data d/train.shard > /dev/null
    for r in run-d run-e; do
        diff <(jq -c '[.step, .loss, .val_loss]' run-c/log.jsonl) <(jq -c '[.step, .loss, .val_loss]' $r/log.jsonl)
    done
    "$BUILD/prep" -q -o other --vocab-size 300 "$in/b.txt"
    fails 1 "other/train.shard: made with another vocabulary" train --data "$in/one" --data other --save-dir x
}

@test "--append gives what prep of all at once gives, and nothing twice" {
    cp -r "$in/one" "$in/many" .
    for d in one many; do
        succeeds prep -q --json --append -o $d "$in/a.txt" "$in/b.txt"
        [ "$(jq .train.n_duplicates <<< "$output")" -gt 250 ]
        [ "$(prints $d)" = "$(prints "$in/all")" ] || flunk "$d differs from a folder of all"
        same $d/vocab.db "$in/one/vocab.db"
        for f in "$in/$d"/*.shard; do same "$f" "$d/$(basename "$f")"; done
        cp -r $d before
        succeeds prep --append -o $d "$in/b.txt" "$in/a.txt"
        contains "$stderr" "nothing is new, and the folder stays as it is"
        diff -r before $d
        rm -r before
        succeeds prep -q --json --append --keep-duplicates -o $d "$in/b.txt"
        [ "$(jq '.train.n_stories + .valid.n_stories' <<< "$output")" -eq 200 ]
    done
    succeeds prep -q -o many --vocab-size 400 "$in/a.txt"
    diff -r many "$in/one"
}

@test "--append: a single text that was cut is there already, in any form, and a new one is not cut" {
    for i in $(seq 100 199); do printf 'Line number %d.\n' "$i"; done > book.txt
    "$BUILD/prep" -q -o data --vocab-size 270 book.txt
    jq -Rs '{story: .}' book.txt > book.json
    sed 's/$/\r/' book.txt > crlf.txt
    cp -r data before
    for files in book.txt book.json crlf.txt "book.txt book.txt"; do
        # shellcheck disable=SC2086
        succeeds prep --append -o data $files
        contains "$stderr" "nothing is new, and the folder stays as it is"
    done
    succeeds prep --append --keep-duplicates -o data book.txt
    contains "$stderr" "nothing is new, and the folder stays as it is"
    diff -r before data
    sed 's/number/no./' book.txt > other.txt
    for _ in 1 2; do
        succeeds prep -q --append -o data book.txt other.txt
        [ "$("$BUILD/prep" --json --report data | jq -c '[.train.n_stories, .valid.n_stories]')" = "[2,1]" ] || flunk "added twice"
    done
    "$BUILD/prep" -q -o none --vocab data/vocab.db --valid-fraction 0 book.txt
    for _ in 1 2; do
        succeeds prep -q --append -o none other.txt
        [ "$("$BUILD/prep" --json --report none | jq -c '[.train.n_stories, .valid.n_stories]')" = "[2,0]" ] || flunk "cut"
    done
}

@test "--append --keep-duplicates: a story is on the side that it is on in the folder" {
    for fraction in 0 0.5; do
        "$BUILD/prep" -q -o data --vocab-size 400 --valid-fraction $fraction "$in/b.txt"
        before=$("$BUILD/prep" --json --report data | jq -c '[.train.n_stories, .valid.n_stories]')
        "$BUILD/prep" -q --append --keep-duplicates --valid-fraction 0.9 -o data "$in/b.txt"
        [ "$("$BUILD/prep" --json --report data | jq -c '[.train.n_stories / 2, .valid.n_stories / 2]')" = "$before" ] || flunk "on both"
    done
}

@test "--append --valid: nothing twice, and only training stories count as those of training" {
    cp -r "$in/one" one
    for _ in 1 2; do "$BUILD/prep" -q --append -o one --valid "$in/b.txt" "$in/a.txt"; done
    [ "$("$BUILD/prep" --json --report one | jq .valid.n_stories)" -eq \
        $((200 + $("$BUILD/prep" --json --report "$in/one" | jq .valid.n_stories))) ] || flunk "added twice"
    succeeds prep -q --json --append -o one --valid "$in/b.txt" "$in/a.txt"
    [ "$(jq -c '[.n_overlap, .valid.n_duplicates]' <<< "$output")" = "[0,200]" ] || flunk "$output"
    ! grep -q "stand in training" <<< "$stderr" || flunk "a false alarm"
}

@test "--append takes no other vocabulary, and no folder that is none" {
    cp -r "$in/one" .
    fails 2 "--append takes the vocabulary of the folder" prep --append -o one --vocab-size 300 "$in/b.txt"
    fails 1 "none/vocab.db: cannot open" prep --append -o none "$in/b.txt"
    contains "$stderr" "--append adds to a folder that prep has made"
    cp "$in/all/train.shard" one/valid.shard
    printf x >> one/train.shard
    fails 1 "one/train.shard: wrong size" prep --append -o one "$in/b.txt"
}

@test "a vocabulary with unknown tokens: what tokens do not tell is never taken for a duplicate" {
    needs_gpt2
    printf '%s\n<|endoftext|>\n' "One cat." "One dog." "One cat." "One owl." > few.txt
    gpt2=(--tokenizer gpt2 --vocab-size 8 --gpt2-vocab "$GPT2_DIR/vocab.json" --gpt2-merges "$GPT2_DIR/merges.txt")
    "$BUILD/prep" -q -o data "${gpt2[@]}" --valid-fraction 0 few.txt
    succeeds prep -q --json --append --valid-fraction 0 -o data few.txt
    [ "$(jq .train.n_unk <<< "$output")" -gt 0 ]
    [ "$(jq '.train.n_stories + .train.n_duplicates' <<< "$output")" -eq 4 ]
}

@test "killed at any call, --append leaves the folder as it was or complete" {
    [ -f "$BUILD/tests/inject.so" ] || skip "inject.so is not built"
    local n before after=0 kills=0
    before=$("$BUILD/prep" --json --report "$in/one" | jq .train.n_stories)
    for fault in disk:{1..40}:kill disk:{1..40}:after; do
        rm -rf one
        cp -r "$in/one" one
        if FAULT=$fault LD_PRELOAD=$BUILD/tests/inject.so ASAN_OPTIONS=verify_asan_link_order=0 \
            "$BUILD/prep" -q --append -o one "$in/b.txt" 2> /dev/null; then break; fi
        kills=$((kills + 1))
        n=$("$BUILD/prep" --json --report one | jq .train.n_stories)
        if [ "$n" -ne "$before" ]; then after=$((after + 1)); [ "$(prints one)" = "$(prints "$in/all")" ]; fi
        "$BUILD/prep" -q --append -o one "$in/b.txt"
        [ "$(prints one)" = "$(prints "$in/all")" ] || flunk "$fault: another --append does not complete it"
        [ "$(cd one && echo *)" = "shards.json train-00001.shard train.shard valid.shard vocab.db" ] || flunk "$fault: $(ls one)"
    done
    [ "$kills" -gt 5 ]
    [ "$after" -gt 0 ]
}

@test "a disk that fails while stories are added leaves the folder as it was" {
    [ -f "$BUILD/tests/inject.so" ] || skip "inject.so is not built"
    local i
    for i in {1..30}; do
        rm -rf one
        cp -r "$in/one" one
        if FAULT=disk:$i:fail LD_PRELOAD=$BUILD/tests/inject.so ASAN_OPTIONS=verify_asan_link_order=0 \
            "$BUILD/prep" -q --append -o one "$in/b.txt" 2> error; then break; fi
        [ "$(wc -l < error)" -eq 1 ]
        [ -e one/shards.json ] || diff -r one "$in/one" || flunk "disk:$i: $(ls one)"
    done
    [ "$i" -gt 5 ]
}

@test "a resumed run says what was added, ends its epoch without it and begins the next with it" {
    cp -r "$in/one" one
    small_train one run --batch 64 --steps 120 --seed 3 > /dev/null
    cp -r run whole
    rm -r run
    small_train one run --batch 64 --steps 30 --seed 3 > /dev/null
    "$BUILD/prep" -q --append -o one "$in/b.txt"
    succeeds train --data one --save-dir run --resume --steps 120 --eval-every 10 --eval-tokens 2000
    contains "$stderr" "200 training stories (68,964 tokens) were added since this checkpoint: epoch 1 ends without them, epoch 2 begins with all"
    "$BUILD/prep" -q -o other --vocab one/vocab.db "$in/b.txt"
    fails 1 "trained with other training stories" train --data other --save-dir run --resume
    contains "$stderr" "and does not begin with those"
}

@test "a list that does not fit its folder is refused" {
    cp -r "$in/many" .
    cp many/train-00001.shard many/train-00000.shard
    fails 1 "many/train-00000.shard: not the shard that shards.json lists" train --data many --save-dir run
    rm many/train-00000.shard
    fails 1 "many/train-00000.shard: cannot open" prep --report many
    jq '.shards = []' "$in/many/shards.json" > many/shards.json
    fails 1 "many: has no training shard" train --data many --save-dir run
    echo '{"version": 9}' > many/shards.json
    fails 1 "many/shards.json: unknown version of the list of shards (found 9, expected 1)" train --data many --save-dir run
}

@test "the same stories given twice are trained on twice, with a warning" {
    small_train "$in/one" run --data "$in/one/train.shard" --steps 1 2> warned > /dev/null || cat warned
    grep -q "the same training stories are in the data twice (shards 1 and 2 of 2)" warned || flunk "$(cat warned)"
}

@test "prep does not replace what a run learns from, nor does a run begin on what prep replaces; --append goes on" {
    cp -r "$in/one" data
    "$BUILD/train" -q --data data --save-dir run --small --dim 32 --blocks 2 --hidden 48 --seq-len 32 --steps 1000000 \
        --eval-every 0 --sample-every 0 --log-every 1 3>&- & # no function, whose shell would be what is killed
    pid=$!
    for _ in $(seq 3000); do
        [ ! -s run/log.jsonl ] || break
        sleep 0.01
    done
    fails 1 "data: a run of train learns from this folder" prep -q -o data --vocab-size 400 "$in/b.txt"
    succeeds prep -q --append -o data "$in/b.txt"
    kill "$pid"
    wait "$pid" || true
    flock data/vocab.db sleep 60 3>&- &
    pid=$!
    for _ in $(seq 3000); do
        flock -n data/vocab.db true || break
        sleep 0.01
    done
    fails 1 "data/vocab.db: prep is making this folder's stories anew" train --data data --save-dir new
    kill "$pid" "$(pgrep -P "$pid")"
    wait "$pid" || true
    succeeds prep -q -o data --vocab-size 400 "$in/b.txt"
    fails 1 "let prep make its data again" train --data data --save-dir run --resume
    flock data "$BUILD/prep" -q --append -o data "$in/a.txt" 2> told && flunk "two preps in one folder"
    contains "$(cat told)" "data: another prep is writing to this folder"
}
