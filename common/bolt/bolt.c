#include "bolt/bolt.h"

#include <stdlib.h>

/* Points the model into the map; only an embedding that is not f32 is expanded into memory. */
static int bind_tensors(struct bolt *b, const char *path, struct err *e)
{
    struct model *m = &b->model;
    const struct dims *d = &b->blob.dims;
    m->dims = *d;
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        const struct blob_tensor *source = &b->blob.tensors[i];
        if (t.ternary)
            *model_ternary(m, t.kind, t.block) = (struct model_tern){
                .codes = source->data,
                .rows = t.shape[0],
                .cols = t.shape[1],
                .alpha = source->alpha,
            };
        else
            *model_floats(m, t.kind, t.block) = source->data;
    }
    if (b->blob.embed == BLOB_EMBED_F32)
        return 0;
    size_t V = (size_t)d->V;
    size_t D = (size_t)d->D;
    float *embed = aligned_alloc(64, ALIGN_UP(V * D * sizeof *embed, 64));
    if (!embed)
        return err_set(e, "%s: out of memory", path);
    for (size_t id = 0; id < V; id++)
        blob_embed_row(&b->blob, id, embed + id * D);
    m->embed = embed;
    m->storage = embed;
    return 0;
}

int bolt_open(struct bolt *b, const char *path, struct err *e)
{
    struct err fault;
    *b = (struct bolt){0};
    if (blob_open(&b->blob, path, e))
        return -1;
    b->vocab = &b->blob.vocab;
    b->vocab_fingerprint = vocab_fingerprint(b->vocab);
    if (bind_tensors(b, path, e)) {
        bolt_close(b);
        return -1;
    }
    b->tokenizer = tokenizer_new(b->vocab, &fault);
    if (!b->tokenizer) {
        bolt_close(b);
        return err_set(e, "%s: %s", path, fault.text);
    }
    return 0;
}

void bolt_close(struct bolt *b)
{
    tokenizer_free(b->tokenizer);
    model_release(&b->model);
    blob_close(&b->blob);
    vocab_release(&b->owned_vocab);
    *b = (struct bolt){0};
}
