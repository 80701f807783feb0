/* safetensors: what is written is read back, and headers that lie are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "format/safetensors.h"
#include "support/scratch.h"

static const float floats[6] = {1, -2, 0.5f, 3, 4, 5};
static const int32_t ints[3] = {7, 8, -9};

static const struct st_tensor written[3] = {
    {.name = "b", .type = ST_F32, .rank = 2, .shape = {2, 3}, .data = floats, .n_bytes = 24},
    {.name = "a", .type = ST_I32, .rank = 1, .shape = {3}, .data = ints, .n_bytes = 12},
    {.name = "none", .type = ST_U8, .rank = 1, .shape = {0}, .data = ints, .n_bytes = 0},
};
static const struct st_meta meta[2] = {{"key", "value \"quoted\""}, {"\xc3\xa4", "2"}};

static void write_good(const char *path)
{
    struct err e;
    assert_int_equal(safetensors_write(path, written, 3, meta, 2, &e), 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    const char *path = scratch_path("good");
    write_good(path);
    assert_int_equal(safetensors_open(&s, path, &e), 0);
    assert_int_equal(s.n_tensors, 3);
    assert_string_equal(s.tensors[0].name, "b");
    const struct st_tensor *b = safetensors_find(&s, "b");
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[1], 3);
    assert_memory_equal(b->data, floats, sizeof floats);
    assert_int_equal(((const unsigned char *)b->data - s.map.data) % 64, 0);
    const struct st_tensor *a = safetensors_find(&s, "a");
    assert_int_equal(a->type, ST_I32);
    assert_memory_equal(a->data, ints, sizeof ints);
    assert_int_equal(safetensors_find(&s, "none")->n_bytes, 0);
    assert_null(safetensors_find(&s, "c"));
    assert_string_equal(safetensors_meta(&s, "key"), "value \"quoted\"");
    assert_string_equal(safetensors_meta(&s, "\xc3\xa4"), "2");
    assert_null(safetensors_meta(&s, "nothing"));
    safetensors_close(&s);
    assert_true(safetensors_probe(path));
}

static void test_same_bytes(void **state)
{
    (void)state;
    size_t n1, n2;
    write_good(scratch_path("one"));
    write_good(scratch_path("two"));
    unsigned char *one = scratch_read(scratch_path("one"), &n1);
    unsigned char *two = scratch_read(scratch_path("two"), &n2);
    assert_int_equal(n1, n2);
    assert_memory_equal(one, two, n1);
    free(one);
    free(two);
}

static void test_truncation(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    size_t n;
    write_good(scratch_path("good"));
    unsigned char *data = scratch_read(scratch_path("good"), &n);
    const char *path = scratch_path("short");
    for (size_t i = 0; i < n; i++) {
        scratch_write(path, data, i);
        assert_int_equal(safetensors_open(&s, path, &e), -1);
        assert_non_null(strstr(e.text, path));
    }
    free(data);
}

/* No hash guards this format: a flipped byte may go unnoticed, but nothing worse. */
static void test_flipped_bytes(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    size_t n;
    write_good(scratch_path("good"));
    unsigned char *data = scratch_read(scratch_path("good"), &n);
    const char *path = scratch_path("flipped");
    unsigned refused = 0;
    for (size_t i = 0; i < 2 * n; i++) {
        unsigned char flip = i % 2 ? 0x80 : 0x01;
        data[i / 2] ^= flip;
        scratch_write(path, data, n);
        if (safetensors_open(&s, path, &e)) {
            refused++;
        } else {
            for (size_t k = 0; k < s.n_tensors; k++) {
                const unsigned char *p = s.tensors[k].data;
                assert_true(p + s.tensors[k].n_bytes <= s.map.data + s.map.size);
            }
            safetensors_close(&s);
        }
        data[i / 2] ^= flip;
    }
    assert_true(refused > 100);
    free(data);
}

/* A file of this header and n zero bytes of data. */
static void write_raw(const char *path, const char *header, size_t n)
{
    size_t n_header = strlen(header);
    unsigned char *p = calloc(1, 8 + n_header + n);
    assert_non_null(p);
    le_put64(p, n_header);
    memcpy(p + 8, header, n_header);
    scratch_write(path, p, 8 + n_header + n);
    free(p);
}

