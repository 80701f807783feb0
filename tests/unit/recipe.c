/* What a run is told: the schedule of its learning rate, recipes and the options that override
 * them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "train/choose.h"
#include "train/recipe.h"

/* ---- schedule -------------------------------------------------------------------------------- */

static void test_schedule_by_steps(void **state)
{
    (void)state;
    struct schedule s = {.n_steps = 20000, .lr = 4e-3, .min_lr = 1e-5};
    assert_true(fabs(schedule_lr(&s, 0, 0) - 4e-3 / 500) < 1e-9);
    assert_true(fabs(schedule_lr(&s, 499.0 / 20000, 499) - 4e-3) < 1e-5);
    assert_true(fabs(schedule_lr(&s, 0.5, 10000) - (4e-3 + 1e-5) / 2) < 1e-9);
    assert_true(fabs(schedule_lr(&s, 1, 20000) - 1e-5) < 1e-12);
    struct schedule brief = {.n_steps = 100, .lr = 1, .min_lr = 0}; /* warm-up is 10 steps */
    assert_true(fabs(schedule_lr(&brief, 0, 0) - 0.1) < 1e-9);
    assert_true(schedule_lr(&brief, 0.09, 9) > 0.9);
}

/* Constant after the warm-up, then a straight line to min_lr over the last share. */
static void test_schedule_linear(void **state)
{
    (void)state;
    struct schedule s = {
        .n_steps = 20000, .lr = 4e-3, .shape = SCHEDULE_LINEAR, .decay_share = 0.4};
    assert_true(schedule_lr(&s, 0, 0) == 4e-3 / 500); /* the same warm-up */
    assert_true(schedule_lr(&s, 0.025, 500) == 4e-3);
    assert_true(schedule_lr(&s, 0.6, 12000) == 4e-3);
    assert_true(fabs(schedule_lr(&s, 0.7, 14000) - 3e-3) < 1e-12);
    assert_true(fabs(schedule_lr(&s, 0.9, 18000) - 1e-3) < 1e-12);
    assert_true(schedule_lr(&s, 1, 20000) == 0);
    s.decay_share = 1; /* falls from the beginning */
    assert_true(fabs(schedule_lr(&s, 0.5, 10000) - 2e-3) < 1e-12);
    s.min_lr = 1e-3;
    assert_true(fabs(schedule_lr(&s, 0.5, 10000) - 2.5e-3) < 1e-12);
    assert_true(schedule_lr(&s, 1, 20000) == 1e-3);
}

static void test_schedule_by_clock(void **state)
{
    (void)state;
    struct schedule s = {.n_steps = 1000000, .hours = 2, .lr = 4e-3, .min_lr = 1e-5};
    double half = schedule_progress(&s, 0, 100, 3600);
    assert_true(half == 0.5);
    assert_true(schedule_lr(&s, half, 100) < 2.1e-3); /* decays, and warm-up ended by the clock */
    assert_true(schedule_progress(&s, 0.7, 100, 3600) == 0.7); /* never backwards */
    assert_true(schedule_progress(&s, 0, 100, 1e9) == 1);
    s.hours = 0;
    assert_true(schedule_progress(&s, 0, 100, 1e9) == 1e-4);
}

/* ---- recipes --------------------------------------------------------------------------------- */

static double setting_of(const struct optim_settings *q, const char *key)
{
    double *value = optim_value((struct optim_settings *)q, key);
    assert_non_null(value);
    return *value;
}

static void choose(const struct options *o, enum preset_kind preset, struct ckpt_settings *s,
                   struct optim_settings *q)
{
    struct err e = {.text = ""};
    if (choose_settings(s, o, preset, &e) || choose_optim(q, o, s, 256, &e))
        fail_msg("%s", e.text);
}

static void test_recipe_v4_is_that_of_0_1_0(void **state)
{
    (void)state;
    struct ckpt_settings s;
    struct optim_settings q;
    struct options o = {.seed = 42};
    choose(&o, PRESET_SMALL, &s, &q);
    assert_string_equal(s.recipe, "v4");
    assert_string_equal(s.optimiser, "adamw");
    assert_string_equal(s.schedule, "cosine");
    assert_string_equal(s.windows, "stream");
    assert_true(s.batch == 8 && s.accum == 1 && s.lr == 4e-3 && s.min_lr == 1e-5);
    assert_true(setting_of(&q, "beta1") == 0.9 && setting_of(&q, "beta2") == 0.95);
    assert_true(setting_of(&q, "adam_eps") == 1e-8 && setting_of(&q, "weight_decay") == 0.01);
    assert_true(setting_of(&q, "grad_clip") == 1);
    choose(&o, PRESET_LARGE, &s, &q);
    assert_true(s.batch == 8 && s.accum == 2 && s.lr == 3e-3);
}

