/* Kinds of files, told by their first bytes; anything cut short, or with one bit flipped, is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "format/kind.h"
#include "support/scratch.h"

static const struct {
    enum kind kind;
    size_t n; /* what tells the kind */
    const char bytes[17];
} heads[] = {
    {KIND_BLOB, 8, "BOLTMODL"},
    {KIND_SHARD, 8, "BOLTSHRD"},
    {KIND_VOCAB, 16, "SQLite format 3"},
    {KIND_SAFETENSORS, 9, "\x40\x01\0\0\0\0\0\0{"},
};

static void test_each_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        char longer[64] = {0};
        memcpy(longer, heads[i].bytes, heads[i].n);
        assert_int_equal(kind_of(heads[i].bytes, heads[i].n), heads[i].kind);
        assert_int_equal(kind_of(longer, sizeof longer), heads[i].kind);
    }
}

static void test_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        for (size_t n = 0; n < heads[i].n; n++)
            assert_int_equal(kind_of(heads[i].bytes, n), n ? KIND_OTHER : KIND_EMPTY);
        if (heads[i].kind == KIND_SAFETENSORS)
            continue; /* a length is a length */
        for (size_t at = 0; at < heads[i].n; at++) {
            char damaged[16];
            memcpy(damaged, heads[i].bytes, heads[i].n);
            damaged[at] ^= 1;
            assert_int_equal(kind_of(damaged, heads[i].n), KIND_OTHER);
        }
    }
    assert_int_equal(kind_of("\xff\xff\xff\xff\xff\xff\xff\xff{\"a\"", 12), KIND_OTHER);
    assert_int_equal(kind_of("Once upon a time, there was a", 29), KIND_OTHER);
}

static void test_files(void **state)
{
    (void)state;
    struct err e;
    enum kind kind;
    size_t size;
    const char *path = scratch_path("x");
    scratch_write(path, "BOLTSHRD and more", 17);
    assert_int_equal(kind_of_file(path, &kind, &size, &e), 0);
    assert_int_equal(kind, KIND_SHARD);
    assert_int_equal(size, 17);
    scratch_write(path, "", 0);
    assert_int_equal(kind_of_file(path, &kind, NULL, &e), 0);
    assert_int_equal(kind, KIND_EMPTY);
    assert_int_equal(kind_of_file(scratch_dir(), &kind, NULL, &e), -1);
    assert_non_null(strstr(e.text, "is a directory"));
    assert_int_equal(kind_of_file("/nonexistent", &kind, NULL, &e), -1);
    assert_non_null(strstr(e.text, "/nonexistent: cannot open"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
