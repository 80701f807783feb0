/* ortho.h - a matrix made roughly orthogonal, by products alone and in rounds of tasks (optim.h).
 *
 * X = Y / (1.02 |Y| + 1e-6), |Y| the Frobenius norm; then n times X <- X P,
 * P = 3.4445 - 4.7750 A + 2.0315 A^2, A = X'X, or from the left where X has fewer rows than
 * columns. All singular values come near to 1 (Newton-Schulz: Bjorck and Bowie 1971; the
 * coefficients: Jordan 2024).
 *
 * The iterations are worked out in matrices of the shorter side, C x C, as far as that goes well:
 * A_{i+1} = A_i P_i P_i and Q_{i+1} = Q_i P_i, since all of them commute, and X is multiplied with
 * Q after every ORTHO_STAGE iterations, since errors of A grow with each. They are symmetric: of a
 * block of rows the columns up to the diagonal are computed, and stored a second time as rows. */
#ifndef ORTHO_H
#define ORTHO_H

#include "base/arena.h"
#include "kern/kern.h"

enum {
    ORTHO_MOST = 5,   /* iterations */
    ORTHO_STAGE = 3,  /* of them between two visits to X */
    ORTHO_ROUNDS = 19 /* of ORTHO_MOST iterations */
};

/* One matrix and the memory it needs. Symmetric matrices are operands by columns. In f32 by_rows
 * and by_columns are the same floats. */
struct ortho {
    size_t rows, cols;
    size_t side, depth;                      /* the shorter and the longer of them */
    bool wide;                               /* fewer rows */
    uint32_t *by_rows, *by_columns, *packed; /* X, and the transpose of a wide one as B operand */
    float *next;                             /* [rows][cols] X of the next stage; NULL if none */
    double *sums;                            /* of squares of Y, one a task of loading */
    uint32_t *a, *ap, *p[2], *q;             /* A, A P, P, and Q of two iterations */
    float *a_blocks;                         /* in bf16: blocks of A before they were rounded */
};

/* Lays out memory for n iterations, 1 to ORTHO_MOST; its contents at first do not matter. */
void ortho_init(struct ortho *m, size_t rows, size_t cols, size_t n, const struct kern *k,
                struct arena *a);

/* Floats of spare memory that a task needs. */
size_t ortho_spare(size_t rows, size_t cols);

enum ortho_what {
    ORTHO_LOAD,   /* X from Y, or from the stage before */
    ORTHO_GRAM,   /* A = X'X */
    ORTHO_P,      /* P */
    ORTHO_AP,     /* A P */
    ORTHO_QP,     /* Q P */
    ORTHO_AP_QP,  /* both */
    ORTHO_APP,    /* A = (A P) P */
    ORTHO_RESULT, /* X Q */
    ORTHO_NOTHING
};

struct ortho_round {
    enum ortho_what what;
    size_t i;    /* iterations of its stage before this one */
    size_t done; /* iterations before its stage */
    size_t size; /* iterations of its stage */
    bool last;   /* of the stages */
};

/* What round number `number` of n iterations does; ORTHO_NOTHING after the last. */
struct ortho_round ortho_round(size_t n, size_t number);

/* Tasks of a round, which depend on the shape alone. */
size_t ortho_tasks(const struct ortho *m, const struct ortho_round *r);

/* Floating-point operations of n iterations. */
double ortho_flops(size_t rows, size_t cols, size_t n);

/* The rows of a task of ORTHO_LOAD or ORTHO_RESULT. */
struct ortho_rows {
    size_t first, count;
};
struct ortho_rows ortho_rows(const struct ortho *m, size_t task);

/* Where a task of loading writes its rows of Y before it calls ortho_run. */
float *ortho_input(const struct ortho *m, const struct kern *k, size_t task, float *spare);

/* Runs a task. Returns, for ORTHO_RESULT of the last stage, its rows of X, which lie in spare; else
 * NULL. */
const float *ortho_run(const struct ortho *m, const struct kern *k, const struct ortho_round *r,
                       size_t task, float *spare);

#endif
