/* Checkpoints: a run's state comes back exactly, and what does not fit is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/ckpt.h"
#include "support/scratch.h"
#include "support/toy.h"

static struct dims dims;
static float *params, *m, *v;

static const struct ckpt_state state_of_run = {
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

static const struct ckpt_state *saved_state = &state_of_run;

static const struct ckpt_number numbers[] = {{"beta1", 1.0 / 3}, {"other_steps", 5}};

/* Of an optimiser that keeps adam_m and adam_v beside every tensor, and `other` beside the ternary
 * ones alone. */
static struct ckpt_optim optim_of_run(void)
{
    static struct ckpt_array arrays[3 * 64];
    struct ckpt_optim o = {numbers, ARRAY_LEN(numbers), arrays, 0};
    const char *const names[] = {"adam_m", "adam_v", "other"};
    const float *const data[] = {m, v, params};
    for (size_t a = 0; a < 3; a++)
        for (size_t i = 0; i < dims_n_tensors(&dims); i++) {
            struct tensor t;
            dims_tensor(&dims, i, &t);
            if (a < 2 || t.form == TENSOR_TERNARY)
                arrays[o.n_arrays++] = (struct ckpt_array){names[a], i, data[a] + t.offset};
        }
    return o;
}

static int make_run(void **state)
{
    params = toy_params(&dims, 1);
    m = toy_params(&dims, 2);
    v = toy_params(&dims, 3);
    return scratch_setup(state);
}

static int setup(void **state)
{
    dims = toy_dims(11, 6, 7, 3, 2, "1,4");
    return make_run(state);
}

/* The same with attention in the second block. */
static int setup_mixed(void **state)
{
    dims = toy_mixed(toy_dims(11, 6, 7, 3, 2, "2,1"), "conv,attention", 2, 5, 9);
    return make_run(state);
}

static int teardown(void **state)
{
    free(params);
    free(m);
    free(v);
    return scratch_teardown(state);
}

static void save(const char *path)
{
    struct err e;
    struct ckpt_optim o = optim_of_run();
    if (ckpt_save(path, &dims, params, &o, saved_state, &e))
        fail_msg("%s", e.text);
}

static void expect_refused(const char *path, const char *message)
{
    struct err e;
    struct ckpt c;
    assert_int_equal(ckpt_open(&c, path, &e), -1);
    if (!strstr(e.text, message) || !strstr(e.text, path))
        fail_msg("'%s', expected '%s'", e.text, message);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    size_t n = dims_n_floats(&dims);
    const char *path = scratch_path("run");
    save(path);
    assert_int_equal(ckpt_open(&c, path, &e), 0);
    assert_true(dims_equal(&c.dims, &dims));
    assert_int_equal(c.dims.T, dims.T);
    assert_true(c.has_state && !c.ternary);
    assert_int_equal(c.n_arrays, 3);
    assert_string_equal(c.arrays[2], "other");
    assert_memory_equal(&c.state, &state_of_run, sizeof state_of_run);
    float *got = malloc(n * sizeof *got);
    assert_non_null(got);
    memset(got, 0xff, n * sizeof *got);
    ckpt_read(&c, got);
    assert_memory_equal(got, params, n * sizeof *got);
    struct ckpt_optim o = optim_of_run();
    for (size_t i = 0; i < o.n_arrays; i++) {
        struct tensor t;
        dims_tensor(&dims, o.arrays[i].tensor, &t);
        assert_int_equal(ckpt_read_array(&c, o.arrays[i].name, o.arrays[i].tensor, got, &e), 0);
        assert_memory_equal(got, o.arrays[i].data, t.n * sizeof *got);
    }
    assert_int_equal(ckpt_read_array(&c, "other", 0, got, &e), -1);
    assert_non_null(strstr(e.text, "tensor 'other.embedding.weight' is missing"));
    assert_int_equal(ckpt_read_array(&c, "blocks", 0, got, &e), -1);
    free(got);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        double x;
        assert_int_equal(ckpt_read_number(&c, numbers[i].key, &x, &e), 0);
        assert_true(x == numbers[i].value);
    }
    double none;
    assert_int_equal(ckpt_read_number(&c, "adam_eps", &none, &e), -1);
    assert_non_null(strstr(e.text, "lacks 'adam_eps'"));
    assert_int_equal(ckpt_read_number(&c, "model", &none, &e), -1);
    assert_non_null(strstr(e.text, "'model' has a bad value 'bolt'"));
    ckpt_close(&c);
}

