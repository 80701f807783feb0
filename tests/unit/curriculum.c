/* Curricula: what their text may be, what is said of one that is wrong, the shares they give, and
 * sequences out of parts, which come again after a resume. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os/pages.h"
#include "train/mixture.h"

static const char *const parts[] = {"tiny", "simple", "edu"};
static struct err e;

static struct curriculum parse(const char *text)
{
    struct curriculum c;
    if (curriculum_parse(&c, text, parts, 3, &e))
        fail_msg("%s", e.text);
    return c;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void expect_shares(const struct curriculum *c, double progress, double a, double b, double d)
{
    double shares[3];
    curriculum_shares(c, progress, shares);
    assert_true(near(shares[0], a) && near(shares[1], b) && near(shares[2], d));
}

static const char three[] = "# from easy to hard\n"
                            "30%: tiny\n"
                            "\n"
                            "  40% : tiny 3 to 1,simple 1 # both\r\n"
                            "30%: simple 1 to 0, edu 1 to 4";

static void test_stages_and_shares(void **state)
{
    (void)state;
    struct curriculum c = parse(three);
    assert_int_equal(c.n_stages, 3);
    assert_int_equal(curriculum_stage(&c, 0), 0);
    assert_int_equal(curriculum_stage(&c, 0.2999), 0);
    assert_int_equal(curriculum_stage(&c, 0.3001), 1);
    assert_int_equal(curriculum_stage(&c, 1), 2);
    expect_shares(&c, 0, 1, 0, 0);
    expect_shares(&c, 0.2999, 1, 0, 0);
    expect_shares(&c, 0.3, 0.75, 0.25, 0);
    expect_shares(&c, 0.5, 2.0 / 3, 1.0 / 3, 0);
    expect_shares(&c, 0.7, 0, 0.5, 0.5);
    expect_shares(&c, 0.85, 0, 0.5 / 3, 2.5 / 3);
    expect_shares(&c, 1, 0, 0, 1);
    assert_true(curriculum_uses(&c, 2));
    c = parse("100%: tiny 0, simple");
    assert_false(curriculum_uses(&c, 0));
    c = parse("33.3%: tiny; 33.3%: simple; 33.3%: edu");
    expect_shares(&c, 0.3333, 1, 0, 0);
    expect_shares(&c, 0.3334, 0, 1, 0);
    expect_shares(&c, 0.6666, 0, 1, 0);
    expect_shares(&c, 0.6667, 0, 0, 1);
}

static void test_text_comes_back(void **state)
{
    (void)state;
    char text[CKPT_CURRICULUM_BYTES], again[CKPT_CURRICULUM_BYTES];
    struct curriculum c = parse(three);
    assert_int_equal(curriculum_text(&c, parts, text, &e), 0);
    assert_string_equal(text,
                        "30%: tiny 1; 40%: tiny 3 to 1, simple 1; 30%: simple 1 to 0, edu 1 to 4");
    struct curriculum d = parse(text);
    assert_int_equal(curriculum_text(&d, parts, again, &e), 0);
    assert_string_equal(text, again);
    char longest[4096] = "";
    for (int i = 0; i < 32; i++)
        strcat(longest, "3.125%: tiny 1.23456789 to 2.3456789, simple 3.456789 to 4.56789, edu\n");
    c = parse(longest);
    assert_int_equal(curriculum_text(&c, parts, text, &e), -1);
    assert_non_null(strstr(e.text, "too long"));
}

static void expect_refused(const char *text, const char *message)
{
    struct curriculum c;
    e.text[0] = '\0';
    assert_int_equal(curriculum_parse(&c, text, parts, 3, &e), -1);
    if (strcmp(e.text, message) != 0)
        fail_msg("\"%s\" is not \"%s\"", e.text, message);
}

static void test_faults_name_the_line(void **state)
{
    (void)state;
    expect_refused("", "holds no stage");
    expect_refused("# nothing\n\n", "holds no stage");
    expect_refused("50%: tiny\n\n40%: edu", "the shares of its stages add up to 90%, not to 100%");
    expect_refused("33.3%: tiny\n33.3%: edu\n33.2%: tiny",
                   "the shares of its stages add up to 99.8%, not to 100%");
    expect_refused("50%: tiny\nhalf: edu",
                   "line 2: found 'half', expected a share of the budget, such as 30%");
    expect_refused("-50%: tiny",
                   "line 1: found '-50%', expected a share of the budget, such as 30%");
    expect_refused("0%: tiny", "line 1: a stage has a share of 0");
    expect_refused("50: tiny", "line 1: found ':', expected % after the share");
    expect_refused("50% tiny", "line 1: found 'tiny', expected ':' after the share");
    expect_refused("\n50%:", "line 2: ends where the name of a part was expected");
    expect_refused("50%: tiny,\n50%: edu", "line 1: ends where the name of a part was expected");
    expect_refused("50%: tony 1",
                   "line 1: the data have no part 'tony' (they have tiny, simple, edu)");
    expect_refused("50%: tiny, edu, tiny", "line 1: part 'tiny' stands twice");
    expect_refused("50%: tiny 1 edu 2",
                   "line 1: found 'edu', expected a comma or the end of the line");
    expect_refused("50%: tiny x",
                   "line 1: found 'x', expected a weight, a comma or the end of the line");
    expect_refused("50%: tiny 1 to", "line 1: ends where a weight was expected");
    expect_refused("50%: tiny 1e9", "line 1: 1e9 is too large (at most 1e+06)");
    expect_refused("50%: tiny 1e-300", "line 1: 1e-300 is too small (0, or at least 1e-06)");
    expect_refused("100%: tiny\n1e-300%: edu",
                   "line 2: 1e-300% is too small (0, or at least 1e-06)");
    expect_refused("50%: tiny 0", "line 1: all weights are 0 where the stage begins");
    expect_refused("50%: tiny 1 to 0", "line 1: all weights are 0 where the stage ends");
    char many[1024] = "";
    for (int i = 0; i < 33; i++)
        strcat(many, "1%: tiny\n");
    expect_refused(many, "line 33: more than 32 stages");
}

/* Over any stretch of draws a part has its share, but for a few. */
static void test_draws_keep_the_shares(void **state)
{
    (void)state;
    static const double shares[] = {0.6, 0.07, 0.33};
    for (uint64_t seed = 1; seed < 5; seed++)
        for (uint64_t first = 0; first < 100000; first += 9973) {
            int counts[3] = {0};
            for (int n = 1; n <= 2000; n++) {
                counts[curriculum_draw(shares, 3, seed, first + (uint64_t)n)]++;
                for (int k = 0; k < 3; k++)
                    assert_true(fabs(counts[k] - n * shares[k]) < 5);
            }
        }
    static const double none[] = {0, 1, 0};
    for (uint64_t n = 0; n < 1000; n++)
        assert_int_equal(curriculum_draw(none, 3, 1, n), 1);
}

