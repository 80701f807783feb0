# shellcheck shell=bash
# shellcheck disable=SC2154 # bats sets $output, $stderr and $status
# Loaded by every .bats file with `load helpers`.
#
#   BUILD    folder of the programs (absolute); the environment may set it, e.g. to a sanitizer build
#   ROOT     the project's folder
#   $output, $stderr, $status   of the last `tool`, `succeeds` or `fails`
#
# Every test has a folder of its own, $BATS_TEST_TMPDIR, and every file one for its tests together,
# $BATS_FILE_TMPDIR.

bats_require_minimum_version 1.5.0
ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=$(cd "${BUILD:-$ROOT/build}" && pwd)
export ROOT BUILD LC_ALL=C.UTF-8 # tests read messages and numbers

# Says why a test fails, and fails.
flunk() {
    printf '%s\n' "$@"
    printf 'exit status: %s\nstdout: %s\nstderr: %s\n' "${status-}" "${output:0:2000}" "${stderr:0:2000}"
    return 1
}

# tool NAME [ARGUMENT]...: runs $BUILD/NAME, standard input from /dev/null unless redirected by feed.
tool() {
    local name=$1
    shift
    run --separate-stderr "$BUILD/$name" "$@" < /dev/null
}

# feed FILE NAME [ARGUMENT]...: the same with standard input from FILE.
feed() {
    local file=$1 name=$2
    shift 2
    run --separate-stderr "$BUILD/$name" "$@" < "$file"
}

# succeeds NAME [ARGUMENT]...: exit status 0.
succeeds() {
    tool "$@"
    [ "$status" -eq 0 ] || flunk "$*: failed"
}

# fails STATUS TEXT NAME [ARGUMENT]...: that exit status, nothing on stdout, and one line on stderr
# that begins with the tool's name and contains TEXT (a file's name, or the fault itself).
fails() {
    local want=$1 text=$2
    shift 2
    tool "$@"
    [ "$status" -eq "$want" ] || flunk "$*: exit status $status, expected $want"
    [ -z "$output" ] || flunk "$*: wrote to stdout"
    one_error_line "$1" "$text"
}

# one_error_line NAME TEXT: about the last run's stderr.
one_error_line() {
    [ "$(printf '%s\n' "$stderr" | wc -l)" -eq 1 ] || flunk "expected one line on stderr"
    case $stderr in
    "$1: "*) ;;
    *) flunk "the error does not begin with '$1: '" ;;
    esac
    case $stderr in
    *"$2"*) ;;
    *) flunk "the error does not contain '$2'" ;;
    esac
}

# contains TEXT PART
contains() {
    case $1 in
    *"$2"*) ;;
    *) flunk "expected to find '$2' in: ${1:0:2000}" ;;
    esac
}

# same FILE FILE: equal to the byte.
same() {
    cmp "$1" "$2" || flunk "$1 and $2 differ"
}

# empty_dir DIR: no file in it, hidden and temporary ones counted too.
empty_dir() {
    [ -z "$(ls -A "$1")" ] || flunk "$1 is not empty: $(ls -A "$1")"
}

# stories SEED COUNT > FILE: generated stories in the official text form.
stories() {
    "$BUILD/stories" --seed "$1" --count "$2"
}

# small_data DIR: a corpus of generated stories through prep, in a second.
small_data() {
    mkdir -p "$1"
    stories 1 400 > "$1/train.txt"
    stories 2 40 > "$1/valid.txt"
    "$BUILD/prep" -q -o "$1" --vocab-size 400 --valid "$1/valid.txt" "$1/train.txt"
}

# small_train DATA SAVE_DIR [OPTION]...: a model small enough to train in a second.
small_train() {
    local data=$1 save=$2
    shift 2
    "$BUILD/train" -q --data "$data" --save-dir "$save" --small --dim 32 --blocks 2 --hidden 48 --kernel 4 \
        --seq-len 32 --batch 4 --steps 20 --eval-every 10 --eval-tokens 2000 --seed 7 "$@"
}

# needs_tinystories, needs_gpt2: skip the test where the real files are not at hand.
needs_tinystories() {
    [ -n "${TINYSTORIES_DIR-}" ] || skip "TINYSTORIES_DIR is not set"
}
needs_gpt2() {
    [ -n "${GPT2_DIR-}" ] || skip "GPT2_DIR is not set"
}

# header_size FILE: size of a safetensors file's header.
header_size() {
    od -An -tu8 -N8 "$1" | tr -d ' '
}

# same_tensors FILE FILE: weights and the optimiser's arrays equal bit for bit.
same_tensors() {
    cmp <(tail -c +$(($(header_size "$1") + 9)) "$1") <(tail -c +$(($(header_size "$2") + 9)) "$2") ||
        flunk "the tensors of $1 and $2 differ"
}
