/* The sequences of training steps: what stands in an epoch, and the same again after a resume. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dims/dims.h"
#include "os/pages.h"
#include "train/batches.h"

/* A shard whose every token is its own place in the stream, so that a row tells which it is, and
 * batches of it. */
struct toy {
    uint16_t *stream;
    uint64_t *stories;
    struct shard shard;
    struct shardset set;      /* of it, or of several that it is cut into */
    uint64_t *cut_stories[3]; /* of these */
    struct arena arena;
    struct batches b;
};

/* Stories of 1 to `longest` tokens. */
static struct toy make_toy(size_t n_tokens, size_t longest)
{
    struct rng rng;
    struct toy t = {.stream = calloc(n_tokens, sizeof *t.stream),
                    .stories = calloc(n_tokens + 1, sizeof *t.stories)};
    rng_seed(&rng, 7, 0);
    for (size_t i = 0; i < n_tokens; i++)
        t.stream[i] = (uint16_t)i;
    size_t n = 0;
    for (uint64_t at = 0; at < n_tokens; at += 1 + rng_below(&rng, longest))
        t.stories[n++] = at;
    t.stories[n] = n_tokens;
    t.shard = (struct shard){
        .tokens = t.stream, .stories = t.stories, .n_tokens = n_tokens, .n_stories = n};
    return t;
}

/* Shards of stories first to end, the second of which has none. */
static void cut(struct toy *t)
{
    struct err e;
    const size_t ends[] = {0, t->shard.n_stories / 3, t->shard.n_stories / 3, t->shard.n_stories};
    for (int i = 0; i < 3; i++) {
        uint64_t first = t->stories[ends[i]];
        size_t n = ends[i + 1] - ends[i];
        t->cut_stories[i] = calloc(n + 1, sizeof *t->cut_stories[i]);
        for (size_t k = 0; k <= n; k++)
            t->cut_stories[i][k] = t->stories[ends[i] + k] - first;
        struct shard part = {.tokens = t->stream + first,
                             .stories = t->cut_stories[i],
                             .n_tokens = t->stories[ends[i + 1]] - first,
                             .n_stories = n};
        assert_int_equal(shardset_add(&t->set, &part, NULL, &e), 0);
    }
}

static void lay_out(struct toy *t, int kind, size_t T, size_t per_step)
{
    struct err e;
    struct rng rng;
    if (t->set.n == 0)
        assert_int_equal(shardset_add(&t->set, &t->shard, NULL, &e), 0);
    arena_measure(&t->arena);
    batches_init(&t->b, &t->set, kind, T, per_step, &t->arena);
    assert_int_equal(arena_init(&t->arena, &pages_memory, t->arena.used, &e), 0);
    batches_init(&t->b, &t->set, kind, T, per_step, &t->arena);
    rng_seed(&rng, 1, 2);
    batches_start(&t->b, &rng, 0, 0, t->set.n);
}

static void free_toy(struct toy *t)
{
    shardset_release(&t->set);
    for (int i = 0; i < 3; i++)
        free(t->cut_stories[i]);
    free(t->stream);
    free(t->stories);
}

/* Of one step. */
enum { N_TOKENS = 30000, T = 32, PER_STEP = 4, ROWS = T * PER_STEP };
struct rows {
    uint16_t x[ROWS];
    uint16_t y[ROWS];
    uint32_t pos[ROWS];
};

/* In two batches, as with --accum 2. */
static void take_step(struct batches *b, struct rows *r)
{
    enum { HALF = ROWS / 2 };
    batches_begin_step(b);
    batches_take(b, PER_STEP / 2, r->x, r->y, r->pos);
    batches_take(b, PER_STEP / 2, r->x + HALF, r->y + HALF, r->pos + HALF);
}

