/* safetensors: what is written is read back, and headers that lie are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
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
    assert_int_equal(safetensors_write(path, written, 3, meta, 2, NULL, &e), 0);
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

static void expect_refused(const char *path, const char *message)
{
    struct err e;
    struct safetensors s;
    assert_int_equal(safetensors_open(&s, path, &e), -1);
    if (!strstr(e.text, message) || !strstr(e.text, path))
        fail_msg("'%s', expected '%s'", e.text, message);
}

static void test_flipped_bits(void **state)
{
    (void)state;
    size_t n;
    write_good(scratch_path("good"));
    unsigned char *data = scratch_read(scratch_path("good"), &n);
    const char *path = scratch_path("flipped");
    for (size_t i = 0; i < 8 * n; i++) {
        data[i / 8] ^= (unsigned char)(1 << i % 8);
        scratch_write(path, data, n);
        expect_refused(path, path);
        data[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    free(data);
}

/* Replaces a text in the good file by another of the same length. */
static const char *replaced(const char *from, const char *to)
{
    size_t n;
    const char *path = scratch_path("replaced");
    write_good(scratch_path("good"));
    unsigned char *data = scratch_read(scratch_path("good"), &n);
    unsigned char *at = memmem(data, n, from, strlen(from));
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    scratch_write(path, data, n);
    free(data);
    return path;
}

static void test_checksums(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    write_good(scratch_path("good"));
    assert_int_equal(safetensors_open(&s, scratch_path("good"), &e), 0);
    assert_true(s.has_checksums);
    assert_int_equal(s.n_meta, 2); /* they are not among the metadata */
    assert_null(safetensors_meta(&s, "data_xxh3"));
    safetensors_close(&s);
    expect_refused(replaced("value", "valve"), "the checksum of its header is wrong");
    expect_refused(replaced("[2,3]", "[3,2]"), "the checksum of its header is wrong");
    expect_refused(replaced("}      ", "}     \n"), "the checksum of its header is wrong");
    expect_refused(replaced("\x40\x40", "\x40\x41"), "the checksum of its data is wrong");
    expect_refused(replaced("data_xxh3", "data_none"), "'data_xxh3' and 'header_xxh3' alone");
    expect_refused(replaced("header_xxh3", "header_none"), "'data_xxh3' and 'header_xxh3' alone");
}

/* The checksums by hand, as the specification gives them. */
static void test_checksums_as_specified(void **state)
{
    (void)state;
    size_t n;
    char digits[17];
    write_good(scratch_path("good"));
    unsigned char *data = scratch_read(scratch_path("good"), &n);
    size_t begin = 8 + le_get64(data);
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash64(data + begin, n - begin));
    const unsigned char *of_data = memmem(data, n, "\"data_xxh3\":\"", 13);
    unsigned char *of_header = memmem(data, n, "\"header_xxh3\":\"", 15);
    assert_memory_equal(of_data + 13, digits, 16);
    char found[17] = {0};
    memcpy(found, of_header + 15, 16);
    memset(of_header + 15, '0', 16);
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash64(data, begin));
    assert_string_equal(found, digits);
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
        {"", 0, "header: not valid JSON"},
        {"[]", 0, "not a JSON object"},
        {"{\"a\":1}", 0, "is not an object"},
        {"{} x", 0, "header: not valid JSON"},
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
        {"{" T("a", "F32", "[1]", "[0,99999999999999999999]") "}", 4, "header: not valid JSON"},
        {"{" T("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "impossible shape"},
        {"{" T("a", "F32", "[9223372036854775807,2]", "[0,4]") "}", 4, "impossible shape"},
        {"{" T("a", "F32", "[-1]", "[0,4]") "}", 4, "impossible shape"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "too many dimensions"},
        {"{" T("a", "F32", "\"1\"", "[0,4]") "}", 4, "no shape"},
        {"{" T("a", "F33", "[1]", "[0,4]") "}", 4, "unknown dtype 'F33'"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"data_xxh3\":\"0\",\"header_xxh3\" :\"0000000000000000\"}}", 0,
         "not written as it must be"},
        {"{\"__metadata__\":{\"data_xxh3\":\"0\",\"header_xxh3\":\"\"}}", 0,
         "not written as it must be"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "metadata 'a' is not a string"},
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
    assert_non_null(strstr(e.text, "not a safetensors file"));
    le_put64(data, 50 << 20);
    scratch_write(path, data, sizeof data);
    assert_int_equal(safetensors_open(&s, path, &e), -1);
    assert_non_null(strstr(e.text, "truncated"));
}

/* A file without checksums: of another program, or written before there were any. */
static void test_no_checksums(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    const char *path = scratch_path("foreign");
    write_raw(path, "{\"__metadata__\":{\"k\":\"v\"}," T("a", "F32", "[1]", "[0,4]") "}", 4);
    assert_int_equal(safetensors_open(&s, path, &e), 0);
    assert_false(s.has_checksums);
    assert_string_equal(safetensors_meta(&s, "k"), "v");
    safetensors_close(&s);
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
    assert_int_equal(safetensors_write(scratch_path("twice"), twice, 2, NULL, 0, NULL, &e), -1);
    const struct st_meta bytes[1] = {{"k", "\xff"}};
    assert_int_equal(safetensors_write(scratch_path("bytes"), written, 1, bytes, 1, NULL, &e), -1);
    const struct st_meta same[2] = {{"k", "1"}, {"k", "2"}};
    assert_int_equal(safetensors_write(scratch_path("same"), written, 1, same, 2, NULL, &e), -1);
    assert_int_equal(safetensors_write("/nonexistent/x", written, 1, NULL, 0, NULL, &e), -1);
    assert_non_null(strstr(e.text, "/nonexistent"));
    assert_int_equal(safetensors_write("/dev/full", written, 1, NULL, 0, NULL, &e), -1);
    assert_non_null(strstr(e.text, "/dev/full"));
    assert_int_equal(scratch_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_truncation),    cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_checksums),     cmocka_unit_test(test_checksums_as_specified),
        cmocka_unit_test(test_no_checksums),  cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_huge_header),   cmocka_unit_test(test_unaligned),
        cmocka_unit_test(test_writer_errors),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
