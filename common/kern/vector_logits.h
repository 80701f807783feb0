/* vector_logits.h - the operations of a sampler on logits (exact.h), written once on `vec`:
 * exponents and their sum, the largest, the k largest. Not a header in the usual sense: the
 * instruction-set files define `vec` and the v_ functions, then include this file. */
#ifndef VECTOR_LOGITS_H
#define VECTOR_LOGITS_H

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "kern/exact.h"
#include "kern/vector_math.h"

enum {
    LOGITS_BLOCK = 256,       /* logits between two looks at which was the largest */
    LOGITS_WORD = 64,         /* comparisons in a word of bits */
    LOGITS_MAX_STRIPES = 258, /* of whole words each, whose maxima are kept */
    LOGITS_MAX_FOLDED = 32    /* vectors of maxima of several stripes */
};

/* n < WIDTH floats, then -infinity. */
INLINE vec logits_load_end(const float *x, size_t n)
{
    float v[WIDTH];
    for (size_t i = 0; i < WIDTH; i++)
        v[i] = -INFINITY;
    memcpy(v, x, n * sizeof *v);
    return v_load(v);
}

/* By lanes; NaN is passed over. */
INLINE vec logits_maxima(const float *x, size_t n)
{
    vec most[4];
    size_t i = 0;
    for (size_t v = 0; v < 4; v++)
        most[v] = v_set(-INFINITY);
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH)
        for (size_t v = 0; v < 4; v++)
            most[v] = v_max(v_load(x + i + v * WIDTH), most[v]);
    if (i < n) {
        for (; i + WIDTH <= n; i += WIDTH)
            most[0] = v_max(v_load(x + i), most[0]);
        most[0] = v_max(logits_load_end(x + i, n - i), most[0]);
    }
    return v_max(v_max(most[0], most[1]), v_max(most[2], most[3]));
}

/* How many floats stand before the first whose vector does not straddle a line of the cache: where
 * the data stays in the first-level cache, that halves the time of a pass. */
INLINE size_t logits_before_line(const float *x, size_t n)
{
    size_t before = (64 - (uintptr_t)x % 64) % 64 / sizeof *x;
    return MIN(before, n);
}

/* ---- exponents ------------------------------------------------------------------------------- */

static void logits_exp(const float *x, size_t n, float *y)
{
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        v_store(y + i, v_exp_exact(v_load(x + i)));
    if (i < n)
        v_store_mask(y + i, v_exp_exact(logits_load_end(x + i, n - i)), v_mask(n - i));
}

/* Where all are -infinity, x - most is NaN, in the lanes after the end too; elsewhere those add
 * nothing. */
static float logits_logsumexp(const float *x, size_t n)
{
    enum { VECS = KERN_LANES / WIDTH };
    float most = v_max_of(logits_maxima(x, n));
    vec m = v_set(most);
    vec sum[VECS];
    float lane[KERN_LANES];
    size_t i = 0;
    for (size_t v = 0; v < VECS; v++)
        sum[v] = v_set(0.0f);
    for (; i + KERN_LANES <= n; i += KERN_LANES)
        for (size_t v = 0; v < VECS; v++)
            sum[v] = v_add(sum[v], v_exp_exact(v_sub(v_load(x + i + v * WIDTH), m)));
    for (size_t v = 0; i < n; v++, i += WIDTH) {
        vec last = i + WIDTH <= n ? v_load(x + i) : logits_load_end(x + i, n - i);
        sum[v] = v_add(sum[v], v_exp_exact(v_sub(last, m)));
    }
    for (size_t v = 0; v < VECS; v++)
        v_store(lane + v * WIDTH, sum[v]);
    for (size_t half = KERN_LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return most + (float)fmath_log((double)lane[0]);
}

/* ---- the largest ----------------------------------------------------------------------------- */

static size_t logits_first_number(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i]))
            return i;
    return 0;
}

/* Lane by lane the largest, and the block in which it first stood; then that block is searched.
 * Block 0 ends where a line of the cache does. */
