#!/bin/sh
# pipeline.sh - the programs in a shell pipeline: pipeline.sh MODEL FOLDER < PROMPTS
#
# Tells three stories for each line of standard input (without any, three from the beginning), keeps the likelier half of all, scores it with the model that
# told it, and makes shards of it, ready for training. FOLDER gets stories.jsonl, best.txt and data/. Needs jq.
set -eu
[ $# -eq 2 ] || { echo "usage: pipeline.sh MODEL FOLDER < PROMPTS" >&2; exit 2; }
model=$1 folder=$2
mkdir -p "$folder"

# One JSON object a story: text, tokens and their log-probabilities.
bolt-sample -q --json --count 3 -n 300 "$model" > "$folder/stories.jsonl"

# The likelier half, by mean log-probability.
jq -rs 'map(select(.n_tokens > 0)) | sort_by(-(.logprobs | add / length))
    | .[: (length + 1) / 2 | floor][] | .text, "<|endoftext|>"' "$folder/stories.jsonl" > "$folder/best.txt"

# What an evaluation says of them, and a vocabulary and shards of their own.
bolt-eval --json "$model" "$folder/best.txt" | jq -r '"\(.n_stories) stories, \(.bpc) bits per character"'
bolt-prep -q -o "$folder/data" --vocab-size 300 --valid "$folder/best.txt" "$folder/best.txt"
