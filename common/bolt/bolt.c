#include "bolt/bolt.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cpu.h"
#include "bolt/bolt_source.h"
#include "bolt/modelfile.h"
#include "model/infer.h"
#include "model/sampler.h"
#include "text/normalize.h"

enum {
    SCORE_ROWS = 8, /* rows whose logits are computed together */
    TEXT_BYTES = 16384,
    MAX_TEXT_BYTES = 1 << 26,
    MEMORY_ALIGN = 8
};

/* Sizes of the structs in version 1 of the interface, below which no `size` can be. */
#define FIRST_SIZE(type, last) (offsetof(struct type, last) + sizeof(((struct type *)0)->last))
#define MODEL_OPTIONS_FIRST FIRST_SIZE(bolt_model_options, cpu)
#define CONTEXT_OPTIONS_FIRST FIRST_SIZE(bolt_context_options, max_text_bytes)
#define SAMPLE_OPTIONS_FIRST FIRST_SIZE(bolt_sample_options, repeat_penalty)

struct bolt_model {
    struct modelfile file;
    struct bolt_source source;
    struct kern kern;
    struct infer_weights weights;
    const struct cpu_level *level;
};

struct bolt_context {
    const struct bolt_model *model;
    struct arena arena;
    struct infer infer;
    struct infer_stream stream;
    struct sampler sampler;
    struct sampler_scratch scratch;
    float *logits;   /* [SCORE_ROWS][V]; the first row is the next token's, if it is known */
    bool begun;      /* EOS has been read */
    bool known;      /* logits are those behind the last token read */
    size_t last_row; /* of the workspace: the last token read */
    size_t max_text; /* bytes */
    struct text_buf text;
    struct unicode_scratch unicode;
    struct token_buf ids;
    struct tokenizer_cache *cache;
    char message[sizeof(((struct err *)0)->text)];
};

const char *bolt_version(void)
{
    return BOLT_VERSION;
}

int bolt_api_version(void)
{
    return BOLT_API_VERSION;
}

/* ---- errors and options ---------------------------------------------------------------------- */

int bolt_source_refuse(char *message, size_t size, int code, const char *text)
{
    if (message && size > 0)
        snprintf(message, size, "%s", text);
    return code;
}

static int fail(struct bolt_context *c, int code, const char *format, ...) PRINTF_LIKE(3, 4);
static int fail(struct bolt_context *c, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
    return code;
}

/* Copies the caller's options of from_size bytes over the defaults, of to_size bytes. Members we
 * know and the caller does not stay at their default; those we do not know must be zero. */
static bool take_options(void *to, size_t to_size, size_t first_size, const void *from,
                         size_t from_size)
{
    const unsigned char *bytes = from;
    if (from_size < first_size || from_size > 4096)
        return false;
    for (size_t i = to_size; i < from_size; i++)
        if (bytes[i])
            return false;
    memcpy(to, from, MIN(from_size, to_size));
    return true;
}

static const char BAD_OPTIONS[] = "the options are of a version this library does not know";

/* ---- models ---------------------------------------------------------------------------------- */

/* What is asked for, and the instruction set it means. */
static int read_options(const struct bolt_model_options *from, struct bolt_model_options *o,
                        const struct cpu_level **level, struct err *e)
{
    *o = (struct bolt_model_options){sizeof *o, BOLT_INT8, NULL};
    if (from && !take_options(o, sizeof *o, MODEL_OPTIONS_FIRST, from, from->size))
        return err_usage(e, "%s", BAD_OPTIONS);
    if (o->math != BOLT_INT8 && o->math != BOLT_EXACT)
        return err_usage(e, "unknown arithmetic %d", o->math);
    if (cpu_parse(o->cpu ? o->cpu : "auto", level, e)) {
        e->code = ERR_USAGE;
        return -1;
    }
    return 0;
}

/* Reads the model and lays out its weights. */
static int load(struct bolt_model *m, enum bolt_math math, struct err *e)
{
    const struct bolt_source *s = &m->source;
    struct err fault;
    if (modelfile_read(&m->file, s->data, s->n_bytes, s->name, e))
        return -1;
    vocab_drop_merges(m->file.vocab);
    kern_init(&m->kern, m->level);
    if (infer_weights_init(&m->weights, &m->file.model, &m->kern,
                           math == BOLT_EXACT ? INFER_EXACT : INFER_INT8, s->memory, &fault))
        return err_at(e, s->name, &fault);
    return 0;
}

static int code_of(const struct err *e)
{
    static const int codes[] = {[ERR_DATA] = BOLT_ERROR_MODEL,
                                [ERR_USAGE] = BOLT_ERROR_ARGUMENT,
                                [ERR_SYSTEM] = BOLT_ERROR_FILE,
                                [ERR_MEMORY] = BOLT_ERROR_MEMORY};
    return codes[e->code];
}

