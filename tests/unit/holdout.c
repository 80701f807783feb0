/* Where a single text is cut, and which story is held out of few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "prep/holdout.h"

static size_t cut(const char *text, double fraction)
{
    return holdout_cut(text, strlen(text), fraction);
}

static void test_cut(void **state)
{
    (void)state;
    assert_int_equal(cut("one\ntwo\nsix\n", 0.01), 8); /* the last line */
    assert_int_equal(cut("one\ntwo\nsix", 0.5), 4);
    assert_int_equal(cut("one\ntwo\nsix", 0.34), 4);
    assert_int_equal(cut("one\ntwo\nsix", 0.27), 8);
    assert_int_equal(cut("one\ntwo\nsix", 0.99), 4); /* after the first line at least */
    assert_int_equal(cut("one\rtwo", 0.01), 4);
    assert_int_equal(cut("one\r\ntwo\r\n", 0.01), 5);
    assert_int_equal(cut("one", 0.5), 3);
    assert_int_equal(cut("one\n", 0.5), 4); /* nothing follows the line end */
    assert_int_equal(cut("\n\none\n\n", 0.9), 7);
    assert_int_equal(cut("", 0.5), 0);
}

struct moved {
    uint64_t places[8];
    size_t n;
};

static void on_moved(void *context, uint64_t place, uint64_t n_chars, uint64_t n_bytes)
{
    struct moved *m = context;
    assert_int_equal(n_chars, 10 + place - 1);
    assert_int_equal(n_bytes, 20 + place - 1);
    m->places[m->n++] = place;
}

static void test_move(void **state)
{
    (void)state;
    static const uint32_t stories[5][3] = {{0, 1, 2}, {1, 1, 0}, {2, 2, 2}, {1, 1, 0}, {0, 0, 1}};
    static const uint64_t hashes[5] = {9, 3, 7, 3, 8};
    static const bool is_new[5] = {true, true, true, false, true};
    struct words words = {0};
    struct spool train, valid;
    struct holdout h = {0};
    struct moved moved = {0};
    struct err e;
    uint32_t number;
    assert_int_equal(spool_init(&train, "/tmp", &e), 0);
    assert_int_equal(spool_init(&valid, "/tmp", &e), 0);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(words_add(&words, &"abc"[i], 1, i, &number, &e), 0);
    /* the same numbers before a cut are other words */
    assert_int_equal(spool_add(&train, 1, 1, stories[1], 3, &e), 0);
    assert_int_equal(spool_cut(&train, &e), 0);
    for (uint64_t i = 0; i < 5; i++) {
        const struct holdout_story s = {{.low = hashes[i]}, stories[i], 3, is_new[i]};
        assert_int_equal(holdout_see(&h, &s, &e), 0);
        assert_int_equal(spool_add(&train, 10 + i, 20 + i, stories[i], 3, &e), 0);
        for (size_t k = 0; k < 3; k++) {
            words.items[stories[i][k]].count++;
            words.items[stories[i][k]].count_head += i < 2; /* of the first two stories */
        }
    }
    assert_int_equal(holdout_move(&h, &train, &valid, 1, &words, 0, 3, on_moved, &moved, &e), 0);
    assert_int_equal(moved.n, 2); /* the story and its equal */
    assert_int_equal(moved.places[0], 2);
    assert_int_equal(moved.places[1], 4);
    assert_int_equal(train.n_stories, 4);
    assert_int_equal(valid.n_stories, 2);
    static const uint64_t counts[3] = {3, 2, 4}, heads[3] = {1, 1, 1};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(words.items[i].count, counts[i]);
        assert_int_equal(words.items[i].count_head, heads[i]);
    }
    spool_release(&train);
    spool_release(&valid);
    words_release(&words);
    holdout_release(&h);
}

/* What also stands before these stories is not chosen, nor is anything where all do. */
static void test_known(void **state)
{
    (void)state;
    static const uint32_t words[] = {0, 1, 2};
    static const struct holdout_story stories[] = {{{.low = 1}, &words[0], 1, false},
                                                   {{.low = 3}, &words[1], 1, true},
                                                   {{.low = 2}, &words[2], 1, false}};
    struct holdout h = {0};
    struct err e;
    assert_int_equal(holdout_see(&h, &stories[0], &e), 0);
    assert_int_equal(h.n_equal, 0);
    assert_int_equal(holdout_move(&h, NULL, NULL, 0, NULL, 0, 0, on_moved, NULL, &e), 0);
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(holdout_see(&h, &stories[i], &e), 0);
    assert_int_equal(h.n_equal, 1);
    assert_int_equal(h.words[0], 1);
    holdout_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