/* ---- mixtures -------------------------------------------------------------------------------- */

enum { T = 16, BATCH = 8, ROWS = T * BATCH };
static const size_t sizes[] = {6000, 30, 3000}; /* the second is smaller than a batch */

/* Tokens tell part and place. */
struct toy {
    uint16_t *tokens[3];
    uint64_t *stories[3];
    struct shardset data;
};

static struct toy make_toy(void)
{
    struct toy t = {0};
    for (size_t k = 0; k < 3; k++) {
        size_t n = 0;
        t.tokens[k] = calloc(sizes[k], sizeof *t.tokens[k]);
        t.stories[k] = calloc(sizes[k] + 1, sizeof *t.stories[k]);
        for (size_t i = 0; i < sizes[k]; i++)
            t.tokens[k][i] = (uint16_t)(10000 * k + i);
        for (size_t at = 0; at < sizes[k]; at += 10 + k)
            t.stories[k][n++] = at;
        t.stories[k][n] = sizes[k];
        struct shard s = {
            .tokens = t.tokens[k], .stories = t.stories[k], .n_tokens = sizes[k], .n_stories = n};
        assert_int_equal(shardset_add(&t.data, &s, parts[k], &e), 0);
    }
    return t;
}

static void free_toy(struct toy *t)
{
    shardset_release(&t->data);
    for (int k = 0; k < 3; k++) {
        free(t->tokens[k]);
        free(t->stories[k]);
    }
}

