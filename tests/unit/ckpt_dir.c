/* Folders of checkpoints: the newest good one, which go, and what killed runs have left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/toyckpt.h"

static bool any_in(const char *dir)
{
    struct err e;
    bool any;
    assert_int_equal(ckpt_any(dir, &any, &e), 0);
    return any;
}

static void test_folder(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    char *path, *skipped;
    assert_false(any_in(scratch_dir()));
    assert_false(any_in("/nonexistent"));
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, &skipped, &e), 0);
    assert_null(path);
    assert_int_equal(ckpt_open_newest(&c, "/nonexistent", &path, &skipped, &e), -1);
    toyckpt_save(scratch_path("step-000000005.safetensors"));
    toyckpt_save(scratch_path("step-000000020.safetensors"));
    toyckpt_save(scratch_path("step-1000000000.safetensors")); /* ten digits */
    scratch_write(scratch_path("step-2000000000.safetensors"), "damaged", 7);
    scratch_write(scratch_path("step-7.safetensors"), "of another", 10);
    assert_true(any_in(scratch_dir()));
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, &skipped, &e), 0);
    ckpt_close(&c);
    assert_string_equal(path, scratch_path("step-1000000000.safetensors"));
    assert_non_null(strstr(skipped, "step-2000000000.safetensors"));
    assert_null(strchr(skipped, '\n'));
    free(path);
    free(skipped);
    size_t before = scratch_count();
    assert_int_equal(ckpt_prune(scratch_dir(), 1000000000, 0, &e), 0);
    assert_int_equal(scratch_count(), before);
    assert_int_equal(ckpt_prune(scratch_dir(), 19, 1, &e), 0); /* none later than 19 counts */
    assert_int_equal(scratch_count(), before);
    assert_int_equal(ckpt_prune(scratch_dir(), 1000000000, 1, &e), 0);
    assert_int_equal(scratch_count(), before - 2);
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, NULL, &e), 0);
    ckpt_close(&c);
    assert_string_equal(path, scratch_path("step-1000000000.safetensors"));
    free(path);
}

static void test_folder_with_best_alone(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    char *path;
    toyckpt_save(scratch_path("best.safetensors"));
    assert_true(any_in(scratch_dir()));
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, NULL, &e), 0);
    ckpt_close(&c);
    assert_string_equal(path, scratch_path("best.safetensors"));
    free(path);
    toyckpt_save(scratch_path("step-000000001.safetensors"));
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, NULL, &e), 0);
    ckpt_close(&c);
    assert_string_equal(path, scratch_path("step-000000001.safetensors"));
    free(path);
    assert_int_equal(remove(scratch_path("best.safetensors")), 0);
    assert_int_equal(remove(scratch_path("step-000000001.safetensors")), 0);
}

/* A link to itself stands for a disk that is away: what is on it may be good. */
static void test_what_cannot_be_read_is_not_damaged(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    char *path, *skipped;
    toyckpt_save(scratch_path("step-000000001.safetensors"));
    assert_int_equal(
        symlink("step-000000002.safetensors", scratch_path("step-000000002.safetensors")), 0);
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, &skipped, &e), -1);
    assert_null(path);
    assert_non_null(strstr(e.text, "step-000000002.safetensors: cannot open"));
    free(skipped);
    assert_int_equal(remove(scratch_path("step-000000001.safetensors")), 0);
    assert_int_equal(remove(scratch_path("step-000000002.safetensors")), 0);
}

static void test_strays(void **state)
{
    (void)state;
    size_t before = scratch_count();
    scratch_write(scratch_path(".step-000000001.safetensors.a0b1c2.tmp"), "x", 1);
    scratch_write(scratch_path(".best.safetensors.zz1234.tmp"), "x", 1);
    ckpt_remove_strays(scratch_dir());
    assert_int_equal(scratch_count(), before);
    scratch_write(scratch_path(".mine.safetensors.a0b1c2.tmp"), "x", 1);
    scratch_write(scratch_path(".step-1.safetensors.tmp"), "x", 1);
    ckpt_remove_strays(scratch_dir());
    assert_int_equal(scratch_count(), before + 2);
    ckpt_remove_strays("/nonexistent");
    assert_int_equal(remove(scratch_path(".mine.safetensors.a0b1c2.tmp")), 0);
    assert_int_equal(remove(scratch_path(".step-1.safetensors.tmp")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder_with_best_alone),
        cmocka_unit_test(test_what_cannot_be_read_is_not_damaged),
        cmocka_unit_test(test_strays),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, toyckpt_setup, toyckpt_teardown);
}
