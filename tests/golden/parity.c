/* parity.c - runs a golden file through forward, loss, backward, clipping and AdamW and compares.
 *
 *   parity [--cpu LEVEL] [--threads N] [--precision f32|bf16] FILE.safetensors
 *
 * Prints the largest error of each group beside its bound and closes with "N passed, N failed";
 * exits 1 on any failure. Dimensions come from the file's metadata; groups it does not hold are
 * left out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/ckpt.h"
#include "support/toytrain.h"
#include "train/adamw.h"

static const float TINY_GRADIENT = 1e-6f; /* AdamW divides such gradients by themselves: noise */

struct parity {
    struct ckpt file;
    struct toytrain train;
    float *logits;
    size_t rows;
    double lr;
    struct toytrain_options options;
    int n_passed;
    int n_failed;
};

static void fail(const char *text)
{
    fprintf(stderr, "parity: %s\n", text);
    exit(1);
}

static double meta_number(const struct parity *t, const char *key, double fallback)
{
    const char *text = safetensors_meta(&t->file.file, key);
    return text ? strtod(text, NULL) : fallback;
}

/* Tensor of n floats, copied; NULL if the file has none. */
static float *tensor_copy(const struct parity *t, const char *prefix, const char *name, size_t n)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const struct st_tensor *s = safetensors_find(&t->file.file, full);
    if (!s)
        return NULL;
    if (s->type != ST_F32 || s->n_bytes != n * sizeof(float))
        fail("a tensor of the golden file has another type or size than its dimensions say");
    float *out = malloc(s->n_bytes);
    if (!out)
        fail("out of memory");
    memcpy(out, s->data, s->n_bytes);
    return out;
}

static void report(struct parity *t, const char *group, double error, double bound)
{
    bool ok = error <= bound; /* false for NaN */
    printf("%-18s largest error %-12.4g bound %-8.2g %s\n", group, error, bound,
           ok ? "ok" : "FAILED");
    if (ok)
        t->n_passed++;
    else
        t->n_failed++;
}