static const char text[] = "50%: tiny 3 to 1, simple 1; 50%: edu 2, tiny 1";

static void open_mixture(struct mixture *m, struct arena *a, const struct toy *t, int kind)
{
    *m = (struct mixture){0};
    if (mixture_open(m, &t->data, text, kind, T, 7, &e))
        fail_msg("%s", e.text);
    arena_measure(a);
    mixture_init(m, kind, T, a);
    assert_int_equal(arena_init(a, &pages_memory, a->used, &e), 0);
    mixture_init(m, kind, T, a);
    mixture_start(m);
}

struct rows {
    uint16_t x[ROWS], y[ROWS];
    uint32_t pos[ROWS];
};

static void take_step(struct mixture *m, uint64_t step, uint64_t n_steps, struct rows *r)
{
    mixture_begin_step(m, (double)step / (double)n_steps, step * BATCH);
    mixture_take(m, BATCH, r->x, r->y, r->pos);
}

static void test_any_step_of_a_mixture_comes_again(void **state)
{
    (void)state;
    enum { STEPS = 400 };
    for (int kind = 0; batches_names[kind]; kind++) {
        struct toy t = make_toy();
        struct mixture m, other;
        struct arena a, b;
        struct rows r, again;
        size_t counts[3] = {0};
        open_mixture(&m, &a, &t, kind);
        open_mixture(&other, &b, &t, kind);
        for (uint64_t step = 0; step < STEPS; step++) {
            struct ckpt_progress p = {0};
            if (step % 7 == 0) {
                mixture_save(&m, &p);
                assert_int_equal(p.n_parts, 3);
                assert_int_equal(mixture_resume(&other, &p, &e), 0);
            }
            take_step(&m, step, STEPS, &r);
            take_step(&other, step, STEPS, &again);
            assert_memory_equal(&r, &again, sizeof r);
            for (size_t i = 0; i < ROWS; i++)
                counts[r.y[i] / 10000]++;
        }
        double all = STEPS * ROWS, half = all / 2;
        assert_true(fabs((double)counts[2] - half * 2 / 3) < 10 * T);
        double ones = (double)counts[1];
        assert_true(ones > half * 0.25 && ones < half * 0.5);
        assert_true(m.part[1].batches.epoch > 10);
        mixture_close(&m);
        mixture_close(&other);
        arena_release(&a);
        arena_release(&b);
        free_toy(&t);
    }
}

static void test_a_mixture_that_does_not_fit(void **state)
{
    (void)state;
    struct toy t = make_toy();
    struct mixture m = {0};
    struct arena a;
    assert_int_equal(mixture_open(&m, &t.data, text, BATCHES_STREAM, 64, 7, &e), -1);
    assert_non_null(strstr(e.text, "part 'simple' is shorter than one sequence (30 tokens"));
    mixture_close(&m);
    open_mixture(&m, &a, &t, BATCHES_STREAM);
    struct ckpt_progress p = {0};
    mixture_save(&m, &p);
    p.n_parts = 2;
    assert_int_equal(mixture_resume(&m, &p, &e), -1);
    assert_non_null(strstr(e.text, "tells nothing of part 'edu'"));
    p.n_parts = 3;
    p.parts[2].tokens--;
    assert_int_equal(mixture_resume(&m, &p, &e), -1);
    assert_non_null(strstr(e.text, "its part 'edu' had 2999 tokens"));
    p.parts[2].tokens++;
    p.parts[1].position = 1000;
    assert_int_equal(mixture_resume(&m, &p, &e), -1);
    assert_non_null(strstr(e.text, "position 1000 lies beyond"));
    p.parts[1].position = 0;
    strcpy(p.parts[0].name, "tony");
    assert_int_equal(mixture_resume(&m, &p, &e), -1);
    mixture_close(&m);
    arena_release(&a);
    free_toy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages_and_shares),
        cmocka_unit_test(test_text_comes_back),
        cmocka_unit_test(test_faults_name_the_line),
        cmocka_unit_test(test_draws_keep_the_shares),
        cmocka_unit_test(test_any_step_of_a_mixture_comes_again),
        cmocka_unit_test(test_a_mixture_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
