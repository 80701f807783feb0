# train: --bench, and command lines that are refused.
load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    small_data data
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    in=$BATS_FILE_TMPDIR
}

@test "--bench measures without data and writes nothing" {
    succeeds train --json --bench --dim 24 --blocks 1 --hidden 40 --seq-len 32 --batch 2 -j 1
    [ -n "$output" ]
    contains "$stderr" "run: seed 42, 1 thread, " # and no budget
    jq -e '.tok_s > 0 and .step_ms > 0 and .share_of_peak > 0 and (.phases | length > 3)' <<< "$output"
    [ ! -e checkpoints ]
}

@test "--bench measures the model of the data it is given, else that of the preset" {
    narrow=(-q --json --bench --dim 24 --blocks 1 --hidden 8 --mixers conv --seq-len 16 --batch 2 --accum 1)
    parameters() {
        succeeds train "${narrow[@]}" "$@"
        jq .parameters <<< "$output"
    }
    small=$(parameters --small) swift=$(parameters --preset swift) own=$(parameters --small --data "$in/data")
    [ $((small - swift)) -eq $(((10000 - 4096) * 24)) ]
    tokens=$(sqlite3 "$in/data/vocab.db" 'SELECT count(*) FROM tokens')
    [ $((small - own)) -eq $(((10000 - tokens) * 24)) ]
    [ ! -e checkpoints ]
}

@test "--bench --plan-threads projects a step, phase by phase" {
    succeeds train -q --json --bench --plan-threads 16 --dim 24 --blocks 1 --hidden 40 --seq-len 32 --batch 2
    jq -e '.projected_threads == 16 and .step.tasks > 0 and (.phases | length > 3) and
        ([.phases[].efficiency] | all(. > 0 and . <= 1))' <<< "$output"
    succeeds train -q --bench --plan-threads 16 --dim 24 --blocks 1 --hidden 40 --seq-len 32 --batch 2
    contains "$output" "a projection for 16 threads"
    fails 2 "--plan-threads goes with --bench" train --plan-threads 16 --data "$in/data"
}

@test "usage errors" {
    fails 2 "--data" train
    fails 2 "unexpected argument" train --data "$in/data" more
    fails 2 "--nonsense" train --data "$in/data" --nonsense
    fails 2 "exclude each other" train --data "$in/data" --small --large
    for wrong in "steps 0" "steps 1.5" "steps many" "epochs 0" "hours -1" "hours nan" "dim 0" "dim 8193" "blocks 65" \
        "hidden 32769" "kernel 65" "seq-len 65537" "batch 0" "batch 65537" "accum 0" "lr 0" "lr 11" "seed -1" \
        "save-every -1" "save-minutes -1" "keep -1" "log-every 0" "eval-every -1" "patience -1" "threads 0" "threads 1025" \
        "precision f8"; do
        read -r name value <<< "$wrong"
        fails 2 "--$name: expected" train --data "$in/data" --save-dir run "--$name" "$value"
        contains "$stderr" "found '$value'"
    done
    fails 2 "a whole number, 1 to 65536" train --data "$in/data" --batch 70000
    [ ! -e run ]
}

@test "options that would have no effect are refused" {
    for option in --steps=5 --epochs=2 --hours=1 --save-dir=run --resume --init-from=x --save-every=1 --save-minutes=1 --keep=1 \
        --log-every=1 --eval-every=1 --eval-tokens=99 --patience=1 --sample-every=1 --status=run; do
        [ "$option" = --status=run ] || fails 2 "--bench takes no ${option%=*}" train --bench "$option"
        fails 2 "--status takes no " train --status run --bench "$option" --seed 1
    done
    fails 2 "--status takes no --threads" train --status run --threads 2
    fails 2 "--plan-threads takes no --threads" train --bench --plan-threads 8 -j 2
    fails 2 "--curriculum needs --data" train --bench --curriculum stages
    fails 2 "--resume: the name is empty" train --data "$in/data" --resume ""
    fails 2 "--steps and --epochs exclude each other" train --data "$in/data" --steps 5 --epochs 2
    fails 2 "--patience counts validations" train --data "$in/data" --eval-every 0 --patience 2
    fails 2 "--dilation and --kernel are of a convolution" train --data "$in/data" --blocks 2 --mixers attention --kernel 4
    fails 2 "--dilation and --kernel are of a convolution" train --data "$in/data" --blocks 2 --mixers attention --dilation 2
    fails 2 "--dilation 2,2: block 2 has attention and no taps" \
        train --data "$in/data" --blocks 2 --mixers conv,attention --dilation 2,2
    [ ! -e run ]
}
