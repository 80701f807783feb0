# shellcheck shell=bash
# Loaded by the .bats files here: the helpers of the command line's tests, and where other programs are.
#
#   PYTHON        a Python that has them; else that of `scripts/deps runtimes`, else python3
#   NODE_MODULES  a folder whose node_modules has @huggingface/transformers; else that of `scripts/deps runtimes`

load ../cli/helpers

python=${PYTHON:-$ROOT/build/runtimes/bin/python}
[ -n "${PYTHON-}" ] || [ -x "$python" ] || python=python3
NODE_MODULES=${NODE_MODULES:-$ROOT/build/runtimes}
export NODE_MODULES PYTHONDONTWRITEBYTECODE=1

# needs_modules NAME...: skips the test where the Python lacks one of these.
needs_modules() {
    local list
    list=$(printf ', %s' "$@")
    "$python" -c "import ${list#, }" 2> /dev/null || skip "$python lacks one of${list#,}"
}

# greedy RUN DATA PROMPT...: a JSON array of the prompts, each with the greedy story of `sample --math exact` and the most
# tokens that were drawn.
greedy() {
    local run=$1 data=$2 prompt
    shift 2
    for prompt in "$@"; do
        "$BUILD/sample" -q "$run" --vocab "$data/vocab.db" --math exact -t 0 -n 60 -p "$prompt" |
            jq -Rs --arg prompt "$prompt" '[$prompt, rtrimstr("\n"), 60]'
    done | jq -s .
}

# shellcheck disable=SC2034 # of greedy
prompts=("Once upon a time" "The" "One day, a little girl named Lily found a needle.")
