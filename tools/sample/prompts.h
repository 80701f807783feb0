/* prompts.h - where stories come from: prompts from the command line, or lines of a descriptor as
 * they arrive, each for so many stories. Knows nothing of threads. */
#ifndef PROMPTS_H
#define PROMPTS_H

#include "base/err.h"

/* What a story is told from. */
struct prompt {
    const char *text; /* as given; valid until the next prompts_read or prompts_release */
    size_t n;
    uint64_t stream; /* number of the story among those of this prompt, from 0 */
};

struct prompts {
    const char *const *items;
    size_t n_items;
    size_t next; /* item */
    int fd;      /* of lines, -1 without; after its end too */
    char *data;  /* read from it: lines [start, n) are still to come */
    size_t start;
    size_t seen; /* up to here there is no end of a line after start */
    size_t n;
    size_t capacity;
    size_t n_lines; /* ends of lines in [start, n) */
    uint64_t count;
    struct prompt at_hand;
    uint64_t left; /* stories of the prompt at hand */
    bool met;      /* there was a prompt */
    bool begun;    /* a line has been taken: no byte-order mark is left to drop */
};

/* Prompts are `items`, or, if there are none and fd is not -1, the lines of fd that are not blank
 * (a byte-order mark before the first is dropped); without any an empty one. `count` >= 1 stories
 * each. prompts_release at the end. */
void prompts_init(struct prompts *p, const char *const *items, size_t n_items, int fd,
                  uint64_t count);
void prompts_release(struct prompts *p);

/* The next story's prompt; false if none is at hand: then all were given, or lines must be read. */
bool prompts_next(struct prompts *p, struct prompt *out);

/* Stories at hand, about: blank lines are counted. */
uint64_t prompts_waiting(const struct prompts *p);

/* True if lines may still come. */
bool prompts_open(const struct prompts *p);

/* Reads once what has come, waiting for it if nothing has: only when prompts_next gave false.
 * Errors: "standard input: ...". */
MUST_USE int prompts_read(struct prompts *p, struct err *e);

#endif
