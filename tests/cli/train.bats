# train: shards in, checkpoints and a log out; stopped, killed and resumed at will.
load helpers

# Data of a small corpus, and in `whole` an uninterrupted run over it, in a later epoch at the end.
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    small_data data
    tiny --save-dir whole --steps 800 -q
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    in=$BATS_FILE_TMPDIR
    whole=$in/whole
}

teardown() {
    [ -z "${pid-}" ] || kill -KILL "$pid" 2> "$BATS_TEST_TMPDIR/kill" || true
}

tiny_options=(--dim 24 --blocks 2 --hidden 40 --kernel 4 --seq-len 32 --dilation "1,2" --batch 16
    --eval-every 100 --eval-tokens 1000 --patience 0 --sample-every 150 --log-every 1 --save-every 0)

# tiny [OPTION]...: a run of milliseconds a step.
tiny() {
    "$BUILD/train" --data "$BATS_FILE_TMPDIR/data" "${tiny_options[@]}" "$@"
}

# The same with the checks of helpers.bash.
tiny_succeeds() {
    succeeds train --data "$in/data" "${tiny_options[@]}" "$@"
}
tiny_fails() {
    local status=$1 text=$2
    shift 2
    fails "$status" "$text" train --data "$in/data" "${tiny_options[@]}" "$@"
}

# meta FILE KEY: a value of the metadata.
meta() {
    head -c $(($(header_size "$1") + 8)) "$1" | tail -c +9 | jq -r ".__metadata__.$2"
}

# without_checksums FILE [COMMAND]: the file as one was before there were checksums, edited by sed's command first.
without_checksums() {
    LC_ALL=C sed "${2-};1s/data_xxh3/data_none/; 1s/header_xxh3/header_none/" "$1"
}

# steps_once DIR LAST: the log has every step from 1 to LAST once, in order.
steps_once() {
    diff <(jq .step "$1/log.jsonl") <(seq "$2") || flunk "$1/log.jsonl does not have each step once"
}

# start DIR STEP [OPTION]...: a run in the background, which sets pid, until it has logged STEP.
start() {
    local dir=$1 step=$2
    shift 2
    # a shell without job control starts it with SIGINT ignored
    env --default-signal=INT "$BUILD/train" --data "$in/data" "${tiny_options[@]}" --save-dir "$dir" "$@" 3>&- &
    pid=$!
    for _ in $(seq 3000); do
        if [ "$(grep -c . "$dir/log.jsonl" 2> "$BATS_TEST_TMPDIR/none")" -ge "$step" ] 2> "$BATS_TEST_TMPDIR/none"; then
            return
        fi
        sleep 0.01
    done
    flunk "the run did not come to step $step"
}

# ends STATUS: of the run in the background.
ends() {
    local code=0
    wait "$pid" || code=$?
    pid=
    [ "$code" -eq "$1" ] || flunk "exit status $code, expected $1"
}

last_checkpoint() {
    find "$1" -name 'step-*.safetensors' | sort | tail -n 1
}

@test "a termination signal: the step is finished and saved; the resumed run ends as the uninterrupted one" {
    start run 150 --steps 800
    kill -TERM "$pid"
    ends 143
    at=$(meta "$(last_checkpoint run)" step)
    [ "$at" -ge 150 ] && [ "$at" -lt 800 ] || flunk "stopped at step $at"
    steps_once run "$at"
    tiny_succeeds -q --save-dir run --resume --threads 3
    steps_once run 800
    same_tensors "$whole/step-000000800.safetensors" run/step-000000800.safetensors
    same_tensors "$whole/best.safetensors" run/best.safetensors
    for key in epoch position rng sample_rng progress best_loss patience tokens; do
        [ "$(meta run/step-000000800.safetensors $key)" = "$(meta "$whole/step-000000800.safetensors" $key)" ] ||
            flunk "metadata $key differ"
    done
    [ "$(meta run/step-000000800.safetensors epoch)" -ge 1 ]
}

@test "an interrupt does the same" {
    start run 20 --steps 1000000 2> talk.txt
    kill -INT "$pid"
    ends 130
    contains "$(cat talk.txt)" "stopped by a signal at step"
    contains "$(cat talk.txt)" "last checkpoint: run/step-"
    [ -f "$(last_checkpoint run)" ]
}

@test "SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU, by which batch systems announce the end, do the same" {
    for signal in HUP=129 USR1=138 USR2=140 XCPU=152; do
        start "run-$signal" 20 --steps 1000000 -q
        kill "-${signal%=*}" "$pid"
        ends "${signal#*=}"
        at=$(meta "$(last_checkpoint "run-$signal")" step)
        steps_once "run-$signal" "$at"
    done
}

@test "a limit on processor time: it is signalled every second, and the checkpoint is still written" {
    local code=0
    (ulimit -St 1; exec "$BUILD/train" --data "$in/data" "${tiny_options[@]}" -q --save-dir run --steps 1000000) || code=$?
    [ "$code" -eq 152 ] || flunk "exit status $code"
    steps_once run "$(meta "$(last_checkpoint run)" step)"
}

# Validation is most of the run's time, so that a signal falls into one sooner or later.
validating=(--batch 2 --eval-every 1 --eval-tokens 0 --steps 90 --sample-every 5)