static size_t logits_argmax(const float *x, size_t n)
{
    size_t first = logits_before_line(x, n);
    size_t end = first;
    vec most = logits_maxima(x, first);
    vec where = v_set(0.0f);
    float most_of[WIDTH];
    float where_of[WIDTH];
    for (size_t b = 1; end < n; b++, end += LOGITS_BLOCK) {
        vec m = logits_maxima(x + end, MIN(n - end, (size_t)LOGITS_BLOCK));
        where = v_select_less(most, m, v_set((float)b), where);
        most = v_max(m, most);
    }
    v_store(most_of, most);
    v_store(where_of, where);
    float highest = v_max_of(most);
    if (!(highest > -INFINITY))
        return logits_first_number(x, n);
    float earliest = INFINITY;
    for (size_t l = 0; l < WIDTH; l++)
        earliest = most_of[l] == highest ? MIN(where_of[l], earliest) : earliest;
    size_t block = (size_t)earliest;
    size_t i = block > 0 ? first + (block - 1) * LOGITS_BLOCK : 0;
    for (; i + WIDTH <= n; i += WIDTH)
        if (v_bits_at_least(v_load(x + i), v_set(highest)))
            break;
    while (!(x[i] >= highest))
        i++;
    return i;
}

/* ---- the k largest --------------------------------------------------------------------------- */

/* Floats in an order of whole numbers: -infinity is the lowest. */
static uint32_t logits_key(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000;
}

static float logits_of_key(uint32_t key)
{
    uint32_t bits = key >> 31 ? key & 0x7fffffff : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* How many are at least bound, which is more than -infinity. */
INLINE size_t logits_count(const float *x, size_t n, float bound)
{
    vec b = v_set(bound);
    size_t count = 0;
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        count += (size_t)__builtin_popcount(v_bits_at_least(v_load(x + i), b));
    for (; i < n; i++)
        count += x[i] >= bound;
    return count;
}

/* A bound that k of x reach, but not many more unless they are equal; -infinity if fewer than k are
 * above it. Halves the interval between the bounds that are known to be low enough and too high. */
static float logits_bound(const float *x, size_t n, size_t k)
{
    uint32_t low = logits_key(-INFINITY);
    uint32_t high = logits_key(INFINITY) + 1;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        size_t count = logits_count(x, n, logits_of_key(middle));
        if (count >= k && count <= k + k / 8)
            return logits_of_key(middle);
        low = count >= k ? middle : low;
        high = count >= k ? high : middle;
    }
    return logits_of_key(low);
}

/* Writes, ascending, base + the places of the bits that are set; there is room for two, and
 * most words have no more: no branch then. */
INLINE size_t logits_write(uint64_t bits, size_t base, uint16_t *ids)
{
    size_t count = (size_t)__builtin_popcountll(bits);
    for (size_t j = 0; j < 2; j++, bits &= bits - 1)
        ids[j] = (uint16_t)(base + (size_t)__builtin_ctzll(bits | 1ull << 63));
    for (size_t j = 2; bits; j++, bits &= bits - 1)
        ids[j] = (uint16_t)(base + (size_t)__builtin_ctzll(bits));
    return count;
}

/* x cut into stripes: the first ends where a line of the cache does, the others are `size` long,
 * the last one maybe shorter. */
struct logits_stripes {
    size_t first, size, n;
    size_t count;
    float most[LOGITS_MAX_STRIPES * WIDTH]; /* maxima of each, by lanes */
};

INLINE size_t logits_stripe_start(const struct logits_stripes *s, size_t stripe)
{
    return stripe > 0 ? s->first + (stripe - 1) * s->size : 0;
}

static void logits_cut(struct logits_stripes *s, const float *x, size_t n)
{
    size_t first = logits_before_line(x, n);
    size_t size = LOGITS_WORD * DIV_UP(n, (size_t)LOGITS_WORD * (LOGITS_MAX_STRIPES - 2));
    size_t i = first;
    float *most = s->most;
    v_store(most, logits_maxima(x, first));
    most += WIDTH;
    if (size == LOGITS_WORD)
        for (; i + LOGITS_WORD <= n; i += LOGITS_WORD, most += WIDTH) {
            vec m = v_set(-INFINITY);
            for (size_t v = 0; v < LOGITS_WORD; v += WIDTH)
                m = v_max(v_load(x + i + v), m);
            v_store(most, m);
        }
    for (; i < n; i += size, most += WIDTH)
        v_store(most, logits_maxima(x + i, MIN(n - i, size)));
    s->n = n;
    s->first = first;
    s->size = size;
    s->count = (size_t)(most - s->most) / WIDTH;
}

