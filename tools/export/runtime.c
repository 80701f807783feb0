#include "export/runtime.h"

#include <float.h>

/* The same bits everywhere: every operation below is one of IEEE 754 single precision, in the order
 * written, rounded by itself. */
#if FLT_RADIX != 2 || FLT_MANT_DIG != 24 || FLT_MAX_EXP != 128
#error "float is not IEEE 754 single precision"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "floats are computed in another precision; on a 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif
#ifdef __FAST_MATH__
#error "-ffast-math changes results; compile without it"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

/* A ternary matrix by groups of three columns; of each the rows, six in a word, the first in the
 * lowest five bits: (w0 + 1) + 3 (w1 + 1) + 9 (w2 + 1). Columns beyond the last one weigh 0. */
struct ternary {
    const uint32_t *words;
    float alpha; /* a weight is alpha times -1, 0 or 1 */
};

struct block {
    const float *norm1;         /* [WIDTH] */
    const float *taps;          /* [TAPS][WIDTH], the last for the token itself */
    const float *norm2;         /* [WIDTH] */
    struct ternary mixer_gate;  /* [WIDTH][WIDTH] */
    struct ternary mixer_value; /* [WIDTH][WIDTH] */
    struct ternary mixer_down;  /* [WIDTH][WIDTH] */
    struct ternary ffn_gate;    /* [HIDDEN][WIDTH] */
    struct ternary ffn_up;      /* [HIDDEN][WIDTH] */
    struct ternary ffn_down;    /* [WIDTH][HIDDEN] */
    uint32_t dilation;
#ifdef RUNTIME_WINDOW
    /* of attention, instead of taps */
    const float *distance; /* [HEADS][WINDOW], what a score gets of a token so far back; or NULL */
    struct ternary query;  /* [KEYS][WIDTH] */
    struct ternary key;    /* [KEYS][WIDTH] */
    uint32_t key_row;      /* of runtime.keys, with which its ring of keys begins */
#endif
};

/* @model */
static const uint32_t ternary_0[] = {0x0000000e};
static const float vector_0[] = {0x1p+0f};
static const struct block blocks[RUNTIME_BLOCKS] = {
    {vector_0,
     vector_0,
     vector_0,
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     1,
     0,
     {0, 0x0p+0f},
     {0, 0x0p+0f},
     0},
    {vector_0,
     0,
     vector_0,
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     1,
     vector_0,
     {ternary_0, 0x1p+0f},
     {ternary_0, 0x1p+0f},
     0},
};
static const float embed_norm[] = {0x1p+0f};
static const float final_norm[] = {0x1p+0f};
static const int8_t embedding[] = {1, 2, 3, 4, 5, 6, 7, 8};
static const float row_scales[] = {1, 1, 1, 1, 1, 1, 1, 1};
static const uint8_t text_lengths[] = {0, 3, 0, 0, 1, 1, 1, 2};
static const uint32_t text_starts[] = {0};
static const uint8_t text_bytes[] = {0xef, 0xbf, 0xbd, 0x61, 0x62, 0x63, 0x61, 0x62};
/* @end */

enum {
    WIDTH = RUNTIME_WIDTH,
    LANES = 16,        /* partial sums of a norm */
    CELLS = 6,         /* rows in a word of ternary weights */
    GROUPS = 4,        /* groups of columns at a time */
    SUMS = 27,         /* signed sums of a group */
    ROWS = 8,          /* logits at a time */
    TEXTS_A_START = 32 /* tokens for each of text_starts */
};
#ifdef RUNTIME_WINDOW
enum {
    HEADS = RUNTIME_HEADS,
    KEY_WIDTH = RUNTIME_KEY_WIDTH,
    KEYS = RUNTIME_KEYS,
    VALUE_WIDTH = WIDTH / HEADS,
    WINDOW = RUNTIME_WINDOW
};
#endif

/* For inner loops, whose tables are then reached from a register of their own. */
#ifdef __GNUC__
#define APART __attribute__((noinline))
#else
#define APART
#endif