#define T(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        const char *message;
    } bad[] = {
        {"", 0, "bad JSON"},
        {"[]", 0, "no JSON object"},
        {"{\"a\":1}", 0, "is no object"},
        {"{} x", 0, "bad JSON"},
        {"{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[1]", "[4,8]") "}", 8, "duplicate"},
        {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[2,6]") "}", 6, "overlaps"},
        {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[0,4]") "}", 4, "overlaps"},
        {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[8,12]") "}", 12, "gap"},
        {"{" T("a", "F32", "[1]", "[4,8]") "}", 8, "gap"},
        {"{" T("a", "F32", "[1]", "[0,4]") "}", 8, "wrong amount of data"},
        {"{" T("a", "F32", "[1]", "[0,4]") "}", 3, "beyond the end"},
        {"{" T("a", "F32", "[2]", "[0,4]") "}", 4, "expected 8 by its shape"},
        {"{" T("a", "F32", "[1]", "[4,0]") "}", 4, "data_offsets"},
        {"{" T("a", "F32", "[1]", "[0]") "}", 4, "data_offsets"},
        {"{" T("a", "F32", "[1]", "[-4,0]") "}", 4, "data_offsets"},
        {"{" T("a", "F32", "[1]", "[0,4.0]") "}", 4, "data_offsets"},
        {"{" T("a", "F32", "[1]", "[0,9223372036854775807]") "}", 4, "beyond the end"},
        {"{" T("a", "F32", "[1]", "[0,99999999999999999999]") "}", 4, "bad JSON"},
        {"{" T("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "impossible shape"},
        {"{" T("a", "F32", "[9223372036854775807,2]", "[0,4]") "}", 4, "impossible shape"},
        {"{" T("a", "F32", "[-1]", "[0,4]") "}", 4, "impossible shape"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "too many dimensions"},
        {"{" T("a", "F32", "\"1\"", "[0,4]") "}", 4, "no shape"},
        {"{" T("a", "F33", "[1]", "[0,4]") "}", 4, "unknown dtype 'F33'"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is no object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "metadata 'a' is no string"},
    };
    struct err e;
    struct safetensors s;
    const char *path = scratch_path("bad");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_raw(path, bad[i].header, bad[i].n_data);
        assert_int_equal(safetensors_open(&s, path, &e), -1);
        if (!strstr(e.text, bad[i].message))
            fail_msg("%s: '%s', expected '%s'", bad[i].header, e.text, bad[i].message);
    }
}

static void test_huge_header(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    unsigned char data[16] = {0};
    const char *path = scratch_path("huge");
    le_put64(data, UINT64_MAX);
    data[8] = '{';
    scratch_write(path, data, sizeof data);
    assert_int_equal(safetensors_open(&s, path, &e), -1);
    assert_non_null(strstr(e.text, "no safetensors file"));
    assert_false(safetensors_probe(path));
    le_put64(data, 50 << 20);
    scratch_write(path, data, sizeof data);
    assert_int_equal(safetensors_open(&s, path, &e), -1);
    assert_non_null(strstr(e.text, "truncated"));
}

/* Readers must take headers that are not padded, and data in another order than the header's. */
static void test_unaligned(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    const char *path = scratch_path("plain");
    write_raw(path, "{" T("a", "F64", "[]", "[1,9]") "," T("b", "I8", "[1]", "[0,1]") "}", 9);
    assert_int_equal(safetensors_open(&s, path, &e), 0);
    assert_string_equal(s.tensors[0].name, "b");
    assert_int_equal(safetensors_find(&s, "a")->rank, 0);
    assert_int_equal(safetensors_find(&s, "a")->type, ST_OTHER);
    safetensors_close(&s);
}

static void test_writer_errors(void **state)
{
    (void)state;
    struct err e;
    size_t before = scratch_count();
    const struct st_tensor twice[2] = {written[0], written[0]};
    assert_int_equal(safetensors_write(scratch_path("twice"), twice, 2, NULL, 0, &e), -1);
    const struct st_meta bytes[1] = {{"k", "\xff"}};
    assert_int_equal(safetensors_write(scratch_path("bytes"), written, 1, bytes, 1, &e), -1);
    assert_int_equal(safetensors_write("/nonexistent/x", written, 1, NULL, 0, &e), -1);
    assert_non_null(strstr(e.text, "/nonexistent"));
    assert_int_equal(safetensors_write("/dev/full", written, 1, NULL, 0, &e), -1);
    assert_non_null(strstr(e.text, "/dev/full"));
    assert_int_equal(scratch_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_truncation),  cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_bad_headers), cmocka_unit_test(test_huge_header),
        cmocka_unit_test(test_unaligned),   cmocka_unit_test(test_writer_errors),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
