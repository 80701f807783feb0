#!/usr/bin/env bats
# kcheck: it passes, and it fails when a kernel is wrong: for every operation and every kind of damage.

load helpers

setup() {
    BUILD=$BUILD/tests
    operations=$("$BUILD/kcheck" --list)
}

@test "one operation at the level of plain C passes" {
    succeeds kcheck --cpu c --op gate --seed 1
    contains "$output" "c          f32  gate"
    [ "${lines[-1]}" = "1 passed, 0 failed" ] || flunk "closing line: ${lines[-1]}"
    contains "$stderr" "seed 1"
}

@test "the list is all that is checked" {
    succeeds kcheck --cpu c --seed 1 --json
    [ "$(printf '%s\n' "$output" | jq -r '.op // empty' | sort -u | tr '\n' ' ')" = \
        "$(printf '%s\n' $operations | sort | tr '\n' ' ')" ] || flunk "another list"
}

@test "a wrong element of any operation is a failure" {
    [ "$(wc -w <<< "$operations")" -gt 30 ]
    for op in $operations; do
        tool kcheck --cpu c --op "$op" --break "$op" --seed 1
        [ "$status" -eq 1 ] || flunk "$op: exit status $status"
        contains "$output" "$op"
        contains "$output" "(seed 1)"
        case ${lines[-1]} in
        "0 passed, 1 failed" | "0 passed, 2 failed") ;; # 2: in f32 and in bf16
        *) flunk "$op: closing line: ${lines[-1]}" ;;
        esac
    done
}

@test "only the broken operation fails, at every level of this machine" {
    tool kcheck --break add --seed 1 --json
    [ "$status" -eq 1 ] || flunk "exit status $status"
    printf '%s\n' "$output" | jq -es 'map(select(.op)) | all(.passed == (.op != "add")) and any(.passed)' ||
        flunk "another operation failed, or not every level of this one"
}

@test "writing around an operand, changing an input and crashing are failures" {
    for fault in over under input trap; do
        tool kcheck --cpu c --op add --break "add-$fault" --seed 1
        [ "$status" -eq 1 ] || flunk "add-$fault: exit status $status"
        case $fault in
        over) contains "$output" "Segmentation fault" ;;
        under) contains "$output" "bytes before it were written" ;;
        input) contains "$output" "an input was changed" ;;
        trap) contains "$output" "Illegal instruction" ;;
        esac
    done
}

@test "finding all is not finding the largest" {
    tool kcheck --op largest --break largest-all --seed 1
    [ "$status" -eq 1 ] || flunk "exit status $status"
    contains "$output" "were found"
}

@test "what one seed finds, it finds again" {
    tool kcheck --cpu c --op adamw --break adamw --seed 5
    first=$output
    tool kcheck --cpu c --op adamw --break adamw --seed 5
    [ "$output" = "$first" ] || flunk "another failure: $first"
}

@test "no timing after a failure" {
    tool kcheck --cpu c --op add --break add --bench
    [ "$status" -eq 1 ] || flunk "exit status $status"
    case $output in
    *GB/s*) flunk "timed a broken kernel" ;;
    esac
}

@test "timing after a clean pass, in words and as JSON" {
    succeeds kcheck --cpu c --op add --bench
    contains "$output" "GB/s"
    succeeds kcheck --cpu c --op product --bench --json
    printf '%s\n' "$output" | jq -es '
        .[0].passed and (.[-1] == {"passed": 2, "failed": 0}) and
        ([.[] | select(.gflops)] | length == 14 and all(.gflops > 0 and .limit > 0 and .share > 0))' ||
        flunk "unexpected JSON"
}

@test "what it is asked must exist" {
    fails 2 "'nosuch'" kcheck --op nosuch
    fails 2 "'nosuch'" kcheck --break nosuch
    fails 2 "nosuch" kcheck --cpu nosuch
}