union number {
    float number;
    uint32_t bits;
};

static uint32_t bits_of(float x)
{
    union number u;
    u.number = x;
    return u.bits;
}

static float float_of(uint32_t bits)
{
    union number u;
    u.bits = bits;
    return u.number;
}

/* ---- functions ------------------------------------------------------------------------------- */

/* The nearest float to the square root of a number that is not negative. x = m 2^e, 2^23 <= m <
 * 2^25, e odd; the root of m 2^25 has 25 bits, one more than a float, and cannot lie halfway. */
static float square_root(float x)
{
    uint32_t bits = bits_of(x);
    int32_t e = (int32_t)(bits >> 23) - 150;
    uint64_t rest = (bits & 0x7fffff) | 0x800000;
    uint64_t root = 0;
    uint64_t bit = (uint64_t)1 << 48;
    if (!(x > 0) || bits >= 0x7f800000)
        return x;          /* zero, NaN and infinity */
    if (bits < 0x800000) { /* subnormal */
        rest = bits;
        for (e = -149; rest < 0x800000; e--)
            rest <<= 1;
    }
    if (e % 2 == 0) {
        rest <<= 1;
        e--;
    }
    for (rest <<= 25; bit > 0; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return float_of((uint32_t)((e - 23) / 2 + 149) * 0x800000 + (uint32_t)((root + 1) >> 1));
}

/* e^x: x = n ln 2 + r, a polynomial in r, 2^n in two factors. */
static float exponential(float x)
{
    float n, r, p;
    int32_t whole, half;
    if (!(x >= -87.3f))
        return x < -87.3f ? 0.0f : x;
    if (x > 88.7f)
        return float_of(0x7f800000);
    n = x * 1.44269504f;
    n = (n + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23: rounds to nearest, ties to even */
    r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    whole = (int32_t)n;
    half = whole / 2;
    return p * float_of((uint32_t)(half + 127) << 23) *
           float_of((uint32_t)(whole - half + 127) << 23);
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + exponential(-x));
}

/* y = x / sqrt(mean(x^2) + 1e-6) * scale; the sum of squares in LANES partial ones. */
static void normalise(const float *x, const float *scale, float *y)
{
    float lane[LANES];
    float r;
    uint32_t i, half;
    for (i = 0; i < LANES; i++)
        lane[i] = 0;
    for (i = 0; i < WIDTH; i++)
        lane[i % LANES] += x[i] * x[i];
    for (half = LANES / 2; half > 0; half /= 2)
        for (i = 0; i < half; i++)
            lane[i] += lane[i + half];
    r = 1.0f / square_root(lane[0] / (float)WIDTH + 1e-6f);
    for (i = 0; i < WIDTH; i++)
        y[i] = x[i] * r * scale[i];
}

/* The 27 signed sums (±x0 ± x1) ± x2 of the n <= 3 numbers x, those that miss being 0. */
static void signed_sums(const float *x, uint32_t n, float *sums)
{
    float x0 = x[0];
    float x1 = n > 1 ? x[1] : 0;
    float x2 = n > 2 ? x[2] : 0;
    float pair[9];
    uint32_t i;
    pair[0] = -x0 - x1;
    pair[1] = 0 - x1;
    pair[2] = x0 - x1;
    pair[3] = -x0 + 0;
    pair[4] = 0;
    pair[5] = x0 + 0;
    pair[6] = -x0 + x1;
    pair[7] = 0 + x1;
    pair[8] = x0 + x1;
    for (i = 0; i < 9; i++) {
        sums[i] = pair[i] - x2;
        sums[9 + i] = pair[i] + 0;
        sums[18 + i] = pair[i] + x2;
    }
}

/* Adds to `rows` numbers the sums that their weights in one group choose. */
static void add_group(const uint32_t *words, const float *sums, float *y, uint32_t rows)
{
    uint32_t r, word = 0;
    for (r = 0; r < rows; r++, word >>= 5) {
        if (r % CELLS == 0)
            word = *words++;
        y[r] += sums[word & 31];
    }
}

static inline float add_four(float y, const float (*sums)[SUMS], uint32_t a, uint32_t b, uint32_t c,
                             uint32_t d)
{
    y += sums[0][a];
    y += sums[1][b];
    y += sums[2][c];
    return y + sums[3][d];
}

/* The same for GROUPS groups one after the other: each number is fetched and stored once. */
static APART void add_groups(const uint32_t *words, const float (*sums)[SUMS], float *y,
                             uint32_t rows)
{
    uint32_t group_words = (rows + CELLS - 1) / CELLS;
    uint32_t r, i;
    for (r = 0; r + CELLS <= rows; r += CELLS, y += CELLS, words++) {
        uint32_t a = words[0];
        uint32_t b = words[group_words];
        uint32_t c = words[2 * group_words];
        uint32_t d = words[3 * group_words];
        y[0] = add_four(y[0], sums, a & 31, b & 31, c & 31, d & 31);
        y[1] = add_four(y[1], sums, a >> 5 & 31, b >> 5 & 31, c >> 5 & 31, d >> 5 & 31);
        y[2] = add_four(y[2], sums, a >> 10 & 31, b >> 10 & 31, c >> 10 & 31, d >> 10 & 31);
        y[3] = add_four(y[3], sums, a >> 15 & 31, b >> 15 & 31, c >> 15 & 31, d >> 15 & 31);
        y[4] = add_four(y[4], sums, a >> 20 & 31, b >> 20 & 31, c >> 20 & 31, d >> 20 & 31);
        y[5] = add_four(y[5], sums, a >> 25, b >> 25, c >> 25, d >> 25);
    }
    for (i = 0; i < GROUPS && r < rows; i++)
        add_group(words + i * group_words, sums[i], y, rows - r);
}

/* y = W x for n <= 2 matrices of the same shape: group by group, each adds one of its signed sums
 * to every row. */
static void multiply(const struct ternary *const *w, float *const *y, uint32_t n, const float *x,
                     uint32_t cols, uint32_t rows)
{
    float sums[GROUPS][SUMS];
    uint32_t group_words = (rows + CELLS - 1) / CELLS;
    uint32_t at = 0;
    uint32_t c, i, r;
    for (i = 0; i < n; i++)
        for (r = 0; r < rows; r++)
            y[i][r] = 0;
    for (c = 0; c < cols; c += 3) {
        uint32_t groups = (cols - c) / 3 < GROUPS ? 1 : GROUPS;
        for (r = 0; r < groups; r++)
            signed_sums(x + c + 3 * r, cols - c - 3 * r, sums[r]);
        for (i = 0; i < n; i++)
            if (groups == GROUPS)
                add_groups(w[i]->words + at, (const float(*)[SUMS])sums, y[i], rows);
            else
                add_group(w[i]->words + at, sums[0], y[i], rows);
        at += groups * group_words;
        c += 3 * (groups - 1);
    }
    for (i = 0; i < n; i++)
        for (r = 0; r < rows; r++)
            y[i][r] = y[i][r] * w[i]->alpha;
}

static void multiply_one(const struct ternary *w, const float *x, uint32_t cols, float *y,
                         uint32_t rows)
{
    multiply(&w, &y, 1, x, cols, rows);
}

/* Both halves of what a part of a block begins with read the same x. */
static void multiply_two(const struct ternary *w0, const struct ternary *w1, const float *x,
                         float *y0, float *y1, uint32_t rows)
{
    const struct ternary *w[2];
    float *y[2];
    w[0] = w0, w[1] = w1;
    y[0] = y0, y[1] = y1;
    multiply(w, y, 2, x, WIDTH, rows);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static uint32_t ring_rows(const struct block *b)
{
#ifdef RUNTIME_WINDOW
    if (b->distance)
        return WINDOW;
#endif
    return (RUNTIME_TAPS - 1) * b->dilation + 1;
}

/* y = the convolution of a block's last values: no tap looks before the first token. */
static void convolve(const struct block *b, const float *ring, uint32_t newest, uint32_t seen,
                     float *y)
{
    uint32_t reach = (seen - 1) / b->dilation + 1;
    uint32_t tap = RUNTIME_TAPS > reach ? RUNTIME_TAPS - reach : 0;
    uint32_t c;
    for (c = 0; c < WIDTH; c++)
        y[c] = 0;
    for (; tap < RUNTIME_TAPS; tap++) {
        uint32_t back = (RUNTIME_TAPS - 1 - tap) * b->dilation;
        uint32_t row = newest >= back ? newest - back : newest + ring_rows(b) - back;
        const float *taps = b->taps + tap * WIDTH;
        const float *v = ring + row * WIDTH;
        for (c = 0; c < WIDTH; c++)
            y[c] += taps[c] * v[c];
    }
}
#ifdef RUNTIME_WINDOW

static uint32_t next_row(uint32_t row)
{
    return row + 1 < WINDOW ? row + 1 : 0;
}

/* weights[j] = e^(x[j] - the largest x), x[j] = query key_j / sqrt(KEY_WIDTH) + distance[n - 1 -
 * j], of the last n tokens, whose first stands in the row `oldest` of the rings. Returns 1 / the
 * sum of the weights, which is made of LANES partial ones. */
static float weigh(const float *query, const float *keys, const float *distance, uint32_t oldest,
                   uint32_t n, float *weights)
{
    const float scale = 1.0f / square_root((float)KEY_WIDTH);
    float lane[LANES];
    float largest;
    uint32_t j, c, half;
    for (j = 0; j < n; j++, oldest = next_row(oldest)) {
        const float *key = keys + oldest * KEYS;
        float sum = 0;
        for (c = 0; c < KEY_WIDTH; c++)
            sum += query[c] * key[c];
        weights[j] = sum * scale + distance[n - 1 - j];
    }
    largest = weights[0];
    for (j = 1; j < n; j++)
        if (weights[j] > largest)
            largest = weights[j];
    for (j = 0; j < LANES; j++)
        lane[j] = 0;
    for (j = 0; j < n; j++) {
        weights[j] = exponential(weights[j] - largest);
        lane[j % LANES] += weights[j];
    }
    for (half = LANES / 2; half > 0; half /= 2)
        for (j = 0; j < half; j++)
            lane[j] += lane[j + half];
    return 1.0f / lane[0];
}

/* y = factor times the sum of weights[j] value_j, which is made of four partial ones. */
static void add_values(const float *weights, const float *values, uint32_t oldest, uint32_t n,
                       float factor, float (*sums)[VALUE_WIDTH], float *y)
{
    uint32_t j, c;
    for (j = 0; j < 4; j++)
        for (c = 0; c < VALUE_WIDTH; c++)
            sums[j][c] = 0;
    for (j = 0; j < n; j++, oldest = next_row(oldest)) {
        const float *v = values + oldest * WIDTH;
        float *sum = sums[j % 4];
        for (c = 0; c < VALUE_WIDTH; c++)
            sum[c] += weights[j] * v[c];
    }
    for (c = 0; c < VALUE_WIDTH; c++)
        y[c] = ((sums[0][c] + sums[1][c]) + (sums[2][c] + sums[3][c])) * factor;
}

/* y = the attention of a block: of each head, a mean of the last values, weighted. */
static void attend(struct runtime *s, const struct block *b, const float *ring, uint32_t newest,
                   float *y)
{
    uint32_t n = s->seen < WINDOW ? s->seen : WINDOW;
    uint32_t oldest = newest + 1 < n ? newest + 1 + WINDOW - n : newest + 1 - n;
    float *keys = s->keys + b->key_row * KEYS;
    uint32_t h;
    multiply_two(&b->query, &b->key, s->norm, s->query, keys + newest * KEYS, KEYS);
    for (h = 0; h < HEADS; h++) {
        float factor = weigh(s->query + h * KEY_WIDTH, keys + h * KEY_WIDTH,
                             b->distance + h * WINDOW, oldest, n, s->weights);
        add_values(s->weights, ring + h * VALUE_WIDTH, oldest, n, factor, s->sums,
                   y + h * VALUE_WIDTH);
    }
}
#endif

static void add_norm(struct runtime *s)
{
    uint32_t i;
    for (i = 0; i < WIDTH; i++)
        s->x[i] += s->norm[i];
}

#ifdef RUNTIME_WINDOW
/* x += W (m * sigmoid(gate)), m being conv(value) or what attention makes of the values; the row of
 * the newest is *newest. */
#else
/* x += W (conv(value) * sigmoid(gate)); the row of the newest value is *newest. */
#endif
static void mix(struct runtime *s, const struct block *b, float *ring, uint32_t *newest)
{
    uint32_t i;
    *newest = *newest + 1 < ring_rows(b) ? *newest + 1 : 0;
    normalise(s->x, b->norm1, s->norm);
    multiply_two(&b->mixer_gate, &b->mixer_value, s->norm, s->a.x, ring + *newest * WIDTH, WIDTH);
#ifdef RUNTIME_WINDOW
    if (b->distance)
        attend(s, b, ring, *newest, s->b);
    else
        convolve(b, ring, *newest, s->seen, s->b);
#else
    convolve(b, ring, *newest, s->seen, s->b);
#endif
    for (i = 0; i < WIDTH; i++)
        s->b[i] = s->b[i] * sigmoid(s->a.x[i]);
    multiply_one(&b->mixer_down, s->b, WIDTH, s->norm, WIDTH);
    add_norm(s);
}

/* x += Wd (silu(Wg n) * (Wu n)). */
static void feed_forward(struct runtime *s, const struct block *b)
{
    uint32_t i;
    normalise(s->x, b->norm2, s->norm);
    multiply_two(&b->ffn_gate, &b->ffn_up, s->norm, s->a.x, s->b, RUNTIME_HIDDEN);
    for (i = 0; i < RUNTIME_HIDDEN; i++)
        s->a.x[i] = s->a.x[i] * sigmoid(s->a.x[i]) * s->b[i];
    multiply_one(&b->ffn_down, s->a.x, RUNTIME_HIDDEN, s->norm, WIDTH);
    add_norm(s);
}

/* ---- the embedding, which is the head too ---------------------------------------------------- */

#if RUNTIME_EMBED == 8
typedef int8_t weight;
static float weight_of(weight w)
{
    return (float)w;
}
#elif RUNTIME_EMBED == 16
typedef uint16_t weight;
static float weight_of(weight w)
{
    uint32_t sign = (uint32_t)(w & 0x8000) << 16;
    uint32_t magnitude = w & 0x7fff;
    if (magnitude < 0x400) /* subnormal: a multiple of 2^-24 */
        return float_of(bits_of((float)magnitude * 0x1p-24f) | sign);
    return float_of(((magnitude << 13) + 0x38000000) | sign);
}
#else
typedef float weight;
static float weight_of(weight w)
{
    return w;
}
#endif

/* The factor of a row's numbers. */
static float times_scale(float x, uint32_t row)
{
#if RUNTIME_EMBED == 8
    return x * row_scales[row];
#else
    (void)row;
    return x;
#endif
}

static float logit(const float *x, uint32_t id)
{
    const weight *w = embedding + id * WIDTH;
    float sum = 0;
    uint32_t c;
    for (c = 0; c < WIDTH; c++)
        sum += weight_of(w[c]) * x[c];
    return times_scale(sum, id);
}

/* y = the logits of the tokens from `first` on: ROWS, or one if fewer are left; returns how many.
 * Eight sums at a time, each in its own order, do not wait for one another. */
static uint32_t head(const float *x, uint32_t first, float *y)
{
    const weight *w = embedding + first * WIDTH;
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    uint32_t c;
    if (RUNTIME_VOCAB - first < ROWS) {
        y[0] = logit(x, first);
        return 1;
    }
    for (c = 0; c < WIDTH; c++, w++) {
        s0 += weight_of(w[0]) * x[c];
        s1 += weight_of(w[WIDTH]) * x[c];
        s2 += weight_of(w[2 * WIDTH]) * x[c];
        s3 += weight_of(w[3 * WIDTH]) * x[c];
        s4 += weight_of(w[4 * WIDTH]) * x[c];
        s5 += weight_of(w[5 * WIDTH]) * x[c];
        s6 += weight_of(w[6 * WIDTH]) * x[c];
        s7 += weight_of(w[7 * WIDTH]) * x[c];
    }
    y[0] = times_scale(s0, first);
    y[1] = times_scale(s1, first + 1);
    y[2] = times_scale(s2, first + 2);
    y[3] = times_scale(s3, first + 3);
    y[4] = times_scale(s4, first + 4);
    y[5] = times_scale(s5, first + 5);
    y[6] = times_scale(s6, first + 6);
    y[7] = times_scale(s7, first + 7);
    return ROWS;
}

/* Makes the logits of a broken model comparable: what is no number is the lowest. */
static float comparable(float x)
{
    return x > -FLT_MAX ? (x < FLT_MAX ? x : FLT_MAX) : -FLT_MAX;
}

/* ---- the likeliest token --------------------------------------------------------------------- */

struct likeliest {
    uint32_t id;
    float logit;
};

static void compare(float y, uint32_t id, struct likeliest *best)
{
    if (comparable(y) > best->logit) {
        best->logit = comparable(y);
        best->id = id;
    }
}

/* Looks at all logits from the token `first` on. */
static void search(const float *x, uint32_t first, struct likeliest *best)
{
    float y[ROWS];
    uint32_t n, i;
    for (; first < RUNTIME_VOCAB; first += n) {
        n = head(x, first, y);
        for (i = 0; i < n; i++)
            compare(y[i], first + i, best);
    }
}

#if RUNTIME_EMBED == 8
/* Most logits need not be known to the bit to be known to be lower than another. With x rounded to
 * whole numbers q of a unit, a logit is estimated in whole numbers: a = scale Σ w q units. It
 * differs from the logit by at most e = |scale| 128 WIDTH (0.6 + 1.1 (WIDTH + 4) WHOLE 2^-24) +
 * 1e-20 units: |x - q| <= 0.51 for each of WIDTH weights of at most 128; WIDTH + 4 roundings of
 * floats that are at most WHOLE times larger (Higham, Accuracy and Stability of Numerical
 * Algorithms, section 3.1); what lies below the normal floats. Only a token whose a + e reaches the
 * highest a - e so far is computed. */
/* `estimate` gives Σ w q of four rows. */
#define WHOLE (WIDTH > 512 ? 16777215 / WIDTH : 32767) /* no sum of products exceeds 31 bits */

#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32 && RUNTIME_WIDTH % 4 == 0
#include <arm_acle.h>
#define PLACE(c) (((c) & ~3u) | ((c)&1) << 1 | ((c) >> 1 & 1)) /* pairs as sxtb16 makes them */

static uint32_t word_at(const void *p)
{
    uint32_t word;
    __builtin_memcpy(&word, p, sizeof word);
    return word;
}

static int32_t dot_four(uint32_t w, uint32_t even, uint32_t odd, int32_t sum)
{
    sum = __smlad(__sxtb16((int32_t)w), (int32_t)even, sum);
    return __smlad(__sxtb16((int32_t)(w >> 8 | w << 24)), (int32_t)odd, sum);
}

static void estimate(const int8_t *w, const int16_t *q, int32_t *y)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    uint32_t c;
    for (c = 0; c < WIDTH; c += 4, w += 4, q += 4) {
        uint32_t even = word_at(q);
        uint32_t odd = word_at(q + 2);
        s0 = dot_four(word_at(w), even, odd, s0);
        s1 = dot_four(word_at(w + WIDTH), even, odd, s1);
        s2 = dot_four(word_at(w + 2 * WIDTH), even, odd, s2);
        s3 = dot_four(word_at(w + 3 * WIDTH), even, odd, s3);
    }
    y[0] = s0, y[1] = s1, y[2] = s2, y[3] = s3;
}
#else
#define PLACE(c) (c)

static void estimate(const int8_t *w, const int16_t *q, int32_t *y)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    uint32_t c;
    for (c = 0; c < WIDTH; c++, w++) {
        int32_t x = q[c]; /* an int may have 16 bits */
        s0 += w[0] * x;
        s1 += w[WIDTH] * x;
        s2 += w[2 * WIDTH] * x;
        s3 += w[3 * WIDTH] * x;
    }
    y[0] = s0, y[1] = s1, y[2] = s2, y[3] = s3;
}
#endif

