# train in many ranks, the whole part: every way to share, optimisers and mixers, signals, ranks that die.
load ../cli/helpers
load ranks

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    small_data data
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
    same_for "2 4" --accum 4 --recipe swift --mixers conv,attention --heads 2 --embed-norm
}

@test "in f32, with an embedding that is cut between ranks" {
    needs_mpi
    same_for "2 4" --accum 4 --precision f32 --dim 128 --hidden 96
}

@test "Muon with an embedding that is cut between ranks" {
    needs_mpi
    same_for "2" --accum 2 --dim 128 --hidden 96 --optimiser muon
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