static void test_same_bytes(void **state)
{
    (void)state;
    size_t n1, n2;
    save(scratch_path("one"));
    save(scratch_path("two"));
    unsigned char *one = scratch_read(scratch_path("one"), &n1);
    unsigned char *two = scratch_read(scratch_path("two"), &n2);
    assert_int_equal(n1, n2);
    assert_memory_equal(one, two, n1);
    free(one);
    free(two);
}

static void test_weights_alone(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    const char *path = scratch_path("weights");
    assert_int_equal(ckpt_save_weights(path, &dims, params, 77, NULL, &e), 0);
    assert_int_equal(ckpt_open(&c, path, &e), 0);
    assert_true(!c.has_state && c.n_arrays == 0 && c.ternary);
    assert_int_equal(c.state.prints.vocab, 77);
    float *got = malloc(dims_n_floats(&dims) * sizeof *got);
    ckpt_read(&c, got);
    assert_int_equal(ckpt_read_array(&c, "adam_m", 1, got, &e), -1);
    assert_non_null(strstr(e.text, "'adam_m.blocks.0.norm1.scale' is missing"));
    free(got);
    ckpt_close(&c);
}

/* ---- files edited tensor by tensor ---- */

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
    save(scratch_path("run"));
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
        expect_refused(edited(change_meta, pair), bad[i].message);
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
        expect_refused(edited(change_meta, pair), bad[i].message);
    }
}

static const struct ckpt_state *with_curriculum(void)
{
    static struct ckpt_state s;
    s = state_of_run;
    snprintf(s.settings.curriculum, sizeof s.settings.curriculum, "%s",
             "40%: a 1; 60%: a 3 to 1, b-2 1");
    s.progress.n_parts = 2;
    s.progress.parts[0] = (struct ckpt_part){
        .name = "a", .epoch = 1, .position = 2, .tokens = UINT64_MAX, .rng = {1, 2, 3, 4}};
    s.progress.parts[1] =
        (struct ckpt_part){.name = "b-2", .tokens = 7, .rng = {0, 0, 0, UINT64_MAX}};
    return &s;
}

/* A run with a curriculum is of version 3, whatever its model; another is as it was. */
static void test_curriculum_comes_back(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    saved_state = with_curriculum();
    save(scratch_path("run"));
    assert_int_equal(ckpt_open(&c, scratch_path("run"), &e), 0);
    assert_string_equal(safetensors_meta(&c.file, "checkpoint_version"), "3");
    assert_non_null(safetensors_meta(&c.file, "mixers"));
    assert_string_equal(c.state.settings.curriculum, saved_state->settings.curriculum);
    assert_int_equal(c.state.progress.n_parts, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct ckpt_part *had = &saved_state->progress.parts[i];
        const struct ckpt_part *got = &c.state.progress.parts[i];
        assert_string_equal(got->name, had->name);
        assert_int_equal(got->epoch, had->epoch);
        assert_int_equal(got->position, had->position);
        assert_int_equal(got->tokens, had->tokens);
        assert_memory_equal(got->rng, had->rng, sizeof got->rng);
    }
    struct ckpt_number n;
    for (size_t at = 0; ckpt_next_number(&c, &at, &n);) /* none of the optimiser's */
        assert_true(strcmp(n.key, "beta1") == 0 || strcmp(n.key, "other_steps") == 0);
    ckpt_close(&c);
    saved_state = &state_of_run;
    save(scratch_path("run"));
    assert_int_equal(ckpt_open(&c, scratch_path("run"), &e), 0);
    assert_int_not_equal(strcmp(safetensors_meta(&c.file, "checkpoint_version"), "3"), 0);
    assert_null(safetensors_meta(&c.file, "curriculum"));
    assert_int_equal(c.state.settings.curriculum[0], 0);
    ckpt_close(&c);
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
    saved_state = with_curriculum();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *pair[2] = {bad[i].key, bad[i].value};
        expect_refused(edited(change_meta, pair), bad[i].message);
    }
    saved_state = &state_of_run;
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
    expect_refused(edited(change_drop, w), "'blocks.1.ffn.W_down.weight' is missing");
    expect_refused(edited(change_drop, "embedding.weight"), "holds no Bolt model");
    expect_refused(edited(change_drop, "adam_v.final_norm.scale"), "is missing");
    expect_refused(edited(change_drop, "other.blocks.0.mixer.up.weight"),
                   "'other.…' (found 9, expected 10)");
    expect_refused(edited(change_nan, "other.blocks.0.ffn.W_up.weight"), "not finite");
    expect_refused(edited(change_blocks, "3"), "number of blocks (found 2, expected 3");
    expect_refused(edited(change_blocks, "1"), "number of blocks (found 2, expected 1");
    expect_refused(edited(change_shape, w), "wrong shape");
    expect_refused(edited(change_type, w), "is not F32");
    expect_refused(edited(change_nan, w), "not finite");
    expect_refused(edited(change_infinity, "adam_m.blocks.0.norm1.scale"), "not finite");
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
    expect_refused(edited(change_to_foreign, NULL), "lack 'dilation'");
    const char *pair[2] = {"dilation", NULL};
    expect_refused(edited(change_meta, pair), "lack 'dilation'");
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
    expect_refused(edited(change_to_0_1_0, "adam_v"), "one AdamW moment without the other");
    expect_refused(edited(change_to_0_1_0, "adam_v.blocks.1"), "is missing");
}

