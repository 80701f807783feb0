#include "support/counted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "corpus/corpus.h"
#include "text/normalize.h"
#include "text/pretok.h"

void counted_add(struct words *w, const char *text, size_t n)
{
    struct err e;
    for (size_t at = 0; at < n;) {
        size_t length = pretok_next(text + at, n - at);
        uint32_t number;
        assert_int_equal(words_add(w, text + at, length, hash64(text + at, length), &number, &e),
                         0);
        w->items[number].count++;
        w->items[number].count_head++;
        at += length;
    }
}

struct pretokens counted_all(const struct words *w, uint64_t n_stories)
{
    return (struct pretokens){w->items, w->n, n_stories};
}

struct reading {
    counted_story *story;
    void *context;
    size_t n;
    struct text_buf text;
};

static int normalised(void *context, const char *text, size_t n, struct err *e)
{
    struct reading *r = context;
    struct normalize_stats stats = {0};
    size_t n_chars;
    if (normalize_text((struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF}, text, n, &r->text,
                       &n_chars, &stats, e))
        return -1;
    r->story(r->context, r->text.data, r->text.n);
    r->n++;
    return 0;
}

size_t counted_tinystories(counted_story *story, void *context)
{
    const char *dir = getenv("TINYSTORIES_DIR");
    if (!dir)
        return 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/valid.txt.gz", dir);
    struct corpus_options options = {0};
    struct reading r = {.story = story, .context = context};
    struct err e;
    const struct corpus_hooks hooks = {.story = normalised, .context = &r};
    struct corpus_counts counts = {0};
    if (corpus_read(path, &options, &hooks, &counts, &e))
        fail_msg("%s", e.text);
    free(r.text.data);
    return r.n;
}
