#include "format/ckpt_meta.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How every field of ckpt_state stands in the metadata. */
enum field_type { FIELD_U64, FIELD_WORDS, FIELD_REAL, FIELD_TEXT };

#define FIELD(key, type, member)                              \
    {                                                         \
        key, type, offsetof(struct ckpt_state, member), false \
    }
/* A key that files of an earlier version lack. */
#define LATER(key, type, member)                             \
    {                                                        \
        key, type, offsetof(struct ckpt_state, member), true \
    }

static const struct field {
    const char *key;
    enum field_type type; /* FIELD_WORDS: four 64-bit words */
    size_t offset;
    bool later;
} fields[] = {
    FIELD("step", FIELD_U64, progress.step),
    FIELD("tokens", FIELD_U64, progress.tokens),
    FIELD("epoch", FIELD_U64, progress.epoch),
    FIELD("position", FIELD_U64, progress.position),
    FIELD("rng", FIELD_WORDS, progress.rng),
    FIELD("sample_rng", FIELD_WORDS, progress.sample_rng),
    FIELD("progress", FIELD_REAL, progress.share),
    FIELD("best_loss", FIELD_REAL, progress.best_loss),
    FIELD("patience", FIELD_U64, progress.patience),
    FIELD("elapsed", FIELD_REAL, progress.elapsed),
    LATER("validation_due", FIELD_U64, progress.validation_due),
    LATER("eval_tokens", FIELD_U64, settings.eval_tokens),
    FIELD("budget_steps", FIELD_U64, settings.budget_steps),
    FIELD("budget_hours", FIELD_REAL, settings.budget_hours),
    FIELD("seed", FIELD_U64, settings.seed),
    FIELD("batch", FIELD_U64, settings.batch),
    FIELD("accum_steps", FIELD_U64, settings.accum),
    LATER("accum_sum", FIELD_TEXT, settings.accum_sum),
    FIELD("lr", FIELD_REAL, settings.lr),
    FIELD("min_lr", FIELD_REAL, settings.min_lr),
    LATER("windows", FIELD_TEXT, settings.windows),
    LATER("schedule", FIELD_TEXT, settings.schedule),
    LATER("decay_share", FIELD_REAL, settings.decay_share),
    LATER("recipe", FIELD_TEXT, settings.recipe),
    LATER("optimiser", FIELD_TEXT, settings.optimiser),
    FIELD("vocab_fingerprint", FIELD_U64, prints.vocab),
    FIELD("train_fingerprint", FIELD_U64, prints.train),
    FIELD("valid_fingerprint", FIELD_U64, prints.valid),
    FIELD("precision", FIELD_TEXT, settings.precision),
    FIELD("isa", FIELD_TEXT, settings.isa),
};

/* Hyperparameters in the metadata; dilation and mixers stand apart. */
struct dim_field {
    const char *key;
    size_t offset;
};
static const struct dim_field dim_fields[] = {
    {"vocab_size", offsetof(struct dims, V)}, {"dim", offsetof(struct dims, D)},
    {"n_blocks", offsetof(struct dims, L)},   {"kernel_size", offsetof(struct dims, K)},
    {"glu_hidden", offsetof(struct dims, H)}, {"seq_len", offsetof(struct dims, T)},
};

/* Of version 2, with `mixers`. */
static const struct dim_field later_fields[] = {
    {"heads", offsetof(struct dims, heads)},
    {"key_width", offsetof(struct dims, key_width)},
    {"window", offsetof(struct dims, window)},
    {"embed_norm", offsetof(struct dims, embed_norm)},
};

/* Of a run with a curriculum, in version 3. */
static const char curriculum_key[] = "curriculum";
static const char *const part_keys[CKPT_MAX_PARTS] = {
    "part_0", "part_1", "part_2",  "part_3",  "part_4",  "part_5",  "part_6",  "part_7",
    "part_8", "part_9", "part_10", "part_11", "part_12", "part_13", "part_14", "part_15"};

bool ckpt_meta_is_named(const char *key)
{
    static const char *const others[] = {"format",           "model",    "checkpoint_version",
                                         "dilation",         "norm_eps", "weights",
                                         "optimiser_arrays", "mixers",   curriculum_key};
    for (size_t i = 0; i < ARRAY_LEN(part_keys); i++)
        if (strcmp(part_keys[i], key) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(fields[i].key, key) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(dim_fields); i++)
        if (strcmp(dim_fields[i].key, key) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(later_fields); i++)
        if (strcmp(later_fields[i].key, key) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(others[i], key) == 0)
            return true;
    return false;
}

