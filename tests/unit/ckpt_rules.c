/* Checkpoints that do not fit the rules of CKPT.md: each is refused for what it is. Those of other
 * programs and of 0.1.0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"
#include "support/toyckpt.h"

/* A checkpoint edited tensor by tensor. */
struct edit {
    struct st_tensor tensors[96];
    size_t n;
    struct st_meta meta[64];
    size_t n_meta;
};

static struct st_tensor *edit_find(struct edit *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->tensors[i].name, name) == 0)
            return &d->tensors[i];
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void edit_drop(struct edit *d, const char *name)
{
    struct st_tensor *t = edit_find(d, name);
    *t = d->tensors[--d->n];
}

/* value NULL drops the key. */
static void edit_meta(struct edit *d, const char *key, const char *value)
{
    for (size_t i = 0; i < d->n_meta; i++) {
        if (strcmp(d->meta[i].key, key) != 0)
            continue;
        if (value)
            d->meta[i].value = value;
        else
            d->meta[i] = d->meta[--d->n_meta];
        return;
    }
    fail_msg("no metadata '%s'", key);
}

/* Writes the good checkpoint with a change. */
static const char *edited(void (*change)(struct edit *d, const void *arg), const void *arg)
{
    struct err e;
    struct safetensors s;
    struct edit d;
    const char *path = scratch_path("edited");
    toyckpt_save(scratch_path("run"));
    assert_int_equal(safetensors_open(&s, scratch_path("run"), &e), 0);
    assert_true(s.n_tensors <= ARRAY_LEN(d.tensors) && s.n_meta <= ARRAY_LEN(d.meta));
    d.n = s.n_tensors;
    d.n_meta = s.n_meta;
    memcpy(d.tensors, s.tensors, s.n_tensors * sizeof *s.tensors);
    memcpy(d.meta, s.meta, s.n_meta * sizeof *s.meta);
    change(&d, arg);
    assert_int_equal(safetensors_write(path, d.tensors, d.n, d.meta, d.n_meta, NULL, &e), 0);
    safetensors_close(&s);
    return path;
}

static void change_meta(struct edit *d, const void *arg)
{
    const char *const *pair = arg;
    edit_meta(d, pair[0], pair[1]);
}

static void test_bad_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } bad[] = {
        {"checkpoint_version", "4", "version (found 4, expected 1 to 3)"},
        {"checkpoint_version", "0", "version (found 0, expected 1 to 3)"},
        {"checkpoint_version", "1x", "version (found 1x, expected 1 to 3)"},
        {"checkpoint_version", "2", "lacks 'mixers'"},
        {"dim", "7", "wrong shape"},
        {"dim", "0", "model width out of range"},
        {"dim", "-6", "'dim' is not a valid number"},
        {"dim", "99999999999", "'dim' is not a valid number"},
        {"n_blocks", "3", "has 2 numbers (expected 1 or 3"},
        {"n_blocks", "1", "more numbers than the model has blocks"},
        {"vocab_size", "100000", "vocabulary size out of range"},
        {"dilation", "1,2,3", "dilation"},
        {"dilation", "1,0", "dilation"},
        {"position", NULL, "lacks 'position'"},
        {"rng", "1,2,3", "'rng' has a bad value"},
        {"rng", "1,2,3,4,5", "'rng' has a bad value"},
        {"progress", "nan", "'progress' has a bad value"},
        {"progress", "", "'progress' has a bad value"},
        {"tokens", "18446744073709551616", "'tokens' has a bad value"},
        {"isa", "a name that is much too long", "'isa' has a bad value"},
        {"optimiser_arrays", "adam_m:18,adam_v:18,other:9",
         "tensors 'other.…' (found 10, expected 9)"},
        {"optimiser_arrays", "adam_m:18,adam_w:18", "'adam_w.final_norm.scale' is missing"},
        {"optimiser_arrays", "adam_m:19", "'optimiser_arrays' has a bad value"},
        {"optimiser_arrays", "adam_m:0", "'optimiser_arrays' has a bad value"},
        {"optimiser_arrays", "adam_m:18;adam_v:18", "'optimiser_arrays' has a bad value"},
        {"optimiser_arrays", "adam_m", "'optimiser_arrays' has a bad value"},
        {"optimiser_arrays", "a.b:18", "'optimiser_arrays' has a bad value"},
        {"optimiser_arrays", "a:18,b:18,c:18,d:18,e:18,f:18,g:18,h:18,i:18", "a bad value"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *pair[2] = {bad[i].key, bad[i].value};
        toyckpt_refuse(edited(change_meta, pair), bad[i].message);
    }
}