static float magnitude(float x)
{
    return x < 0 ? -x : x;
}

/* x as whole numbers; 0 where the bounds above do not hold. */
static int round_to_whole(const float *x, int16_t *q)
{
    float largest = 0;
    uint32_t c;
    for (c = 0; c < WIDTH; c++) {
        if (!(magnitude(x[c]) < 0x1p60f))
            return 0;
        if (magnitude(x[c]) > largest)
            largest = magnitude(x[c]);
    }
    if (largest < 0x1p-60f)
        return 0;
    for (c = 0; c < WIDTH; c++) {
        float scaled = x[c] * ((float)WHOLE / largest);
        q[PLACE(c)] = (int16_t)(scaled < 0 ? scaled - 0.5f : scaled + 0.5f);
    }
    return 1;
}

static int search_by_estimate(struct runtime *s, struct likeliest *best)
{
    const float slack = 128.0f * WIDTH * (0.6f + 1.1f * (WIDTH + 4) * (float)WHOLE * 0x1p-24f);
    int16_t *q = s->a.whole;
    float bound = -FLT_MAX;
    uint32_t first, i;
    if (!round_to_whole(s->norm, q))
        return 0;
    for (first = RUNTIME_END; first + 4 <= RUNTIME_VOCAB; first += 4) {
        int32_t y[4];
        estimate(embedding + first * WIDTH, q, y);
        for (i = 0; i < 4; i++) {
            float a = (float)y[i] * row_scales[first + i];
            float e = magnitude(row_scales[first + i]) * slack + 1e-20f;
            if (a + e < bound)
                continue;
            if (a - e > bound)
                bound = a - e;
            compare(logit(s->norm, first + i), first + i, best);
        }
    }
    search(s->norm, first, best);
    return 1;
}
#else
static int search_by_estimate(struct runtime *s, struct likeliest *best)
{
    (void)s, (void)best;
    return 0;
}
#endif

