/* attend.h - attention of a group of rows as small matrix products: what the forward pass
 * (mixer_attention.c) and the backward one (tools/train/mixer_attention_back.c) share.
 *
 * A group is up to ATTEND_ROWS rows of queries, and all keys and values they may see: those of the
 * `window` rows before the group, then its own. Of one head,
 *
 *   scores [rows][keys] = bias / scale + Q K^T        scale = 1 / sqrt(key_width)
 *   weights             = softmax of scale * scores   (kern.h attend)
 *   mix [rows][values]  = weights V
 *
 * The bias of what a query may not see - later rows, rows beyond the window, rows of the sequence
 * before - is ATTEND_NEVER, and its weight is 0. Keys and values are gathered, zero where there are
 * no rows, so that all products have the same shapes. */
#ifndef ATTEND_H
#define ATTEND_H

#include "model/net.h"

enum { ATTEND_ROWS = 32 };
#define ATTEND_NEVER (-1e30f)

/* A small matrix as operand: floats, and their cells. */
struct attend_matrix {
    float *floats;
    void *rows;    /* cells by rows; f32: = floats */
    void *columns; /* cells by columns; f32: = floats */
};

/* Working memory of a worker. */
struct attend {
    struct attend_matrix q;       /* [rows][key_width] */
    struct attend_matrix k;       /* [keys][key_width] */
    struct attend_matrix v;       /* [keys][width of a head's values] */
    struct attend_matrix scores;  /* [rows][keys], then weights */
    struct attend_matrix d_mix;   /* [rows][values]; these two are NULL unless `back` */
    struct attend_matrix d_score; /* [rows][keys] */
    void *packed;                 /* K or V transposed, as B operand of a product */
};

/* Numbers of a head. */
struct attend_head {
    size_t head;
    size_t key_width;
    size_t value_width;
    size_t window;
    float scale;
};
struct attend_head attend_head(const struct dims *d, size_t head);

/* Length of the biases of a head as they are kept for `attend_biases`: place x has that of the key
 * x - (ATTEND_ROWS - 1) places after the first that the first query's group gathers, counted from
 * the query's own row in it. */
size_t attend_turned(const struct dims *d);

/* Lays out the working memory of n_workers workers; back: for the backward pass too. NULL while the
 * arena measures. */
struct attend *attend_workers(const struct dims *d, const struct kern *k, bool back,
                              size_t n_workers, struct arena *a);

/* Makes the cells of x->floats [rows][cols], in the forms asked for. */
void attend_cells(const struct kern *k, struct attend_matrix *x, size_t rows, size_t cols,
                  bool by_rows, bool by_columns);

/* Gathers queries, keys and values of the group s of a block, and computes its scores. Returns the
 * number of keys, window + s.count: key j is row s.first - window + j. */
size_t attend_scores(struct attend *t, const struct net *n, int block, const struct attend_head *h,
                     const uint32_t *pos, struct span s);

#endif
