/* Stories of a file as tokens: how far the file is when each of them is handed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "corpus/gather.h"
#include "os/threads.h"
#include "support/scratch.h"
#include "support/toyvocab.h"

/* Three batches and a half. */
enum {
    STORY_BYTES = GATHER_BYTES / 8,
    N_STORIES = 28,
    FILE_BYTES = N_STORIES * (STORY_BYTES + 13),
    BLOCK = 128 << 10
};

struct seen {
    size_t n_stories, n_told;
    uint64_t read, size;
};

static int on_story(void *context, const struct gather_story *story, struct err *e)
{
    struct seen *s = context;
    (void)e;
    assert_int_equal(story->n_bytes, STORY_BYTES);
    s->n_stories++;
    return 0;
}

/* After each story, where it ends, or up to a block of reading further. */
static void on_progress(void *context, uint64_t read, uint64_t total)
{
    struct seen *s = context;
    s->n_told++;
    assert_int_equal(s->n_told, s->n_stories);
    assert_in_range(read, (s->n_stories - 1) * STORY_BYTES, s->n_stories * STORY_BYTES + BLOCK);
    assert_true(read > s->read);
    s->read = read;
    s->size = total;
}

static void test_progress_of_what_is_handed_on(void **state)
{
    (void)state;
    static char text[FILE_BYTES + 1];
    struct vocab v = toyvocab();
    struct err e;
    for (size_t i = 0; i < N_STORIES; i++) {
        char *at = text + i * (STORY_BYTES + 13);
        memset(at, "abc"[i % 3], STORY_BYTES);
        memcpy(at + STORY_BYTES, "<|endoftext|>", 14);
    }
    const char *path = scratch_path("stories.txt");
    scratch_write(path, text, FILE_BYTES);
    struct pool *pool = threads_new(2, &e);
    struct tokenizer *t = tokenizer_new(&v, &e);
    struct gather *g = gather_new(v.form, t, pool, &e);
    assert_non_null(g);
    for (int pass = 0; pass < 2; pass++) { /* the second file begins at its beginning */
        struct seen seen = {0};
        struct corpus_counts counts = {0};
        const struct gather_hooks hooks = {
            .story = on_story, .progress = on_progress, .context = &seen};
        assert_int_equal(gather_read(g, path, &(struct corpus_options){.format = CORPUS_TEXT},
                                     &hooks, &counts, &e),
                         0);
        assert_int_equal(seen.n_told, N_STORIES);
        assert_int_equal(seen.read, FILE_BYTES);
        assert_int_equal(seen.size, FILE_BYTES);
    }
    gather_free(g);
    tokenizer_free(t);
    threads_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_progress_of_what_is_handed_on)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