/* One bit, or a whole tensor of zeroes, which is finite and of the right shape: weights, moments
 * and metadata alike. */
static void test_damage(void **state)
{
    (void)state;
    struct err e;
    struct safetensors s;
    size_t n;
    save(scratch_path("run"));
    unsigned char *good = scratch_read(scratch_path("run"), &n);
    unsigned char *bad = malloc(n);
    assert_non_null(bad);
    assert_int_equal(safetensors_open(&s, scratch_path("run"), &e), 0);
    const char *path = scratch_path("damaged");
    for (size_t i = 0; i < s.n_tensors; i++) {
        size_t at = (size_t)((const unsigned char *)s.tensors[i].data - s.map.data);
        memcpy(bad, good, n);
        bad[at] ^= 1;
        scratch_write(path, bad, n);
        expect_refused(path, "the checksum of its data is wrong");
        memcpy(bad, good, n);
        memset(bad + at, 0, s.tensors[i].n_bytes);
        scratch_write(path, bad, n);
        expect_refused(path, "the checksum of its data is wrong");
    }
    memcpy(bad, good, n);
    unsigned char *seed = memmem(bad, n, "\"seed\":\"9\"", 10);
    seed[8] = '8';
    scratch_write(path, bad, n);
    expect_refused(path, "the checksum of its header is wrong");
    safetensors_close(&s);
    free(good);
    free(bad);
}

/* As files were written before they had checksums. */
static void test_without_checksums(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    size_t n;
    save(scratch_path("run"));
    unsigned char *data = scratch_read(scratch_path("run"), &n);
    memcpy(memmem(data, n, "data_xxh3", 9), "nothing_1", 9);
    memcpy(memmem(data, n, "header_xxh3", 11), "nothing_two", 11);
    scratch_write(scratch_path("old"), data, n);
    assert_int_equal(ckpt_open(&c, scratch_path("old"), &e), 0);
    assert_true(c.has_state && c.n_arrays == 3 && !c.file.has_checksums);
    assert_memory_equal(&c.state, &state_of_run, sizeof state_of_run);
    ckpt_close(&c);
    free(data);
}

static void test_truncation(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    size_t n;
    save(scratch_path("run"));
    unsigned char *data = scratch_read(scratch_path("run"), &n);
    const char *path = scratch_path("short");
    for (size_t i = 0; i < n; i += i < 64 || i + 64 > n ? 1 : 61) {
        scratch_write(path, data, i);
        assert_int_equal(ckpt_open(&c, path, &e), -1);
    }
    free(data);
}

