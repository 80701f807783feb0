#include "support/toyckpt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"
#include "support/toy.h"

struct toyckpt toyckpt;

const struct ckpt_state toyckpt_state = {
    .settings = {.seed = 9,
                 .batch = 8,
                 .accum = 2,
                 .accum_sum = "tree",
                 .lr = 4e-3,
                 .min_lr = 1e-5,
                 .windows = "story",
                 .schedule = "linear",
                 .decay_share = 0.3,
                 .recipe = "swift",
                 .optimiser = "other",
                 .budget_steps = 300,
                 .budget_hours = 0.7,
                 .precision = "f32",
                 .isa = "avx512"},
    .progress = {.step = UINT64_MAX,
                 .tokens = 12345678901234567u,
                 .epoch = 3,
                 .position = 77,
                 .rng = {UINT64_MAX, 1, 0, 42},
                 .sample_rng = {5, 6, 7, 8},
                 .share = 0.1,
                 .best_loss = INFINITY,
                 .patience = 2,
                 .elapsed = 1.0 / 3},
    .prints = {.vocab = 0x8877665544332211, .train = 1, .valid = 2},
};

const struct ckpt_number toyckpt_numbers[TOYCKPT_NUMBERS] = {{"beta1", 1.0 / 3},
                                                             {"other_steps", 5}};

struct ckpt_optim toyckpt_optim(void)
{
    static struct ckpt_array arrays[3 * 64];
    struct ckpt_optim o = {toyckpt_numbers, ARRAY_LEN(toyckpt_numbers), arrays, 0};
    const char *const names[] = {"adam_m", "adam_v", "other"};
    const float *const data[] = {toyckpt.m, toyckpt.v, toyckpt.params};
    for (size_t a = 0; a < 3; a++)
        for (size_t i = 0; i < dims_n_tensors(&toyckpt.dims); i++) {
            struct tensor t;
            dims_tensor(&toyckpt.dims, i, &t);
            if (a < 2 || t.form == TENSOR_TERNARY)
                arrays[o.n_arrays++] = (struct ckpt_array){names[a], i, data[a] + t.offset};
        }
    return o;
}

static int make_run(void **state)
{
    toyckpt.state = &toyckpt_state;
    toyckpt.params = toy_params(&toyckpt.dims, 1);
    toyckpt.m = toy_params(&toyckpt.dims, 2);
    toyckpt.v = toy_params(&toyckpt.dims, 3);
    return scratch_setup(state);
}

int toyckpt_setup(void **state)
{
    toyckpt.dims = toy_dims(11, 6, 7, 3, 2, "1,4");
    return make_run(state);
}

int toyckpt_setup_mixed(void **state)
{
    toyckpt.dims = toy_mixed(toy_dims(11, 6, 7, 3, 2, "2,1"), "conv,attention", 2, 5, 9);
    return make_run(state);
}

int toyckpt_teardown(void **state)
{
    free(toyckpt.params);
    free(toyckpt.m);
    free(toyckpt.v);
    return scratch_teardown(state);
}

void toyckpt_save(const char *path)
{
    struct err e;
    struct ckpt_optim o = toyckpt_optim();
    if (ckpt_save(path, &toyckpt.dims, toyckpt.params, &o, toyckpt.state, &e))
        fail_msg("%s", e.text);
}

void toyckpt_refuse(const char *path, const char *message)
{
    struct err e;
    struct ckpt c;
    assert_int_equal(ckpt_open(&c, path, &e), -1);
    if (!strstr(e.text, message) || !strstr(e.text, path))
        fail_msg("'%s', expected '%s'", e.text, message);
}

const struct ckpt_state *toyckpt_curriculum(void)
{
    static struct ckpt_state s;
    s = toyckpt_state;
    snprintf(s.settings.curriculum, sizeof s.settings.curriculum, "%s",
             "40%: a 1; 60%: a 3 to 1, b-2 1");
    s.progress.n_parts = 2;
    s.progress.parts[0] = (struct ckpt_part){
        .name = "a", .epoch = 1, .position = 2, .tokens = UINT64_MAX, .rng = {1, 2, 3, 4}};
    s.progress.parts[1] =
        (struct ckpt_part){.name = "b-2", .tokens = 7, .rng = {0, 0, 0, UINT64_MAX}};
    return &s;
}