@test "a signal during validation does not wait for its end; the resumed run makes up for it" {
    tiny_succeeds -q --save-dir all "${validating[@]}"
    due=0
    for at in 5 15 25 35 45; do
        resume=()
        [ "$at" -eq 5 ] || resume=(--resume)
        start run "$at" "${validating[@]}" "${resume[@]}" 2> talk.txt
        kill -TERM "$pid"
        ends 143
        newest=$(last_checkpoint run)
        step=$(meta "$newest" step)
        steps_once run "$step"
        if [ "$(meta "$newest" validation_due)" -eq 1 ]; then
            due=$((due + 1))
            [ "$(jq "select(.step == $step) | .val_loss" run/log.jsonl)" = null ]
        fi
    done
    [ "$due" -gt 0 ] || flunk "no signal came during a validation"
    tiny_succeeds -q --save-dir run --resume "${validating[@]}"
    steps_once run 90
    diff <(jq -c '[.step, .loss, .val_loss, .val_bpc, .zero_share, .block_zero_share]' all/log.jsonl) \
        <(jq -c '[.step, .loss, .val_loss, .val_bpc, .zero_share, .block_zero_share]' run/log.jsonl)
    same_tensors all/best.safetensors run/best.safetensors
    same_tensors all/step-000000090.safetensors run/step-000000090.safetensors
    for key in step best_loss patience sample_rng validation_due; do
        for file in best.safetensors step-000000090.safetensors; do
            [ "$(meta all/$file $key)" = "$(meta run/$file $key)" ] || flunk "$file: metadata $key differ"
        done
    done
}

@test "killed outright: the newest checkpoint goes on, no step is logged twice or lost" {
    start run 130 --steps 800 --save-every 50
    kill -KILL "$pid"
    ends 137
    at=$(meta "$(last_checkpoint run)" step)
    [ "$at" -ge 100 ] && [ "$at" -lt 800 ] || flunk "newest checkpoint of step $at"
    : > run/.step-000000150.safetensors.a1b2c3.tmp # what a run killed while saving leaves
    printf '{"step":131,"tok' >> run/log.jsonl
    tiny_succeeds -q --save-dir run --resume --save-every 7
    steps_once run 800
    same_tensors "$whole/step-000000800.safetensors" run/step-000000800.safetensors
    [ "$(find run -name '.*.tmp' | wc -l)" -eq 0 ]
}

@test "killed before its first checkpoint: best.safetensors goes on" {
    start run 110 --steps 800
    kill -KILL "$pid"
    ends 137
    tiny_fails 1 "run: holds checkpoints" --save-dir run
    tiny_succeeds --save-dir run --resume
    contains "$stderr" "resumed from run/best.safetensors at step 100"
    steps_once run 800
    same_tensors "$whole/step-000000800.safetensors" run/step-000000800.safetensors
}

@test "killed before it had anything to go on from: the next run keeps its log aside" {
    start run 5 --steps 800 --eval-every 0
    kill -KILL "$pid"
    ends 137
    for n in 1 2; do
        cp run/log.jsonl told
        tiny_succeeds --save-dir run --steps 3 --eval-every 0
        contains "$stderr" "left no checkpoint, is now run/log-$n.jsonl"
        same run/log-$n.jsonl told
        steps_once run 3
        rm run/step-*
    done
    : > run/log.jsonl
    tiny_succeeds -q --save-dir run --steps 3 --eval-every 0
    [ ! -e run/log-3.jsonl ] || flunk "an empty log was kept"
}

@test "any number of threads gives the same tensors, in either precision" {
    for precision in f32 bf16; do
        for n in 1 2 7; do
            tiny_succeeds -q --save-dir $precision$n --steps 30 --threads $n --precision $precision
        done
        same_tensors ${precision}1/step-000000030.safetensors ${precision}2/step-000000030.safetensors
        same_tensors ${precision}1/step-000000030.safetensors ${precision}7/step-000000030.safetensors
        [ "$(meta ${precision}1/step-000000030.safetensors precision)" = $precision ]
    done
}

@test "a resumed run keeps its precision; another one is warned of" {
    tiny_succeeds -q --save-dir run --steps 4 --precision f32
    tiny_succeeds -q --save-dir run --steps 6 --resume
    [ -z "$stderr" ]
    [ "$(meta run/step-000000006.safetensors precision)" = f32 ]
    tiny_succeeds -q --save-dir run --steps 8 --resume --precision bf16
    one_error_line train "run/step-000000006.safetensors was last run with"
    [ "$(meta run/step-000000008.safetensors precision)" = bf16 ]
}

@test "every instruction set runs; another one on resume is warned of" {
    tiny_succeeds -q --save-dir run --steps 10 --cpu c
    [ "$(meta run/step-000000010.safetensors isa)" = c ]
    tiny_succeeds -q --save-dir run --steps 12 --resume --cpu c
    [ -z "$stderr" ]
    tiny_fails 2 "sse9" --save-dir other --cpu sse9
    tiny_succeeds -q --save-dir run --steps 14 --resume
    isa=$(meta run/step-000000014.safetensors isa)
    [ "$isa" = c ] || contains "$stderr" "run/step-000000012.safetensors was last run with --cpu c"
}

@test "damaged newest checkpoints are passed over, each with a warning" {
    tiny_succeeds -q --save-dir run --steps 20 --save-every 5 --keep 0
    truncate -s -1 run/step-000000020.safetensors
    truncate -s 100 run/step-000000015.safetensors
    tiny_succeeds -q --save-dir run --resume --keep 1 --save-every 3
    [ "$(wc -l <<< "$stderr")" -eq 2 ]
    contains "$stderr" "passed over: run/step-000000020.safetensors: "
    contains "$stderr" "passed over: run/step-000000015.safetensors: "
    steps_once run 20
    tiny_succeeds -q --save-dir same --steps 20
    same_tensors same/step-000000020.safetensors run/step-000000020.safetensors
    [ "$(find run -name 'step-*' | wc -l)" -eq 1 ]
}

