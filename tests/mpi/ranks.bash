# shellcheck shell=bash
# shellcheck disable=SC2154 # bats sets $stderr and $status; $in is of the test's file
# Loaded after ../cli/helpers by the tests of many ranks: runs of train and eval under mpirun.

# What a container, and more ranks than processors, want of Open MPI.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

ranks_options=(--dim 24 --blocks 2 --hidden 40 --kernel 4 --seq-len 32 --dilation "1,2" --batch 2
    --eval-every 20 --eval-tokens 500 --patience 0 --sample-every 15 --log-every 1 --save-every 0)

# needs_mpi: skip where there is no MPI program or nothing to start it with.
needs_mpi() {
    command -v mpirun > "$BATS_TEST_TMPDIR/which" || skip "there is no mpirun"
    [[ -x $BUILD/mpi/train && -x $BUILD/mpi/eval ]] || skip "build/mpi/ is not built (make ranked)"
}

# ranks N PROGRAM [ARGUMENT]...: the program in N ranks; of its standard input rank 0 sees what is fed by <.
ranks() {
    local n=$1 program=$2
    shift 2
    run --separate-stderr timeout 300 mpirun -n "$n" "$BUILD/mpi/$program" "$@"
}

# one DIR [OPTION]...: the run in one process.
one() {
    local dir=$1
    shift
    "$BUILD/train" --data "$in/${data:-data}" "${ranks_options[@]}" --save-dir "$dir" -q "$@"
}

# many N DIR [OPTION]...: the same in N ranks.
many() {
    local n=$1 dir=$2
    shift 2
    ranks "$n" train --data "$in/${data:-data}" "${ranks_options[@]}" --save-dir "$dir" -j 1 "$@" < /dev/null
}

many_succeeds() {
    many "$@"
    [ "$status" -eq 0 ] || flunk "$*: failed"
}

# many_fails N TEXT [OPTION]...: it ends with an error, one line of which is the program's and has TEXT.
many_fails() {
    local n=$1 text=$2
    shift 2
    many "$n" refused "$@"
    [ "$status" -ne 0 ] || flunk "$*: did not fail"
    one_line_of train "$text"
}

# one_line_of PROGRAM TEXT: of the last run's talk, most of which is mpirun's.
one_line_of() {
    [ "$(grep -c "^$1: " <<< "$stderr")" -eq 1 ] || flunk "expected one line of $1's"
    contains "$(grep "^$1: " <<< "$stderr")" "$2"
}

# figures: of the last run of eval --json, without times.
figures() {
    jq -c 'del(.seconds, .tok_s)' <<< "$output"
}

# same_figures N FILE... [OPTION]...: eval of the model whole/ in N ranks gives those of one process.
same_figures() {
    local n=$1 want
    shift
    succeeds eval --json -q --vocab "$in/data/vocab.db" "$in/whole" "$@"
    want=$(figures)
    ranks "$n" eval -j 1 --json -q --vocab "$in/data/vocab.db" "$in/whole" "$@" < /dev/null
    [ "$status" -eq 0 ] || flunk "eval in $n ranks: failed"
    [ "$(figures)" = "$want" ] || flunk "expected $want"
}

# same_run DIR DIR: those of all checkpoints of the first, and what the log tells but for times.
same_run() {
    local file
    for file in "$1"/*.safetensors; do
        same_tensors "$file" "$2/${file##*/}"
    done
    diff <(jq -c 'del(.tok_s, .elapsed)' "$1/log.jsonl") <(jq -c 'del(.tok_s, .elapsed)' "$2/log.jsonl") ||
        flunk "the logs of $1 and $2 differ"
}
