#include "support/toystory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/infer.h"
#include "os/pages.h"
#include "support/toy.h"

static void store_embedding(struct toystory *s, enum number_type type)
{
    size_t D = (size_t)s->model.dims.D;
    size_t V = (size_t)s->model.dims.V;
    float row[200];
    assert_true(D <= ARRAY_LEN(row));
    s->stored = calloc(V * D, sizeof(float));
    s->scales = calloc(V, sizeof *s->scales);
    assert_non_null(s->stored);
    assert_non_null(s->scales);
    for (size_t id = 0; id < V; id++) {
        unsigned char *out = s->stored + id * D * number_bytes(type);
        model_embed_row(&s->floats, id, row);
        if (type == NUMBER_Q8)
            s->scales[id] = number_q8(row, D, (signed char *)out);
        for (size_t c = 0; c < D && type == NUMBER_F16; c++)
            ((uint16_t *)(void *)out)[c] = number_f16(row[c]);
        if (type == NUMBER_F32)
            memcpy(out, row, D * sizeof *row);
    }
    s->model.embed = (struct model_embed){type, s->stored, type == NUMBER_Q8 ? s->scales : NULL};
}

/* Tokens of no, one and more bytes, and one of the longest. */
static void make_vocab(struct toystory *s)
{
    size_t V = (size_t)s->model.dims.V;
    struct vocab_token *tokens = calloc(V, sizeof *tokens);
    s->texts = calloc(VOCAB_MAX_TOKEN_BYTES, 1);
    assert_non_null(tokens);
    assert_non_null(s->texts);
    for (size_t i = 0; i < VOCAB_MAX_TOKEN_BYTES; i++)
        s->texts[i] = (unsigned char)(i * 7);
    for (size_t id = 0; id < V; id++)
        tokens[id].bytes = (struct vocab_bytes){s->texts + id % 50, (uint32_t)(1 + id % 9)};
    if (V > 100)
        tokens[70].bytes = (struct vocab_bytes){s->texts, VOCAB_MAX_TOKEN_BYTES};
    s->vocab = (struct vocab){.n_tokens = (uint32_t)V, .tokens = tokens};
}

static void make_logits(struct toystory *s, const struct cpu_level *level)
{
    struct err e;
    struct kern kern;
    struct infer_weights w;
    struct infer f;
    struct infer_stream stream;
    struct arena measure, arena;
    size_t V = (size_t)s->model.dims.V;
    kern_init(&kern, level);
    assert_int_equal(infer_weights_init(&w, &s->model, &kern, MODEL_EXACT, &pages_memory, &e), 0);
    arena_measure(&measure);
    infer_init(&f, &w, 1, &measure);
    infer_stream_init(&stream, &s->model.dims, &measure);
    assert_int_equal(arena_init(&arena, &pages_memory, measure.used, &e), 0);
    infer_init(&f, &w, 1, &arena);
    infer_stream_init(&stream, &s->model.dims, &arena);
    s->logits = calloc(TOYSTORY_TOKENS * V, sizeof *s->logits);
    assert_non_null(s->logits);
    for (size_t i = 0; i < TOYSTORY_TOKENS; i++)
        infer_token(&f, &stream, s->tokens[i], s->logits + i * V);
    arena_release(&arena);
    infer_weights_release(&w);
}

void toystory_open(struct toystory *s, struct dims d, enum number_type type)
{
    const uint64_t seed = (uint64_t)d.D;
    struct kern k;
    struct rng r;
    struct err e;
    *s = (struct toystory){0};
    s->params = toy_params(&d, seed);
    s->params[dims_offset(&d, TENSOR_EMBED, 0)] = 3e-6f; /* subnormal as a half */
    kern_init(&k, CPU_C);
    assert_int_equal(model_from_params(&s->floats, &d, s->params, false, &k, &e), 0);
    s->model = s->floats;
    store_embedding(s, type);
    make_vocab(s);
    rng_seed(&r, seed, 1);
    for (size_t i = 0; i < TOYSTORY_TOKENS; i++)
        s->tokens[i] = (uint16_t)rng_below(&r, (uint64_t)d.V);
    make_logits(s, cpu_best());
}

void toystory_close(struct toystory *s)
{
    free(s->stored);
    free(s->scales);
    free(s->vocab.tokens);
    free(s->texts);
    free(s->logits);
    model_release(&s->floats);
    free(s->params);
}
