/* kern.h - the table of arithmetic, one function pointer an operation.
 *
 * kern_init fills the table with plain C (kern.c, exact.c), then what the level's features allow
 * overwrites what it does better: a folder an architecture. Nothing outside this folder knows
 * which.
 *
 * Operands of products are made of 32-bit cells. In f32 a cell is a float, and any float matrix is
 * an operand as it stands. In bf16 (kern_use_bf16) a cell is two bf16 numbers that are multiplied
 * by the two of another cell and added: neighbours along the dimension that a product sums over. So
 * one float matrix [rows][cols] has two operand forms, made by `operand`:
 *
 * - by rows, [rows][DIV_UP(cols, unit)]: cell j of a row holds columns 2j and 2j+1, to sum over
 * columns;
 * - by columns, [DIV_UP(rows, unit)][cols]: cell i of a column holds rows 2i and 2i+1, to sum over
 * rows;
 *
 *       float matrix        by rows: 3 x 1 cells      by columns: 2 x 2 cells
 *
 *        a  b                  (a b)                     (a c)  (b d)
 *        c  d                  (c d)                     (e 0)  (f 0)
 *        e  f                  (e f)
 *
 * with zero beyond an odd end. bf16 is the upper half of a float, rounded to nearest even; sums
 * stay float.
 *
 * All other matrices are row-major floats; pointers are aligned to float only. Results are bounded:
 * |got - exact| <= c n eps sum |a_i b_i|; the same bits for the same level whatever the number of
 * threads or the grouping of rows, not across levels - but for the operations marked exact, which
 * are the same bits on every level. Sizes are at least 1. Nothing beyond the operands as they are
 * described is read or written. Inputs are finite, outputs never overlap inputs unless said; but so
 * that a run that diverges is seen, NaN stays NaN in operands and through rmsnorm, gate, swiglu,
 * logsumexp and the sums of powers, and infinity becomes NaN in logsumexp. Results below FLT_MIN
 * may be 0. */
#ifndef KERN_H
#define KERN_H

#include "kern/exact.h"
#include "base/cpu.h"

/* The B operand of a product, k rows of n cells, row-major with a stride, or packed in panels. */
struct kern_b {
    const void *cells;
    size_t stride; /* cells between rows; 0: packed by kern->pack */
    bool far;      /* a hint: most of it stands beyond the second cache, so fetch it ahead */
};

enum { KERN_CACHE = 512 << 10 };

struct kern_conv;
struct kern_adamw;
struct kern_descend;
enum { KERN_SUM_COLUMNS = 256 };
#define KERN_SUM_LIMIT 0x1p80f

struct kern {
    const struct cpu_level *level;
    size_t panel; /* columns of a packed panel, a power of two */

    size_t cache; /* bytes of second-level cache that a thread has: sizes of tiles follow it,
                     results do not. kern_init sets KERN_CACHE; whoever knows better sets that */

    size_t unit; /* numbers in a cell: 1 (float) or 2 (bf16) */

    /* C [m][n] (row stride c_stride) = or += A B, summing over k cells. A's cell (i, p) is
     * a[i*a_row + p*a_col], so A may be transposed. Each element of C is one chain over p in
     * ascending order, starting from C when adding, the same bits however A and B lie: rows may be
     * grouped at will, and n cut at multiples of panel (a packed B then begins at cell j * k). C
     * beyond n columns and m rows is untouched. */
    void (*product)(size_t m, size_t n, size_t k, const void *a, size_t a_row, size_t a_col,
                    struct kern_b b, float *c, size_t c_stride, bool add);

    /* Packs rows [first, first + count) of W [n_out][n_in] floats, transposed, into the panels of a
     * B of k = DIV_UP(n_in, unit), n = n_out: panel j holds columns j*panel.. as [k][panel], zero
     * beyond n_out. first is a multiple of panel, count too unless it ends at n_out; other panels
     * are untouched. `out` is the whole B, kern_packed_cells long. */
    void (*pack)(const float *w, size_t n_out, size_t n_in, size_t first, size_t count, void *out);

