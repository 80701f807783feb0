/* shortlist.h - exact logits of the tokens that a draw looks at, without most of the others.
 *
 * A greedy draw needs the highest logit, one of top-k the k highest. The head rounded to int8 gives
 * every logit in a fraction of the time, and how far it can be off is known; the exact ones are
 * then made of the few rows that may be among the k highest. Tokens drawn are the same.
 *
 * The bound: let w be a row of the head and x what it reads, each column of w times a power of two
 * and of x divided by it; both split into what is rounded and the rest, w = wq + dw, x = xq + dx.
 * Then (Cauchy, Schwarz)
 *
 *     |w x - wq xq| = |dw xq + w dx| <= |dw| |xq| + |w| |dx|
 *
 * to which comes the rounding of D products and sums of floats, at most (D + 8) 2^-24 |w| (|x| +
 * |dx|). A row's |dw| and |w| are kept, so the bound is two multiplications a logit. */
#ifndef SHORTLIST_H
#define SHORTLIST_H

#include "model/infer.h"

/* The head once more, rounded: read-only, for all threads. */
struct shortlist_head {
    const struct infer_weights *weights;
    bool usable;   /* false, if the numbers are too large for the bound */
    void *packed;  /* int8_head's */
    float *scales; /* [V] */
    float *rest;   /* [V] |dw| or a little more */
    float *length; /* [V] |w| or a little more */
    float *factor; /* [D] what x is multiplied by */
    struct arena arena;
};

/* Rounds the head of w (MODEL_EXACT), which must outlive it, into memory of its own: a byte a
 * weight. */
MUST_USE int shortlist_head_init(struct shortlist_head *h, const struct infer_weights *w,
                                 const struct memory *memory, struct err *e);
void shortlist_head_release(struct shortlist_head *h); /* safe on a zeroed struct */

/* A thread's. */
struct shortlist {
    const struct shortlist_head *head;
    float *x;       /* [D] times the factors */
    int8_t *q;      /* and rounded */
    float *y;       /* [V] exact logits of those listed */
    uint16_t *ids;  /* [2 V] two lists */
    bool backwards; /* the order in which the next call reads the rounded head */
};

/* Memory from the arena; h is read later only. */
void shortlist_init(struct shortlist *s, const struct shortlist_head *h, const struct dims *d,
                    struct arena *a);

/* After infer_feed, for row `row` of f: makes logits [V] of which, from id `first` on, all that are
 * not below the k-th highest (k >= 1) are those of infer_head, and all others are below it. What
 * stands before `first` is near them. The pool (NULL: the caller alone) shares the rounded head.
 * False where the list would be long, an eighth of the vocabulary and more, or the numbers are too
 * large: then the logits are of no use. */
bool shortlist_logits(struct shortlist *s, struct infer *f, struct pool *p, size_t row,
                      size_t first, size_t k, float *logits);

#endif