# flip FILE AT: the lowest bit of a byte, counted from the end (-1 is the last).
flip() {
    local at=$(($(stat -c %s "$1") + $2)) byte
    byte=$(od -An -tu1 -j "$at" -N 1 "$1")
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

@test "one flipped bit: --info, export, eval and --resume refuse the file; a bare --resume takes the one before" {
    tiny_succeeds -q --save-dir run --steps 20 --save-every 10 --eval-every 10
    cp run/step-000000020.safetensors good.safetensors
    size=$(stat -c %s good.safetensors)
    data=$(($(header_size good.safetensors) + 8))
    for at in -1 -$(((size - data) / 2)) -$((size - data)) -$((size - 100)); do # moments, weights, header
        cp good.safetensors bad.safetensors
        flip bad.safetensors "$at"
        fails 1 "bad.safetensors: " export --info bad.safetensors
        fails 1 "bad.safetensors: " export -q bad.safetensors -o bad.bolt --vocab "$in/data/vocab.db"
        [ ! -e bad.bolt ]
        fails 1 "bad.safetensors: " eval -q bad.safetensors --vocab "$in/data/vocab.db" "$in/data/valid.txt"
        tiny_fails 1 "bad.safetensors: " -q --save-dir new --resume bad.safetensors
        tiny_fails 1 "bad.safetensors: " -q --save-dir new --init-from bad.safetensors
        [ ! -e new ]
    done
    contains "$stderr" "damaged"
    mv bad.safetensors run/step-000000020.safetensors
    tiny_succeeds --save-dir run --resume
    contains "$stderr" "passed over: run/step-000000020.safetensors: damaged"
    contains "$stderr" "resumed from run/step-000000010.safetensors at step 10"
    same_tensors good.safetensors run/step-000000020.safetensors
    flip run/best.safetensors -5
    fails 1 "run/best.safetensors: damaged" export --info run/best.safetensors
}

@test "a checkpoint without checksums, as they were before, goes on; --info says so" {
    tiny_succeeds -q --save-dir run --steps 20 --save-every 10
    succeeds export --info run/step-000000010.safetensors
    contains "$output" "checksums          right"
    mkdir old
    without_checksums run/step-000000010.safetensors > old/step-000000010.safetensors
    succeeds export --info old/step-000000010.safetensors
    contains "$output" "checksums          none"
    tiny_succeeds -q --save-dir old --resume
    [ -z "$stderr" ]
    same_tensors run/step-000000020.safetensors old/step-000000020.safetensors
}

@test "an earlier version's run with --accum 2 goes on with a warning, one with --accum 1 without" {
    for accum in 1 2; do
        tiny_succeeds --save-dir "a$accum" --steps 5 --accum "$accum" -q
        mkdir "old$accum"
        without_checksums "a$accum/step-000000005.safetensors" "1s/accum_sum/accum_non/" > "old$accum/step-000000005.safetensors"
    done
    tiny_succeeds --save-dir a2 --steps 8 --resume -q
    [ -z "$stderr" ] || flunk "a warning without a cause"
    tiny_succeeds --save-dir old1 --steps 8 --resume -q
    [ -z "$stderr" ] || flunk "a warning without a cause"
    tiny_succeeds --save-dir old2 --steps 8 --resume -q
    one_error_line train "the gradients of a step's 2 batches in another order"
    same_tensors a2/step-000000008.safetensors old2/step-000000008.safetensors
    tiny_succeeds --save-dir old2 --steps 9 --resume -q
    [ -z "$stderr" ] || flunk "warned of a second time"
}

@test "a run that only damaged checkpoints are left of" {
    tiny_succeeds -q --save-dir run --steps 5 --eval-every 0
    truncate -s 9 run/step-000000005.safetensors
    tool train --data "$in/data" --save-dir run --resume
    [ "$status" -eq 1 ]
    contains "$stderr" "run: no checkpoint to resume from"
}

@test "a used folder is not begun anew, nor shared by two runs" {
    tiny_fails 1 "whole: holds checkpoints of an earlier run" --save-dir "$whole"
    start run 5 --steps 100000
    tiny_fails 1 "run/log.jsonl: another run is writing to this folder" --save-dir run --steps 7
    kill -TERM "$pid"
    ends 143
}

# edited FROM TO: the last checkpoint of the whole run with a change of equal length in its metadata.
edited() {
    local checkpoints=("$whole"/step-*.safetensors)
    without_checksums "${checkpoints[-1]}" "1s/$1/$2/" > edited.safetensors
    cmp -s edited.safetensors "${checkpoints[-1]}" && flunk "nothing to edit: $1"
    return 0
}

@test "--resume: a state out of range is refused before anything is made" {
    edited '"weight_decay":"0.01' '"weight_decay":"1e99'
    tiny_fails 1 "edited.safetensors: weight_decay is out of range (found 1e+99, expected 0 or more, below 1000)" \
        --save-dir new --resume edited.safetensors
    edited '"best_loss":"[0-9]' '"best_loss":"-'
    tiny_fails 1 "out of range (step, tokens, epoch, position, best_loss or eval_tokens)" --save-dir new --resume edited.safetensors
    edited '"precision":"..' '"precision":"xy'
    tiny_fails 1 "out of range (precision)" --save-dir new --resume edited.safetensors
    [ ! -e new ]
}

@test "--resume PATH: a later checkpoint in the folder is in its way" {
    tiny_succeeds -q --save-dir run --steps 20 --save-every 10
    tiny_fails 1 "run/step-000000020.safetensors: is of a later step" --save-dir run --resume run/step-000000010.safetensors
    tiny_succeeds -q --save-dir other --resume run/step-000000010.safetensors
    same_tensors run/step-000000020.safetensors other/step-000000020.safetensors
    [ "$(jq -s '.[0].step' other/log.jsonl)" -eq 11 ]
    # of a folder the newest
    tiny_succeeds --save-dir more --resume run --steps 21
    contains "$stderr" "resumed from run/step-000000020.safetensors"
    mkdir empty
    tiny_fails 1 "empty: no checkpoint to resume from" --save-dir none --resume empty
    tiny_fails 1 "data: holds what prep wrote, data to train on, and no checkpoint; give the folder that train saved to" \
        --save-dir none --resume "$in/data"
    tiny_fails 1 "data/vocab.db: is a vocabulary, not a checkpoint that train saved" --save-dir none --resume "$in/data/vocab.db"
}

@test "what may not change on resume" {
    tiny_succeeds -q --save-dir run --steps 5 --lr 0.002 --seed 1234567890123
    path=run/step-000000005.safetensors
    for change in "dim 32 24" "blocks 1 2" "hidden 41 40" "kernel 5 4" "seq-len 16 32" "batch 4 16" "accum 2 1" \
        "lr 0.003 0.002" "seed 1234567890124 1234567890123" "dilation 2,2 1,2" "eval-tokens 0 1000"; do
        read -r name given had <<< "$change"
        fails 1 "--$name $given does not match $path, which has $had" train --data "$in/data" \
            --save-dir run --resume "--$name" "$given"
    done
    tiny_fails 1 "--dim 192 does not match $path, which has 24; leave that option (or --preset) out to keep it" --small --save-dir run --resume --dim 192
    [ "$(find run -name 'step-*')" = "$path" ]
    succeeds train --data "$in/data" -q --save-dir run --resume --steps 6
    [ "$(meta run/step-000000006.safetensors eval_tokens)" = 1000 ] || flunk "validated on other stories than before"
}

@test "budgets, cadences and threads may change on resume, and stay as they were if not given" {
    tiny_succeeds -q --save-dir run --steps 8 --hours 5
    tiny_succeeds -q --save-dir run --resume --steps 12 --save-every 2 --keep 2 --log-every 3 --patience 1 --threads 1
    [ "$(jq -s -c 'map(.step)' run/log.jsonl)" = "[1,2,3,4,5,6,7,8,9,10,12]" ]
    [ "$(find run -name 'step-*' | sort | tr '\n' ' ')" = "run/step-000000010.safetensors run/step-000000012.safetensors " ]
    [ "$(meta run/step-000000012.safetensors budget_hours)" = 5 ]
    tiny_succeeds -q --save-dir run --resume --hours 4
    [ "$(meta run/step-000000012.safetensors budget_steps)" = 12 ]
    tiny_succeeds --save-dir run --resume --steps 14 --hours 0
    [ "$(meta run/step-000000014.safetensors budget_hours)" = 0 ]
    contains "$stderr" "resumed from run/step-000000012.safetensors at step 12"
}

@test "a finished run has nothing left to do and says so" {
    tiny_succeeds --save-dir "$whole" --resume
    contains "$stderr" "done at step 800"
    contains "$stderr" "all steps of the budget are taken"
    steps_once "$whole" 800
}

@test "--init-from takes the weights and nothing else" {
    tiny_succeeds -q --save-dir run --init-from "$whole/step-000000800.safetensors" --steps 5 --seed 3
    [ "$(meta run/step-000000005.safetensors step)" -eq 5 ]
    [ "$(meta run/step-000000005.safetensors seed)" -eq 3 ]
    [ "$(jq -s '.[0].loss < 5' run/log.jsonl)" = true ]
    # the model comes from the file; sequences may be of another length
    succeeds train -q --data "$in/data" --save-dir other --init-from "$whole/best.safetensors" --steps 2 --seq-len 48
    [ "$(meta other/step-000000002.safetensors dim)" -eq 24 ]
    [ "$(meta other/step-000000002.safetensors seq_len)" -eq 48 ]
    tiny_fails 1 "--blocks 3 does not match" --save-dir new --init-from "$whole/best.safetensors" --blocks 3 --dilation 1,1,1
    tiny_fails 2 "--init-from" --save-dir new --init-from "$whole/best.safetensors" --resume
    tiny_fails 1 "none.safetensors" --save-dir new --init-from none.safetensors
    # of a folder the best, and the newest step where there is no best
    mkdir folder empty
    cp "$whole/step-000000800.safetensors" folder/
    tiny_succeeds --save-dir step --init-from folder --steps 1
    contains "$stderr" "weights of folder/step-000000800.safetensors"
    cp "$whole/best.safetensors" folder/
    tiny_succeeds --save-dir best --init-from folder --steps 1
    contains "$stderr" "weights of folder/best.safetensors"
    tiny_fails 1 "empty: holds no good checkpoint" --save-dir new --init-from empty
    tiny_fails 1 "data: holds what prep wrote" --save-dir new --init-from "$in/data"
    tiny_fails 1 "train.shard: is a token shard, not a checkpoint" --save-dir new --init-from "$in/data/train.shard"
    "$BUILD/export" -q "$whole/best.safetensors" --vocab "$in/data/vocab.db" --format safetensors -o weights.safetensors
    tiny_fails 1 "weights.safetensors: holds ternary weights" --save-dir new --init-from weights.safetensors
    tiny_fails 1 "weights.safetensors: holds weights only" --save-dir new --resume weights.safetensors
    [ ! -e new ]
}

@test "hours end a run, and its learning rate has decayed by then" {
    tiny_succeeds -q --save-dir run --hours 0.0005 --steps 1000000000
    jq -s -e '.[-1] | .elapsed > 1.7 and .elapsed < 60 and .progress == 1 and has("val_loss")' run/log.jsonl
    jq -s -e 'map(.lr) | .[-1] < 0.3 * max' run/log.jsonl
    jq -s -e '[.[].progress] | . == sort' run/log.jsonl
    # spent: a resume ends at once, more hours go on
    tiny_succeeds --save-dir run --resume
    contains "$stderr" "the hours of the budget are over"
    before=$(meta "$(last_checkpoint run)" step)
    [ "${stderr#*--init-from}" = "$stderr" ]
    tiny_succeeds --save-dir run --resume --hours 0.0007
    contains "$stderr" "its learning rate stays at 1e-05"
    contains "$stderr" "--init-from"
    [ "$(meta "$(last_checkpoint run)" step)" -gt "$before" ]
}

@test "validation with --windows story is what eval says, but of stories longer than a sequence" {
    tiny_succeeds -q --save-dir run --windows story --seq-len 600 --batch 2 --steps 4 --eval-every 4 --eval-tokens 0 --precision f32
    succeeds eval -q --json --vocab "$in/data/vocab.db" run/step-000000004.safetensors "$in/data/valid.shard"
    jq -e --argjson eval "$output" 'def near(a; b): (a - b) / b | fabs < 1e-5;
        near(.val_loss; $eval.loss) and near(.val_bpc; $eval.bpc)' <(tail -n 1 run/log.jsonl) ||
        flunk "$(tail -n 1 run/log.jsonl), eval: $output"
}

@test "epochs bound a run" {
    tiny_succeeds --save-dir run --epochs 1 --seq-len 128 --batch 16
    n=$(sed -n 's/^data: \([0-9,]*\) training tokens.*/\1/p' <<< "$stderr" | tr -d ,)
    steps=$((n / 129 / 16))
    [ "$(meta "$(last_checkpoint run)" step)" -eq "$steps" ]
    [ "$(meta "$(last_checkpoint run)" tokens)" -eq $((steps * 16 * 128)) ]
    [ "$(meta "$(last_checkpoint run)" position)" -eq $((steps * 16)) ]
    [ "$(meta "$(last_checkpoint run)" epoch)" -eq 0 ]
    [ "$(meta "$(last_checkpoint run)" progress)" -eq 1 ]
}

@test "the log: one object a report, every key" {
    jq -s -e 'all(.[]; has("step") and has("tokens") and has("epoch") and has("loss") and has("lr") and has("tok_s")
        and has("grad_norm") and has("progress") and has("elapsed"))' "$whole/log.jsonl"
    jq -s -e 'all(.[]; (.step % 100 == 0) == (has("val_loss") and has("val_bpc") and has("zero_share")))' "$whole/log.jsonl"
    # blocks of one size: the whole is their mean
    jq -s -e 'map(select(.zero_share)) | all(.[]; (.block_zero_share | length > 1 and all(. > 0 and . < 1)) and
        (((.block_zero_share | add / length) - .zero_share) | fabs < 1e-12))' "$whole/log.jsonl"
    jq -s -e 'all(.[]; .tokens == .step * 512)' "$whole/log.jsonl"
    jq -s -e '.[-1].loss < .[0].loss - 0.5' "$whole/log.jsonl"
    jq -s -e 'map(.val_loss // empty) | min' "$whole/log.jsonl" > lowest
    jq -n -e --argjson a "$(cat lowest)" --argjson b "$(meta "$whole/best.safetensors" best_loss)" '$a == $b'
}

