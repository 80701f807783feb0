/* Contexts of the library: stories read, told and scored. */
#include "bolt/bolt_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cpu.h"
#include "model/teller.h"
#include "text/normalize.h"

enum { TEXT_BYTES = 16384, MAX_TEXT_BYTES = 1 << 26 };

struct bolt_context {
    const struct bolt_model *model;
    struct arena arena;
    struct teller teller; /* its first logits are those after the newest token, if that is read */
    struct teller_story story;
    bool chosen;     /* stands among those of a bolt_step_many */
    size_t max_text; /* bytes */
    struct text_buf text;
    struct unicode_scratch unicode;
    struct token_buf ids;
    struct tokenizer_cache *cache;
    char message[sizeof(((struct err *)0)->text)];
};

static int fail(struct bolt_context *c, int code, const char *format, ...) PRINTF_LIKE(3, 4);
static int fail(struct bolt_context *c, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
    return code;
}

/* ---- contexts -------------------------------------------------------------------------------- */

static void lay_out(struct bolt_context *c, struct arena *a)
{
    teller_init(&c->teller, &c->model->weights, INFER_ROWS, a);
    teller_story_init(&c->story, &c->model->file.model.dims, a);
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
    bolt_reset(c, 0, 0);
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
    if (options &&
        !bolt_take_options(&o, sizeof o, BOLT_FIRST_SIZE(bolt_context_options, max_text_bytes),
                           options, options->size))
        return bolt_source_refuse(message, message_size, BOLT_ERROR_ARGUMENT, BOLT_BAD_OPTIONS);
    if (o.max_text_bytes > MAX_TEXT_BYTES)
        return bolt_source_refuse(message, message_size, BOLT_ERROR_ARGUMENT,
                                  "max_text_bytes is out of its range (at most 67108864)");
    int saved = errno;
    int rc = new_context(model, o.max_text_bytes ? o.max_text_bytes : TEXT_BYTES, context, &e);
    errno = saved;
    return rc ? bolt_source_refuse(message, message_size, bolt_code_of(&e), e.text) : 0;
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
    struct sampler_options o = sampler_defaults(); /* bolt_sample sets its own */
    if (!context)
        return;
    teller_drop(&context->teller);
    teller_begin(&context->story, &o, seed, stream);
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
        return fail(c, bolt_code_of(&e), "%s", e.text);
    if (c->text.n > c->max_text)
        return fail(c, BOLT_ERROR_LIMIT,
                    "text too long when normalised (found %zu bytes, at most %zu)", c->text.n,
                    c->max_text);
    if (c->text.n > 0 &&
        tokenizer_encode(f->tokenizer, c->cache, c->text.data, c->text.n, &c->ids, &e))
        return fail(c, bolt_code_of(&e), "%s", e.text);
    for (size_t i = 0; i < MIN(c->ids.n, capacity); i++)
        ids[i] = c->ids.ids[i];
    return (int64_t)c->ids.n;
}

/* ---- reading ------------------------------------------------------------------------------- */

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

int bolt_step(struct bolt_context *context, const int32_t *tokens, size_t n)
{
    int code = check_tokens(context, tokens, n);
    for (size_t i = 0; code == 0 && i < n; i++)
        teller_take(&context->teller, &context->story, (uint16_t)tokens[i]);
    return code;
}

const float *bolt_logits(struct bolt_context *context)
{
    if (!context)
        return NULL;
    return context->story.read ? context->teller.logits
                               : teller_logits(&context->teller, &context->story);
}

/* ---- many stories at once -------------------------------------------------------------------- */

/* Whether n contexts can be one batch; an error is left in the one at fault, or in the first. */
static int check_batch(struct bolt_context *const *contexts, const int32_t *tokens, size_t n)
{
    int code = 0;
    size_t n_chosen = 0;
    if (!contexts)
        return n > 0 ? BOLT_ERROR_ARGUMENT : 0;
    for (size_t i = 0; i < n && code == 0; i++) {
        struct bolt_context *c = contexts[i];
        if (!c)
            code = i ? fail(contexts[0], BOLT_ERROR_ARGUMENT, "context %zu is NULL", i)
                     : BOLT_ERROR_ARGUMENT;
        else if (c->model != contexts[0]->model)
            code =
                fail(c, BOLT_ERROR_ARGUMENT, "context %zu is of another model than the first", i);
        else if (c->chosen)
            code = fail(c, BOLT_ERROR_ARGUMENT, "context %zu is given twice", i);
        else if ((code = tokens ? check_tokens(c, tokens + i, 1) : 0) == 0) {
            c->chosen = true;
            n_chosen++;
        }
    }
    for (size_t i = 0; i < n_chosen; i++)
        contexts[i]->chosen = false;
    return code;
}

