/* Telling: a story's tokens and logits are those of its stream and sampler alone, whatever else the
 * teller reads between, and however few rows it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "load/load.h"
#include "model/teller.h"
#include "os/pages.h"
#include "support/scratch.h"
#include "support/toybolt.h"

enum { V = TOYBOLT_V, STORIES = 5, DRAWN = 20, MOST_PROMPT = 80 };

static struct modelfile file;
static struct kern kern;
static struct infer_weights weights;
static const struct sampler_options options = {1.2f, 0, 1, 0, 1.5f};

struct room {
    struct arena arena;
    struct teller teller;
    struct teller_story stories[STORIES];
};

static void lay_out(struct room *r, size_t max_rows, struct arena *a)
{
    teller_init(&r->teller, &weights, max_rows, a);
    for (size_t i = 0; i < STORIES; i++)
        teller_story_init(&r->stories[i], &file.model.dims, a);
}

static void open_room(struct room *r, size_t max_rows)
{
    struct err e;
    struct arena measure;
    arena_measure(&measure);
    lay_out(r, max_rows, &measure);
    assert_int_equal(arena_init(&r->arena, &pages_memory, measure.used, &e), 0);
    lay_out(r, max_rows, &r->arena);
}

static int setup(void **state)
{
    struct err e;
    if (toybolt_setup(state))
        return -1;
    kern_init(&kern, cpu_best());
    return load_blob(&file, scratch_path("m.bolt"), &e) ||
           infer_weights_init(&weights, &file.model, &kern, MODEL_INT8, &pages_memory, &e);
}

static int teardown(void **state)
{
    infer_weights_release(&weights);
    load_close(&file);
    return scratch_teardown(state);
}

/* The prompt of story i, with an EOS in it, as a text of several stories has. */
static size_t prompt_of(size_t i, uint16_t *ids)
{
    struct rng r;
    size_t n = i * (MOST_PROMPT - 1) / (STORIES - 1);
    rng_seed(&r, 7, i);
    for (size_t j = 0; j < n; j++)
        ids[j] = (uint16_t)rng_below(&r, V);
    if (n > 3)
        ids[3] = VOCAB_EOS;
    return n;
}

/* Story i as its stream and its sampler tell it, one token at a time. */
static void expect(size_t i, uint16_t *drawn)
{
    struct room r;
    uint16_t prompt[MOST_PROMPT];
    size_t n = prompt_of(i, prompt);
    open_room(&r, 1);
    struct infer *f = &r.teller.infer;
    struct infer_stream *stream = &r.stories[0].stream;
    struct sampler s;
    sampler_init(&s, &options, 11);
    sampler_reset(&s, 11, i);
    infer_stream_reset(stream);
    infer_token(f, stream, VOCAB_EOS, r.teller.logits);
    for (size_t j = 0; j < n + DRAWN; j++) {
        uint16_t id =
            j < n ? prompt[j] : sampler_draw(&s, &r.teller.scratch, r.teller.logits, NULL);
        if (j >= n)
            drawn[j - n] = id;
        if (id != VOCAB_EOS)
            sampler_accept(&s, id);
        infer_token(f, stream, id, r.teller.logits);
    }
    arena_release(&r.arena);
}

/* Prompts of all stories are taken first, so that their rows mix; then each draws in turn. */
static void test_company(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 7, INFER_ROWS};
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        struct room r;
        uint16_t drawn[STORIES][DRAWN];
        open_room(&r, sizes[k]);
        for (size_t i = 0; i < STORIES; i++) {
            uint16_t prompt[MOST_PROMPT];
            size_t n = prompt_of(i, prompt);
            teller_begin(&r.stories[i], &options, 11, i);
            for (size_t j = 0; j < n; j++)
                teller_take(&r.teller, &r.stories[i], prompt[j]);
        }
        for (size_t j = 0; j < DRAWN; j++)
            for (size_t i = 0; i < STORIES; i++) {
                struct teller_story *s = &r.stories[i];
                float *logits = teller_logits(&r.teller, s);
                drawn[i][j] = teller_draw(&r.teller, s, logits, NULL);
                teller_take(&r.teller, s, drawn[i][j]);
            }
        for (size_t i = 0; i < STORIES; i++) {
            uint16_t wanted[DRAWN];
            expect(i, wanted);
            assert_memory_equal(drawn[i], wanted, sizeof wanted);
        }
        arena_release(&r.arena);
    }
}

/* The newest tokens of several stories as rows of one product. */
static void test_rows(void **state)
{
    (void)state;
    struct room r, alone;
    float one[V];
    open_room(&r, INFER_ROWS);
    open_room(&alone, 1);
    for (size_t i = 0; i < STORIES; i++) {
        teller_begin(&r.stories[i], &options, 1, i);
        teller_take(&r.teller, &r.stories[i], (uint16_t)(4 + i));
    }
    assert_int_equal(teller_read(&r.teller), STORIES); /* an EOS each */
    for (size_t i = 0; i < STORIES; i++) {
        teller_add(&r.teller, &r.stories[i]);
        teller_add(&r.teller, &r.stories[i]); /* stands there already */
    }
    assert_int_equal(teller_read(&r.teller), STORIES);
    assert_int_equal(teller_read(&r.teller), 0);
    infer_head(&r.teller.infer, 0, STORIES, r.teller.logits);
    for (size_t i = 0; i < STORIES; i++) {
        teller_begin(&alone.stories[0], &options, 1, i);
        teller_take(&alone.teller, &alone.stories[0], (uint16_t)(4 + i));
        memcpy(one, teller_logits(&alone.teller, &alone.stories[0]), sizeof one);
        assert_memory_equal(r.teller.logits + i * V, one, sizeof one);
    }
    teller_take(&r.teller, &r.stories[0], 4);
    teller_add(&r.teller, &r.stories[0]);
    teller_drop(&r.teller);
    assert_int_equal(teller_read(&r.teller), 0);
    arena_release(&r.arena);
    arena_release(&alone.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