@test "--json gives the log on standard output; the last step is validated though no report was due" {
    tiny_succeeds --json --save-dir run --steps 25 --log-every 5 --eval-every 10
    diff <(printf '%s\n' "$output") run/log.jsonl
    [ "$(jq -s -c 'map(.step)' <<< "$output")" = "[5,10,15,20,25]" ]
    [ "$(jq -s -c 'map(select(.val_loss).step)' <<< "$output")" = "[10,20,25]" ]
    contains "$stderr" "validation"
}

@test "-q silences talk and stories, and changes nothing" {
    tiny_succeeds --save-dir loud --steps 150 -v
    [ -z "$output" ]
    contains "$stderr" "step 149"
    contains "$stderr" "story 3 of 3"
    tiny_succeeds -q --save-dir quiet --steps 150
    [ -z "$output$stderr" ]
    same_tensors loud/step-000000150.safetensors quiet/step-000000150.safetensors
    [ "$(meta loud/step-000000150.safetensors sample_rng)" = "$(meta quiet/step-000000150.safetensors sample_rng)" ]
    tiny_succeeds -q --save-dir none --steps 150 --sample-every 0 --eval-every 0
    same_tensors loud/step-000000150.safetensors none/step-000000150.safetensors
}

@test "--keep prunes the oldest" {
    tiny_succeeds -q --save-dir run --steps 10 --save-every 2 --keep 2
    [ "$(find run -name 'step-*' | sort | tr '\n' ' ')" = "run/step-000000008.safetensors run/step-000000010.safetensors " ]
    tiny_succeeds -q --save-dir all --steps 10 --save-every 2 --keep 0
    [ "$(find all -name 'step-*' | wc -l)" -eq 5 ]
    tiny_succeeds -q --save-dir often --steps 10 --save-minutes 0.000001 --keep 0
    [ "$(find often -name 'step-*' | wc -l)" -eq 10 ]
}