static char *meta_slot(struct ckpt_meta *list, const char *key)
{
    char *value = list->values[list->n];
    list->items[list->n++] = (struct st_meta){key, value};
    return value;
}

void ckpt_meta_text(struct ckpt_meta *list, const char *key, const char *text)
{
    snprintf(meta_slot(list, key), CKPT_META_VALUE, "%s", text);
}

void ckpt_meta_u64(struct ckpt_meta *list, const char *key, uint64_t n)
{
    snprintf(meta_slot(list, key), CKPT_META_VALUE, "%llu", (unsigned long long)n);
}

static void meta_field(struct ckpt_meta *list, const struct field *f, const struct ckpt_state *s)
{
    const void *at = (const char *)s + f->offset;
    const uint64_t *words = at;
    char *value = meta_slot(list, f->key);
    switch (f->type) {
    case FIELD_U64:
        snprintf(value, CKPT_META_VALUE, "%llu", (unsigned long long)words[0]);
        break;
    case FIELD_WORDS:
        snprintf(value, CKPT_META_VALUE, "%llu,%llu,%llu,%llu", (unsigned long long)words[0],
                 (unsigned long long)words[1], (unsigned long long)words[2],
                 (unsigned long long)words[3]);
        break;
    case FIELD_REAL:
        snprintf(value, CKPT_META_VALUE, "%.17g", *(const double *)at);
        break;
    case FIELD_TEXT:
        snprintf(value, CKPT_META_VALUE, "%s", (const char *)at);
        break;
    }
}

static void meta_dim_fields(struct ckpt_meta *list, const struct dims *d,
                            const struct dim_field *fields_of, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ckpt_meta_u64(list, fields_of[i].key,
                      (uint64_t) * (const int *)((const char *)d + fields_of[i].offset));
}

int ckpt_version(const struct dims *d, const struct ckpt_state *state)
{
    if (state && state->settings.curriculum[0])
        return 3;
    return dims_is_v4(d) ? 1 : 2;
}

void ckpt_meta_dims(struct ckpt_meta *list, const struct dims *d, const struct ckpt_state *state)
{
    int version = ckpt_version(d, state);
    ckpt_meta_text(list, "format", "pt");
    ckpt_meta_text(list, "model", "bolt");
    ckpt_meta_u64(list, "checkpoint_version", (uint64_t)version);
    meta_dim_fields(list, d, dim_fields, ARRAY_LEN(dim_fields));
    dims_dilation_text(d, meta_slot(list, "dilation"), CKPT_META_VALUE);
    snprintf(meta_slot(list, "norm_eps"), CKPT_META_VALUE, "%g", (double)DIMS_NORM_EPS);
    if (version == 1)
        return;
    dims_mixers_text(d, meta_slot(list, "mixers"), CKPT_META_VALUE);
    meta_dim_fields(list, d, later_fields, ARRAY_LEN(later_fields));
}

void ckpt_meta_state(struct ckpt_meta *list, const struct ckpt_state *s)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        meta_field(list, &fields[i], s);
    if (!s->settings.curriculum[0])
        return;
    ckpt_meta_text(list, curriculum_key, s->settings.curriculum);
    for (size_t i = 0; i < s->progress.n_parts; i++) {
        const struct ckpt_part *p = &s->progress.parts[i];
        snprintf(
            meta_slot(list, part_keys[i]), CKPT_META_VALUE,
            "%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
            p->name, p->epoch, p->position, p->tokens, p->rng[0], p->rng[1], p->rng[2], p->rng[3]);
    }
}

void ckpt_meta_optim(struct ckpt_meta *list, const struct ckpt_optim *o)
{
    char *text = meta_slot(list, "optimiser_arrays");
    size_t n = 0;
    for (size_t i = 0, end; i < o->n_arrays; i = end) {
        for (end = i; end < o->n_arrays && strcmp(o->arrays[end].name, o->arrays[i].name) == 0;)
            end++;
        n += (size_t)snprintf(text + n, CKPT_META_VALUE - n, "%s%s:%zu", i ? "," : "",
                              o->arrays[i].name, end - i);
    }
    for (size_t i = 0; i < o->n_numbers; i++)
        snprintf(meta_slot(list, o->numbers[i].key), CKPT_META_VALUE, "%.17g", o->numbers[i].value);
}

