#include "model/tern.h"

#include <math.h>

#include "dims/dims.h"

float tern_alpha(const struct kern *k, const float *w, size_t n)
{
    return (float)(k->sum_abs(w, n) / (double)n);
}

void tern_quantise(const struct kern *k, const float *w, size_t n, float alpha, float *out)
{
    for (size_t i = 0; !isfinite(alpha) && i < n; i++)
        out[i] = NAN;
    if (isfinite(alpha))
        k->quantise(w, n, alpha + DIMS_TERNARY_EPS, alpha, out);
}

/* Codes of up to four weights: round_half_even gives -1 or +1 just where |w / divisor| > 0.5. */
static uint8_t pack_byte(const float *w, size_t n, float divisor)
{
    unsigned byte = 0;
    for (size_t i = 0; i < 4; i++) {
        float x = i < n ? w[i] / divisor : 0;
        unsigned code = 1u + (x > 0.5f) - (x < -0.5f);
        byte |= code << 2 * i;
    }
    return (uint8_t)byte;
}

static void pack(const float *w, size_t rows, size_t cols, float divisor, uint8_t *codes)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c += 4)
            *codes++ = pack_byte(w + r * cols + c, MIN(cols - c, 4), divisor);
}

void tern_pack(const float *w, size_t rows, size_t cols, float alpha, uint8_t *codes)
{
    pack(w, rows, cols, alpha + DIMS_TERNARY_EPS, codes);
}

bool tern_pack_exact(const float *w, size_t rows, size_t cols, float *alpha, uint8_t *codes)
{
    float most = 0;
    bool exact = true;
    for (size_t i = 0; i < rows * cols; i++)
        most = fmaxf(most, fabsf(w[i]));
    for (size_t i = 0; i < rows * cols; i++)
        exact &= w[i] == 0 || fabsf(w[i]) == most;
    *alpha = most;
    pack(w, rows, cols, most > 0 ? most : 1, codes);
    return exact;
}

void tern_unpack(const uint8_t *codes, size_t rows, size_t cols, float alpha, float *out)
{
    size_t row_bytes = DIV_UP(cols, 4);
    for (size_t r = 0; r < rows; r++, codes += row_bytes)
        for (size_t c = 0; c < cols; c++)
            *out++ = alpha * (float)((codes[c / 4] >> 2 * (c % 4) & 3) - 1);
}
