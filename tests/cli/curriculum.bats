# Several corpora under one vocabulary, and runs that learn from them in stages.
load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    stories 5 300 > a.txt
    stories 6 30 > b.txt
    stories 7 90 > c.txt
    "$BUILD/prep" -q -o data --vocab-size 400 --part tiny=a.txt --part few=b.txt --part tiny=c.txt
    printf '%s\n' '# easy first' '40%: tiny' '60%: tiny 1 to 0, few 1 to 3' > stages
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    in=$BATS_FILE_TMPDIR
}

@test "parts have shards of their own under the vocabulary of all" {
    [ "$(cd "$in/data" && echo *)" = "shards.json train-few.shard train-tiny.shard valid-few.shard valid-tiny.shard vocab.db" ]
    "$BUILD/prep" -q -o whole --valid-fraction 0 --vocab-size 400 "$in/a.txt" "$in/b.txt"
    "$BUILD/prep" -q -o cut --valid-fraction 0 --vocab-size 400 --part tiny="$in/a.txt" --part few="$in/b.txt"
    same whole/vocab.db cut/vocab.db
    "$BUILD/prep" -q --json --append -o whole "$in/a.txt" | jq .train.fingerprint > whole.print
    "$BUILD/prep" -q --json --append -o cut --part tiny="$in/a.txt" | jq .train.fingerprint > cut.print
    same whole.print cut.print
    "$BUILD/prep" -q -o tiny --vocab "$in/data/vocab.db" "$in/a.txt" "$in/c.txt"
    same tiny/train.shard "$in/data/train-tiny.shard"
    same tiny/valid.shard "$in/data/valid-tiny.shard"
    "$BUILD/prep" --json --report "$in/data" | jq -c '[.parts[] | .name, .train.n_stories + .valid.n_stories]' > a
    [ "$(cat a)" = '["tiny",390,"few",30]' ] || flunk "$(cat a)"
    # every part has something to validate on
    "$BUILD/prep" --json --report "$in/data" | jq -e 'all(.parts[]; .valid.n_stories > 0)'
    for threads in 1 7; do
        "$BUILD/prep" -q -o again -j $threads --vocab-size 400 --part tiny="$in/a.txt" --part few="$in/b.txt" --part tiny="$in/c.txt"
        diff -r again "$in/data"
    done
}

@test "parts: several shards, stories of validation, stories that are added" {
    "$BUILD/prep" -q -o data --vocab-size 400 --shard-tokens 9000 --part tiny="$in/a.txt" --part few="$in/b.txt" \
        --valid few="$in/c.txt"
    [ -f data/train-tiny-00003.shard ]
    [ -f data/valid-few-00002.shard ]
    [ ! -e data/valid-tiny-00000.shard ]
    succeeds prep -q -o again --vocab-size 400 --part tiny="$in/a.txt" --part few="$in/b.txt" --valid few="$in/b.txt"
    contains "$stderr" "part tiny has no validation stories"
    contains "$stderr" "more than half of the validation stories also stand in training"
    fails 2 "data: has parts; --append says which: --part tiny=FILE" prep --append -o data "$in/c.txt"
    before=$("$BUILD/prep" --json --report data | jq .train.n_tokens)
    "$BUILD/prep" -q --append --valid-fraction 0 -o data --part more="$in/c.txt" --part few="$in/a.txt"
    "$BUILD/prep" --json --report data | jq -c '[.parts[] | [.name, .train.n_stories]]' > a
    [ "$(cat a)" = '[["tiny",300],["few",30]]' ] || flunk "$(cat a)"
    stories 9 50 > d.txt
    "$BUILD/prep" -q --append --valid-fraction 0 -o data --part more=d.txt
    "$BUILD/prep" --json --report data | jq -c '[.parts[] | [.name, .train.n_stories]]' > a
    [ "$(cat a)" = '[["tiny",300],["few",30],["more",50]]' ] || flunk "$(cat a)"
    [ "$("$BUILD/prep" --json --report data | jq .train.n_tokens)" -gt "$before" ]
    "$BUILD/prep" -q -o plain --vocab-size 400 "$in/a.txt"
    fails 2 "plain: has no parts, so --append takes INPUT without --part" prep --append -o plain --part x=d.txt
}

