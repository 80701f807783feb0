#include "train/slices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ranks/ranks.h"
#include "train/exchange.h"

static const int numbers[] = {1, 2, 3, 4, 6, 7, 16, 100};

static struct dims model(size_t i)
{
    struct dims d;
    struct err e;
    if (i == 0)
        dims_small(&d, 10000);
    else
        dims_large(&d, 4096);
    if (i == 2) {
        assert_int_equal(dims_parse_mixers(&d, "attention", &e), 0);
        d.embed_norm = 1;
        dims_complete(&d);
    }
    return d;
}

/* One after the other they are the whole array, each of one owner and one group. */
static void check_cover(const struct slices *s, const struct dims *d)
{
    size_t at = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct slice *x = &s->slice[i];
        assert_int_equal(x->first, at);
        assert_true(x->n > 0 && x->owner >= 0 && x->owner < s->n_ranks);
        assert_true(x->group >= 0 && x->group <= d->L);
        if (i > 0)
            assert_true(x[-1].owner != x->owner || x[-1].group != x->group);
        at += x->n;
    }
    assert_int_equal(at, dims_n_floats(d));
}

/* The parts of a tensor are all of it, those of the blocks of one owner, and lie in his slices. */
static void check_tensors(const struct slices *s, const struct dims *d)
{
    struct tensor t;
    for (size_t i = 0; i < s->n_tensors; i++) {
        size_t n = 0;
        dims_tensor(d, i, &t);
        for (int r = 0; r < s->n_ranks; r++) {
            struct slices_part p = slices_of(s, &t, i, r);
            assert_true(p.n == 0 || p.first == n);
            assert_true(i == 0 || p.n == 0 || p.n == t.n);
            assert_true(p.n == 0 || p.first % SLICES_CUT == 0);
            n += p.n;
            for (size_t j = 0; j < s->n; j++) {
                const struct slice *x = &s->slice[j];
                size_t at = t.offset + p.first;
                if (p.n > 0 && at >= x->first && at < x->first + x->n) {
                    assert_int_equal(x->owner, r);
                    assert_true(at + p.n <= x->first + x->n);
                    assert_int_equal(x->group, t.block < 0 ? d->L : t.block);
                }
            }
        }
        assert_int_equal(n, t.n);
    }
}

static void test_slices_cover_all_parameters(void **state)
{
    (void)state;
    struct err e;
    for (size_t i = 0; i < 3; i++) {
        struct dims d = model(i);
        for (size_t j = 0; j < ARRAY_LEN(numbers); j++) {
            struct slices s;
            assert_int_equal(slices_init(&s, &d, numbers[j], &e), 0);
            size_t n = 0;
            for (int r = 0; r < numbers[j]; r++)
                n += slices_floats(&s, r);
            assert_int_equal(n, dims_n_floats(&d));
            check_cover(&s, &d);
            check_tensors(&s, &d);
            slices_release(&s);
        }
    }
}

/* Who owns most makes all wait: with a few ranks it owns no more than its share and one cut. */
static void test_slices_are_alike(void **state)
{
    (void)state;
    struct err e;
    for (size_t i = 0; i < 3; i++) {
        struct dims d = model(i);
        for (int size = 1; size <= 4; size++) {
            struct slices s;
            assert_int_equal(slices_init(&s, &d, size, &e), 0);
            for (int r = 0; r < size; r++)
                assert_true(slices_floats(&s, r) <=
                            dims_n_floats(&d) / (size_t)size + 2 * (size_t)size * SLICES_CUT);
            slices_release(&s);
        }
    }
}

/* Ranks have as many batches each, whole subtrees: a power of two. */
static void test_which_numbers_can_share(void **state)
{
    (void)state;
    struct err e;
    static const struct {
        int ranks;
        uint64_t batches;
        bool can;
    } cases[] = {{1, 1, true},   {1, 3, true},       {1, 7, true},  {2, 1, false}, {2, 2, true},
                 {2, 6, false},  {3, 6, true},       {6, 6, true},  {3, 9, false}, {9, 9, true},
                 {4, 6, false},  {5, 40, true},      {4, 64, true}, {8, 4, false}, {16, 48, false},
                 {24, 48, true}, {1025, 1025, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(exchange_check(cases[i].ranks, cases[i].batches, &e) == 0, cases[i].can);
    assert_int_equal(exchange_check(4, 6, &e), -1);
    assert_string_equal(e.text,
                        "4 ranks cannot share the 6 batches of a step (--accum): each is to have "
                        "the same power of two of them; give --accum 4, 8 or 16, or start 3 ranks");
    assert_int_equal(e.code, ERR_USAGE);
}

static void test_a_program_of_one_process_has_one_rank(void **state)
{
    (void)state;
    struct err e;
    struct ranks r;
    assert_int_equal(ranks_open(&r, &e), 0);
    assert_int_equal(r.rank, 0);
    assert_int_equal(r.size, 1);
    assert_int_equal(ranks_agree(&r, 0, &e), 0);
    err_set(&e, "a fault");
    assert_int_equal(ranks_agree(&r, -1, &e), -1);
    assert_string_equal(e.text, "a fault");
    ranks_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_cover_all_parameters),
        cmocka_unit_test(test_slices_are_alike),
        cmocka_unit_test(test_which_numbers_can_share),
        cmocka_unit_test(test_a_program_of_one_process_has_one_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
