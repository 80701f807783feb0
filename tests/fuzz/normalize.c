/* Any bytes as text: its normal forms are valid UTF-8, trimmed, normal already, of as many
 * characters as was said, and the same in memory reserved before. */
#include "fuzz/fuzz.h"

#include "text/normalize.h"

static bool same(const struct text_buf *a, const struct text_buf *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->data, b->data, a->n) == 0);
}

static void check_form(struct vocab_form form, const char *text, size_t n)
{
    struct text_buf once = {0}, twice = {0}, in_place = {0};
    struct unicode_scratch scratch = {0};
    struct normalize_stats first = {0}, second = {0}, third = {0};
    size_t n_once = 0, n_twice = 0, n_in_place = 0;
    struct err e;

    int rc = normalize_text(form, text, n, &once, &n_once, &first, &e);
    if (rc == 0)
        rc = normalize_text(form, once.data, once.n, &twice, &n_twice, &second, &e);
    if (rc == 0)
        rc = normalize_reserve(&scratch, &in_place, form, n, &e);
    if (rc == 0) {
        const void *reserved = in_place.data;
        rc = normalize_text_in(&scratch, form, text, n, &in_place, &n_in_place, &third, &e);
        FUZZ_CHECK(in_place.data == reserved);
    }
    FUZZ_CAN_STARVE(rc == 0);
    if (rc == 0) {
        FUZZ_CHECK(same(&once, &twice) && same(&once, &in_place));
        FUZZ_CHECK(n_once == n_twice && n_once == n_in_place);
        FUZZ_CHECK(n_once == normalize_count_chars(once.data, once.n));
        FUZZ_CHECK(second.n_invalid == 0 && first.n_invalid == third.n_invalid);
    }
    unicode_scratch_release(&scratch);
    free(once.data);
    free(twice.data);
    free(in_place.data);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    for (int form = VOCAB_NORM_NONE; form <= VOCAB_NORM_NFKC; form++) {
        const enum vocab_normalize normalize = (enum vocab_normalize)form;
        check_form((struct vocab_form){normalize, VOCAB_LINES_LF}, (const char *)data, n);
        check_form((struct vocab_form){normalize, VOCAB_LINES_KEPT}, (const char *)data, n);
    }
}