static int open_model(const struct bolt_source *source, const struct bolt_model_options *options,
                      struct bolt_model **out, struct err *e)
{
    struct bolt_model_options o;
    const struct cpu_level *level;
    if (read_options(options, &o, &level, e))
        return -1;
    struct bolt_model *m = calloc(1, sizeof *m);
    if (!m)
        return err_memory(e, "out of memory for a model");
    m->source = *source;
    m->level = level;
    int rc = source->open ? source->open(&m->source, e) : 0;
    if (rc)
        m->source.close = NULL;
    else
        rc = load(m, (enum bolt_math)o.math, e);
    m->source.name = NULL;
    if (rc) {
        bolt_close(m);
        return -1;
    }
    *out = m;
    return 0;
}

int bolt_source_open(const struct bolt_source *s, const struct bolt_model_options *options,
                     struct bolt_model **model, char *message, size_t message_size)
{
    struct err e;
    int saved = errno;
    int rc = open_model(s, options, model, &e);
    errno = saved;
    return rc ? bolt_source_refuse(message, message_size, code_of(&e), e.text) : 0;
}

int bolt_open_memory(const void *data, size_t n_bytes, const struct bolt_model_options *options,
                     struct bolt_model **model, char *message, size_t message_size)
{
    if (model)
        *model = NULL;
    if (!data || !model)
        return bolt_source_refuse(message, message_size, BOLT_ERROR_ARGUMENT,
                                  "no data or no model given");
    if ((uintptr_t)data % MEMORY_ALIGN != 0)
        return bolt_source_refuse(message, message_size, BOLT_ERROR_ARGUMENT,
                                  "the model in memory is not aligned to 8 bytes");
    struct bolt_source s = {
        .name = "model in memory", .data = data, .n_bytes = n_bytes, .memory = &memory_heap};
    return bolt_source_open(&s, options, model, message, message_size);
}

void bolt_close(struct bolt_model *model)
{
    if (!model)
        return;
    int saved = errno;
    infer_weights_release(&model->weights);
    modelfile_release(&model->file);
    if (model->source.close)
        model->source.close(&model->source);
    free(model);
    errno = saved;
}

int bolt_info(const struct bolt_model *model, struct bolt_info *info)
{
    if (!model || !info || info->size < sizeof info->size)
        return BOLT_ERROR_ARGUMENT;
    const struct dims *d = &model->file.model.dims;
    struct bolt_info all = {
        .size = info->size,
        .fingerprint = model->file.blob.fingerprint,
        .vocab_fingerprint = model->file.vocab_fingerprint,
        .n_parameters = dims_n_params(d),
        .n_context = dims_context(d),
        .n_vocab = (uint32_t)d->V,
        .n_width = (uint32_t)d->D,
        .n_blocks = (uint32_t)d->L,
        .n_hidden = (uint32_t)d->H,
        .n_taps = (uint32_t)d->K,
        .n_sequence = (uint32_t)d->T,
        .pad = BOLT_PAD,
        .unk = BOLT_UNK,
        .bos = BOLT_BOS,
        .eos = BOLT_EOS,
        .math = model->weights.math == INFER_EXACT ? BOLT_EXACT : BOLT_INT8,
        .cpu = model->level->name,
    };
    if (info->size > sizeof all)
        memset((char *)info + sizeof all, 0, info->size - sizeof all);
    memcpy(info, &all, MIN(info->size, sizeof all));
    return 0;
}

const char *bolt_token_text(const struct bolt_model *model, int32_t token, size_t *n_bytes)
{
    struct vocab_bytes b = {NULL, 0};
    if (model && token >= 0 && token < model->file.model.dims.V)
        b = tokenizer_decode(model->file.tokenizer, (uint16_t)token);
    if (n_bytes)
        *n_bytes = b.n;
    return (const char *)b.data;
}

/* ---- contexts -------------------------------------------------------------------------------- */

static void lay_out(struct bolt_context *c, struct arena *a)
{
    const struct infer_weights *w = &c->model->weights;
    const struct dims *d = &c->model->file.model.dims;
    infer_init(&c->infer, w, INFER_ROWS, a);
    infer_stream_init(&c->stream, d, a);
    sampler_scratch_init(&c->scratch, &c->model->kern, (size_t)d->V, a);
    c->logits = arena_alloc(a, SCORE_ROWS * (size_t)d->V, sizeof *c->logits);
}