/* Version 2 tells of mixers, all of them; without, a file with attention is not guessed at. */
static void test_bad_mixers(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } bad[] = {
        {"mixers", NULL, "lacks 'mixers'"},
        {"mixers", "conv,other", "unknown mixer 'other'"},
        {"mixers", "conv,attention,conv", "more names than the model has blocks"},
        {"mixers", "attention,attention", "dilation of a block without a convolution"},
        {"mixers", "conv", "number of heads out of range (found 2, expected 0 to 0)"},
        {"heads", NULL, "lacks 'heads'"},
        {"heads", "4", "does not divide"},
        {"heads", "3", "wrong shape"},
        {"key_width", "x", "'key_width' is not a valid number"},
        {"key_width", "6", "wrong shape"},
        {"window", "0", "window out of range"},
        {"window", "10", "wrong shape"},
        {"embed_norm", "2", "embedding norm out of range"},
        {"embed_norm", NULL, "lacks 'embed_norm'"},
        {"checkpoint_version", "1", "has attention, of which its metadata tell nothing"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *pair[2] = {bad[i].key, bad[i].value};
        toyckpt_refuse(edited(change_meta, pair), bad[i].message);
    }
}

static void test_bad_curriculum(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } bad[] = {
        {"curriculum", NULL, "lacks 'curriculum'"},
        {"curriculum", "", "'curriculum' has a bad value"},
        {"part_0", NULL, "lacks 'part_0'"},
        {"part_0", "a", "'part_0' has a bad value"},
        {"part_0", ",1,2,3,1,2,3,4", "'part_0' has a bad value"},
        {"part_0", "a,1,2,3,1,2,3", "'part_0' has a bad value"},
        {"part_0", "a,1,2,3,1,2,3,4,5", "'part_0' has a bad value"},
        {"part_0", "a,1,-2,3,1,2,3,4", "'part_0' has a bad value"},
        {"part_1", "a,1,2,3,0,0,0,0", "'part_1' has a bad value"},
        {"part_1", "a23456789012345678901234567890123,1,2,3,1,2,3,4", "'part_1' has a bad value"},
        {"mixers", NULL, "lacks 'mixers'"},
    };
    toyckpt.state = toyckpt_curriculum();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *pair[2] = {bad[i].key, bad[i].value};
        toyckpt_refuse(edited(change_meta, pair), bad[i].message);
    }
    toyckpt.state = &toyckpt_state;
}

static void change_blocks(struct edit *d, const void *arg)
{
    edit_meta(d, "n_blocks", arg);
    edit_meta(d, "dilation", "1");
}

static void change_drop(struct edit *d, const void *arg)
{
    edit_drop(d, arg);
}

