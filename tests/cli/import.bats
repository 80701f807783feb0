#!/usr/bin/env bats
# Models of other programs: folders of transformers, files of the original v4.

load helpers

setup_file() {
    load helpers
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" --dilation 1,3
}

setup() {
    DATA=$BATS_FILE_TMPDIR/data
    RUN=$BATS_FILE_TMPDIR/run
    VOCAB=$DATA/vocab.db
    python=${PYTHON:-python3}
    mkdir "$BATS_TEST_TMPDIR/here"
    cd "$BATS_TEST_TMPDIR/here" || return 1
}

needs_python() {
    "$python" -c '' 2> out || skip "no $python"
}

# plain IN OUT: the safetensors file without its metadata, as many programs write it.
plain() {
    "$python" - "$1" "$2" << 'PYTHON'
import json, struct, sys
with open(sys.argv[1], "rb") as f:
    header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    data = f.read()
header["__metadata__"] = {"format": "pt"}
text = json.dumps(header).encode()
with open(sys.argv[2], "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
PYTHON
}

@test "a model through a folder of --format hf and back: the same bytes" {
    succeeds export -q "$RUN" --vocab "$VOCAB" -o one.bolt --embed f32
    succeeds export -q one.bolt --format hf -o folder
    succeeds export -q folder --vocab "$VOCAB" -o two.bolt --embed f32
    same one.bolt two.bolt
    succeeds eval -q --json folder --vocab "$VOCAB" "$DATA/valid.txt"
    loss=$(printf '%s\n' "$output" | jq .loss)
    succeeds eval -q --json one.bolt "$DATA/valid.txt"
    [ "$(printf '%s\n' "$output" | jq .loss)" = "$loss" ] || flunk "another loss than $loss"
    succeeds sample -q folder --vocab "$VOCAB" -n 5 -p Once
    succeeds export --info folder
    contains "$output" "folder/model.safetensors"
    cp "$RUN/best.safetensors" folder # a folder of checkpoints is one
    succeeds export --info folder
    contains "$output" "folder/best.safetensors"
}

@test "weights whose metadata another program dropped: config.json tells, or an error asks for it" {
    needs_python
    succeeds export -q "$RUN" --vocab "$VOCAB" --format hf -o folder
    succeeds export -q "$RUN" --vocab "$VOCAB" -o one.bolt
    plain folder/model.safetensors new
    mv new folder/model.safetensors
    succeeds export -q folder --vocab "$VOCAB" -o two.bolt
    same one.bolt two.bolt
    jq 'del(.conv_dilation)' folder/config.json > config && mv config folder/config.json
    fails 1 "folder/config.json: lacks 'conv_dilation'" export -q folder --vocab "$VOCAB" -o x.bolt
    rm folder/config.json
    fails 1 "folder/model.safetensors: its metadata lack 'dilation', and there is no folder/config.json" \
        sample folder --vocab "$VOCAB"
    [ ! -e x.bolt ]
    plain "$RUN/best.safetensors" master.safetensors
    fails 1 "no config.json" eval master.safetensors --vocab "$VOCAB" "$DATA/valid.txt"
    echo '{"conv_dilation": [1, 3], "ternary_weights": false, "seq_len": 32}' > config.json
    succeeds export -q master.safetensors --vocab "$VOCAB" -o two.bolt
    same one.bolt two.bolt
    says="master.safetensors does not say which vocabulary it was trained with"
    succeeds sample -n 2 --vocab "$VOCAB" master.safetensors
    contains "$stderr" "$says"
    succeeds eval --vocab "$VOCAB" master.safetensors "$DATA/valid.txt"
    contains "$stderr" "$says"
    succeeds export --vocab "$VOCAB" master.safetensors -o two.bolt
    contains "$stderr" "$says"
    succeeds sample -n 2 --vocab "$VOCAB" "$RUN"
    [ -z "$stderr" ]
}

@test "attention and a norm of the embedding through a folder, without metadata too" {
    needs_python
    small_train "$DATA" run --mixers conv,attention --heads 2 --key-width 4 --window 6 --embed-norm
    succeeds export -q run --vocab "$VOCAB" -o one.bolt
    succeeds export -q run --vocab "$VOCAB" --format hf -o folder
    [ "$(jq -c '[.mixers, .heads, .key_width, .window, .embed_norm]' folder/config.json)" = \
        '[["conv","attention"],2,4,6,true]' ]
    succeeds export -q folder --vocab "$VOCAB" -o two.bolt
    same one.bolt two.bolt
    plain folder/model.safetensors new
    mv new folder/model.safetensors
    succeeds export -q folder --vocab "$VOCAB" -o two.bolt
    same one.bolt two.bolt
    jq 'del(.mixers, .embed_norm)' folder/config.json > config && mv config folder/config.json
    fails 1 "has attention, of which its metadata tell nothing" export -q folder --vocab "$VOCAB" -o x.bolt
}

@test "weights said to be rounded that are not are an error" {
    needs_python
    plain "$RUN/best.safetensors" master.safetensors
    echo '{"conv_dilation": [1, 3], "ternary_weights": true}' > config.json
    fails 1 "master.safetensors: " export -q master.safetensors --vocab "$VOCAB" -o x.bolt
    contains "$stderr" "ternary"
}

@test "import-v4: weights, moments and how far the run was, bit for bit" {
    needs_python
    "$python" "$ROOT/tests/cli/import.py" .
    for name in best step; do
        "$python" "$ROOT/scripts/import-v4" $name.pt $name.safetensors 2> err
        succeeds export --info $name.safetensors
        contains "$output" "dilation           1,1"
        contains "$output" "weights            float"
    done
    contains "$output" "moments            yes"
    contains "$output" "seq_len            32"
    "$python" - << 'PYTHON'
import json, struct
wanted = json.load(open("tensors.json"))
for name, n in ("best", 18), ("step", 54):
    with open(f"{name}.safetensors", "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    meta = header.pop("__metadata__")
    assert len(header) == n, header.keys()
    for key, entry in header.items():
        begin, end = entry["data_offsets"]
        assert data[begin:end].hex() == wanted[key], key
assert meta["step"] == "5000" and meta["tokens"] == "123" and meta["best_loss"] == "2.5", meta
PYTHON
}

@test "import-v4 refuses what is no model of v4, and runs no code of it" {
    needs_python
    "$python" "$ROOT/tests/cli/import.py" .
    while read -r name message; do
        run "$python" "$ROOT/scripts/import-v4" "$name-bad.pt" x.safetensors
        [ "$status" -eq 1 ] || flunk "$name: exit status $status"
        contains "$output" "import-v4: $name-bad.pt: "
        contains "$output" "$message"
        [ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ] || flunk "$name: more than a line"
    done << 'LIST'
evil asks for posix.system
compressed is compressed
big-endian not little-endian
missing is missing
head head is not the embedding
long asks for torch.LongStorage
strange unknown tensor blocks.0.attention.weight
column not stored row by row
short cut short
other no embedding.weight
optimiser not the AdamW
cut not a zip file
LIST
    [ ! -e x.safetensors ]
    [ ! -e pwned ]
    [ "$(find . -name 'tmp*' | wc -l)" -eq 0 ] || flunk "$(ls -A)"
}
