/* partlist.h - the corpora of --part NAME=FILE, and --valid NAME=FILE among them. */
#ifndef PARTLIST_H
#define PARTLIST_H

#include "cli/cli.h"
#include "format/shardlist.h"

/* Files part by part, each part's in the order given. */
struct partlist {
    const char *names[SHARDLIST_MAX_PARTS]; /* in the order in which they came first */
    size_t n;                               /* 0: no parts */
    const char **inputs, **valid;           /* owned: the files, whose texts live until exit */
    size_t *input_part, *valid_part;        /* owned: the part of each */
    size_t n_inputs, n_valid;
};

/* A fault is one of usage. */
MUST_USE int partlist_parse(struct partlist *l, const struct cli_list *parts,
                            const struct cli_list *valid, struct err *e);

#endif
