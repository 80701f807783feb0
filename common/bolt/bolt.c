#include "bolt/bolt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "bolt/bolt_private.h"

/* Three headers name the special tokens, each for whom it serves; they are the same. */
#define SAME(name) ((int)BOLT_##name == (int)VOCAB_##name && (int)BOLT_##name == (int)DIMS_##name)
_Static_assert(SAME(PAD) && SAME(UNK) && SAME(BOS) && SAME(EOS), "ids of the special tokens");
_Static_assert((int)BOLT_INT8 == (int)MODEL_INT8 && (int)BOLT_EXACT == (int)MODEL_EXACT,
               "kinds of arithmetic");
_Static_assert((int)VOCAB_N_SPECIAL == (int)DIMS_N_SPECIAL, "number of the special tokens");

enum { MEMORY_ALIGN = 8 };

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

bool bolt_take_options(void *to, size_t to_size, size_t first_size, const void *from,
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

/* ---- models ---------------------------------------------------------------------------------- */

/* What is asked for, and the instruction set it means. */
static int read_options(const struct bolt_model_options *from, struct bolt_model_options *o,
                        const struct cpu_level **level, struct err *e)
{
    *o = (struct bolt_model_options){sizeof *o, BOLT_INT8, NULL};
    if (from && !bolt_take_options(o, sizeof *o, BOLT_FIRST_SIZE(bolt_model_options, cpu), from,
                                   from->size))
        return err_usage(e, "%s", BOLT_BAD_OPTIONS);
    if (o->math != BOLT_INT8 && o->math != BOLT_EXACT)
        return err_usage(e, "unknown arithmetic %d", o->math);
    return cpu_parse(o->cpu ? o->cpu : "auto", level, e);
}

/* Reads the model and lays out its weights. */
static int load(struct bolt_model *m, enum bolt_math math, struct err *e)
{
    const struct bolt_source *s = &m->source;
    struct err fault;
    if (modelfile_read(&m->file, s->data, s->n_bytes, s->name, e))
        return -1;
    vocab_drop_merges(m->file.vocab);
    kern_init_inference(&m->kern, m->level);
    if (infer_weights_init(&m->weights, &m->file.model, &m->kern, (enum model_math)math, s->memory,
                           &fault))
        return err_at(e, s->name, &fault);
    return 0;
}

int bolt_code_of(const struct err *e)
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
    return rc ? bolt_source_refuse(message, message_size, bolt_code_of(&e), e.text) : 0;
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
        .math = (int32_t)model->weights.math,
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