/* ---- in the header --------------------------------------------------------------------------- */

void runtime_reset(struct runtime *s)
{
    uint32_t l;
    s->seen = 0;
    for (l = 0; l < RUNTIME_BLOCKS; l++)
        s->newest[l] = 0;
#ifndef RUNTIME_NO_LOGITS
    runtime_seed(s, 1);
#endif
}

void runtime_feed(struct runtime *s, uint16_t token)
{
    uint32_t id = token < RUNTIME_VOCAB ? token : RUNTIME_UNKNOWN;
    float *ring = s->ring;
    uint32_t i, l;
    if (s->seen < 0xffffffff)
        s->seen++;
    for (i = 0; i < WIDTH; i++)
        s->x[i] = times_scale(weight_of(embedding[id * WIDTH + i]), id);
#ifdef RUNTIME_EMBED_NORM
    normalise(s->x, embed_norm, s->x);
#endif
    for (l = 0; l < RUNTIME_BLOCKS; l++) {
        mix(s, &blocks[l], ring, &s->newest[l]);
        feed_forward(s, &blocks[l]);
        ring += ring_rows(&blocks[l]) * WIDTH;
    }
    normalise(s->x, final_norm, s->norm);
}

uint16_t runtime_step_argmax(struct runtime *s, uint16_t token)
{
    struct likeliest best;
    best.id = RUNTIME_END;
    best.logit = -FLT_MAX;
    runtime_feed(s, token);
    if (!search_by_estimate(s, &best))
        search(s->norm, RUNTIME_END, &best);
    return (uint16_t)best.id;
}

