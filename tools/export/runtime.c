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
     1},
};
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
    ROWS = 8,          /* logits at a time */
    TEXTS_A_START = 32 /* tokens for each of text_starts */
};

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
    float term[3][3];
    uint32_t i;
    for (i = 0; i < 3; i++) {
        term[i][0] = i < n ? -x[i] : 0;
        term[i][1] = 0;
        term[i][2] = i < n ? x[i] : 0;
    }
    for (i = 0; i < 27; i++)
        sums[i] = (term[0][i % 3] + term[1][i / 3 % 3]) + term[2][i / 9];
}

/* y = W x: group by group, each adds one of its signed sums to every row. */
static void multiply(const struct ternary *w, const float *x, uint32_t cols, float *y,
                     uint32_t rows)
{
    float sums[32];
    const uint32_t *words = w->words;
    uint32_t c, r;
    for (r = 0; r < rows; r++)
        y[r] = 0;
    for (c = 0; c < cols; c += 3) {
        signed_sums(x + c, cols - c < 3 ? cols - c : 3, sums);
        for (r = 0; r + 6 <= rows; r += 6) {
            uint32_t word = *words++;
            y[r] += sums[word & 31];
            y[r + 1] += sums[word >> 5 & 31];
            y[r + 2] += sums[word >> 10 & 31];
            y[r + 3] += sums[word >> 15 & 31];
            y[r + 4] += sums[word >> 20 & 31];
            y[r + 5] += sums[word >> 25 & 31];
        }
        if (r < rows) {
            uint32_t word = *words++;
            for (; r < rows; r++, word >>= 5)
                y[r] += sums[word & 31];
        }
    }
    for (r = 0; r < rows; r++)
        y[r] = y[r] * w->alpha;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static uint32_t ring_rows(const struct block *b)
{
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

static void add_norm(struct runtime *s)
{
    uint32_t i;
    for (i = 0; i < WIDTH; i++)
        s->x[i] += s->norm[i];
}

/* x += W (conv(value) * sigmoid(gate)); the row of the newest value is *newest. */
static void mix(struct runtime *s, const struct block *b, float *ring, uint32_t *newest)
{
    uint32_t i;
    *newest = *newest + 1 < ring_rows(b) ? *newest + 1 : 0;
    normalise(s->x, b->norm1, s->norm);
    multiply(&b->mixer_gate, s->norm, WIDTH, s->a, WIDTH);
    multiply(&b->mixer_value, s->norm, WIDTH, ring + *newest * WIDTH, WIDTH);
    convolve(b, ring, *newest, s->seen, s->b);
    for (i = 0; i < WIDTH; i++)
        s->b[i] = s->b[i] * sigmoid(s->a[i]);
    multiply(&b->mixer_down, s->b, WIDTH, s->norm, WIDTH);
    add_norm(s);
}

/* x += Wd (silu(Wg n) * (Wu n)). */
static void feed_forward(struct runtime *s, const struct block *b)
{
    uint32_t i;
    normalise(s->x, b->norm2, s->norm);
    multiply(&b->ffn_gate, s->norm, WIDTH, s->a, RUNTIME_HIDDEN);
    multiply(&b->ffn_up, s->norm, WIDTH, s->b, RUNTIME_HIDDEN);
    for (i = 0; i < RUNTIME_HIDDEN; i++)
        s->a[i] = s->a[i] * sigmoid(s->a[i]) * s->b[i];
    multiply(&b->ffn_down, s->a, RUNTIME_HIDDEN, s->norm, WIDTH);
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

/* y = the logits of the tokens from `first` on: ROWS, or one if fewer are left; returns how many.
 * Eight sums at a time, each in its own order, do not wait for one another. */
static uint32_t head(const float *x, uint32_t first, float *y)
{
    const weight *w = embedding + first * WIDTH;
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    uint32_t c;
    if (RUNTIME_VOCAB - first < ROWS) {
        for (c = 0; c < WIDTH; c++)
            s0 += weight_of(w[c]) * x[c];
        y[0] = times_scale(s0, first);
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
    for (l = 0; l < RUNTIME_BLOCKS; l++) {
        mix(s, &blocks[l], ring, &s->newest[l]);
        feed_forward(s, &blocks[l]);
        ring += ring_rows(&blocks[l]) * WIDTH;
    }
    normalise(s->x, final_norm, s->norm);
}

uint16_t runtime_step_argmax(struct runtime *s, uint16_t token)
{
    float y[ROWS];
    float best = -FLT_MAX;
    uint32_t id = RUNTIME_END;
    uint32_t first, n, i;
    runtime_feed(s, token);
    for (first = RUNTIME_END; first < RUNTIME_VOCAB; first += n) {
        n = head(s->norm, first, y);
        for (i = 0; i < n; i++)
            if (comparable(y[i]) > best) {
                best = comparable(y[i]);
                id = first + i;
            }
    }
    return (uint16_t)id;
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