/* A decimal number that is the whole text up to `end` (a comma or the terminator). */
static bool parse_u64(const char *text, char end, uint64_t *out, const char **rest)
{
    if (*text < '0' || *text > '9')
        return false;
    char *stop;
    errno = 0;
    *out = strtoull(text, &stop, 10);
    *rest = stop + 1;
    return errno == 0 && *stop == end;
}

bool ckpt_meta_real(const char *text, double *out)
{
    char *stop;
    *out = strtod(text, &stop);
    return stop != text && *stop == 0 && !isnan(*out);
}

static bool parse_field(const struct field *f, const char *text, struct ckpt_state *s)
{
    char *at = (char *)s + f->offset;
    uint64_t *words = (void *)at;
    switch (f->type) {
    case FIELD_U64:
        return parse_u64(text, 0, words, &text);
    case FIELD_WORDS:
        return parse_u64(text, ',', &words[0], &text) && parse_u64(text, ',', &words[1], &text) &&
               parse_u64(text, ',', &words[2], &text) && parse_u64(text, 0, &words[3], &text);
    case FIELD_REAL:
        return ckpt_meta_real(text, (void *)at);
    case FIELD_TEXT:
        if (strlen(text) >= sizeof s->settings.isa)
            return false;
        memcpy(at, text, strlen(text) + 1);
        return true;
    }
    return false;
}

/* Those that are there. */
static int read_dim_fields(const struct safetensors *file, struct dims *d,
                           const struct dim_field *fields_of, size_t n, const char *path,
                           struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = safetensors_meta(file, fields_of[i].key);
        uint64_t value;
        if (!text)
            continue;
        if (!parse_u64(text, 0, &value, &text) || value > INT32_MAX)
            return err_set(e, "%s: metadata '%s' is not a valid number", path, fields_of[i].key);
        *(int *)((char *)d + fields_of[i].offset) = (int)value;
    }
    return 0;
}

/* Of a version that has them, all of them. */
static int read_mixers(const struct safetensors *file, struct dims *d, const char *path,
                       struct err *e)
{
    struct err fault;
    const char *mixers = safetensors_meta(file, "mixers");
    const char *version = safetensors_meta(file, "checkpoint_version");
    if (!version || strcmp(version, "1") == 0)
        return 0;
    if (!mixers)
        return err_set(e, "%s: metadata lacks 'mixers'", path);
    for (size_t i = 0; i < ARRAY_LEN(later_fields); i++)
        if (!safetensors_meta(file, later_fields[i].key))
            return err_set(e, "%s: metadata lacks '%s'", path, later_fields[i].key);
    if (dims_parse_mixers(d, mixers, &fault))
        return err_at(e, path, &fault);
    if (read_dim_fields(file, d, later_fields, ARRAY_LEN(later_fields), path, e))
        return -1;
    return 0;
}

int ckpt_meta_read_dims(const struct safetensors *file, struct dims *d, const char *path,
                        struct err *e)
{
    struct err fault;
    if (read_dim_fields(file, d, dim_fields, ARRAY_LEN(dim_fields), path, e))
        return -1;
    for (int l = 0; l < DIMS_MAX_BLOCKS; l++)
        d->dilation[l] = 1;
    if (dims_check(d, &fault)) /* L first: the lists have a place a block */
        return err_at(e, path, &fault);
    const char *dilation = safetensors_meta(file, "dilation");
    if (dilation && dims_parse_dilation(d, dilation, &fault))
        return err_at(e, path, &fault);
    if (read_mixers(file, d, path, e))
        return -1;
    return dims_check(d, &fault) ? err_at(e, path, &fault) : 0;
}

static void text_default(char text[16], const char *value)
{
    if (!text[0])
        snprintf(text, 16, "%s", value);
}

/* "NAME,epoch,position,tokens,rng" */
static bool parse_part(const char *text, struct ckpt_part *p)
{
    size_t n = strcspn(text, ",");
    if (n == 0 || n >= sizeof p->name || text[n] != ',')
        return false;
    memcpy(p->name, text, n);
    p->name[n] = '\0';
    text += n + 1;
    return parse_u64(text, ',', &p->epoch, &text) && parse_u64(text, ',', &p->position, &text) &&
           parse_u64(text, ',', &p->tokens, &text) && parse_u64(text, ',', &p->rng[0], &text) &&
           parse_u64(text, ',', &p->rng[1], &text) && parse_u64(text, ',', &p->rng[2], &text) &&
           parse_u64(text, 0, &p->rng[3], &text) && (p->rng[0] | p->rng[1] | p->rng[2] | p->rng[3]);
}

