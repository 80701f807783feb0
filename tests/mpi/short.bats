# train and eval in many ranks, the short part: the bits of one process, refusals, a run taken up by another number of ranks.
load ../cli/helpers
load ranks

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    small_data data
    in=$BATS_FILE_TMPDIR
    one whole --accum 4 --steps 30
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    in=$BATS_FILE_TMPDIR
}

@test "four ranks give the bits of one process" {
    needs_mpi
    many_succeeds 4 four --accum 4 --steps 30
    same_run "$in/whole" four
    contains "$stderr" "ranks: 4, each 1 of a step's 4 batches"
}

@test "a run goes on from the checkpoint of another number of ranks" {
    needs_mpi
    many_succeeds 2 two --accum 4 --steps 30 --save-every 10 -q
    same_run "$in/whole" two
    mkdir part
    cp two/step-000000010.safetensors part
    one part --resume --steps 30
    same_tensors two/step-000000030.safetensors part/step-000000030.safetensors
    mkdir back
    cp part/step-000000010.safetensors back
    many_succeeds 4 back --resume --steps 30 -q
    same_tensors two/step-000000030.safetensors back/step-000000030.safetensors
}

@test "ranks that cannot share the batches are refused with what would do" {
    needs_mpi
    many_fails 2 "2 ranks cannot share the 1 batches of a step (--accum): each is to have the same power of two of them; give --accum 2, 4 or 8" --steps 1
}

@test "an option that one rank has otherwise is named" {
    needs_mpi
    run --separate-stderr timeout 300 mpirun -n 1 "$BUILD/mpi/train" --data "$in/data" "${ranks_options[@]}" --accum 2 --lr 0.001 : \
        -n 1 "$BUILD/mpi/train" --data "$in/data" "${ranks_options[@]}" --accum 2 --lr 0.002 < /dev/null
    [ "$status" -ne 0 ] || flunk "did not fail"
    contains "$stderr" "train: rank 1 on $(hostname): has other options than rank 0 (found --lr 0.002"
}

@test "a mistake on the command line of one rank alone is told" {
    needs_mpi
    run --separate-stderr timeout 300 mpirun -n 1 "$BUILD/mpi/train" --data "$in/data" "${ranks_options[@]}" : \
        -n 1 "$BUILD/mpi/train" --data "$in/data" "${ranks_options[@]}" --lr none < /dev/null
    [ "$status" -eq 2 ] || flunk "exit status"
    one_line_of train "--lr: expected a number"
}

@test "a program without MPI that is started as one of many says so" {
    run --separate-stderr env OMPI_COMM_WORLD_SIZE=2 "$BUILD/train" --data "$in/data" --save-dir none < /dev/null
    [ "$status" -eq 1 ] || flunk "exit status"
    contains "$stderr" "make MPI=1"
    [ ! -e none ] || flunk "made a folder"
    run --separate-stderr env PMI_SIZE=2 "$BUILD/eval" --vocab "$in/data/vocab.db" "$in/whole" "$in/data" < /dev/null
    [ "$status" -eq 1 ] || flunk "exit status"
    contains "$stderr" "make MPI=1"
}

@test "a mistake on the command line, --help and --version are told once" {
    needs_mpi
    ranks 3 train --data "$in/data" --seed -1 < /dev/null
    [ "$status" -eq 2 ] || flunk "exit status"
    one_line_of train "--seed: expected a whole number"
    ranks 3 eval --plan-threads 16 "$in/whole" "$in/data" < /dev/null
    [ "$status" -ne 0 ] || flunk "did not fail"
    one_line_of eval "--plan-threads is for one process"
    ranks 3 train --version < /dev/null
    [ "$(wc -l <<< "$output")" -eq 1 ] || flunk "not one line"
    ranks 3 eval --help < /dev/null
    [ "$(grep -c '^Usage' <<< "$output")" -eq 1 ] || flunk "not one help"
}

@test "--status is printed once" {
    needs_mpi
    succeeds train --status "$in/whole"
    want=$output
    ranks 2 train --status "$in/whole" < /dev/null
    [ "$output" = "$want" ] || flunk "not what one process prints: $want"
}

@test "eval: three ranks give the figures of one process" {
    needs_mpi
    same_figures 3 "$in/data" "$in/data/train.txt"
}

@test "eval: a fault of one rank is one line, and another model is one" {
    needs_mpi
    ranks 2 eval --vocab "$in/data/vocab.db" "$in/whole" "$in/none.txt" < /dev/null
    [ "$status" -ne 0 ] || flunk "did not fail"
    one_line_of eval "$in/none.txt: cannot open"
    one other --accum 4 --steps 30 --seed 5
    run --separate-stderr timeout 300 mpirun -n 1 "$BUILD/mpi/eval" --vocab "$in/data/vocab.db" "$in/whole" "$in/data" : \
        -n 1 "$BUILD/mpi/eval" --vocab "$in/data/vocab.db" other "$in/data" < /dev/null
    [ "$status" -ne 0 ] || flunk "did not fail"
    one_line_of eval "eval: rank 1 on $(hostname): the model differs from that of rank 0"
    [ -z "$output" ] || flunk "printed figures"
}