@test "killed after a best one that no checkpoint knows of: another run of the same steps replaces it only by a better one" {
    tiny_succeeds -q --save-dir run --steps 40 --eval-every 10 --save-every 20
    best=$(meta run/best.safetensors best_loss)
    [ "$(meta run/best.safetensors step)" -eq 40 ]
    rm run/step-000000040.safetensors
    cp -r run same
    cp -r run longer
    # what stands in the file is what --status tells, though no report and no checkpoint does
    sed -i '/"step":[23][0-9]/d; /"step":40/d' same/log.jsonl
    succeeds train --status same --json
    jq -e --argjson best "$best" '.step == 20 and .best_step == 40 and (.best_loss - $best | fabs) < 1e-6' <<< "$output"
    succeeds train --status same
    contains "$output" "best validation    $(printf %.4f "$best"), at step 40"
    # with less of a budget the rate falls sooner: other losses
    tiny_succeeds --save-dir run --resume --steps 30 --eval-every 10
    contains "$stderr" "best.safetensors stays: it has ${best:0:5}"
    contains "$stderr" "best validation loss ${best:0:5}"
    [ "$(meta run/best.safetensors step)" -eq 40 ] || flunk "a worse one has taken its place"
    tiny_succeeds --save-dir same --resume --eval-every 10
    [ "$(meta same/best.safetensors step)" -eq 40 ]
    [ "$(meta same/best.safetensors best_loss)" = "$best" ]
    [ "$(meta same/step-000000040.safetensors patience)" -eq 0 ] || flunk "not the uninterrupted run"
    tiny_succeeds --save-dir longer --resume --steps 200 --eval-every 100
    [ "$(meta longer/best.safetensors step)" -eq 200 ]
}