static void change_shape(struct edit *d, const void *arg)
{
    struct st_tensor *t = edit_find(d, arg);
    uint64_t rows = t->shape[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = rows;
}

static void change_type(struct edit *d, const void *arg)
{
    edit_find(d, arg)->type = ST_I32;
}

static void change_nan(struct edit *d, const void *arg)
{
    static float bad[64];
    struct st_tensor *t = edit_find(d, arg);
    assert_true(t->n_bytes <= sizeof bad);
    memcpy(bad, t->data, t->n_bytes);
    bad[t->n_bytes / 4 - 1] = NAN;
    t->data = bad;
}

static void change_infinity(struct edit *d, const void *arg)
{
    change_nan(d, arg);
    float *last = (float *)(uintptr_t)edit_find(d, arg)->data;
    last[edit_find(d, arg)->n_bytes / 4 - 1] = -INFINITY;
}

static void test_bad_tensors(void **state)
{
    (void)state;
    const char *w = "blocks.1.ffn.W_down.weight";
    toyckpt_refuse(edited(change_drop, w), "'blocks.1.ffn.W_down.weight' is missing");
    toyckpt_refuse(edited(change_drop, "embedding.weight"), "holds no Bolt model");
    toyckpt_refuse(edited(change_drop, "adam_v.final_norm.scale"), "is missing");
    toyckpt_refuse(edited(change_drop, "other.blocks.0.mixer.up.weight"),
                   "'other.…' (found 9, expected 10)");
    toyckpt_refuse(edited(change_nan, "other.blocks.0.ffn.W_up.weight"), "not finite");
    toyckpt_refuse(edited(change_blocks, "3"), "number of blocks (found 2, expected 3");
    toyckpt_refuse(edited(change_blocks, "1"), "number of blocks (found 2, expected 1");
    toyckpt_refuse(edited(change_shape, w), "wrong shape");
    toyckpt_refuse(edited(change_type, w), "is not F32");
    toyckpt_refuse(edited(change_nan, w), "not finite");
    toyckpt_refuse(edited(change_infinity, "adam_m.blocks.0.norm1.scale"), "not finite");
}

static void change_to_foreign(struct edit *d, const void *arg)
{
    (void)arg;
    d->n_meta = 0;
    for (size_t i = 0; i < d->n;)
        if (strncmp(d->tensors[i].name, "adam_", 5) == 0 ||
            strncmp(d->tensors[i].name, "other.", 6) == 0)
            d->tensors[i] = d->tensors[--d->n];
        else
            i++;
    static const float extra[1] = {1};
    d->tensors[d->n++] = (struct st_tensor){
        .name = "grad.something", .type = ST_F32, .rank = 1, .shape = {1}, extra, 4};
}

/* Weights of another program: nothing in the metadata, tensors of its own beside. What no shape
 * tells is not guessed (ckpt_config.c). */
static void test_foreign_weights(void **state)
{
    (void)state;
    toyckpt_refuse(edited(change_to_foreign, NULL), "lack 'dilation'");
    const char *pair[2] = {"dilation", NULL};
    toyckpt_refuse(edited(change_meta, pair), "lack 'dilation'");
}

/* As 0.1.0 wrote it: no word about the optimiser, whose two moments are there or not. */
static void change_to_0_1_0(struct edit *d, const void *arg)
{
    edit_meta(d, "optimiser", NULL);
    edit_meta(d, "optimiser_arrays", NULL);
    edit_meta(d, "accum_sum", NULL);
    edit_meta(d, "windows", NULL);
    edit_meta(d, "schedule", NULL);
    edit_meta(d, "decay_share", NULL);
    edit_meta(d, "recipe", NULL);
    for (size_t i = 0; i < d->n;)
        if (arg && strncmp(d->tensors[i].name, arg, strlen(arg)) == 0)
            d->tensors[i] = d->tensors[--d->n];
        else
            i++;
}

static void test_files_of_0_1_0(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    assert_int_equal(ckpt_open(&c, edited(change_to_0_1_0, NULL), &e), 0);
    assert_int_equal(c.n_arrays, 2);
    assert_string_equal(c.arrays[1], "adam_v");
    assert_string_equal(c.state.settings.optimiser, "adamw");
    assert_string_equal(c.state.settings.windows, "stream");
    assert_string_equal(c.state.settings.schedule, "cosine");
    assert_string_equal(c.state.settings.recipe, "v4");
    assert_string_equal(c.state.settings.accum_sum, "");
    ckpt_close(&c);
    assert_int_equal(ckpt_open(&c, edited(change_to_0_1_0, "adam_"), &e), 0);
    assert_int_equal(c.n_arrays, 0);
    ckpt_close(&c);
    toyckpt_refuse(edited(change_to_0_1_0, "adam_v"), "one AdamW moment without the other");
    toyckpt_refuse(edited(change_to_0_1_0, "adam_v.blocks.1"), "is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_metadata),   cmocka_unit_test(test_bad_curriculum),
        cmocka_unit_test(test_bad_tensors),    cmocka_unit_test(test_foreign_weights),
        cmocka_unit_test(test_files_of_0_1_0),
    };
    const struct CMUnitTest of_mixed[] = {
        cmocka_unit_test(test_bad_mixers),
    };
    return cmocka_run_group_tests(tests, toyckpt_setup, toyckpt_teardown) +
           cmocka_run_group_tests(of_mixed, toyckpt_setup_mixed, toyckpt_teardown);
}
