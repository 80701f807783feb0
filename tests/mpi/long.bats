# train and eval in many ranks, the whole part: every way to share, optimisers and mixers, a curriculum, signals,
# ranks that die; every arithmetic and form of text.
load ../cli/helpers
load ranks

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    small_data data
    "$BUILD/prep" -q -o parts --vocab-size 400 --part easy=data/train.txt --part hard=data/valid.txt --shard-tokens 30000
    printf '%s\n' '40%: easy' '60%: easy 1 to 0, hard 1 to 3' > stages
    in=$BATS_FILE_TMPDIR
    one whole --accum 4 --steps 30 --mixers conv,attention --dilation 1 --heads 2
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    in=$BATS_FILE_TMPDIR
}

# same_for "RANKS" [OPTION]...: 50 steps in each number of ranks, one thread and two, give the bits of one process.
same_for() {
    local numbers=$1 n threads
    shift
    one whole --steps 50 "$@"
    for n in $numbers; do
        for threads in 1 2; do
            many_succeeds "$n" "ranks-$n-$threads" --steps 50 -q "$@" -j "$threads"
            same_run whole "ranks-$n-$threads"
        done
    done
}

@test "four batches in 1, 2 and 4 ranks" {
    needs_mpi
    same_for "1 2 4" --accum 4
}

@test "three batches in 1 and 3 ranks" {
    needs_mpi
    same_for "1 3" --accum 3
}

@test "six batches in 1, 3 and 6 ranks" {
    needs_mpi
    same_for "1 3 6" --accum 6
}

@test "Muon, attention, the norm of the embedding, stories as windows" {
    needs_mpi
    same_for "2 4" --accum 4 --recipe swift --mixers conv,attention --dilation 1 --heads 2 --embed-norm
}

@test "in f32, with an embedding that is cut between ranks" {
    needs_mpi
    same_for "2 4" --accum 4 --precision f32 --dim 128 --hidden 96
}

@test "Muon with an embedding that is cut between ranks" {
    needs_mpi
    same_for "2" --accum 2 --dim 128 --hidden 96 --optimiser muon
}

@test "a curriculum, and a run of it taken up by another number of ranks" {
    needs_mpi
    export data=parts
    same_for "2 4" --accum 4 --curriculum "$in/stages"
    many_succeeds 2 cut --steps 50 --accum 4 --curriculum "$in/stages" --save-every 15 -q
    mkdir back
    cp cut/step-000000030.safetensors back
    many_succeeds 4 back --resume -q
    same_tensors whole/step-000000050.safetensors back/step-000000050.safetensors
}

@test "eval: every arithmetic, parts, standard input and the figures of v4 in 1, 2, 4 and 5 ranks" {
    needs_mpi
    "$BUILD/stories" --seed 8 --count 600 > more.txt
    gzip -k more.txt
    for n in 1 2 4 5; do
        same_figures "$n" --v4-scoring more.txt.gz "$in/data/valid.shard" "$in/data/train.txt"
    done
    same_figures 3 --math exact more.txt "$in/data"
    same_figures 4 --math int8 --v4-scoring more.txt "$in/data"
    same_figures 3 more.txt.gz --cpu c
    want=$(jq -c 'del(.file)' <<< "$(figures)")
    ranks 3 eval -j 2 --json --vocab "$in/data/vocab.db" --cpu c "$in/whole" - < more.txt
    [ "$(jq -c 'del(.file)' <<< "$(figures)")" = "$want" ] || flunk "expected $want"
    export data=parts
    one run --steps 4
    succeeds eval --json -q --vocab "$in/parts/vocab.db" run "$in/parts"
    want=$(figures)
    [ "$(wc -l <<< "$want")" -eq 3 ] || flunk "two parts and their total"
    ranks 4 eval -j 1 --json -q --vocab "$in/parts/vocab.db" run "$in/parts" < /dev/null
    [ "$(figures)" = "$want" ] || flunk "expected $want"
}

@test "eval: ranks of other threads, arithmetic or instructions" {
    needs_mpi
    succeeds eval --json -q --math int8 --vocab "$in/data/vocab.db" "$in/whole" "$in/data/train.txt"
    want=$(figures)
    both=(--json -q --vocab "$in/data/vocab.db" "$in/whole" "$in/data/train.txt")
    run --separate-stderr timeout 300 mpirun -n 1 "$BUILD/mpi/eval" -j 2 --math int8 "${both[@]}" : \
        -n 1 "$BUILD/mpi/eval" -j 1 --cpu c --math int8 "${both[@]}" < /dev/null
    [ "$(figures)" = "$want" ] || flunk "expected $want"
    run --separate-stderr timeout 300 mpirun -n 1 "$BUILD/mpi/eval" "${both[@]}" : \
        -n 1 "$BUILD/mpi/eval" --cpu c "${both[@]}" < /dev/null
    one_line_of eval "computes with instruction set c, rank 0 with"
    run --separate-stderr timeout 300 mpirun -n 1 "$BUILD/mpi/eval" "${both[@]}" : \
        -n 1 "$BUILD/mpi/eval" --math int8 "${both[@]}" < /dev/null
    one_line_of eval "has other options than rank 0 (found --math int8, expected --math f32)"
}

@test "a signal ends all ranks with a checkpoint, and another number goes on from it" {
    needs_mpi
    one whole --accum 4 --steps 400
    mpirun -n 2 "$BUILD/mpi/train" --data "$in/data" "${ranks_options[@]}" --save-dir cut -j 1 -q --accum 4 \
        --steps 400 3>&- &
    pid=$!
    for _ in $(seq 3000); do
        [ "$(grep -c . cut/log.jsonl 2> grep.err)" -lt 5 ] 2> test.err || break
        sleep 0.01
    done
    kill -USR1 "$pid"
    wait "$pid" || true
    ls cut/step-*.safetensors
    many_succeeds 4 cut --resume --accum 4 -q
    same_run cut whole
}

@test "ranks that are killed end the job, and the run goes on from its last checkpoint" {
    needs_mpi
    one whole --accum 2 --steps 60
    for moment in $(seq "${KILLS:-6}"); do
        rm -rf killed
        setsid mpirun -n 2 "$BUILD/mpi/train" --data "$in/data" "${ranks_options[@]}" --save-dir killed -j 1 -q \
            --accum 2 --steps 60 --save-every 7 2> "err-$moment" 3>&- &
        pid=$!
        sleep "$(awk -v m="$RANDOM" 'BEGIN { print 0.2 + 2 * m / 32768 }')"
        victim=$(pgrep -P "$pid" | shuf -n 1)
        [ -z "$victim" ] || kill -KILL "$victim" 2> kill.err || true
        start=$SECONDS
        status=0
        wait "$pid" || status=$?
        [ $((SECONDS - start)) -le 10 ] || flunk "the job went on for $((SECONDS - start)) s"
        if [ "$status" -ne 0 ] && [ -n "$victim" ]; then
            grep -q "signal 9" "err-$moment" || flunk "mpirun does not say what happened: $(cat "err-$moment")"
        fi
        if compgen -G 'killed/step-*' > found; then
            one killed --resume --accum 2 --steps 60
        else
            rm -rf killed
            one killed --accum 2 --steps 60
        fi
        same_run whole killed
    done
}