const unsigned char *runtime_text(uint16_t token, size_t *n)
{
    uint32_t id = token < RUNTIME_VOCAB ? token : RUNTIME_UNKNOWN;
    uint32_t at = text_starts[id / TEXTS_A_START];
    uint32_t i;
    for (i = id - id % TEXTS_A_START; i < id; i++)
        at += text_lengths[i];
    *n = text_lengths[id];
    return text_bytes + at;
}

#ifndef RUNTIME_NO_LOGITS
const float *runtime_step(struct runtime *s, uint16_t token)
{
    uint32_t first = 0;
    runtime_feed(s, token);
    while (first < RUNTIME_VOCAB)
        first += head(s->norm, first, s->logits + first);
    return s->logits;
}

uint16_t runtime_argmax(const struct runtime *s)
{
    uint32_t best = RUNTIME_END;
    uint32_t i;
    for (i = RUNTIME_END + 1; i < RUNTIME_VOCAB; i++)
        if (comparable(s->logits[i]) > comparable(s->logits[best]))
            best = i;
    return (uint16_t)best;
}

/* One round of a 32-bit hash (Mueller). */
static uint32_t scramble(uint32_t x)
{
    x = (x ^ x >> 16) * 0x45d9f3b;
    x = (x ^ x >> 16) * 0x45d9f3b;
    return x ^ x >> 16;
}

