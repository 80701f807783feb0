/* input.h - what eval scores: files, and of folders that prep made the validation stories, each
 * part of them by itself. */
#ifndef EVAL_INPUT_H
#define EVAL_INPUT_H

#include "format/shardlist.h"

struct eval_input {
    const char *path;
    bool is_folder;
    char part[SHARDLIST_PART_BYTES]; /* of a folder; "": it has none */
};

struct eval_inputs { /* zero-initialise; free(items) at the end */
    struct eval_input *items;
    size_t n, capacity;
};

/* Adds what this operand names. */
MUST_USE int eval_input_add(struct eval_inputs *all, const char *path, struct err *e);

#endif
