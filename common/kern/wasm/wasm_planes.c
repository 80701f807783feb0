/* wasm_planes.c - ternary weights and float activations: swizzle looks 16 bytes up in 16
 * (vector_planes.h), for 16 rows at a time. */
#include "kern/wasm/wasm.h"

#include <wasm_simd128.h>

#include "kern/v128/v128.h"

#define TERN_SIGN_BIT (1 << 7)

#include "kern/vector_planes.h"

INLINE size_t place_of(size_t row)
{
    return row;
}

/* A term of four magnitudes: x times digits, which are -1, 0 or 1. */
INLINE vec term(float x, const int32_t *digits)
{
    v128_t d = wasm_v128_load(digits);
    v128_t has = wasm_i32x4_ne(d, wasm_i32x4_splat(0));
    v128_t sign = wasm_v128_and(d, wasm_i32x4_splat(INT32_MIN));
    return (vec)wasm_v128_xor(wasm_v128_and(wasm_f32x4_splat(x), has), sign);
}

/* The bytes of four floats, the lowest of all first. */
INLINE v128_t by_bytes(vec v)
{
    return wasm_i8x16_shuffle((v128_t)v, (v128_t)v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7,
                              11, 15);
}

static void make_tables(const float *x, size_t cols, size_t first, size_t n, struct table *out)
{
    float room[GROUP];
    for (size_t g = first; g < first + n; g++, out++) {
        const float *v = tern_activations(x, cols, g, room);
        v128_t sum[MAGNITUDES / WIDTH];
        for (size_t j = 0; j < MAGNITUDES / WIDTH; j++)
            sum[j] = by_bytes(v_add(v_add(term(v[0], tern_digits[0] + j * WIDTH),
                                          term(v[1], tern_digits[1] + j * WIDTH)),
                                    term(v[2], tern_digits[2] + j * WIDTH)));
        v128_t low01 = wasm_i32x4_shuffle(sum[0], sum[1], 0, 4, 1, 5);
        v128_t low23 = wasm_i32x4_shuffle(sum[2], sum[3], 0, 4, 1, 5);
        v128_t high01 = wasm_i32x4_shuffle(sum[0], sum[1], 2, 6, 3, 7);
        v128_t high23 = wasm_i32x4_shuffle(sum[2], sum[3], 2, 6, 3, 7);
        wasm_v128_store(out->plane[0], wasm_i64x2_shuffle(low01, low23, 0, 2));
        wasm_v128_store(out->plane[1], wasm_i64x2_shuffle(low01, low23, 1, 3));
        wasm_v128_store(out->plane[2], wasm_i64x2_shuffle(high01, high23, 0, 2));
        wasm_v128_store(out->plane[3], wasm_i64x2_shuffle(high01, high23, 1, 3));
    }
}

INLINE v128_t first_bytes(v128_t a, v128_t b)
{
    return wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

INLINE v128_t last_bytes(v128_t a, v128_t b)
{
    return wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/* Floats by their lower and upper halves. */
INLINE vec first_floats(v128_t lower, v128_t upper)
{
    return (vec)wasm_i16x8_shuffle(lower, upper, 0, 8, 1, 9, 2, 10, 3, 11);
}

INLINE vec last_floats(v128_t lower, v128_t upper)
{
    return (vec)wasm_i16x8_shuffle(lower, upper, 4, 12, 5, 13, 6, 14, 7, 15);
}

INLINE v128_t look_up(const uint8_t plane[MAGNITUDES], v128_t index)
{
    return wasm_i8x16_swizzle(wasm_v128_load(plane), index);
}

INLINE void add_group(const uint8_t *indices, const struct table *table, vec sum[TERN_VECS])
{
    v128_t packed = wasm_v128_load(indices);
    v128_t index = wasm_v128_and(packed, wasm_i8x16_splat(MAGNITUDES - 1));
    v128_t sign = wasm_v128_and(packed, wasm_i8x16_splat(INT8_MIN));
    v128_t p0 = look_up(table->plane[0], index);
    v128_t p1 = look_up(table->plane[1], index);
    v128_t p2 = look_up(table->plane[2], index);
    v128_t p3 = wasm_v128_xor(look_up(table->plane[3], index), sign);
    v128_t lower = first_bytes(p0, p1);
    v128_t upper = first_bytes(p2, p3);
    sum[0] = v_add(sum[0], first_floats(lower, upper));
    sum[1] = v_add(sum[1], last_floats(lower, upper));
    lower = last_bytes(p0, p1);
    upper = last_bytes(p2, p3);
    sum[2] = v_add(sum[2], first_floats(lower, upper));
    sum[3] = v_add(sum[3], last_floats(lower, upper));
}

void kern_wasm_planes(struct kern_exact *k)
{
    planes_install(k);
}