static void test_folder(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    char *path, *skipped;
    assert_false(ckpt_any(scratch_dir()));
    assert_false(ckpt_any("/nonexistent"));
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, &skipped, &e), 0);
    assert_null(path);
    assert_int_equal(ckpt_open_newest(&c, "/nonexistent", &path, &skipped, &e), -1);
    save(scratch_path("step-000000005.safetensors"));
    save(scratch_path("step-000000020.safetensors"));
    save(scratch_path("step-1000000000.safetensors")); /* ten digits */
    scratch_write(scratch_path("step-2000000000.safetensors"), "damaged", 7);
    scratch_write(scratch_path("step-7.safetensors"), "of another", 10);
    assert_true(ckpt_any(scratch_dir()));
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, &skipped, &e), 0);
    ckpt_close(&c);
    assert_string_equal(path, scratch_path("step-1000000000.safetensors"));
    assert_non_null(strstr(skipped, "step-2000000000.safetensors"));
    assert_null(strchr(skipped, '\n'));
    free(path);
    free(skipped);
    size_t before = scratch_count();
    assert_int_equal(ckpt_prune(scratch_dir(), 1000000000, 0, &e), 0);
    assert_int_equal(scratch_count(), before);
    assert_int_equal(ckpt_prune(scratch_dir(), 19, 1, &e), 0); /* none later than 19 counts */
    assert_int_equal(scratch_count(), before);
    assert_int_equal(ckpt_prune(scratch_dir(), 1000000000, 1, &e), 0);
    assert_int_equal(scratch_count(), before - 2);
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, NULL, &e), 0);
    ckpt_close(&c);
    assert_string_equal(path, scratch_path("step-1000000000.safetensors"));
    free(path);
}

static void test_folder_with_best_alone(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    char *path;
    save(scratch_path("best.safetensors"));
    assert_true(ckpt_any(scratch_dir()));
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, NULL, &e), 0);
    ckpt_close(&c);
    assert_string_equal(path, scratch_path("best.safetensors"));
    free(path);
    save(scratch_path("step-000000001.safetensors"));
    assert_int_equal(ckpt_open_newest(&c, scratch_dir(), &path, NULL, &e), 0);
    ckpt_close(&c);
    assert_string_equal(path, scratch_path("step-000000001.safetensors"));
    free(path);
    assert_int_equal(remove(scratch_path("best.safetensors")), 0);
    assert_int_equal(remove(scratch_path("step-000000001.safetensors")), 0);
}

static void test_strays(void **state)
{
    (void)state;
    size_t before = scratch_count();
    scratch_write(scratch_path(".step-000000001.safetensors.a0b1c2.tmp"), "x", 1);
    scratch_write(scratch_path(".best.safetensors.zz1234.tmp"), "x", 1);
    ckpt_remove_strays(scratch_dir());
    assert_int_equal(scratch_count(), before);
    scratch_write(scratch_path(".mine.safetensors.a0b1c2.tmp"), "x", 1);
    scratch_write(scratch_path(".step-1.safetensors.tmp"), "x", 1);
    ckpt_remove_strays(scratch_dir());
    assert_int_equal(scratch_count(), before + 2);
    ckpt_remove_strays("/nonexistent");
    assert_int_equal(remove(scratch_path(".mine.safetensors.a0b1c2.tmp")), 0);
    assert_int_equal(remove(scratch_path(".step-1.safetensors.tmp")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder_with_best_alone),
        cmocka_unit_test(test_strays),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_weights_alone),
        cmocka_unit_test(test_bad_metadata),
        cmocka_unit_test(test_curriculum_comes_back),
        cmocka_unit_test(test_bad_curriculum),
        cmocka_unit_test(test_bad_tensors),
        cmocka_unit_test(test_foreign_weights),
        cmocka_unit_test(test_files_of_0_1_0),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_without_checksums),
        cmocka_unit_test(test_truncation),
    };
    const struct CMUnitTest of_mixed[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_mixers),
        cmocka_unit_test(test_curriculum_comes_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown) +
           cmocka_run_group_tests(of_mixed, setup_mixed, teardown);
}
