#!/usr/bin/env bats
# A model with attention and a norm of its embedding, through all programs.

load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    small_data data
    small_train data run --mixers conv,attention --heads 2 --key-width 5 --window 11 --embed-norm --optimiser muon
    "$BUILD/export" -q run --vocab data/vocab.db -o model.bolt
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return
}

@test "training, export, evaluation and stories; blob = checkpoint" {
    succeeds export run --vocab data/vocab.db -o verified.bolt --verify data/valid.txt
    cmp model.bolt verified.bolt
    succeeds export --info model.bolt --json
    [ "$(jq -c '[.version, .mixers, .heads, .key_width, .window, .embed_norm]' <<< "$output")" = \
        '[5,"conv,attention",2,5,11,1]' ] || flunk "$output"
    succeeds export --info run/best.safetensors --json
    [ "$(jq -c '[.version, .mixers, .heads, .key_width, .window, .embed_norm]' <<< "$output")" = \
        '[2,"conv,attention",2,5,11,1]' ] || flunk "$output"
    succeeds sample model.bolt --prompt Once --max-tokens 40 --seed 3
    [ -n "$output" ]
}

@test "weights as safetensors give the blob again" {
    succeeds export -q run -o weights.safetensors
    succeeds export -q weights.safetensors --vocab data/vocab.db -o again.bolt
    cmp model.bolt again.bolt
}

@test "a story alone and among others is the same" {
    succeeds sample model.bolt --math exact --json --prompt Once --count 3 --max-tokens 60 --seed 5 --threads 1
    alone=$(jq -c .tokens <<< "$output")
    succeeds sample model.bolt --math exact --json --prompt Once --count 3 --max-tokens 60 --seed 5 --threads 3
    [ "$(jq -c .tokens <<< "$output")" = "$alone" ] || flunk "other stories"
}

@test "evaluation: the three arithmetics agree" {
    for math in f32 exact int8; do
        succeeds eval --json --math $math model.bolt data/valid.txt
        jq -r .bpc <<< "$output"
    done > bpc
    awk 'NR == 1 { first = $1 } { off = $1 / first - 1; if (off * off > 1e-4) exit 1 }
        NR == 2 && off * off > 1e-12 { exit 1 } END { if (NR != 3) exit 1 }' bpc || flunk "$(cat bpc)"
}

@test "a resumed run ends as the uninterrupted one; another mixer is refused" {
    small_train data whole --mixers conv,attention --heads 2 --key-width 5 --window 11 --embed-norm \
        --optimiser muon --save-every 10 --keep 0
    mkdir part
    cp whole/step-000000010.safetensors part
    succeeds train -q --data data --save-dir part --resume --threads 3
    succeeds export -q part/step-000000020.safetensors -o part.safetensors
    succeeds export -q whole/step-000000020.safetensors -o whole.safetensors
    cmp part.safetensors whole.safetensors
    fails 1 "--mixers attention,attention does not match" train -q --data data --save-dir part --resume --mixers attention
    fails 1 "--window 12 does not match" train -q --data data --save-dir part --resume --window 12
}

@test "a graph of ONNX, the same out of a blob, and the longest of its states" {
    for weights in f32 int8 int2; do
        succeeds export --json run --weights $weights -o $weights.onnx
        [ "$(jq .state_length <<< "$output")" = 11 ] || flunk "$output"
    done
    succeeds export run --vocab data/vocab.db --embed f32 -o full.bolt
    succeeds export full.bolt -o again.onnx
    cmp f32.onnx again.onnx
    succeeds export model.bolt --format onnx --for transformersjs -o folder
    [ -s folder/onnx/model.onnx ]
    [ "$(jq -c .layer_types folder/config.json)" = '["conv","conv","full_attention"]' ]
}

@test "C source tells the greedy story of sample --math exact" {
    small_train data told --mixers attention,conv --heads 2 --key-width 5 --window 11 --embed-norm \
        --optimiser muon --steps 200 --eval-every 100
    succeeds export -q told --vocab data/vocab.db -o told.bolt
    succeeds sample told.bolt --math exact -t 0 -n 100 --json
    jq '.tokens[]' <<< "$output" > tokens
    [ "$(sort -u tokens | wc -l)" -gt 4 ] || flunk "a dull story: $output"
    succeeds export -q told.bolt -o story.c
    ${CC:-cc} -std=c99 -O1 -I. -DHEADER='"story.h"' -DNAME=story -DCAPITALS=STORY -o drive story.c "$ROOT/tests/firmware/drive.c"
    ./drive greedy 100 > greedy
    cmp greedy tokens
}

@test "wrong usage" {
    none="train --data data --save-dir none"
    # shellcheck disable=SC2086
    {
        fails 2 "more names than the model has blocks" $none --blocks 2 --mixers conv,conv,conv
        fails 2 "unknown mixer 'other'" $none --mixers other
        fails 2 "does not divide the model width" $none --dim 32 --mixers attention --heads 5
        fails 2 "are of attention, which no block has" $none --heads 2
    }
    [ ! -e none ]
}