@test "parts: what one has for validation, no other has for training" {
    for i in $(seq 100 199); do printf 'Line number %d.\n' "$i"; done > book.txt
    cat book.txt <(echo '<|endoftext|>') "$in/b.txt" > more.txt
    succeeds prep -q --json -o data --vocab-size 300 --part book=book.txt --part more=more.txt
    [ "$(jq '.parts[1] | .train.n_stories + .valid.n_stories' <<< "$output")" -eq 30 ] || flunk "$output"
    fails 1 "book.txt: no story for training in part 'book'" prep -q -o x --vocab-size 300 --part more=more.txt --part book=book.txt
    # with duplicates too, the piece that is held out is nowhere in training, alone or in its text
    sed 's/Line number 199/#ine number 199/' book.txt > last.txt
    cat last.txt <(echo '<|endoftext|>') <(tail -n 1 last.txt) <(echo '<|endoftext|>') "$in/b.txt" > more.txt
    for parts in "last more" "more last"; do
        # shellcheck disable=SC2046
        tool prep -q -o data --vocab-size 300 --keep-duplicates $(for p in $parts; do echo --part $p=$p.txt; done)
        if [ "$parts" = "last more" ]; then
            [ "$(sqlite3 data/vocab.db "SELECT sum(count) FROM tokens WHERE instr(bytes, CAST('#' AS BLOB))")" -eq 0 ] || flunk "trained on"
        else
            [ "$("$BUILD/prep" --json --report data | jq -c '[.parts[1] | .train.n_stories, .valid.n_stories]')" = "[1,0]" ] || flunk "held out"
        fi
    done
    # with duplicates, few has nothing of its own to hold out, and equal stories are on one side
    for i in $(seq 12); do printf 'Story number %d.\n<|endoftext|>\n' "$i"; done > few.txt
    for i in 1 7 13 19; do
        sed -n "$i,$((i + 5))p" few.txt > some.txt
        succeeds prep -q --json -o data --vocab-size 264 --keep-duplicates --valid-fraction 1e-9 --part all=few.txt --part some=some.txt
        jq -c '[.parts[] | .train.n_stories, .valid.n_stories]' <<< "$output"
    done | sort | uniq -c | xargs > found
    [ "$(cat found)" = "1 [11,1,2,1] 3 [11,1,3,0]" ] || flunk "$(cat found)"
}

@test "parts: --inspect tells how often each has a token" {
    succeeds prep --json --inspect "Once there was" --vocab "$in/data"
    "$BUILD/prep" --json --inspect "Once there was" --vocab "$in/data/vocab.db" | jq -c . > plain
    jq -c 'del(.tokens[].parts)' <<< "$output" > a
    same a plain
    jq -e 'all(.tokens[]; .count == .parts.tiny + .parts.few) and any(.tokens[]; .parts.few > 0)' <<< "$output"
    succeeds prep --inspect "Once there was" --vocab "$in/data"
    contains "$output" "in a million"
    fails 1 "nowhere: cannot open" prep --inspect x --vocab nowhere
}

@test "parts: what is said of wrong ones" {
    fails 2 "INPUT 'b.txt' is of no part" prep -o x --part tiny="$in/a.txt" b.txt
    fails 2 "--part: expected NAME=FILE, found 'a.txt'" prep -o x --part a.txt
    fails 2 "--part: expected NAME=FILE, found '1=a.txt'" prep -o x --part 1=a.txt
    fails 2 "--valid fow=b.txt: no --part has this name" prep -o x --part few=b.txt --valid fow=b.txt
    fails 1 "nowhere: cannot open" prep -o x --part few=nowhere
    echo '<|endoftext|>' > empty
    fails 1 "empty: no story for training in part 'few'" prep -o x --part tiny="$in/a.txt" --part few=empty
}

@test "a run by stages: what is said, what is logged, the same bits after interruptions" {
    succeeds train --data "$in/data" --save-dir whole --small --dim 32 --blocks 2 --hidden 48 --kernel 4 --seq-len 32 \
        --batch 4 --steps 40 --eval-every 10 --eval-tokens 2000 --seed 7 --sample-every 0 --curriculum "$in/stages"
    contains "$stderr" "stage 1 of 2, 0 % to 40 % of the run: tiny 100 %"
    contains "$stderr" "stage 2 of 2, 40 % to 100 % of the run: tiny 50 to 0 %, few 50 to 100 %"
    contains "$stderr" "epochs: tiny 0."
    jq -e 'select(.val_loss) | .val_parts | (.tiny.loss > 0) and (.few.bpc > 0) and length == 2' whole/log.jsonl > /dev/null
    jq -se 'map(select(.val_loss)) | all((.val_loss - (.val_parts | (.tiny.loss + .few.loss) / 2) | fabs) < 1e-12)' whole/log.jsonl
    "$BUILD/train" --json --status whole | jq -e '.val_parts.few.loss > 0'
    "$BUILD/train" --status whole | grep -q '^  few  '
    "$BUILD/export" --json --info whole/best.safetensors | jq -e '.version == 3 and (.curriculum | startswith("40%: tiny 1; 60%"))'
    small_train "$in/data" parts --steps 40 --curriculum <(cat "$in/stages") --save-every 5 --keep 0 > /dev/null
    for step in 000000035 000000020 000000010; do
        rm -f parts/best.safetensors
        for f in parts/step-*; do [ "${f#parts/step-}" \> "$step.safetensors" ] && rm "$f"; done
        "$BUILD/train" -q --data "$in/data" --save-dir parts --resume --eval-every 10 --eval-tokens 2000 --save-every 5 --keep 0
        "$BUILD/export" -q parts/step-000000040.safetensors --vocab "$in/data/vocab.db" -o parts.bolt
        "$BUILD/export" -q whole/step-000000040.safetensors --vocab "$in/data/vocab.db" -o whole.bolt
        same parts.bolt whole.bolt
    done
}