@test "a folder that was removed and is another run's: the first run ends, and touches nothing there" {
    start run 5 --steps 1000 --save-every 10 2> first.txt
    first=$pid
    kill -STOP "$first"
    until grep -q '^State:.T' "/proc/$first/status"; do sleep 0.01; done
    rm -r run
    start run 5 --steps 1000000 --eval-every 0 -q
    kill -CONT "$first"
    code=0
    wait "$first" || code=$?
    [ "$code" -eq 1 ] || flunk "exit status $code"
    grep -q "run/log.jsonl: is another run's now" first.txt
    [ -z "$(find run -name '*.safetensors')" ] || flunk "the first run has saved there"
    kill -TERM "$pid"
    ends 143
}

@test "patience stops a run that no longer improves" {
    # at so high a learning rate that it cannot improve for long
    tiny_succeeds --save-dir run --steps 5000 --eval-every 1 --lr 1 --patience 4
    contains "$stderr" "4 validations in a row without a new best"
    at=$(meta "$(last_checkpoint run)" step)
    [ "$at" -lt 5000 ]
    [ "$(meta "$(last_checkpoint run)" patience)" -eq 4 ]
    [ "$(meta run/best.safetensors step)" -eq $((at - 4)) ]
    tiny_succeeds --save-dir run --resume --eval-every 1 --patience 4
    [ "$(meta "$(last_checkpoint run)" step)" -eq "$at" ]
    tiny_succeeds -q --save-dir run --resume --eval-every 1 --patience 0 --steps $((at + 3))
    [ "$(meta "$(last_checkpoint run)" step)" -eq $((at + 3)) ]
}

@test "without validation no valid.shard is needed" {
    cp -r "$in/data" data
    rm data/valid.shard
    fails 1 "data/valid.shard: " train --data data "${tiny_options[@]}" --save-dir run --steps 3
    [ ! -e run ]
    succeeds train -q --data data "${tiny_options[@]}" --save-dir run --steps 3 --eval-every 0
    [ ! -e run/best.safetensors ]
    jq -s -e 'all(.[]; has("val_loss") | not)' run/log.jsonl
    tiny_succeeds -q --save-dir run --resume --steps 5
    [ -e run/best.safetensors ]
}

@test "data missing, damaged or of another vocabulary" {
    fails 1 "none: cannot open" train --data none --save-dir run
    mkdir empty
    fails 1 "empty: holds no vocab.db; give a folder that prep wrote" train --data empty --save-dir run
    fails 1 "vocab.db: is a vocabulary; give the folder that prep wrote" train --data "$in/data/vocab.db" --save-dir run
    fails 1 "train.txt: is no token shard; give the folder" train --data "$in/data/train.txt" --save-dir run
    for file in vocab.db train.shard valid.shard; do
        rm -rf data
        cp -r "$in/data" data
        rm data/$file
        fails 1 "$([[ $file == vocab.db ]] && echo "data: holds no vocab.db" || echo "data/$file: ")" train --data data --save-dir run
        : > data/$file
        fails 1 "data/$file: " train --data data --save-dir run
        cp "$in/data/$file" data
        truncate -s -100 data/$file
        fails 1 "data/$file: " train --data data --save-dir run
    done
    cp -r "$in/data" flipped
    printf '\377\377' | dd of=flipped/train.shard bs=1 seek=5000 conv=notrunc status=none
    fails 1 "flipped/train.shard: " train --data flipped --save-dir run
    "$BUILD/prep" -q -o other --vocab-size 420 "$in/data/train.txt"
    cp other/train.shard data
    fails 1 "data/train.shard: made with another vocabulary" train --data data --save-dir run
    [ ! -e run ]
}

@test "other data on resume" {
    stories 9 300 > other.txt
    "$BUILD/prep" -q -o other --vocab "$in/data/vocab.db" --valid "$in/data/valid.txt" other.txt
    cp -r "$whole" run
    fails 1 "run/step-000000800.safetensors: trained with other training stories" train --data other --save-dir run --resume
    "$BUILD/prep" -q -o new --vocab-size 420 --valid "$in/data/valid.txt" other.txt
    fails 1 "run/step-000000800.safetensors: trained with another vocabulary" train --data new --save-dir run --resume
}

@test "a corpus shorter than a step, a validation text shorter than a window" {
    tiny_fails 1 "data: too short for one step" --save-dir run --seq-len 20000
    tiny_fails 1 "data: too short for one step" --save-dir run --batch 60000
    tiny_fails 1 "data: its validation stories are shorter than one window" --save-dir run --seq-len 30000 --batch 1
    tiny_fails 2 "--eval-tokens 20 is less than one window of 33 tokens" --save-dir run --eval-tokens 20
    tiny_fails 1 "of memory" --save-dir run --dim 8192 --hidden 32768 --blocks 64 --dilation "$(seq -s, 64)"
    tiny_fails 2 "--dilation: dilation '1,2,3' has more numbers than the model has blocks (2)" --save-dir run --dilation 1,2,3
    [ ! -e run ]
}

@test "an infinite loss stops the run and keeps the checkpoints" {
    tiny_succeeds -q --save-dir run --steps 10 --save-every 5
    bad=run/step-000000010.safetensors
    without_checksums $bad > plain
    mv plain $bad
    at=$(head -c $(($(header_size "$bad") + 8)) "$bad" | tail -c +9 | jq '."final_norm.scale".data_offsets[0]')
    # the largest finite float, so that the file itself is good
    # shellcheck disable=SC2046 # one word a number
    printf '\377\377\177\177%.0s' $(seq 24) | dd of=$bad bs=1 seek=$((at + $(header_size "$bad") + 8)) conv=notrunc status=none
    cp $bad before
    tiny_fails 1 "step 11: the loss is not finite" -q --save-dir run --resume --steps 20
    same before $bad
    [ -f run/step-000000005.safetensors ]
    [ "$(find run -name 'step-*' | wc -l)" -eq 2 ]
}

