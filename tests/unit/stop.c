/* Stop texts: found as a plain search finds them, wherever the text is cut, and what may be shown
 * is never taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/rng.h"
#include "sample/story.h"

enum { TEXT = 200, MOST_TEXTS = 4 };

/* The plain search: the first byte at which a text is complete, and the longest that is. */
static bool search(const char *const *texts, size_t n, const char *text, size_t size, size_t *end,
                   size_t *length)
{
    for (size_t i = 1; i <= size; i++) {
        *length = 0;
        for (size_t k = 0; k < n; k++) {
            size_t m = strlen(texts[k]);
            if (m <= i && memcmp(text + i - m, texts[k], m) == 0)
                *length = MAX(*length, m);
        }
        if (*length > 0) {
            *end = i;
            return true;
        }
    }
    return false;
}

static size_t max_held(const char *const *texts, size_t n, const char *text, size_t size)
{
    for (size_t held = size; held > 0; held--)
        for (size_t k = 0; k < n; k++)
            if (held < strlen(texts[k]) && memcmp(text + size - held, texts[k], held) == 0)
                return held;
    return 0;
}

static void random_text(struct rng *r, char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + rng_below(r, 2));
    text[n] = '\0';
}

/* Feeds a text in pieces of random sizes and compares after each. */
static void check_pieces(struct rng *r, const char *const *texts, size_t n, const char *text)
{
    struct err e;
    struct stop stop;
    uint32_t state[MOST_TEXTS] = {0};
    size_t want_end;
    size_t want_length;
    size_t end = 0;
    size_t length = 0;
    bool want = search(texts, n, text, TEXT, &want_end, &want_length);
    bool got = false;
    assert_int_equal(stop_init(&stop, texts, n, &e), 0);
    for (size_t done = 0; done < TEXT && !got;) {
        size_t piece = (size_t)rng_below(r, 9);
        piece = MIN(piece, TEXT - done);
        got = stop_find(&stop, state, (const unsigned char *)text + done, piece, &end, &length);
        end += done;
        done += piece;
        if (!got)
            assert_int_equal(stop_held(&stop, state), max_held(texts, n, text, done));
    }
    assert_int_equal(got, want);
    if (want) {
        assert_int_equal(end, want_end);
        assert_int_equal(length, want_length);
    }
    stop_release(&stop);
}

static void test_finds_what_a_plain_search_finds(void **context)
{
    (void)context;
    struct rng r;
    size_t n_found = 0;
    rng_seed(&r, 1, 0);
    for (int i = 0; i < 2000; i++) {
        char text[TEXT + 1];
        char bytes[MOST_TEXTS][12];
        const char *texts[MOST_TEXTS];
        size_t n = 1 + (size_t)rng_below(&r, MOST_TEXTS);
        size_t end;
        size_t length;
        random_text(&r, text, TEXT);
        for (size_t k = 0; k < n; k++) {
            random_text(&r, bytes[k], 1 + (size_t)rng_below(&r, 11));
            texts[k] = bytes[k];
        }
        check_pieces(&r, texts, n, text);
        n_found += search(texts, n, text, TEXT, &end, &length);
    }
    assert_in_range(n_found, 100, 1999); /* some were found and some were not */
}

static void test_shown_text_is_never_taken_back(void **context)
{
    (void)context;
    static const char *const texts[] = {"abcabd", "bcab!"};
    static const char *const pieces[] = {"xab", "c", "abcab", "", "d", "more"};
    static const size_t ready[] = {1, 1, 4, 4, 4};
    struct err e;
    struct stop stop;
    struct prompt p = {"abcab", 5, 0};
    assert_int_equal(stop_init(&stop, texts, ARRAY_LEN(texts), &e), 0);
    struct story *s = story_new(&stop);
    assert_non_null(s);
    for (int again = 0; again < 2; again++) { /* the second time with what the first left behind */
        assert_int_equal(story_start(s, &stop, &p, &e), 0);
        for (size_t i = 0; i < ARRAY_LEN(ready); i++) {
            struct vocab_bytes b = {(const unsigned char *)pieces[i], (uint32_t)strlen(pieces[i])};
            assert_int_equal(s->end, STORY_GOING);
            assert_int_equal(story_add(s, &stop, (uint16_t)i, -1, true, b, &e), 0);
            assert_int_equal(s->ready, ready[i]);
        }
        assert_int_equal(s->end, STORY_STOP);
        assert_int_equal(s->text.n, 4);
        assert_memory_equal(s->text.data, "xabc", 4);
        assert_int_equal(s->n_tokens, 5);
        assert_int_equal(s->ids.n, 5);
    }
    story_free(s);
    stop_release(&stop);
}

static void test_without_texts_everything_is_ready(void **context)
{
    (void)context;
    struct err e;
    struct stop stop;
    struct prompt p = {"", 0, 0};
    struct vocab_bytes b = {(const unsigned char *)"hello", 5};
    assert_int_equal(stop_init(&stop, NULL, 0, &e), 0);
    struct story *s = story_new(&stop);
    assert_non_null(s);
    assert_int_equal(story_start(s, &stop, &p, &e), 0);
    assert_int_equal(story_add(s, &stop, 7, -1, false, b, &e), 0);
    assert_int_equal(s->ready, 5);
    assert_int_equal(s->ids.n, 0);
    story_drop_ready(s);
    assert_int_equal(s->text.n, 0);
    assert_int_equal(s->ready, 0);
    story_free(s);
    stop_release(&stop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_a_plain_search_finds),
        cmocka_unit_test(test_shown_text_is_never_taken_back),
        cmocka_unit_test(test_without_texts_everything_is_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
