/* Base: error sentences, the arena and its memory, byte order, hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/le.h"
#include "os/pages.h"

static void test_err_is_one_sentence(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(&e, "%s: size is wrong (found %d, expected %d)", "a.bin", 3, 4), -1);
    assert_string_equal(e.text, "a.bin: size is wrong (found 3, expected 4)");
    errno = ENOSPC;
    assert_int_equal(err_errno(&e, "%s: cannot write", "a.bin"), -1);
    assert_string_equal(e.text, "a.bin: cannot write: No space left on device");
    assert_int_equal(errno, ENOSPC);
}

static void test_err_is_cut_not_overrun(void **state)
{
    (void)state;
    struct {
        struct err e;
        char canary[8];
    } box = {.canary = "canary"};
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&box.e, "%s", text);
    assert_int_equal(strlen(box.e.text), sizeof box.e.text - 1);
    text[505] = '\0'; /* leaves no room for all of the reason */
    errno = ENOSPC;
    err_errno(&box.e, "%s", text);
    assert_int_equal(strlen(box.e.text), sizeof box.e.text - 1);
    assert_string_equal(box.canary, "canary");
}

/* However long a path is, the sentence still says what is wrong with it. */
static void test_err_keeps_the_fault(void **state)
{
    (void)state;
    struct err e;
    char path[5000] = "/data/";
    memset(path + 6, 'x', sizeof path - 7);
    path[sizeof path - 1] = '\0';
    err_set(&e, "%s: damaged header (found %d, expected %d)", path, 3, 4);
    assert_non_null(strstr(e.text, "x: damaged header (found 3, expected 4)"));
    assert_ptr_equal(strstr(e.text, "/data/"), e.text);
    errno = ENOSPC;
    err_errno(&e, "%s: cannot write", path);
    assert_non_null(strstr(e.text, "x: cannot write: No space left on device"));
}

static void test_err_is_one_line(void **state)
{
    struct err e;

    (void)state;
    err_set(&e, "a.db: near \"%s\"", "x\ny\n");
    assert_string_equal(e.text, "a.db: near \"x y \"");
}

static void test_err_wraps_itself(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, "no such tensor");
    err_set(&e, "%s: %s", "model.bolt", e.text);
    assert_string_equal(e.text, "model.bolt: no such tensor");
}