/* All the memory a context ever has. */
static int reserve(struct bolt_context *c, struct err *e)
{
    struct arena measure;
    arena_measure(&measure);
    lay_out(c, &measure);
    if (arena_init(&c->arena, c->model->source.memory, measure.used, e))
        return -1;
    lay_out(c, &c->arena);
    if (normalize_reserve(&c->unicode, &c->text, c->model->file.vocab->form, c->max_text, e))
        return -1;
    if (array_reserve(&c->ids.ids, &c->ids.capacity, c->max_text, sizeof *c->ids.ids))
        return err_memory(e, "out of memory for %zu tokens", c->max_text);
    c->cache = tokenizer_cache_new_small(c->max_text, e);
    return c->cache ? 0 : -1;
}

static int new_context(const struct bolt_model *model, size_t max_text, struct bolt_context **out,
                       struct err *e)
{
    struct bolt_context *c = calloc(1, sizeof *c);
    if (!c)
        return err_memory(e, "out of memory for a context");
    c->model = model;
    c->max_text = max_text;
    if (reserve(c, e)) {
        bolt_context_free(c);
        return -1;
    }
    struct sampler_options o = sampler_defaults();
    sampler_init(&c->sampler, &o, 0);
    *out = c;
    return 0;
}

int bolt_context_new(const struct bolt_model *model, const struct bolt_context_options *options,
                     struct bolt_context **context, char *message, size_t message_size)
{
    struct bolt_context_options o = {sizeof o, 0};
    struct err e;
    if (context)
        *context = NULL;
    if (!model || !context)
        return bolt_source_refuse(message, message_size, BOLT_ERROR_ARGUMENT,
                                  "no model or no context given");
    if (options && !take_options(&o, sizeof o, CONTEXT_OPTIONS_FIRST, options, options->size))
        return bolt_source_refuse(message, message_size, BOLT_ERROR_ARGUMENT, BAD_OPTIONS);
    if (o.max_text_bytes > MAX_TEXT_BYTES)
        return bolt_source_refuse(message, message_size, BOLT_ERROR_ARGUMENT,
                                  "max_text_bytes is out of its range (at most 67108864)");
    int saved = errno;
    int rc = new_context(model, o.max_text_bytes ? o.max_text_bytes : TEXT_BYTES, context, &e);
    errno = saved;
    return rc ? bolt_source_refuse(message, message_size, code_of(&e), e.text) : 0;
}

void bolt_context_free(struct bolt_context *context)
{
    if (!context)
        return;
    int saved = errno;
    tokenizer_cache_free(context->cache);
    unicode_scratch_release(&context->unicode);
    free(context->text.data);
    free(context->ids.ids);
    arena_release(&context->arena);
    free(context);
    errno = saved;
}

const char *bolt_error(const struct bolt_context *context)
{
    return context ? context->message : "no context given";
}

void bolt_reset(struct bolt_context *context, uint64_t seed, uint64_t stream)
{
    if (!context)
        return;
    infer_stream_reset(&context->stream);
    sampler_reset(&context->sampler, seed, stream);
    context->begun = false;
    context->known = false;
}

/* ---- text ------------------------------------------------------------------------------------ */

int64_t bolt_encode(struct bolt_context *c, const char *text, size_t n_bytes, int32_t *ids,
                    size_t capacity)
{
    struct normalize_stats stats = {0};
    struct err e;
    size_t n_chars;
    if (!c)
        return BOLT_ERROR_ARGUMENT;
    const struct modelfile *f = &c->model->file;
    if ((!text && n_bytes > 0) || (!ids && capacity > 0))
        return fail(c, BOLT_ERROR_ARGUMENT, "no text or no ids given");
    if (n_bytes > c->max_text)
        return fail(c, BOLT_ERROR_LIMIT, "text too long (found %zu bytes, at most %zu)", n_bytes,
                    c->max_text);
    c->ids.n = 0;
    if (normalize_text_in(&c->unicode, f->vocab->form, text, n_bytes, &c->text, &n_chars, &stats,
                          &e))
        return fail(c, code_of(&e), "%s", e.text);
    if (c->text.n > c->max_text)
        return fail(c, BOLT_ERROR_LIMIT,
                    "text too long when normalised (found %zu bytes, at most %zu)", c->text.n,
                    c->max_text);
    if (c->text.n > 0 &&
        tokenizer_encode(f->tokenizer, c->cache, c->text.data, c->text.n, &c->ids, &e))
        return fail(c, code_of(&e), "%s", e.text);
    for (size_t i = 0; i < MIN(c->ids.n, capacity); i++)
        ids[i] = c->ids.ids[i];
    return (int64_t)c->ids.n;
}

/* ---- the model ------------------------------------------------------------------------------- */

static int check_tokens(struct bolt_context *c, const int32_t *tokens, size_t n)
{
    if (!c)
        return BOLT_ERROR_ARGUMENT;
    int32_t V = c->model->file.model.dims.V;
    if (!tokens && n > 0)
        return fail(c, BOLT_ERROR_ARGUMENT, "no tokens given");
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= V)
            return fail(c, BOLT_ERROR_ARGUMENT,
                        "token %zu is %ld, which the model does not have (expected 0 to %ld)", i,
                        (long)tokens[i], (long)V - 1);
    return 0;
}