@test "weights that have become infinite are not saved: they would take the place of the last good checkpoint" {
    tiny_succeeds -q --save-dir run --steps 20 --save-every 10 --lr 10
    rm run/step-000000020.safetensors
    good=run/step-000000010.safetensors
    without_checksums $good > plain
    mv plain $good
    # a gradient's mean that is huge beside its squares, at a high rate
    for array in 'adam_m \377\377\177\177' 'adam_v \0\0\0\0'; do
        read -r name number <<< "$array"
        at=$(head -c $(($(header_size "$good") + 8)) "$good" | tail -c +9 | jq ".\"$name.final_norm.scale\".data_offsets[0]")
        # shellcheck disable=SC2046,SC2059 # one word a number
        printf "$number%.0s" $(seq 24) | dd of=$good bs=1 seek=$((at + $(header_size "$good") + 8)) conv=notrunc status=none
    done
    cp $good before
    tiny_fails 1 "step 11: tensor 'final_norm.scale' holds a number that is not finite; the checkpoints before it stay" \
        -q --save-dir run --resume --steps 20 --save-every 1 --keep 1
    same before $good
    [ "$(find run -name 'step-*')" = $good ]
}

@test "no memory for the sample stories: they are not told, and the run goes on as if they had been" {
    [[ $BUILD != *san* ]] || skip "a sanitizer asks for memory of its own"
    telling=(--steps 8 --sample-every 5 --eval-every 0)
    FAULT_COUNTS=calls LD_PRELOAD=$BUILD/tests/inject.so tiny --save-dir told "${telling[@]}" 2> talk.txt
    contains "$(cat talk.txt)" "story 3 of 3"
    last=$(sed -n 's/^mmap //p' calls) # the last memory to be asked for is theirs
    FAULT=mmap:$last:fail LD_PRELOAD=$BUILD/tests/inject.so tiny --save-dir untold "${telling[@]}" 2> talk.txt
    contains "$(cat talk.txt)" "no stories are told: cannot allocate"
    same_tensors told/step-000000008.safetensors untold/step-000000008.safetensors
    [ "$(meta told/step-000000008.safetensors sample_rng)" = "$(meta untold/step-000000008.safetensors sample_rng)" ]
}