static void test_err_has_a_code(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_usage(&e, "%d", 1), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(err_set(&e, "%d", 2), -1);
    assert_int_equal(e.code, ERR_DATA);
    assert_int_equal(err_system(&e, "%d", 3), -1);
    assert_int_equal(e.code, ERR_SYSTEM);
    assert_int_equal(err_memory(&e, "out of memory for %d", 4), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    assert_string_equal(e.text, "out of memory for 4");
    errno = ENOSPC;
    err_errno(&e, "a");
    assert_int_equal(e.code, ERR_SYSTEM);
    errno = ENOMEM;
    err_errno(&e, "a");
    assert_int_equal(e.code, ERR_MEMORY);
    assert_int_equal(err_at(&e, "b", &e), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    assert_non_null(strstr(e.text, "b: a: "));
}

/* The same layout for both passes, as programs do it. */
static void lay_out(struct arena *a, unsigned char *p[3])
{
    p[0] = arena_alloc(a, 3, 1);
    p[1] = arena_alloc(a, 1000, sizeof(float));
    p[2] = arena_alloc(a, 65, 1);
}

/* Both kinds of memory; an arena is as good over one as over the other. */
static const struct memory *const memories[] = {&memory_heap, &pages_memory};

static void test_arena_measures_what_it_takes(void **state)
{
    const struct memory *memory = *state;
    struct arena a;
    struct err e;
    unsigned char *p[3];
    arena_measure(&a);
    lay_out(&a, p);
    for (int i = 0; i < 3; i++)
        assert_null(p[i]);
    assert_int_equal(a.used, 64 + 4032 + 128);
    size_t need = a.used;
    assert_int_equal(arena_init(&a, memory, need, &e), 0);
    lay_out(&a, p);
    assert_int_equal(a.used, need);
    size_t sizes[3] = {3, 4000, 65};
    for (int i = 0; i < 3; i++) {
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 64, 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(p[i][k], 0);
        memset(p[i], 0xAB, sizes[i]);
    }
    assert_ptr_equal(p[1], p[0] + 64);
    assert_ptr_equal(p[2], p[1] + 4032);
    arena_release(&a);
    assert_null(a.base);
    arena_release(&a); /* twice is safe */
}

static void test_arena_beyond_its_measure_aborts(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) { /* also in the slack of whole pages and huge pages */
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct arena a;
            struct err e;
            size_t size = i / 2 ? 3u << 20 : 4096;
            if (arena_init(&a, memories[i % 2], size, &e) != 0 || !arena_alloc(&a, size, 1))
                _exit(9);
            arena_alloc(&a, 1, 1);
            _exit(8);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

static void test_arena_notices_overflow(void **state)
{
    (void)state;
    struct {
        size_t count, size;
    } cases[] = {{SIZE_MAX, 2}, {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX, 1}, {SIZE_MAX - 63, 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        arena_measure(&a);
        assert_null(arena_alloc(&a, cases[i].count, cases[i].size));
        assert_true(a.used == SIZE_MAX);
    }
    struct arena a;
    arena_measure(&a);
    arena_alloc(&a, SIZE_MAX / 2, 1);
    assert_true(a.used < SIZE_MAX);
    arena_alloc(&a, SIZE_MAX / 2, 1);
    assert_true(a.used == SIZE_MAX);
    arena_alloc(&a, 1, 1); /* and stays so */
    assert_true(a.used == SIZE_MAX);
}

/* A sanitizer's malloc of what is too large ends the program otherwise. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_arena_too_large_is_an_error(void **state)
{
    (void)state;
    size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, PTRDIFF_MAX, (size_t)1 << 62};
    for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
        struct arena a;
        struct err e;
        assert_int_equal(arena_init(&a, memories[i % 2], sizes[i / 2], &e), -1);
        assert_non_null(strstr(e.text, "cannot allocate"));
        assert_int_equal(e.code, ERR_MEMORY);
        assert_null(a.base);
        arena_release(&a);
    }
}

static void test_arrays_grow(void **state)
{
    (void)state;
    uint32_t *items = NULL;
    size_t capacity = 0;
    assert_int_equal(array_reserve(&items, &capacity, 0, sizeof *items), 0);
    assert_null(items);
    for (uint32_t i = 0; i < 100000; i++) {
        assert_int_equal(array_reserve(&items, &capacity, i + 1, sizeof *items), 0);
        assert_true(capacity > i);
        items[i] = i;
    }
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(items[i], i);
    size_t before = capacity;
    assert_int_equal(array_reserve(&items, &capacity, SIZE_MAX / 2, sizeof *items), -1);
    assert_int_equal(capacity, before);
    assert_int_equal(items[99999], 99999); /* still there */
    free(items);
}

static void test_sizes_are_checked(void **state)
{
    (void)state;
    size_t out;
    assert_true(size_mul(1u << 20, 1u << 20, &out));
    assert_int_equal(out, (size_t)1 << 40);
    assert_false(size_mul(SIZE_MAX, 2, &out));
    assert_true(size_add(SIZE_MAX - 1, 1, &out));
    assert_false(size_add(SIZE_MAX, 1, &out));
    assert_int_equal(ALIGN_UP(0, 64), 0);
    assert_int_equal(ALIGN_UP(1, 64), 64);
    assert_int_equal(ALIGN_UP(64, 64), 64);
    assert_int_equal(DIV_UP(0, 7), 0);
    assert_int_equal(DIV_UP(8, 7), 2);
}

static void test_integers_are_little_endian(void **state)
{
    (void)state;
    unsigned char b[9];
    le_put64(b + 1, 0x0102030405060708u);
    for (int i = 0; i < 8; i++)
        assert_int_equal(b[1 + i], 8 - i);
    assert_int_equal(le_get64(b + 1), 0x0102030405060708u);
    assert_int_equal(le_get32(b + 3), 0x03040506);
    le_put32(b + 1, 0xA1B2C3D4u);
    assert_int_equal(b[1], 0xD4);
    assert_int_equal(b[4], 0xA1);
}

/* Known answers of XXH3_64bits with seed 0 and its default secret, from the test vectors of the
 * xxHash project: a file of ours must hash the same with any copy of the library. */
static void test_hash_is_xxh3(void **state)
{
    (void)state;
    assert_int_equal(hash64(NULL, 0), 0x2D06800538D394C2u);
    unsigned char data[5000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t n = 0; n <= sizeof data; n += n < 300 ? 1 : 613) {
        for (size_t cut = 1; cut < 3; cut++) {
            struct hash_state h;
            assert_int_equal(hash_init(&h), 0);
            size_t first = n / (cut + 1);
            hash_update(&h, data, first);
            hash_update(&h, data + first, 0);
            hash_update(&h, data + first, n - first);
            assert_int_equal(hash_digest(&h), hash64(data, n));
            hash_release(&h);
        }
    }
    unsigned char other[16];
    memcpy(other, data, sizeof other);
    other[5] ^= 1;
    assert_int_not_equal(hash64(data, sizeof other), hash64(other, sizeof other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_is_one_sentence),
        cmocka_unit_test(test_err_is_cut_not_overrun),
        cmocka_unit_test(test_err_keeps_the_fault),
        cmocka_unit_test(test_err_is_one_line),
        cmocka_unit_test(test_err_wraps_itself),
        cmocka_unit_test(test_err_has_a_code),
        cmocka_unit_test_prestate(test_arena_measures_what_it_takes, (void *)&memory_heap),
        cmocka_unit_test_prestate(test_arena_measures_what_it_takes, (void *)&pages_memory),
        cmocka_unit_test(test_arena_beyond_its_measure_aborts),
        cmocka_unit_test(test_arena_notices_overflow),
        cmocka_unit_test(test_arena_too_large_is_an_error),
        cmocka_unit_test(test_arrays_grow),
        cmocka_unit_test(test_sizes_are_checked),
        cmocka_unit_test(test_integers_are_little_endian),
        cmocka_unit_test(test_hash_is_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
