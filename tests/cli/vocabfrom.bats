#!/usr/bin/env bats
# prep --vocab-from: vocabularies out of a tokenizer.json, and why others are refused.

load helpers

setup_file() {
    load helpers
    small_data "$BATS_FILE_TMPDIR/data"
}

setup() {
    DATA=$BATS_FILE_TMPDIR/data
    mkdir "$BATS_TEST_TMPDIR/here"
    cd "$BATS_TEST_TMPDIR/here" || return 1
    succeeds export -q "$DATA/vocab.db" -o tokenizer.json
}

# from FILE [OPTION]...: prep with the vocabulary of FILE, into the folder new.
from() {
    succeeds prep -q -o new --vocab-from "$@" --valid "$DATA/valid.txt" "$DATA/train.txt"
}

@test "what export wrote comes back: the same shards, for every form, with superwords too" {
    for options in "" "--normalize none" "--normalize nfkc" "--superwords 50"; do
        # shellcheck disable=SC2086 # words
        succeeds prep -q -o old --vocab-size 400 $options --valid "$DATA/valid.txt" "$DATA/train.txt"
        succeeds export -q old/vocab.db -o tokenizer.json
        from tokenizer.json
        mkdir -p again
        same old/train.shard new/train.shard
        same old/valid.shard new/valid.shard
        succeeds export -q new/vocab.db -o again/tokenizer.json
        same tokenizer.json again/tokenizer.json
    done
}

@test "a vocabulary alone makes a tokenizer.json and nothing else" {
    succeeds export --json "$DATA/vocab.db" -o x-tokenizer.json
    [ "$(printf '%s\n' "$output" | jq -r .vocab)" = "$DATA/vocab.db" ]
    same tokenizer.json x-tokenizer.json
    fails 1 "vocab.db: is a vocabulary, neither a model blob nor a checkpoint" export "$DATA/vocab.db" -o model.bolt
    fails 2 "is a vocabulary itself" export "$DATA/vocab.db" --vocab "$DATA/vocab.db" -o tokenizer.json
}

@test "the file of another program: ids after the four special tokens, merges as text" {
    jq '.added_tokens = [{"content": "<end>", "special": true}]
        | .normalizer = null | .pre_tokenizer = {"type": "ByteLevel", "add_prefix_space": false}
        | .model.vocab |= (del(.["<pad>", "<unk>", "<bos>", "<eos>"]) | map_values(. + 10) | . + {"<end>": 3})
        | .model.merges |= map(join(" ")) | del(.model.type)' tokenizer.json > other.json
    from other.json
    run sqlite3 new/vocab.db "SELECT key || '=' || value FROM settings WHERE key IN ('kind', 'tokens', 'normalize', 'lines') ORDER BY key"
    [ "$output" = "$(printf 'kind=bpe\nnormalize=none\ntokens=400')" ] || flunk "$output"
    sqlite3 "$DATA/vocab.db" 'SELECT id, hex(bytes) FROM tokens' > old
    sqlite3 new/vocab.db 'SELECT id, hex(bytes) FROM tokens' > now
    same old now
}

@test "--vocab-size keeps the first tokens" {
    from tokenizer.json --vocab-size 300
    run sqlite3 new/vocab.db "SELECT value FROM settings WHERE key = 'kind'"
    [ "$output" = gpt2 ]
    run sqlite3 new/vocab.db "SELECT count(*), max(id) FROM tokens"
    [ "$output" = "300|299" ]
    fails 1 "has too few tokens (found 400, expected 401)" \
        prep -o x --vocab-from tokenizer.json --vocab-size 401 --valid-fraction 0.5 "$DATA/train.txt"
}