void runtime_seed(struct runtime *s, uint32_t seed)
{
    s->random[0] = scramble(seed + 0x9e3779b9);
    s->random[1] = scramble(seed + 0x3c6ef372) | 1; /* both zero is the one state to avoid */
}

/* xoroshiro64* (Blackman and Vigna); its upper 24 bits as a number in [0, 1). */
static float random_unit(struct runtime *s)
{
    uint32_t a = s->random[0];
    uint32_t b = s->random[1] ^ a;
    uint32_t result = a * 0x9e3779bb;
    s->random[0] = (a << 26 | a >> 6) ^ b ^ b << 9;
    s->random[1] = b << 13 | b >> 19;
    return (float)(result >> 8) * 0x1p-24f;
}

/* Whole numbers in the order of the floats. */
static uint32_t rank(float x)
{
    uint32_t bits = bits_of(comparable(x));
    return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

/* The largest bound that at least k logits reach, bit by bit. */
static uint32_t rank_of_best(const struct runtime *s, uint32_t k)
{
    uint32_t bound = 0;
    uint32_t bit, i;
    for (bit = 0x80000000; bit > 0; bit >>= 1) {
        uint32_t n = 0;
        for (i = RUNTIME_END; i < RUNTIME_VOCAB; i++)
            n += rank(s->logits[i]) >= (bound | bit);
        if (n >= k)
            bound |= bit;
    }
    return bound;
}

uint16_t runtime_sample(struct runtime *s, float temperature, uint32_t top_k)
{
    uint32_t best = runtime_argmax(s);
    float highest = comparable(s->logits[best]);
    uint32_t bound = top_k > 0 && top_k < RUNTIME_VOCAB - RUNTIME_END ? rank_of_best(s, top_k) : 0;
    float sum = 0;
    float left;
    uint32_t i;
    if (!(temperature > 0))
        return (uint16_t)best;
    for (i = RUNTIME_END; i < RUNTIME_VOCAB; i++)
        if (rank(s->logits[i]) >= bound)
            sum += exponential((comparable(s->logits[i]) - highest) / temperature);
    left = random_unit(s) * sum;
    for (i = RUNTIME_END; i < RUNTIME_VOCAB && left >= 0; i++)
        if (rank(s->logits[i]) >= bound)
            left -= exponential((comparable(s->logits[i]) - highest) / temperature);
    return left < 0 ? (uint16_t)(i - 1) : (uint16_t)best;
}
#endif