static void test_windows_of_the_stream(void **state)
{
    (void)state;
    struct toy t = make_toy(N_TOKENS, 90);
    struct rows r;
    int seen[N_TOKENS / (T + 1)] = {0};
    lay_out(&t, BATCHES_STREAM, T, PER_STEP);
    size_t n_steps = batches_steps_per_epoch(&t.b);
    assert_int_equal(n_steps, ARRAY_LEN(seen) / PER_STEP);
    for (size_t step = 0; step < n_steps; step++) {
        take_step(&t.b, &r);
        for (size_t i = 0; i < ROWS; i++) {
            assert_int_equal(r.y[i], r.x[i] + 1);
            assert_int_equal(r.pos[i], i % T);
        }
        for (size_t i = 0; i < PER_STEP; i++) {
            assert_int_equal(r.x[i * T] % (T + 1), 0);
            seen[r.x[i * T] / (T + 1)]++;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_true(seen[i] <= 1); /* no window twice in an epoch */
    assert_int_equal(t.b.epoch, 0);
    arena_release(&t.arena);
    free_toy(&t);
}

/* Whether a piece begins at this token: a story, or every T tokens of one. */
static bool begins_piece(const struct toy *t, uint64_t token)
{
    size_t story = 0;
    while (t->stories[story + 1] <= token)
        story++;
    return (token - t->stories[story]) % T == 0;
}

/* Row i of a step: the token, the one before it or EOS, and a position that counts from the begin
 * of a piece, or of a batch that cuts one. */
static void check_row(const struct toy *t, const struct rows *r, size_t i)
{
    assert_int_equal(r->x[i], r->y[i] ? r->y[i] - 1 : DIMS_EOS);
    if (begins_piece(t, r->y[i]) || i % (ROWS / 2) == 0)
        assert_int_equal(r->pos[i], 0);
    else
        assert_true(r->y[i] == r->y[i - 1] + 1 && r->pos[i] == r->pos[i - 1] + 1);
}

/* Every token of an epoch is predicted once, but for the last that give no step. */
static void check_epoch(struct toy *t)
{
    struct rows r;
    int seen[N_TOKENS] = {0};
    size_t n_seen = 0;
    for (size_t step = 0; step < N_TOKENS / ROWS; step++) {
        take_step(&t->b, &r);
        for (size_t i = 0; i < ROWS; i++) {
            check_row(t, &r, i);
            n_seen += seen[r.y[i]]++ == 0;
        }
    }
    assert_int_equal(n_seen, N_TOKENS / ROWS * ROWS);
}

static void test_an_epoch_of_stories_has_every_token_once(void **state)
{
    (void)state;
    struct toy t = make_toy(N_TOKENS, 90);
    lay_out(&t, BATCHES_STORY, T, PER_STEP);
    assert_int_equal(batches_steps_per_epoch(&t.b), N_TOKENS / ROWS);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        check_epoch(&t);
        assert_int_equal(t.b.epoch, epoch);
    }
    arena_release(&t.arena);
    free_toy(&t);
}

/* In the order of the stories, as validation reads them: only whole pieces, as many as have room.
 */
static void test_pieces_in_order(void **state)
{
    (void)state;
    uint64_t stories[] = {0, 1, 3, 7, 8, 40};
    struct toy t = make_toy(40, 40);
    uint16_t x[8], y[8];
    uint32_t pos[8];
    memcpy(t.stories, stories, sizeof stories);
    t.shard.n_stories = 5;
    lay_out(&t, BATCHES_STORY, 4, 2);
    struct pieces *p = &t.b.pieces;
    pieces_start(p, NULL, 0, 1);
    uint16_t next = 0;
    assert_int_equal(pieces_fit(p, 0), 0);
    assert_int_equal(pieces_fit(p, 6), 3); /* of one token, of two; the next has four */
    for (size_t n; (n = pieces_fit(p, 8)) > 0;) {
        pieces_take(p, n, x, y, pos);
        for (size_t i = 0; i < n; i++, next++)
            assert_int_equal(y[i], next);
    }
    assert_int_equal(next, 40);
    arena_release(&t.arena);
    free_toy(&t);
}

/* Stories of one token (EOS alone) and two, one that is exactly a sequence and one far longer. */
static void test_stories_of_awkward_lengths(void **state)
{
    (void)state;
    uint64_t stories[] = {0, 1, 3, 7, 8, 40};
    struct toy t = make_toy(40, 40);
    memcpy(t.stories, stories, sizeof stories);
    t.shard.n_stories = 5;
    lay_out(&t, BATCHES_STORY, 4, 2);
    for (int epoch = 0; epoch < 20; epoch++) {
        int seen[40] = {0};
        for (int step = 0; step < 5; step++) {
            uint16_t x[8], y[8];
            uint32_t pos[8];
            batches_begin_step(&t.b);
            batches_take(&t.b, 2, x, y, pos);
            for (size_t i = 0; i < 8; i++)
                assert_int_equal(seen[y[i]]++, 0);
        }
        assert_int_equal(t.b.epoch, epoch);
    }
    arena_release(&t.arena);
    free_toy(&t);
}

/* The generator and the position bring any step of any epoch back. */
static void test_any_step_comes_again(void **state)
{
    (void)state;
    for (int kind = 0; batches_names[kind]; kind++) {
        struct toy t = make_toy(N_TOKENS, 90);
        struct toy other = make_toy(N_TOKENS, 90);
        struct rows r, again;
        lay_out(&t, kind, T, PER_STEP);
        lay_out(&other, kind, T, PER_STEP);
        size_t n_steps = batches_steps_per_epoch(&t.b);
        for (size_t step = 0; step < 3 * n_steps; step++) {
            if (step % 37 == 0)
                batches_start(&other.b, &t.b.start, t.b.epoch, t.b.position, 1);
            take_step(&t.b, &r);
            take_step(&other.b, &again);
            assert_memory_equal(&r, &again, sizeof r);
            assert_int_equal(t.b.epoch, step / n_steps);
        }
        arena_release(&t.arena);
        arena_release(&other.arena);
        free_toy(&t);
        free_toy(&other);
    }
}

/* Another order every epoch and with every seed, of the windows and of the stories. */
static void test_no_epoch_is_as_another(void **state)
{
    (void)state;
    for (int kind = 0; batches_names[kind]; kind++) {
        struct toy t = make_toy(N_TOKENS, 90);
        struct rows first, second, seed;
        struct rng rng;
        lay_out(&t, kind, T, PER_STEP);
        take_step(&t.b, &first);
        while (t.b.epoch == 0)
            take_step(&t.b, &second);
        rng_seed(&rng, 2, 2);
        batches_start(&t.b, &rng, 0, 0, 1);
        take_step(&t.b, &seed);
        assert_memory_not_equal(first.y, second.y, sizeof first.y);
        assert_memory_not_equal(first.y, seed.y, sizeof first.y);
        arena_release(&t.arena);
        free_toy(&t);
    }
}

/* Where files end does not matter. */
static void test_cuts_do_not_matter(void **state)
{
    (void)state;
    for (int kind = 0; batches_names[kind]; kind++) {
        struct toy t = make_toy(N_TOKENS, 90);
        struct toy in_three = make_toy(N_TOKENS, 90);
        struct rows r, same;
        cut(&in_three);
        lay_out(&t, kind, T, PER_STEP);
        lay_out(&in_three, kind, T, PER_STEP);
        for (size_t step = 0; step < 2 * N_TOKENS / ROWS; step++) {
            take_step(&t.b, &r);
            take_step(&in_three.b, &same);
            assert_memory_equal(&r, &same, sizeof r);
        }
        arena_release(&t.arena);
        arena_release(&in_three.arena);
        free_toy(&t);
        free_toy(&in_three);
    }
}

/* An epoch that began without stories ends without them; the next has all. */
static void test_added_stories_join_in_the_next_epoch(void **state)
{
    (void)state;
    for (int kind = 0; batches_names[kind]; kind++) {
        struct toy t = make_toy(N_TOKENS, 90);
        struct rows r;
        cut(&t);
        lay_out(&t, kind, T, PER_STEP);
        struct rng rng = t.b.start;
        uint64_t before = t.set.first_token[2];
        batches_start(&t.b, &rng, 4, 0, 2);
        assert_int_equal(t.b.n_windows, batches_per_epoch(before, kind, T));
        for (size_t i = 0; i < t.b.n_windows / PER_STEP; i++) {
            take_step(&t.b, &r);
            for (size_t k = 0; k < ROWS; k++)
                assert_true(r.y[k] < before);
        }
        assert_int_equal(t.b.epoch, 4);
        bool has_new = false;
        for (size_t i = 0; i < batches_steps_per_epoch(&t.b); i++) {
            take_step(&t.b, &r);
            for (size_t k = 0; k < ROWS; k++)
                has_new |= r.y[k] >= before;
        }
        assert_true(has_new);
        assert_int_equal(t.b.epoch, 5);
        assert_int_equal(t.b.n_windows, batches_per_epoch(N_TOKENS, kind, T));
        arena_release(&t.arena);
        free_toy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_of_the_stream),
        cmocka_unit_test(test_an_epoch_of_stories_has_every_token_once),
        cmocka_unit_test(test_pieces_in_order),
        cmocka_unit_test(test_stories_of_awkward_lengths),
        cmocka_unit_test(test_any_step_comes_again),
        cmocka_unit_test(test_no_epoch_is_as_another),
        cmocka_unit_test(test_cuts_do_not_matter),
        cmocka_unit_test(test_added_stories_join_in_the_next_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
