/* stories.h - stories as read, many at a time, normalised and worked on by all threads at once.
 *
 * They are cut into groups of a fixed number; a group is one task. So reading is left to one
 * thread, which does little more than unpack the file, and nothing depends on the number of
 * threads. */
#ifndef STORIES_H
#define STORIES_H

#include "base/pool.h"
#include "text/normalize.h"

struct stories_worker {
    struct text_buf text;
    struct unicode_scratch unicode;
    uint64_t n_invalid;
};

struct stories_group {
    bool failed;
    struct err err;
};

/* Works on stories first to end - 1; stories_text gives them. */
typedef int stories_work(void *context, size_t first, size_t end, size_t worker, struct err *e);

struct stories {             /* the first three set, all else zero; stories_release at the end */
    size_t most_bytes, most; /* they are full with so many bytes or stories */
    size_t group_size;
    char *raw; /* owned: as read, one after the other */
    size_t n_raw, capacity;
    size_t *ends; /* owned, [n]: of each in raw */
    size_t n, ends_capacity;
    /* while they are worked on */
    struct vocab_form form;
    struct stories_worker *workers; /* owned, [n_workers] */
    size_t n_workers;
    struct stories_group *groups; /* owned */
    size_t groups_capacity;
    stories_work *work;
    void *context;
};

/* Appends a raw story. stories_full tells when to work on them and then to clear. */
MUST_USE int stories_add(struct stories *s, const char *text, size_t n, struct err *e);
bool stories_full(const struct stories *s);
void stories_clear(struct stories *s);

/* Raw story i of *n bytes. */
static inline const char *stories_raw(const struct stories *s, size_t i, size_t *n)
{
    size_t begin = i ? s->ends[i - 1] : 0;
    *n = s->ends[i] - begin;
    return s->raw + begin;
}

/* Works on all groups; the error is that of the first group that failed. *n_invalid gets the U+FFFD
 * put in by normalising. */
MUST_USE int stories_run(struct stories *s, struct pool *pool, struct vocab_form form,
                         stories_work *work, void *context, uint64_t *n_invalid, struct err *e);

/* Within work: story i normalised, *text good until the worker's next. */
MUST_USE int stories_text(struct stories *s, size_t i, size_t worker, const struct text_buf **text,
                          size_t *n_chars, struct err *e);
void stories_release(struct stories *s);

#endif