/* Half of what a moment held is left after its half-life, at any batch. */
static void test_half_lives(void **state)
{
    (void)state;
    struct err e;
    struct ckpt_settings s;
    struct optim_settings q;
    struct options o = {.beta1_tokens = 4096,
                        .beta2_tokens = 8e6,
                        .batch = 8,
                        .given = {.beta1_tokens = true, .beta2_tokens = true, .batch = true}};
    choose(&o, PRESET_SMALL, &s, &q); /* 2,048 tokens a step */
    assert_true(fabs(setting_of(&q, "beta1") - sqrt(0.5)) < 1e-15);
    assert_true(fabs(pow(setting_of(&q, "beta2"), 8e6 / 2048) - 0.5) < 1e-10);
    choose(&o, PRESET_LARGE, &s, &q); /* twice as many */
    assert_true(fabs(setting_of(&q, "beta1") - 0.5) < 1e-15);
    o.batch = 4;
    choose(&o, PRESET_SMALL, &s, &q);
    assert_true(fabs(setting_of(&q, "beta1") - pow(0.5, 0.25)) < 1e-15);
    o.beta2_tokens = 1e11; /* a beta that is 1 in a float */
    assert_int_equal(choose_optim(&q, &o, &s, 256, &e), -1);
    assert_string_equal(e.text, "--beta2-tokens: too long for steps of 1024 tokens (found 1e+11, "
                                "expected less than 7.1e+09)");
    o.beta2_tokens = 7e9;
    o.given.beta1_tokens = false; /* the recipe's own */
    choose(&o, PRESET_SMALL, &s, &q);
    assert_true(setting_of(&q, "beta1") == 0.9);
}

/* Every recipe gives a run; every option of it stands by itself. */
static void test_options_override_recipes(void **state)
{
    (void)state;
    struct err e;
    struct ckpt_settings s;
    struct optim_settings q;
    for (int i = 0; recipe_names[i]; i++) {
        assert_string_equal(recipe_names[i], recipe_table[i].name);
        struct options o = {.recipe = i, .given = {.recipe = true}};
        choose(&o, PRESET_SMALL, &s, &q);
        assert_string_equal(s.recipe, recipe_names[i]);
        o = (struct options){.recipe = i,
                             .batch = 3,
                             .accum = 5,
                             .lr = 0.5,
                             .beta1_tokens = 256,
                             .beta2_tokens = 512,
                             .windows = BATCHES_STORY,
                             .schedule = SCHEDULE_LINEAR,
                             .decay_share = 0.25};
        memset(&o.given, 1, sizeof o.given);
        choose(&o, PRESET_SMALL, &s, &q);
        assert_true(s.batch == 3 && s.accum == 5 && s.lr == 0.5 && s.min_lr == 0);
        assert_string_equal(s.schedule, "linear");
        assert_string_equal(s.windows, "story");
        assert_true(s.decay_share == 0.25);
        assert_true(fabs(setting_of(&q, "beta1") - pow(0.5, 15)) < 1e-15);
        o.schedule = SCHEDULE_COSINE;
        assert_int_equal(choose_settings(&s, &o, PRESET_SMALL, &e), -1);
        assert_string_equal(e.text, "--decay-share goes with --schedule linear");
        o.given.decay_share = false;
        choose(&o, PRESET_SMALL, &s, &q);
        assert_string_equal(s.schedule, "cosine");
        assert_true(s.min_lr == 1e-5 && s.decay_share == 0);
    }
}

/* A preset is a model and its recipe; both can be overridden, and a model tells its preset. */
static void test_presets(void **state)
{
    (void)state;
    struct err e;
    struct ckpt_settings s;
    struct optim_settings q;
    struct dims d, base;
    dims_small(&base, 1000);
    for (int i = 0; i < N_PRESETS; i++) {
        struct options o = {.preset = i, .given = {.preset = true}};
        assert_string_equal(preset_names[i], preset_table[i].name);
        assert_int_equal(choose_preset(&o, NULL), i);
        choose(&o, (enum preset_kind)i, &s, &q);
        assert_string_equal(s.recipe, preset_table[i].recipe);
        assert_int_equal(choose_dims(&d, &o, &base, &e), 0);
        struct dims own;
        preset_table[i].dims(&own, 1000);
        dims_complete(&own);
        assert_true(dims_equal(&d, &own));
        assert_int_equal(choose_preset(&(struct options){.seed = 1}, &d), i);
        o.recipe = 0;
        o.given.recipe = true;
        choose(&o, (enum preset_kind)i, &s, &q);
        assert_string_equal(s.recipe, "v4");
        o.mixers = "attention,conv,conv,conv,conv,conv";
        o.blocks = 6;
        o.given.blocks = true;
        assert_int_equal(choose_dims(&d, &o, &base, &e), 0);
        assert_int_equal(d.mixer[0], DIMS_ATTENTION);
        assert_int_equal(d.mixer[3], DIMS_CONV);
    }
    assert_null(preset_names[N_PRESETS]);
    struct options narrow = {
        .preset = PRESET_SWIFT, .dim = 64, .given = {.preset = true, .dim = true}};
    assert_int_equal(choose_dims(&d, &narrow, &base, &e), 0);
    assert_int_equal(d.heads, 2); /* fit the width that is asked for */
    narrow.blocks = 3;
    narrow.given.blocks = true;
    assert_int_equal(choose_dims(&d, &narrow, &base, &e), 0); /* in the middle of any depth */
    assert_true(d.mixer[0] == DIMS_ATTENTION && d.mixer[1] == DIMS_ATTENTION && !d.mixer[2]);
    d.D = 384; /* a wide one is no model of v4 */
    assert_int_equal(choose_preset(&(struct options){.seed = 1}, &d), PRESET_SWIFT);
    struct options idle = {.embed_norm = true, .window = 4, .given = {.window = true}};
    assert_int_equal(choose_dims(&d, &idle, &base, &e), -1);
    assert_non_null(strstr(e.text, "which no block has"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule_by_steps), cmocka_unit_test(test_schedule_linear),
        cmocka_unit_test(test_schedule_by_clock), cmocka_unit_test(test_recipe_v4_is_that_of_0_1_0),
        cmocka_unit_test(test_half_lives),        cmocka_unit_test(test_options_override_recipes),
        cmocka_unit_test(test_presets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