/* Feeds at most INFER_ROWS tokens, at the beginning of a story one less and EOS before them.
 * Returns how many; their rows are the workspace's last. */
static size_t feed(struct bolt_context *c, const int32_t *tokens, size_t n)
{
    struct infer_row rows[INFER_ROWS];
    size_t n_rows = 0;
    size_t taken = 0;
    if (!c->begun)
        rows[n_rows++] = (struct infer_row){&c->stream, BOLT_EOS};
    while (taken < n && n_rows < INFER_ROWS) {
        uint16_t token = (uint16_t)tokens[taken++];
        rows[n_rows++] = (struct infer_row){&c->stream, token};
        if (token != BOLT_EOS) /* penalties leave the end of a story alone */
            sampler_accept(&c->sampler, token);
    }
    infer_feed(&c->infer, rows, n_rows);
    c->last_row = n_rows - 1;
    c->begun = true;
    c->known = false;
    return taken;
}

int bolt_step(struct bolt_context *context, const int32_t *tokens, size_t n)
{
    int code = check_tokens(context, tokens, n);
    for (size_t i = 0; code == 0 && i < n;)
        i += feed(context, tokens + i, n - i);
    return code;
}

const float *bolt_logits(struct bolt_context *context)
{
    if (!context)
        return NULL;
    if (!context->begun)
        feed(context, NULL, 0);
    if (!context->known)
        infer_head(&context->infer, context->last_row, 1, context->logits);
    context->known = true;
    return context->logits;
}

static bool in_range(float x, float low, float high)
{
    return x >= low && x <= high; /* false for NaN */
}

/* The option that is out of its range, and that range; NULL if all are in theirs. */
static const char *bad_option(const struct bolt_sample_options *o)
{
    return !in_range(o->temperature, 0, 100)        ? "temperature (0 to 100)"
           : o->top_k < 0 || o->top_k > 65536       ? "top_k (0 to 65536)"
           : !in_range(o->top_p, 0, 1)              ? "top_p (0 to 1)"
           : !in_range(o->min_p, 0, 1)              ? "min_p (0 to 1)"
           : !in_range(o->repeat_penalty, 0.1f, 10) ? "repeat_penalty (0.1 to 10)"
                                                    : NULL;
}

int32_t bolt_sample(struct bolt_context *c, const struct bolt_sample_options *options, float *log_p)
{
    struct bolt_sample_options o = BOLT_SAMPLE_DEFAULTS;
    if (!c)
        return BOLT_ERROR_ARGUMENT;
    if (options && !take_options(&o, sizeof o, SAMPLE_OPTIONS_FIRST, options, options->size))
        return fail(c, BOLT_ERROR_ARGUMENT, "%s", BAD_OPTIONS);
    if (bad_option(&o))
        return fail(c, BOLT_ERROR_ARGUMENT, "out of its range: %s", bad_option(&o));
    c->sampler.options =
        (struct sampler_options){o.temperature, o.top_k, o.top_p, o.min_p, o.repeat_penalty};
    return sampler_draw(&c->sampler, &c->scratch, bolt_logits(c), log_p);
}

/* Adds -ln p of n tokens, which the rows from `row` on predict. */
static void add_nats(struct bolt_context *c, size_t row, const int32_t *tokens, size_t n,
                     double *nats)
{
    size_t V = (size_t)c->model->file.model.dims.V;
    for (size_t i = 0; i < n;) {
        size_t count = MIN(n - i, (size_t)SCORE_ROWS);
        infer_head(&c->infer, row + i, count, c->logits);
        for (size_t j = 0; j < count; j++, i++) {
            const float *logits = c->logits + j * V;
            *nats += (double)c->model->kern.exact.logsumexp(logits, V) - (double)logits[tokens[i]];
        }
    }
}

int bolt_score(struct bolt_context *context, const int32_t *tokens, size_t n, double *nats)
{
    if (check_tokens(context, tokens, n))
        return BOLT_ERROR_ARGUMENT;
    if (!nats)
        return fail(context, BOLT_ERROR_ARGUMENT, "no place for the result given");
    *nats = 0;
    if (n == 0)
        return 0;
    uint32_t mode = cpu_float_default();
    if (!context->begun)
        feed(context, NULL, 0);
    add_nats(context, context->last_row, tokens, 1, nats);
    for (size_t i = 0; i < n;) {
        size_t taken = feed(context, tokens + i, n - i);
        i += taken;
        add_nats(context, 0, tokens + (i - taken) + 1, i < n ? taken : taken - 1, nats);
    }
    cpu_float_restore(mode);
    return 0;
}