@test "a curriculum: --accum, --windows story, --hours, patience that waits for the last stage" {
    for more in "--accum 3" "--windows story" "--hours 1"; do
        # shellcheck disable=SC2086
        small_train "$in/data" "run ${more// /}" --curriculum "$in/stages" $more > /dev/null
    done
    "$BUILD/train" -q --data "$in/data" --save-dir epoch --small --dim 32 --blocks 2 --hidden 48 --seq-len 32 --batch 64 \
        --epochs 1 --eval-tokens 2000 --curriculum "$in/stages"
    small_train "$in/data" run --steps 60 --lr 1e-9 --patience 1 --curriculum "$in/stages" > /dev/null
    [ "$(jq -s 'last.step' run/log.jsonl)" -ge 30 ]
}

@test "data in parts beside others: none is left out of validation or of a curriculum without a word" {
    few=(-q --save-dir x --small --dim 32 --blocks 2 --hidden 48 --kernel 4 --seq-len 32 --batch 4 --steps 2)
    "$BUILD/prep" -q -o plain --vocab "$in/data/vocab.db" "$in/c.txt"
    fails 2 "--data: some validation stories are of parts, others of none" train "${few[@]}" --data "$in/data" --data plain
    fails 2 "--data: some training stories are of parts, others of none" train "${few[@]}" --data "$in/data" --data plain/train.shard \
        --curriculum "$in/stages"
    small_train "$in/data" run --data plain/train.shard --steps 2 > /dev/null
    "$BUILD/prep" -q -o short --vocab "$in/data/vocab.db" --part tiny="$in/a.txt" --part word="$in/b.txt" \
        --valid tiny="$in/c.txt" --valid word=<(echo Once.)
    small_train short few --steps 2 2> told > /dev/null
    grep -q "part word is not validated: its validation stories are shorter than one window" told || flunk "$(cat told)"
    jq -e 'select(.val_loss) | .val_parts | keys == ["tiny"]' few/log.jsonl
    for n in 1 2; do
        # shellcheck disable=SC2046
        "$BUILD/prep" -q -o "many$n" --vocab "$in/data/vocab.db" $(for i in {1..9}; do echo "--part" "p$n$i=$in/b.txt"; done) \
            --keep-duplicates --valid-fraction 0.5
    done
    tool train "${few[@]}" --data many1 --data many2
    [ "$status" -eq 2 ]
    contains "$stderr" "--data: the validation stories are of more than 16 parts"
}

@test "eval of a folder with parts: one result each, and their total" {
    small_train "$in/data" run > /dev/null
    succeeds eval --json --vocab "$in/data/vocab.db" run "$in/data"
    [ "$(jq -r '.part // "total"' <<< "$output" | xargs)" = "tiny few total" ]
    [ "$(jq -s '.[-1].files' <<< "$output")" -eq 1 ] # of two parts
    "$BUILD/eval" -q --json --vocab "$in/data/vocab.db" run "$in/data/valid-few.shard" | jq -c '[.loss, .n_tokens, .bpc]' > a
    jq -c 'select(.part == "few") | [.loss, .n_tokens, .bpc]' <<< "$output" > b
    same a b
    succeeds eval -q --vocab "$in/data/vocab.db" run "$in/data"
    contains "$output" "data: few"
}

@test "a curriculum that is wrong: the line and the fault" {
    printf '50%%: tiny\n\n50%%: tony\n' > bad
    fails 1 "bad: line 3: the data have no part 'tony' (they have tiny, few)" train --data "$in/data" --save-dir x --curriculum bad
    printf '50%%: tiny\n40%%: few\n' > bad
    fails 1 "bad: the shares of its stages add up to 90%, not to 100%" train --data "$in/data" --save-dir x --curriculum bad
    fails 1 "nothing: cannot open" train --data "$in/data" --save-dir x --curriculum nothing
    printf '100%%: tiny\0\n' > bad
    fails 1 "bad: is no text (found a NUL byte)" train --data "$in/data" --save-dir x --curriculum bad
    "$BUILD/prep" -q -o plain --vocab-size 400 "$in/b.txt"
    fails 2 "plain: has no parts for --curriculum to name; prep --part makes them" \
        train --data plain --save-dir x --curriculum "$in/stages"
}