/* Of version 3. */
static int read_curriculum(const struct safetensors *file, struct ckpt_state *s, const char *path,
                           struct err *e)
{
    const char *text = safetensors_meta(file, curriculum_key);
    if (!text || !safetensors_meta(file, part_keys[0]))
        return err_set(e, "%s: metadata lacks '%s'", path, text ? part_keys[0] : curriculum_key);
    if (!text[0] || strlen(text) >= sizeof s->settings.curriculum)
        return err_set(e, "%s: metadata '%s' has a bad value '%.40s'", path, curriculum_key, text);
    snprintf(s->settings.curriculum, sizeof s->settings.curriculum, "%s", text);
    s->progress.n_parts = 0;
    for (size_t i = 0; i < ARRAY_LEN(part_keys); i++) {
        const char *value = safetensors_meta(file, part_keys[i]);
        if (!value)
            break;
        if (!parse_part(value, &s->progress.parts[s->progress.n_parts++]))
            return err_set(e, "%s: metadata '%s' has a bad value '%.40s'", path, part_keys[i],
                           value);
    }
    return 0;
}

static int read_version(const char *text, const char *path, struct err *e)
{
    uint64_t version;
    if (parse_u64(text, 0, &version, &(const char *){NULL}) && version >= 1 &&
        version <= CKPT_VERSION)
        return 0;
    return err_set(e, "%s: unknown checkpoint version (found %.16s, expected 1 to %d)", path, text,
                   CKPT_VERSION);
}

int ckpt_meta_read_state(const struct safetensors *file, struct ckpt_state *s, bool *complete,
                         const char *path, struct err *e)
{
    *complete = false;
    const char *version = safetensors_meta(file, "checkpoint_version");
    if (!version)
        return 0;
    if (read_version(version, path, e))
        return -1;
    bool is_run = safetensors_meta(file, "step") != NULL;
    if (is_run)
        s->settings.eval_tokens = CKPT_UNKNOWN;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *value = safetensors_meta(file, fields[i].key);
        if (!value && is_run && !fields[i].later)
            return err_set(e, "%s: metadata lacks '%s'", path, fields[i].key);
        if (value && !parse_field(&fields[i], value, s))
            return err_set(e, "%s: metadata '%s' has a bad value '%.40s'", path, fields[i].key,
                           value);
    }
    if (is_run && strcmp(version, "3") == 0 && read_curriculum(file, s, path, e))
        return -1;
    if (is_run) { /* 0.1.0 had no others */
        text_default(s->settings.optimiser, "adamw");
        text_default(s->settings.windows, "stream");
        text_default(s->settings.schedule, "cosine");
        text_default(s->settings.recipe, "v4");
    }
    *complete = is_run;
    return 0;
}

/* "NAME:COUNT" up to a comma or the end; NULL if it is not that, else where the next begins. */
static const char *parse_array(const char *text, int most, struct ckpt_meta_arrays *out)
{
    size_t n = strcspn(text, ":,. ");
    uint64_t count;
    const char *next;
    if (n == 0 || n >= sizeof out->name[0] || text[n] != ':' || out->n == CKPT_MAX_ARRAYS)
        return NULL;
    memcpy(out->name[out->n], text, n);
    if (parse_u64(text + n + 1, 0, &count, &next))
        next--; /* the end */
    else if (!parse_u64(text + n + 1, ',', &count, &next))
        return NULL;
    if (count == 0 || count > (uint64_t)most)
        return NULL;
    out->n_tensors[out->n++] = (int)count;
    return next;
}

int ckpt_meta_read_arrays(const struct safetensors *file, int n_tensors,
                          struct ckpt_meta_arrays *out, const char *path, struct err *e)
{
    const char *text = safetensors_meta(file, "optimiser_arrays");
    if (!text || !safetensors_meta(file, "checkpoint_version")) {
        *out = (struct ckpt_meta_arrays){.name = {"adam_m", "adam_v"},
                                         .n_tensors = {n_tensors, n_tensors},
                                         .n = 2,
                                         .guessed = true};
        return 0;
    }
    *out = (struct ckpt_meta_arrays){0};
    for (const char *at = text; at && *at;)
        if (!(at = parse_array(at, n_tensors, out)))
            return err_set(e, "%s: metadata 'optimiser_arrays' has a bad value '%.60s'", path,
                           text);
    return 0;
}
