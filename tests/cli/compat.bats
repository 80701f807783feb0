# Files of earlier versions, in tests/compat, open and give what they gave.
load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    . "$ROOT/tests/compat/runs"
    for old in "$ROOT"/tests/compat/*/; do
        v=$(basename "$old")
        mkdir "$v"
        # shellcheck disable=SC1091
        . "$old/lists"
        for run in "${resumed[@]}"; do
            from=${run%% *}
            train_again "$BUILD" "$old" "$v/$from" "$from" 2> "$v/$from.talk"
        done
    done
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return
    # shellcheck source=tests/compat/runs
    . "$ROOT/tests/compat/runs"
    versions=(*/)
    [ ${#versions[@]} -ge 2 ]
}

# look_at VERSION: $old is its folder, and its lists are read.
look_at() {
    old=$ROOT/tests/compat/$1
    # shellcheck disable=SC1091
    . "$old/lists"
}

# same_figures OLD NEW: every line of OLD stands in NEW, which may say more about it.
same_figures() {
    diff "$1" <(jq -c --slurpfile old "$1" '. as $new | $old[input_line_number - 1] // {} | with_entries(.value = $new[.key])' "$2") ||
        flunk "$2 differs from $1"
}

# header FILE: that of a safetensors file.
header() {
    head -c $(($(od -An -tu8 -N8 "$1") + 8)) "$1" | tail -c +9
}

# tensor FILE NAME: its bytes.
tensor() {
    local range
    range=$(header "$1" | jq -r --arg name "$2" '.[$name].data_offsets | "\(.[0]) \(.[1])"')
    tail -c +$(($(od -An -tu8 -N8 "$1") + 9 + ${range% *})) "$1" | head -c $((${range#* } - ${range% *}))
}

# keeps_tensors OLD NEW N: the N tensors of OLD are those of NEW, byte for byte. The metadata may say more.
keeps_tensors() {
    local names
    names=$(header "$1" | jq -r 'keys[] | select(. != "__metadata__")')
    [ "$(wc -l <<< "$names")" -eq "$3" ] || flunk "$1 does not have $3 tensors: $names"
    for name in $names; do
        cmp <(tensor "$1" "$name") <(tensor "$2" "$name") || flunk "$name differs"
    done
}

@test "the same stories" {
    for v in "${versions[@]}"; do
        look_at "$v"
        tell_again "$BUILD" "$old" > "$v/stories.jsonl"
        same_figures "$old/stories.jsonl" "$v/stories.jsonl"
    done
}

@test "the same losses of a text and a shard" {
    for v in "${versions[@]}"; do
        look_at "$v"
        score_again "$BUILD" "$old" > "$v/scores.jsonl"
        same_figures "$old/scores.jsonl" "$v/scores.jsonl"
    done
}

@test "export --info says what it said" {
    for v in "${versions[@]}"; do
        look_at "$v"
        describe_again "$BUILD" "$old" > "$v/descriptions.jsonl"
        same_figures "$old/descriptions.jsonl" "$v/descriptions.jsonl"
    done
}

# near_figures OLD NEW: the same lines with the same figures, but for rounding.
near_figures() {
    jq -e -n --slurpfile old "$1" --slurpfile new "$2" '
        def near($a; $b): if ($a | type) == "number" then ($a - $b | fabs) <= 1e-6 * ($a | fabs) else $a == $b end;
        ($old | length) == ($new | length) and
        all(range($old | length); . as $i | all($old[$i] | to_entries[]; near(.value; $new[$i][.key])))' > /dev/null ||
        flunk "$2 is far from $1: $(diff "$1" "$2")"
}

# near_tensors OLD NEW N: the N tensors of OLD, each number within 10^-5 of the largest of its tensor.
near_tensors() {
    local names
    names=$(header "$1" | jq -r 'keys[] | select(. != "__metadata__")')
    [ "$(wc -l <<< "$names")" -eq "$3" ] || flunk "$1 does not have $3 tensors: $names"
    for name in $names; do
        paste <(tensor "$1" "$name" | od -An -v -w4 -tf4) <(tensor "$2" "$name" | od -An -v -w4 -tf4) |
            awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > far) far = d; a = $1 < 0 ? -$1 : $1; if (a > most) most = a }
                NF != 2 { exit 1 } END { exit !(NR && far <= 1e-5 * most) }' || flunk "$name differs"
    done
}

# Sums of a step may be taken in another order than an old version took them, so its last bits are not kept.
@test "a run resumed from an old checkpoint takes the steps it took, but for rounding" {
    for v in "${versions[@]}"; do
        look_at "$v"
        for run in "${resumed[@]}"; do
            read -r from figures stories end <<< "$run"
            near_figures "$old/$figures" "$v/$from/log.jsonl"
            [ "$end" = - ] || near_tensors "$old/$end" "$v/$from/$end" "$n_arrays"
            diff "$old/$stories" <(grep '^  | ' "$v/$from.talk") || flunk "$from: training tells other stories"
        done
    done
}

@test "an old checkpoint is exported to the same model files, to the byte, and the same tensors" {
    for v in "${versions[@]}"; do
        look_at "$v"
        for embed in f16 q8 f32; do
            succeeds export "$old/step-000000040.safetensors" -o "$v/$embed" --vocab "$old/vocab.db" --embed "$embed"
            same "$v/$embed" "$old/model-$embed.bolt"
        done
        succeeds export "$old/step-000000040.safetensors" -o "$v/weights" --format safetensors
        keeps_tensors "$old/weights.safetensors" "$v/weights" "$n_weights"
    done
}
