/* same.h - whether the ranks of a run are of one kind: the same bits come from nothing less. */
#ifndef SAME_H
#define SAME_H

#include "ranks/ranks.h"

enum { SAME_PRINTS = 4, SAME_OPTIONS = 8192 };

/* What all ranks must have alike, besides the program and its version. */
struct same {
    char isa[16];               /* the level of instructions; "": any will do */
    char options[SAME_OPTIONS]; /* those that count, one a line: "--name value\n" */
    struct {
        char what[32]; /* "the vocabulary"; "": no more of them */
        uint64_t fingerprint;
    } prints[SAME_PRINTS];
};

/* Notes a fingerprint. */
void same_add(struct same *s, const char *what, uint64_t fingerprint);

/* Whether all ranks have what rank 0 has. An error names what differs and on which rank. For all
 * ranks. */
MUST_USE int same_check(struct ranks *r, const struct same *s, struct err *e);

#endif