    /* The most that the product's instruction can do: n rounds of independent multiply-adds in
     * registers. Returns the floating-point operations done (a multiply-add is two). */
    double (*spin)(size_t n);

    /* Writes the operand forms of x [rows][cols]; either may be NULL. NULL in f32, where x is both.
     */
    void (*operand)(const float *x, size_t rows, size_t cols, void *by_rows, void *by_columns);

    /* rmsnorm over one row of n: *rstd = 1/sqrt(mean(x^2) + eps), y = x * rstd * scale (Zhang and
     * Sennrich 2019, eq. 4). All NaN where the sum of squares is not finite. */
    void (*rmsnorm)(const float *x, const float *scale, size_t n, float eps, float *y, float *rstd);

    /* Given dy: dx += d loss/dx, dscale += d loss/dscale. */
    void (*rmsnorm_back)(const float *x, const float *scale, float rstd, const float *dy, size_t n,
                         float *dx, float *dscale);

    /* The depthwise convolution (struct kern_conv): y_r[c] = sum over taps i of taps[i][c] *
     * v_j[c], j = r - (n_taps - 1 - i) * back. */
    void (*conv)(const struct kern_conv *o, const float *v, float *y);

    /* Input gradient of the same, of rows that n_taps rows read: dv_r[c] = sum over i of
     * taps[n_taps-1-i][c] * dy_j[c], j = r + i * back. */
    void (*conv_back)(const struct kern_conv *o, const float *dy, float *dv);

    /* Tap gradient: dtaps[i][c] += dy_r[c] * v_j[c], j as in conv, for each row in turn. */
    void (*conv_taps)(const struct kern_conv *o, const float *dy, const float *v, float *dtaps);

    /* u = c * sigmoid(g). */
    void (*gate)(const float *c, const float *g, size_t n, float *u);
    /* Given du: dc = du * sigmoid(g), dg = du * c * sigmoid'(g), and u once more, the bits of
     * `gate`. dc or dg may be du itself. */
    void (*gate_back)(const float *c, const float *g, const float *du, size_t n, float *dc,
                      float *dg, float *u);

    /* h = silu(a) * b, silu(a) = a sigmoid(a) (SwiGLU, Shazeer 2020, eq. 6). */
    void (*swiglu)(const float *a, const float *b, size_t n, float *h);
    /* Given dh: da, db, and h once more, the bits of `swiglu`. da or db may be dh itself. */
    void (*swiglu_back)(const float *a, const float *b, const float *dh, size_t n, float *da,
                        float *db, float *h);

    /* y += x. Exact. */
    void (*add)(const float *x, size_t n, float *y);

    /* Natural log of sum exp(x), computed from the differences to the maximum. */
    float (*logsumexp)(const float *x, size_t n);

    /* The largest of n numbers; if some are NaN, any of them. */
    float (*maximum)(const float *x, size_t n);

    /* Columns of a softmax, without the division. Of rows x [rows][n], x_stride floats apart, the
     * powers e^(x - level[r]) are left as operand forms: in f32 in place of x (by_rows and
     * by_columns are not used), in bf16 by rows, [rows][DIV_UP(n, 2)], and by columns, whose
     * [DIV_UP(rows, 2)] rows are columns_stride cells apart (x is then undefined). sum[r] grows by
     * the sum of each KERN_SUM_COLUMNS of them in turn. So rows may be grouped at will by even
     * numbers, and columns cut at multiples of KERN_SUM_COLUMNS; then softmax = power / sum and
     * logsumexp = level + log(sum). Powers end at e^88: a sum above KERN_SUM_LIMIT tells of a
     * level too far below its row. */
    void (*powers)(float *x, size_t x_stride, size_t rows, size_t n, const float *level, float *sum,
                   void *by_rows, void *by_columns, size_t columns_stride);

    /* A row of attention weights and, unless d is NULL, back through it: s = softmax(scale * s); d
     * = scale * s * (d - sum of s d), elementwise. scale > 0. Of scores of -1e30 and less beside
     * others the weight is 0, or below FLT_MIN. */
    void (*attend)(float *s, float *d, float scale, size_t n);