/* The bound comes from maxima of groups: k of those are k of x. There are more than twice k groups,
 * so that few of them hold two of the largest; if need be each element is one. */
static float logits_bound_of(const struct logits_stripes *s, const float *x, size_t k)
{
    float folded[LOGITS_MAX_FOLDED * WIDTH];
    size_t n_vecs = DIV_UP(3 * k, (size_t)WIDTH);
    if (2 * k > s->count * WIDTH)
        return logits_bound(x, s->n, k);
    if (n_vecs > MIN(s->count, (size_t)LOGITS_MAX_FOLDED))
        return logits_bound(s->most, s->count * WIDTH, k);
    for (size_t v = 0; v < n_vecs; v++) {
        vec m = v_load(s->most + v * WIDTH);
        for (size_t i = v + n_vecs; i < s->count; i += n_vecs)
            m = v_max(v_load(s->most + i * WIDTH), m);
        v_store(folded + v * WIDTH, m);
    }
    return logits_bound(folded, n_vecs * WIDTH, k);
}

/* The stripes that contribute; branches that no predictor could guess would cost more. */
static size_t logits_stripes_at_least(const struct logits_stripes *s, vec bound, uint16_t *stripes)
{
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++) {
        stripes[count] = (uint16_t)i;
        count += v_bits_at_least(v_load(s->most + i * WIDTH), bound) != 0;
    }
    return count;
}

static size_t logits_collect(const struct logits_stripes *s, const float *x, float bound,
                             uint16_t *ids)
{
    uint16_t stripes[LOGITS_MAX_STRIPES];
    vec b = v_set(bound);
    size_t n_stripes = logits_stripes_at_least(s, b, stripes);
    size_t count = 0;
    for (size_t j = 0; j < n_stripes; j++) {
        size_t i = logits_stripe_start(s, stripes[j]);
        size_t end = MIN(logits_stripe_start(s, stripes[j] + 1), s->n);
        for (; i + LOGITS_WORD <= end; i += LOGITS_WORD) {
            uint64_t bits = 0;
            for (size_t v = 0; v < LOGITS_WORD; v += WIDTH)
                bits |= (uint64_t)v_bits_at_least(v_load(x + i + v), b) << v;
            count += logits_write(bits, i, ids + count);
        }
        for (; i < end; i++) {
            ids[count] = (uint16_t)i;
            count += x[i] >= bound;
        }
    }
    return count;
}

static size_t logits_largest(const float *x, size_t n, size_t k, uint16_t *ids)
{
    struct logits_stripes s;
    logits_cut(&s, x, n);
    float bound = logits_bound_of(&s, x, k);
    if (bound > -INFINITY)
        return logits_collect(&s, x, bound, ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (uint16_t)i;
    return n;
}

/* ---- those that may reach a bound ------------------------------------------------------------ */

static size_t logits_reaching(const float *x, size_t n, float a, const float *s, float b,
                              const float *t, float bound, uint16_t *ids)
{
    vec av = v_set(a);
    vec bv = v_set(b);
    vec least = v_set(bound);
    size_t count = 0;
    size_t i = 0;
    for (; i + LOGITS_WORD <= n; i += LOGITS_WORD) {
        uint64_t bits = 0;
        for (size_t v = i; v < i + LOGITS_WORD; v += WIDTH) {
            vec slack = v_add(v_mul(av, v_load(s + v)), v_mul(bv, v_load(t + v)));
            bits |= (uint64_t)v_bits_at_least(v_add(v_load(x + v), slack), least) << (v - i);
        }
        count += logits_write(bits, i, ids + count);
    }
    for (; i < n; i++) {
        ids[count] = (uint16_t)i;
        count += x[i] + (a * s[i] + b * t[i]) >= bound;
    }
    return count;
}

static void logits_install(struct kern_exact *k)
{
    k->exp = logits_exp;
    k->logsumexp = logits_logsumexp;
    k->argmax = logits_argmax;
    k->largest = logits_largest;
    k->reaching = logits_reaching;
}

#endif