/* Lets the rows that wait in c's own teller be read by t. */
static void move_rows(struct teller *t, struct bolt_context *c)
{
    struct teller *from = &c->teller;
    if (t == from)
        return;
    for (size_t i = 0; i < from->n_rows; i++) {
        if (t->n_rows == INFER_ROWS)
            teller_read(t);
        t->rows[t->n_rows++] = from->rows[i];
    }
    teller_drop(from);
}

/* The newest tokens of up to INFER_ROWS stories as one product, and the logits of each. Where the
 * teller is that of one of them, that is the last, so that its logits are not written over. */
static void read_newest(struct teller *t, struct bolt_context *const *contexts, size_t n)
{
    size_t V = (size_t)contexts[0]->model->file.model.dims.V;
    teller_read(t);
    for (size_t i = 0; i < n; i++)
        teller_add(t, &contexts[i]->story);
    teller_read(t);
    for (size_t first = 0; first < n; first += TELLER_HEAD_ROWS) {
        size_t rows = MIN(n - first, (size_t)TELLER_HEAD_ROWS);
        infer_head(&t->infer, first, rows, t->logits);
        for (size_t i = 0; i < rows; i++)
            memmove(contexts[first + i]->teller.logits, t->logits + i * V, V * sizeof *t->logits);
    }
}

int bolt_step_many(struct bolt_context *const *contexts, const int32_t *tokens, size_t n)
{
    struct bolt_context *group[INFER_ROWS];
    struct bolt_context *lead = NULL; /* the first whose logits are not known: its teller reads */
    size_t n_group = 0;
    int code = check_batch(contexts, tokens, n);
    if (code)
        return code;
    for (size_t i = n; i-- > 0;) {
        if (tokens)
            teller_take(&contexts[i]->teller, &contexts[i]->story, (uint16_t)tokens[i]);
        if (!contexts[i]->story.read)
            lead = contexts[i];
    }
    for (size_t i = n; lead && i-- > 0;) {
        if (contexts[i]->story.read)
            continue;
        move_rows(&lead->teller, contexts[i]);
        group[n_group++] = contexts[i];
        if (n_group == INFER_ROWS || contexts[i] == lead) {
            read_newest(&lead->teller, group, n_group);
            n_group = 0;
        }
    }
    return 0;
}

/* ---- drawing and scoring --------------------------------------------------------------------- */

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
    if (options &&
        !bolt_take_options(&o, sizeof o, BOLT_FIRST_SIZE(bolt_sample_options, repeat_penalty),
                           options, options->size))
        return fail(c, BOLT_ERROR_ARGUMENT, "%s", BOLT_BAD_OPTIONS);
    if (bad_option(&o))
        return fail(c, BOLT_ERROR_ARGUMENT, "out of its range: %s", bad_option(&o));
    c->story.sampler.options =
        (struct sampler_options){o.temperature, o.top_k, o.top_p, o.min_p, o.repeat_penalty};
    return teller_draw(&c->teller, &c->story, bolt_logits(c), log_p);
}

/* -ln p of a token by the logits that predict it. */
static double nats_of(const struct bolt_context *c, const float *logits, int32_t token)
{
    size_t V = (size_t)c->model->file.model.dims.V;
    return (double)c->model->kern.exact.logsumexp(logits, V) - (double)logits[token];
}

/* Reads rows that predict up to INFER_ROWS of n tokens and adds their nats; returns how many. The
 * last of them becomes the newest, not read. */
static size_t score_rows(struct bolt_context *c, const int32_t *tokens, size_t n, double *nats)
{
    size_t V = (size_t)c->model->file.model.dims.V;
    struct teller *t = &c->teller;
    size_t taken = MIN(n, (size_t)INFER_ROWS);
    teller_read(t);
    for (size_t i = 0; i < taken; i++)
        teller_take(t, &c->story, (uint16_t)tokens[i]);
    teller_read(t);
    for (size_t first = 0; first < taken; first += TELLER_HEAD_ROWS) {
        size_t rows = MIN(taken - first, (size_t)TELLER_HEAD_ROWS);
        infer_head(&t->infer, first, rows, t->logits);
        for (size_t i = 0; i < rows; i++)
            *nats += nats_of(c, t->logits + i * V, tokens[first + i]);
    }
    return taken;
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
    *nats += nats_of(context, bolt_logits(context), tokens[0]); /* they may be known */
    teller_take(&context->teller, &context->story, (uint16_t)tokens[0]);
    for (size_t i = 1; i < n;)
        i += score_rows(context, tokens + i, n - i, nats);
    cpu_float_restore(mode);
    return 0;
}
