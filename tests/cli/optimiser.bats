#!/usr/bin/env bats
# train --optimiser and --set: what a run is told of its optimiser, it does, keeps and says.
load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    small_data data
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    options=(train --data "$BATS_FILE_TMPDIR/data" --dim 40 --blocks 1 --hidden 70 --kernel 3 --seq-len 16 --batch 4
        --eval-every 0 --sample-every 0 --save-every 5 -q)
}

# info FILE KEY: what --info says.
info() {
    "$BUILD/export" --info "$1" --json | jq -r ".$2"
}

@test "a run of Muon goes on where it was, with its settings, on other threads" {
    muon=(--optimiser muon --set muon_lr=0.03 --set muon_iterations=2 --set weight_decay=0)
    succeeds "${options[@]}" -o whole "${muon[@]}" --steps 10 --threads 1
    succeeds "${options[@]}" -o parts "${muon[@]}" --steps 10 --threads 3
    rm parts/step-000000010.safetensors
    succeeds "${options[@]}" -o parts --resume --threads 2
    for file in whole parts; do
        [ "$(info $file/step-000000010.safetensors '|[.optimiser, .muon_lr, .muon_iterations, .weight_decay] | join(" ")')" = \
            "muon 0.03 2 0" ] || flunk "$file: other settings"
    done
    header=$(od -An -tu8 -N8 whole/step-000000010.safetensors | tr -d ' ')
    cmp <(tail -c +$((header + 9)) whole/step-000000010.safetensors) \
        <(tail -c +$(($(od -An -tu8 -N8 parts/step-000000010.safetensors | tr -d ' ') + 9)) parts/step-000000010.safetensors)
}

@test "each setting makes another run; what a resumed one is given, it keeps from then on" {
    succeeds "${options[@]}" -o muon --optimiser muon --steps 5
    for setting in muon_lr=0.01 muon_momentum_start=0.5 muon_iterations=4 muon_decay=0.1 beta2=0.9; do
        succeeds "${options[@]}" -o "$setting" --optimiser muon --steps 5 --set "$setting"
        ! cmp -s muon/step-000000005.safetensors "$setting/step-000000005.safetensors" || flunk "$setting changed nothing"
        [ "$(info "$setting/step-000000005.safetensors" "${setting%=*}")" = "${setting#*=}" ] || flunk "$setting is not kept"
    done
    succeeds "${options[@]}" -o muon --resume --steps 10 --set muon_decay=0.2
    succeeds "${options[@]}" -o muon --resume --steps 15
    [ "$(info muon/step-000000015.safetensors muon_decay)" = 0.2 ]
}

@test "--info says all settings of a run of AdamW too" {
    succeeds "${options[@]}" -o run --steps 5 --set grad_clip=0.5
    [ "$(info run/step-000000005.safetensors '|[.optimiser, .grad_clip, .beta1, .beta2, .adam_eps, .weight_decay] | join(" ")')" = \
        "adamw 0.5 0.9 0.95 1e-08 0.01" ] || flunk "$(info run/step-000000005.safetensors '')"
}

@test "what is not a setting, no number, out of range or another optimiser's is refused" {
    for wrong in "muon_lr=0.1:'muon_lr=0.1' is not a setting of adamw (expected KEY=VALUE with a KEY of grad_clip, beta1" \
        "beta1:'beta1' is not a setting of adamw" "=1:'=1' is not a setting" "beta1=:'beta1=' has no number for a value" \
        "beta1=0.9x:'beta1=0.9x' has no number" "beta1=1:beta1 is out of range (found 1, expected 0 or more, below 0.9999999)" \
        "beta2=0.99999999:beta2 is out of range (found 0.99999999, expected 0 or more, below 0.9999999)" \
        "adam_eps=1e-40:adam_eps is out of range (found 1e-40, expected 1e-16 or more, below 1)" \
        "beta1=nan:beta1 is out of range"; do
        fails 2 "--set: ${wrong#*:}" "${options[@]}" -o run --steps 5 --set "${wrong%%:*}"
    done
    fails 2 "--set: muon_iterations is not a whole number (found 2.5)" "${options[@]}" -o run --steps 5 --optimiser muon \
        --set muon_iterations=2.5
    fails 2 "--set: muon_iterations is out of range (found 6, expected 1 or more, below 6)" "${options[@]}" -o run \
        --steps 5 --optimiser muon --set muon_iterations=6
    for beta in beta1 beta2; do
        fails 2 "--$beta-tokens and --set $beta exclude each other" "${options[@]}" -o run --steps 5 --set "$beta=0.9" \
            "--$beta-tokens" 1e6
    done
    fails 2 "--set gives beta1 twice" "${options[@]}" -o run --steps 5 --set beta1=0.9 --set beta2=0.99 --set beta1=0.9
    succeeds "${options[@]}" -o run --steps 5
    fails 1 "--optimiser muon does not match run/step-000000005.safetensors, which has adamw" "${options[@]}" -o run \
        --resume --steps 10 --optimiser muon
}

@test "--bench times the steps of Muon" {
    succeeds train --bench --dim 40 --blocks 1 --hidden 70 --seq-len 16 --batch 2 --optimiser muon --threads 2 --json
    [ "$(jq '.phases.optimise.gflops > 0' <<< "$output")" = true ] || flunk "no arithmetic in the optimiser"
}

@test "what a run says of itself goes on in the next line where it is wider than a terminal" {
    run --separate-stderr "$BUILD/train" --data "$BATS_FILE_TMPDIR/data" -o run --preset swift --dim 40 --hidden 70 --steps 1 \
        --eval-every 0 --sample-every 0 --threads 1
    [ "$status" -eq 0 ] || flunk "failed"
    [ "$(grep -v '^done\|^last' <<< "$stderr" | wc -L)" -le 80 ] || flunk "wider than 80 columns: $stderr"
    contains "$(tr -s '\n ' ' ' <<< "$stderr")" "optimiser: muon, grad_clip 1, muon_lr 0.04, muon_momentum 0.95, muon_momentum_start"
    contains "$stderr" "
           muon_momentum_start 0.85, "
}
