/* vector_attend.h - attention of one query of one head (exact.h), written once on `vec`. Not a
 * header in the usual sense: the instruction-set files define `vec` and the v_ functions, include
 * vector_logits.h, then this file. Every lane computes what plain C computes, by the same
 * operations in the same order. */
#ifndef VECTOR_ATTEND_H
#define VECTOR_ATTEND_H

#include <string.h>

#include "kern/vector_logits.h"

enum {
    ATTEND_VECS = 4, /* of keys at a time: as many sums as hide the latency of an addition */
    ATTEND_SUMS = 4  /* of an output: part of the written order */
};

INLINE vec attend_load(const bool whole, const float *p, vmask have)
{
    return whole ? v_load(p) : v_load_mask(p, have);
}

/* Scores of `vecs` vectors of keys, a single one as far as `rest` goes. */
INLINE void attend_scores(const size_t vecs, const struct kern_attend *a, size_t j, vmask rest)
{
    vec sum[ATTEND_VECS];
    for (size_t v = 0; v < vecs; v++)
        sum[v] = v_set(0.0f);
    for (size_t c = 0; c < a->key_width; c++) {
        const float *k = a->keys + c * a->key_stride + j;
        vec q = v_set(a->query[c]);
        for (size_t v = 0; v < vecs; v++)
            sum[v] = v_add(sum[v], v_mul(q, attend_load(vecs > 1, k + v * WIDTH, rest)));
    }
    for (size_t v = 0; v < vecs; v++) {
        vec bias = attend_load(vecs > 1, a->bias + j + v * WIDTH, rest);
        vec score = v_add(v_mul(sum[v], v_set(a->scale)), bias);
        v_store_mask(a->weights + j + v * WIDTH, score, rest);
    }
}

/* weights = e^(score - the largest); returns their sum in KERN_LANES lanes. */
INLINE float attend_powers(float *x, size_t n)
{
    enum { VECS = KERN_LANES / WIDTH };
    vec most = v_set(v_max_of(logits_maxima(x, n)));
    vec sum[VECS];
    float lane[KERN_LANES];
    size_t i = 0;
    for (size_t v = 0; v < VECS; v++)
        sum[v] = v_set(0.0f);
    for (; i + KERN_LANES <= n; i += KERN_LANES)
        for (size_t v = 0; v < VECS; v++) {
            vec p = v_exp_exact(v_sub(v_load(x + i + v * WIDTH), most));
            v_store(x + i + v * WIDTH, p);
            sum[v] = v_add(sum[v], p);
        }
    for (size_t v = 0; i < n; v++, i += WIDTH) {
        vmask have = v_mask(MIN(n - i, (size_t)WIDTH));
        v_store_mask(x + i, v_exp_exact(v_sub(v_load_mask(x + i, have), most)), have);
        sum[v] = v_add(sum[v], v_load_mask(x + i, have)); /* +0 beyond the end, to a sum >= 0 */
    }
    for (size_t v = 0; v < VECS; v++)
        v_store(lane + v * WIDTH, sum[v]);
    for (size_t half = KERN_LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* Outputs c to c + WIDTH, or as far as `have` goes; `whole` is a constant where it is inlined. */
INLINE void attend_values(const bool whole, const struct kern_attend *a, size_t c, vmask have,
                          float factor)
{
    const float *values = a->values + c;
    vec sum[ATTEND_SUMS];
    size_t j = 0;
    for (size_t s = 0; s < ATTEND_SUMS; s++)
        sum[s] = v_set(0.0f);
    for (; j + ATTEND_SUMS <= a->n; j += ATTEND_SUMS)
        for (size_t s = 0; s < ATTEND_SUMS; s++) {
            vec v = attend_load(whole, values + (j + s) * a->value_stride, have);
            sum[s] = v_add(sum[s], v_mul(v_set(a->weights[j + s]), v));
        }
    for (size_t s = 0; j < a->n; s++, j++) {
        vec v = attend_load(whole, values + j * a->value_stride, have);
        sum[s] = v_add(sum[s], v_mul(v_set(a->weights[j]), v));
    }
    vec total = v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3]));
    v_store_mask(a->out + c, v_mul(total, v_set(factor)), have);
}

static void exact_attend(const struct kern_attend *a)
{
    size_t j = 0;
    for (; j + ATTEND_VECS * WIDTH <= a->n; j += ATTEND_VECS * WIDTH)
        attend_scores(ATTEND_VECS, a, j, v_mask(WIDTH));
    for (; j < a->n; j += WIDTH)
        attend_scores(1, a, j, v_mask(MIN(a->n - j, (size_t)WIDTH)));
    float factor = 1.0f / attend_powers(a->weights, a->n);
    size_t c = 0;
    for (; c + WIDTH <= a->value_width; c += WIDTH)
        attend_values(true, a, c, v_mask(WIDTH), factor);
    if (c < a->value_width)
        attend_values(false, a, c, v_mask(a->value_width - c), factor);
}

#endif