@test "places that cannot be written" {
    : > file
    tiny_fails 1 "file" --save-dir file --steps 2
    tiny_fails 1 "/proc/none" --save-dir /proc/none --steps 2
    if [ "$(id -u)" -ne 0 ]; then
        mkdir locked
        chmod 500 locked
        tiny_fails 1 "locked/log.jsonl: cannot open for writing: Permission denied" --save-dir locked --steps 2
    fi
    mkdir full
    ln -s /dev/full full/log.jsonl
    tool train --data "$in/data" "${tiny_options[@]}" -q --save-dir full --steps 2
    [ "$status" -eq 1 ]
    contains "$stderr" "full/log.jsonl: cannot write: No space left on device; the run goes on"
    contains "$stderr" "full/log.jsonl: the last reports could not be written"
    rm -r full/*
    tiny_succeeds -q --save-dir full --steps 5 --eval-every 0
    ln -s /dev/full full/best.safetensors
    tiny_succeeds -q --save-dir full --resume --steps 6
    contains "$stderr" "full/best.safetensors: cannot write: No space left on device; the run goes on"
    [ "$(meta full/step-000000006.safetensors best_loss)" = inf ] || flunk "the best loss is not that of a file"
}

@test "a disk too small for one checkpoint is an error before the first step" {
    tiny_succeeds -q --save-dir run --steps 10
    size=$(stat -c %s run/step-000000010.safetensors)
    for options in "--resume --steps 20" "--save-dir new --steps 20"; do
        # a limit on the size of files stands for the disk
        # shellcheck disable=SC2086 # one word an option
        run --separate-stderr bash -c 'trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"' limited $((size / 1024 - 1)) \
            "$BUILD/train" --data "$in/data" "${tiny_options[@]}" -q --save-dir run $options
        [ "$status" -eq 1 ]
        one_error_line train "no room for a checkpoint of 0."
        contains "$stderr" "choose another --save-dir"
    done
    [ "$(ls -A new)" = log.jsonl ]
    [ ! -s new/log.jsonl ]
    [ "$(find run -name 'step-*' -o -name '.*.tmp')" = run/step-000000010.safetensors ]
    tiny_succeeds -q --save-dir run --resume --steps 20
    steps_once run 20
}

# full PID, room PID: a limit on the size of files stands for a disk that fills up, and is freed.
full() {
    prlimit --fsize=1000: --pid "$1"
}
room() {
    prlimit --fsize=unlimited: --pid "$1"
}

# until_saved DIR: until the run has a checkpoint.
until_saved() {
    for _ in $(seq 3000); do
        [ -z "$(last_checkpoint "$1")" ] || return 0
        sleep 0.01
    done
    flunk "no checkpoint in $1"
}

# until_says FILE TEXT
until_says() {
    for _ in $(seq 3000); do
        if grep -q "$2" "$1"; then return; fi
        sleep 0.01
    done
    flunk "$1 does not say '$2'"
}

@test "a disk that fills up during the run: it goes on, keeps the last good one, and saves when there is room" {
    start run 60 --steps 100000 --save-every 50 --keep 1 -q 2> talk.txt
    until_saved run
    full "$pid"
    until_says talk.txt "step-.*: cannot reserve .*: File too large; the run goes on and tries again at the next save"
    until_says talk.txt "log.jsonl: cannot write: File too large; the run goes on"
    kept=$(last_checkpoint run)
    [ "$(find run -name 'step-*' | wc -l)" -eq 1 ]
    succeeds export --info "$kept"
    room "$pid"
    for _ in $(seq 3000); do
        [ "$(last_checkpoint run)" = "$kept" ] || break
        sleep 0.01
    done
    kill -TERM "$pid"
    ends 143
    at=$(meta "$(last_checkpoint run)" step)
    steps_once run "$at"
    [ "$(find run -name 'step-*' | wc -l)" -eq 1 ]
}

@test "a disk that is full at the end: an error that names the checkpoint to go on from" {
    start run 60 --steps 100000 --save-every 50 -q 2> talk.txt
    until_saved run
    full "$pid"
    kill -TERM "$pid"
    ends 1
    contains "$(tail -n 1 talk.txt)" "; --resume goes on from run/step-"
    [ "$(find run -name '.*.tmp' | wc -l)" -eq 0 ]
    tiny_succeeds -q --save-dir run --resume --steps 200
    steps_once run 200
}

@test "--json on a full disk and into a closed pipe are errors" {
    run --separate-stderr bash -c '"$@" > /dev/full' sh "$BUILD/train" --data "$in/data" "${tiny_options[@]}" -q --json \
        --save-dir run --steps 3
    [ "$status" -eq 1 ]
    one_error_line train "standard output"
    run --separate-stderr bash -c 'set -o pipefail; "$@" | true' sh "$BUILD/train" --data "$in/data" "${tiny_options[@]}" \
        -q --json --save-dir piped --steps 50
    [ "$status" -eq 1 ]
    one_error_line train "standard output"
}

@test "--status: a run that goes on, one that ended, and none" {
    start run 150 --steps 1000000 --hours 5 --save-every 100 -q
    until_saved run
    succeeds train --status run
    contains "$output" "running            yes, process $pid"
    contains "$output" "of 1,000,000"
    contains "$output" "last checkpoint    run/step-"
    tiny_fails 1 "another run is writing to this folder (process $pid)" --save-dir run --resume
    succeeds train --status run --json
    [ "$(jq -c '[.running, .pid, .budget_hours, .damaged]' <<< "$output")" = "[true,$pid,5,0]" ]
    jq -e '.step >= 150 and .loss > 0 and .val_step >= 100 and .val_loss > 0 and .val_bpc > 0 and
        .best_loss <= .val_loss and .hours_left > 0 and .hours_left <= 5 and .checkpoint_step <= .step' <<< "$output"
    kill -TERM "$pid"
    ends 143
    newest=$(last_checkpoint run)
    at=$(meta "$newest" step)
    succeeds train --status run --json
    [ "$(jq -c '[.running, .pid, .step, .checkpoint, .checkpoint_step]' <<< "$output")" = "[false,null,$at,\"$newest\",$at]" ]
    truncate -s -1 "$newest"
    succeeds train --status run --json
    contains "$stderr" "$newest"
    [ "$(jq -c '[.step, .damaged]' <<< "$output")" = "[$at,1]" ]
    [ "$(jq .checkpoint_step <<< "$output")" -lt "$at" ]
    succeeds train --status "$whole" --json
    [ "$(jq -c '[.step, .budget_steps, .budget_hours, .hours_left]' <<< "$output")" = "[800,800,null,0]" ]
    mkdir empty
    fails 1 "empty: holds no run" train --status empty
    fails 1 "data: holds what prep wrote" train --status "$in/data"
    fails 1 "nowhere" train --status nowhere
    fails 2 "--status takes no --resume" train --status run --resume
}

@test "scripts/train-night: begins, ends after its time, goes on, and tells where the run stands" {
    night() {
        run env TRAIN="$BUILD/train" NIGHT="$1" "$ROOT/scripts/train-night" "$in/data" run "${tiny_options[@]}" --steps "$2"
    }
    night 3s 1000000
    [ "$status" -eq 0 ] || flunk "the first night failed"
    contains "$output" "last checkpoint: run/step-"
    contains "$output" "running            no"
    at=$(meta "$(last_checkpoint run)" step)
    night 60s $((at + 10))
    [ "$status" -eq 0 ] || flunk "the second night failed"
    steps_once run $((at + 10))
    night 60s 0
    [ "$status" -eq 2 ] || flunk "a fault is not told"
    run env TRAIN=echo "$ROOT/scripts/train-night" "$in/data" "a run" --init-from "its model" --hours 4
    [ "$(cat "a run/night.txt")" = "--data $in/data --save-dir a run --init-from its model --hours 4" ]
    : > "a run/best.safetensors" # now it goes on, with the same line of a crontab
    for from in "--init-from=x" "--init-from x"; do
        # shellcheck disable=SC2086 # one word an option
        run env TRAIN=echo "$ROOT/scripts/train-night" "$in/data" "a run" --small $from --hours "4 " $from
        [ "$(tail -n 1 "a run/night.txt")" = "--data $in/data --save-dir a run --resume --small --hours 4 " ]
    done
    # a last checkpoint that the disk has no room for
    printf '#!/bin/sh\ntrap "echo no room; exit 1" TERM\n[ "$1" = --status ] || while :; do sleep 0.1; done\n' > full
    chmod +x full
    run env TRAIN=./full NIGHT=1s "$ROOT/scripts/train-night" "$in/data" run
    [ "$status" -eq 1 ] || flunk "a night whose end is not saved passes for a good one"
    contains "$output" "no room"
}

@test "train-night.service: the unit ends as the night did" {
    cd "$BATS_TEST_TMPDIR" || return
    mkdir -p scripts bin
    printf '#!/bin/sh\ncat > mail\n' > bin/mail
    command=$(sed -n 's/^ExecStart=//p' "$ROOT/scripts/train-night.service")
    for ends in 0 3; do
        printf '#!/bin/sh\necho told $2\nexit %d\n' "$ends" > scripts/train-night
        chmod +x scripts/train-night bin/mail
        BOLT=$PWD MAIL=you@example.org PATH=$PWD/bin:$PATH run eval "$command"
        [ "$status" -eq "$ends" ]
        [ "$(cat mail)" = "told checkpoints" ]
    done
}