@test "anything else is refused with the reason" {
    while IFS='|' read -r change message; do
        jq "$change" tokenizer.json > bad.json
        fails 1 "bad.json: $message" prep -o x --vocab-from bad.json --valid-fraction 0.5 "$DATA/train.txt"
    done << 'LIST'
.model.type = "WordPiece"|its model is of another kind (found WordPiece, expected BPE)
.model.byte_fallback = true|its model is not byte-level BPE: it has byte_fallback
.model.ignore_merges = true|its model takes words that no merge makes
.model.dropout = 0.1|its model has dropout
.model.end_of_word_suffix = "</w>"|its model is not byte-level BPE: it has a end_of_word_suffix
.model.vocab["\u2581the"] = 77777|not byte-level: token "▁the" has a character that stands for no byte
.model.vocab.zzz = 77777|
.model.vocab.zzz = 7|id 7 is given twice
.model.vocab.zzz = "x"|token "zzz" has no valid id
del(.model.vocab.a)|
.model.merges[3] = ["a", "b", "c"]|merge 3 does not join two tokens
.model.merges[3] = 7|merge 3 does not join two tokens
.model.merges[3] = ["", "b"]|merge 3 does not join two tokens
.model.merges = [["qqq", "x"]]|
.normalizer.normalizers += [{"type": "Lowercase"}]|its normalizer does what is not done here (found Lowercase
.normalizer = {"type": "BertNormalizer"}|its normalizer does what is not done here (found BertNormalizer
.normalizer.normalizers[2].content = "x"|its normalizer replaces what is not replaced here
.normalizer.normalizers[1].pattern.Regex = "x"|its normalizer does what is not done here (found Replace
.pre_tokenizer = {"type": "Metaspace"}|its pre-tokenizer does not cut words as GPT-2 does (found Metaspace
.pre_tokenizer.add_prefix_space = true|its pre-tokenizer does not cut words as GPT-2 does
.pre_tokenizer.use_regex = false|its pre-tokenizer does not cut words as GPT-2 does
.pre_tokenizer = null|its pre-tokenizer does not cut words as GPT-2 does
.added_tokens[3].special = false|has an added token of text, "<eos>"
.added_tokens += [{"id": 400, "content": "   ", "special": false}]|has an added token of text, "   "
del(.model)|not a tokenizer.json of Hugging Face's tokenizers: it has no model
{"id_to_base": {}}|a tokenizer.json of FlashLM v4; scripts/import-v4 converts it
[]|not a tokenizer.json of Hugging Face's tokenizers: it has no model
LIST
    printf '{' > bad.json
    fails 1 "bad.json: not valid JSON" prep -o x --vocab-from bad.json --valid-fraction 0.5 "$DATA/train.txt"
    : > bad.json
    fails 1 "bad.json: " prep -o x --vocab-from bad.json --valid-fraction 0.5 "$DATA/train.txt"
    [ ! -e x/vocab.db ]
    fails 2 "--vocab-from takes an existing vocabulary" \
        prep -o x --vocab-from tokenizer.json --normalize nfc --valid-fraction 0.5 "$DATA/train.txt"
}

@test "GPT-2's tokens: a vocabulary of its most frequent, through a tokenizer.json and back" {
    needs_gpt2
    succeeds prep -q -o old --tokenizer gpt2 --gpt2-vocab "$GPT2_DIR/vocab.json" --gpt2-merges "$GPT2_DIR/merges.txt" \
        --vocab-size 500 --valid "$DATA/valid.txt" "$DATA/train.txt"
    succeeds export -q old/vocab.db -o tokenizer.json
    from tokenizer.json --vocab-size 500
    same old/train.shard new/train.shard
    small_train old run
    succeeds eval -q --json run --vocab old/vocab.db "$DATA/valid.txt"
    loss=$(printf '%s\n' "$output" | jq .loss)
    succeeds eval -q --json run --vocab tokenizer.json "$DATA/valid.txt"
    [ "$(printf '%s\n' "$output" | jq .loss)" = "$loss" ] || flunk "another loss than $loss"
}

@test "the tokenizer.json of the original v4, by import-v4" {
    needs_gpt2
    python=${PYTHON:-python3}
    "$python" -c '' 2> out || skip "no $python"
    succeeds prep -q -o old --tokenizer gpt2 --gpt2-vocab "$GPT2_DIR/vocab.json" --gpt2-merges "$GPT2_DIR/merges.txt" \
        --vocab-size 500 --normalize none --valid "$DATA/valid.txt" "$DATA/train.txt"
    succeeds export -q old/vocab.db -o tokenizer.json
    "$python" - "$GPT2_DIR/vocab.json" << 'PYTHON'
import json, sys
gpt2 = json.load(open(sys.argv[1]))
ours = {n: name for name, n in json.load(open("tokenizer.json"))["model"]["vocab"].items()}
kept = {str(n): gpt2[ours[n]] for n in range(4, 500)}
json.dump({"vocab_size": 500, "id_to_base": kept, "base_to_id": {str(v): int(k) for k, v in kept.items()}}, open("v4.json", "w"))
PYTHON
    "$python" "$ROOT/scripts/import-v4" --gpt2-vocab "$GPT2_DIR/vocab.json" --gpt2-merges "$GPT2_DIR/merges.txt" v4.json hf.json 2> err
    from hf.json --vocab-size 500
    sqlite3 old/vocab.db 'SELECT id, hex(bytes) FROM tokens' > was
    sqlite3 new/vocab.db 'SELECT id, hex(bytes) FROM tokens' > now
    same was now
    sqlite3 old/vocab.db 'SELECT rank, hex(left), hex(right) FROM merges' > was
    sqlite3 new/vocab.db 'SELECT rank, hex(left), hex(right) FROM merges' > now
    same was now
    small_train new run
    succeeds sample -q run --vocab hf.json -n 3
    fails 1 "scripts/import-v4 converts it" prep -o x --vocab-from v4.json --valid-fraction 0.5 "$DATA/train.txt"
    run "$python" "$ROOT/scripts/import-v4" v4.json x.json
    [ "$status" -eq 1 ]
    contains "$output" "needs GPT-2's files"
}

@test "a model takes the tokenizer.json of its folder for its vocabulary, and no other" {
    small_train "$DATA" run
    succeeds export -q run --vocab "$DATA/vocab.db" --format hf -o folder
    succeeds sample -q folder --vocab "$DATA/vocab.db" -t 0 -n 20
    whole=$output
    succeeds sample -q folder --vocab folder/tokenizer.json -t 0 -n 20
    [ "$output" = "$whole" ]
    succeeds export -q folder --vocab folder/tokenizer.json -o one.bolt
    succeeds export -q run --vocab "$DATA/vocab.db" -o two.bolt
    same one.bolt two.bolt
    succeeds eval -q two.bolt --vocab folder/tokenizer.json "$DATA/valid.txt"
    succeeds prep -q -o other --vocab-size 500 --valid "$DATA/valid.txt" "$DATA/train.txt"
    succeeds export -q other/vocab.db -o tokenizer.json
    fails 1 "tokenizer.json: has too many tokens (found 500, expected 400)" sample -q folder --vocab tokenizer.json
    succeeds prep -q -o other --vocab-size 400 --normalize none --valid "$DATA/valid.txt" "$DATA/train.txt"
    succeeds export -q other/vocab.db -o tokenizer.json
    fails 1 "tokenizer.json: not the vocabulary of" sample -q folder --vocab tokenizer.json
}