    /* Sum of |w|, and of w^2, in double; exact order: 16 lanes, lane i sums elements i, i+16, ...,
     * then the lanes fold in halves (8, 4, 2, 1). Same bits on every level. */
    double (*sum_abs)(const float *w, size_t n);
    double (*sum_sq)(const float *w, size_t n);

    /* out = clamp(round_half_even(w / divisor), -1, 1) * alpha, where 0 is +0. Exact. */
    void (*quantise)(const float *w, size_t n, float divisor, float alpha, float *out);

    /* One AdamW step (Loshchilov and Hutter 2019, algorithm 2) on n parameters, with the gradient
     * multiplied by g_scale first (clipping). bias1 = 1 - beta1^t, bias2 = 1 - beta2^t. */
    void (*adamw)(float *w, const float *g, float *m, float *v, size_t n,
                  const struct kern_adamw *o);

    /* Momentum after Nesterov, as means: m = mu m + (1 - mu) g, y = mu m + (1 - mu) g. */
    void (*nesterov)(const float *g, float *m, size_t n, float mu, float *y);

    /* w -= decay * w + rate * x. */
    void (*descend)(float *w, const float *x, size_t n, const struct kern_descend *o);

    /* y = a x + b y; x may be y itself. */
    void (*axpby)(float a, const float *x, float b, size_t n, float *y);

    /* out[j * out_stride + i] = in[i * in_stride + j], i < rows, j < cols: cells. Exact. */
    void (*transpose)(const void *in, size_t in_stride, size_t rows, size_t cols, void *out,
                      size_t out_stride);

    struct kern_exact exact;
};

/* Rows of a sequence, one after the other, whose convolution has as many taps: K, or fewer where
 * the sequence begins or ends, taps [n_taps][n] being the last of them. Rows of y and dy are n
 * floats apart, those of v and dv `stride`; `v` and `dy` point at the first of `rows` rows, before
 * or after which those that the taps reach stand. */
struct kern_conv {
    const float *taps;
    size_t n_taps;
    size_t n;
    size_t rows;
    size_t back; /* rows from a tap to the next */
    size_t stride;
};

struct kern_adamw {
    float lr, beta1, beta2, eps, weight_decay;
    float bias1, bias2;
    float g_scale;
};

struct kern_descend {
    float rate, decay;
};

/* Fills the table for `level`, which this machine must have (cpu.h). */
void kern_init(struct kern *k, const struct cpu_level *level);

/* The same for programs that do not train, which then do not link the rest: fills level, add and
 * exact only. */
void kern_init_inference(struct kern *k, const struct cpu_level *level);

/* Changes the products of a filled table to bf16: by the level's instructions where it has any,
 * else in plain C, which is slow. */
void kern_use_bf16(struct kern *k);
bool kern_has_bf16(const struct kern *k); /* instructions for it */

/* Cells of a packed B of k rows and n columns: whole panels. */
static inline size_t kern_packed_cells(const struct kern *kn, size_t k, size_t n)
{
    return DIV_UP(n, kn->panel) * kn->panel * k;
}

/* ---- for the files of this folder ------------------------------------------------------------ */

/* What an architecture adds to the table but for its exact part, as far as its features allow, and
 * to one in bf16. */
void kern_v128(struct kern *k, uint32_t features);
void kern_x86(struct kern *k, uint32_t features);
void kern_x86_bf16(struct kern *k, uint32_t features);
void kern_arm(struct kern *k, uint32_t features);

/* What it adds to the exact part. */
void kern_v128_inference(struct kern_exact *k, uint32_t features);
void kern_x86_inference(struct kern_exact *k, uint32_t features);
void kern_arm_inference(struct kern_exact *k, uint32_t features);
void kern_wasm_inference(struct kern_exact *k, uint32_t features);

/* pack of floats into panels of `panel` columns, in plain C. */
void kern_pack_floats(const float *w, size_t n_out, size_t n_in, size_t first, size_t count,
                      size_t panel, void *out);

/* powers in plain C and f32. */
void kern_powers_c(float *x, size_t x_stride, size_t rows, size_t n, const float *level, float *sum,
                   void *by_rows, void *by_columns, size_t columns_stride);

#endif