/* Largest of a and b, NaN winning, so that it can never be lost. */
static double worse(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static double largest(const float *x, size_t n)
{
    double max = 0;
    for (size_t i = 0; i < n; i++)
        max = worse((double)fabsf(x[i]), max);
    return max;
}

static void read_ids(const struct parity *t, const char *name, uint16_t *out)
{
    const struct st_tensor *s = safetensors_find(&t->file.file, name);
    if (!s || s->type != ST_I32 || s->n_bytes != t->rows * sizeof(int32_t))
        fail("input.tokens or input.targets is missing or has another size");
    for (size_t i = 0; i < t->rows; i++) {
        int32_t id;
        memcpy(&id, (const char *)s->data + i * sizeof id, sizeof id);
        if (id < 0 || id >= t->file.dims.V)
            fail("a token of the golden file is outside the vocabulary");
        out[i] = (uint16_t)id;
    }
}

static void read_options(struct parity *t)
{
    struct optim_settings *o = &t->options.optim;
    *o = optim_defaults(&adamw_kind);
    for (size_t i = 0; i < optim_n_settings(o->kind); i++)
        o->values[i] = meta_number(t, optim_setting(o->kind, i)->key, o->values[i]);
    t->rows = (size_t)meta_number(t, "batch", 1) * (size_t)t->file.dims.T;
    t->lr = meta_number(t, "lr", 4e-3);
}

static void open_file(struct parity *t, const char *path)
{
    struct err e;
    if (ckpt_open(&t->file, path, &e))
        fail(e.text);
    read_options(t);
    if (t->rows == 0 || t->rows > 1u << 20)
        fail("the golden file's batch is out of range");
    if (toytrain_open(&t->train, &t->file.dims, t->rows, &t->options, &e))
        fail(e.text);
    ckpt_read(&t->file, t->train.params);
    t->logits = calloc(t->rows * (size_t)t->file.dims.V, sizeof *t->logits);
    if (!t->logits)
        fail("out of memory");
    read_ids(t, "input.tokens", t->train.tokens);
    read_ids(t, "input.targets", t->train.targets);
    for (size_t r = 0; r < t->rows; r++)
        t->train.pos[r] = (uint32_t)(r % (size_t)t->file.dims.T);
}

static void compare_logits(struct parity *t)
{
    size_t n = t->rows * (size_t)t->file.dims.V;
    float *want = tensor_copy(t, "output.", "logits", n);
    if (!want)
        return;
    toytrain_loss(&t->train, false);
    net_logits(&t->train.net, 0, t->rows, 0, t->logits);
    double error = 0;
    for (size_t i = 0; i < n; i++)
        error = worse(fabs((double)t->logits[i] - (double)want[i]), error);
    report(t, "logits", error / largest(want, n), t->options.bf16 ? 2e-2 : 1e-4);
    free(want);
}

static void compare_gradients(struct parity *t)
{
    double error = -1;
    for (size_t i = 0; i < dims_n_tensors(&t->file.dims); i++) {
        struct tensor s;
        dims_tensor(&t->file.dims, i, &s);
        float *want = tensor_copy(t, "grad.", s.name, s.n);
        if (!want)
            continue;
        double max = largest(want, s.n);
        for (size_t j = 0; j < s.n; j++)
            error =
                worse(fabs((double)t->train.gradient[s.offset + j] - (double)want[j]) / max, error);
        free(want);
    }
    if (error != -1)
        report(t, "gradients", error, t->options.bf16 ? 2e-2 : 1e-3);
}

static void compare_weights(struct parity *t, const char *prefix, const char *group)
{
    double error = -1;
    if (t->options
            .bf16) /* AdamW makes a full step of any gradient: rounding shows in the weights */
        return;
    for (size_t i = 0; i < dims_n_tensors(&t->file.dims); i++) {
        struct tensor s;
        dims_tensor(&t->file.dims, i, &s);
        float *want = tensor_copy(t, prefix, s.name, s.n);
        float *first = tensor_copy(t, "grad.", s.name, s.n);
        for (size_t j = 0; want && j < s.n; j++)
            if (!first || !(fabsf(first[j]) < TINY_GRADIENT))
                error = worse(fabs((double)t->train.params[s.offset + j] - (double)want[j]), error);
        free(first);
        free(want);
    }
    if (error != -1)
        report(t, group, error, 5e-6);
}

/* Relative error of one number of output.losses or output.grad_norms; -1 if the file does not hold
 * them, NaN if it holds too few. */
static double relative(const struct parity *t, const char *name, size_t step, double got)
{
    char full[64];
    snprintf(full, sizeof full, "output.%s", name);
    const struct st_tensor *s = safetensors_find(&t->file.file, full);
    if (!s)
        return -1;
    if (s->type != ST_F32 || s->n_bytes < (step + 1) * sizeof(float))
        return NAN;
    float want;
    memcpy(&want, (const char *)s->data + step * sizeof want, sizeof want);
    return fabs(got - (double)want) / fabs((double)want);
}

static size_t steps_in(const struct parity *t)
{
    const struct st_tensor *s = safetensors_find(&t->file.file, "output.losses");
    return s ? MIN((size_t)(s->n_bytes / sizeof(float)), (size_t)3) : 0;
}

static void run(struct parity *t)
{
    size_t n_steps = steps_in(t);
    double loss_error = -1;
    double norm_error = -1;
    compare_logits(t);
    for (size_t step = 0; step < n_steps; step++) {
        double loss = toytrain_gradient(&t->train, false);
        loss_error = worse(relative(t, "losses", step, loss), loss_error);
        if (step == 0)
            compare_gradients(t);
        double norm = toytrain_step(&t->train, t->lr, step + 1);
        norm_error = worse(relative(t, "grad_norms", step, norm), norm_error);
        if (step == 0)
            compare_weights(t, "step1.", "weights, 1 step");
        if (step == 2)
            compare_weights(t, "step3.", "weights, 3 steps");
    }
    if (loss_error != -1)
        report(t, "losses", loss_error, t->options.bf16 ? 1e-2 : 1e-4);
    if (norm_error != -1)
        report(t, "gradient norms", norm_error, t->options.bf16 ? 2e-2 : 1e-4);
}

static const char *value_of(char **argv, int *i)
{
    if (!argv[*i + 1])
        fail("an option lacks its value");
    return argv[++*i];
}

int main(int argc, char **argv)
{
    struct parity t = {.options = {.level = cpu_best(), .threads = 2}};
    struct err e;
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cpu") == 0) {
            if (cpu_parse(value_of(argv, &i), &t.options.level, &e))
                fail(e.text);
        } else if (strcmp(argv[i], "--threads") == 0) {
            t.options.threads = atoi(value_of(argv, &i));
        } else if (strcmp(argv[i], "--precision") == 0) {
            const char *name = value_of(argv, &i);
            t.options.bf16 = strcmp(name, "bf16") == 0;
            if (!t.options.bf16 && strcmp(name, "f32") != 0)
                fail("--precision takes f32 or bf16");
        } else {
            path = argv[i];
        }
    }
    if (!path)
        fail("usage: parity [--cpu LEVEL] [--threads N] [--precision f32|bf16] FILE.safetensors");
    open_file(&t, path);
    run(&t);
    printf("%d passed, %d failed\n", t.n_passed, t.n_failed);
    toytrain_close(&t.train);
    ckpt_close(&t.file);
    free(t.logits);
    return t.n_failed || !t.n_passed;
}
