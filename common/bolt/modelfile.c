#include "bolt/modelfile.h"

/* Points the model into the blob. */
static void bind_tensors(struct modelfile *b)
{
    struct model *m = &b->model;
    const struct dims *d = &b->blob.dims;
    m->dims = *d;
    for (size_t i = 0; i < dims_n_tensors(d); i++) {
        struct tensor t;
        dims_tensor(d, i, &t);
        const struct blob_tensor *source = &b->blob.tensors[i];
        if (t.kind == TENSOR_EMBED)
            m->embed = (struct model_embed){b->blob.embed, source->data, source->row_scales};
        else if (t.form == TENSOR_TERNARY)
            *model_ternary(m, t.kind, t.block) = (struct model_tern){
                .codes = source->data,
                .rows = t.shape[0],
                .cols = t.shape[1],
                .alpha = source->alpha,
            };
        else
            *model_floats(m, t.kind, t.block) = source->data;
    }
}

int modelfile_read(struct modelfile *b, const void *data, size_t size, const char *name,
                   struct err *e)
{
    *b = (struct modelfile){0};
    if (blob_read(&b->blob, data, size, name, e))
        return -1;
    b->vocab = &b->blob.vocab;
    b->vocab_fingerprint = b->blob.vocab_fingerprint;
    b->tokenizer = b->blob.tokenizer;
    b->blob.tokenizer = NULL;
    bind_tensors(b);
    return 0;
}

void modelfile_release(struct modelfile *b)
{
    tokenizer_free(b->tokenizer);
    model_release(&b->model);
    blob_release(&b->blob);
    vocab_release(&b->owned_vocab);
    *b = (struct modelfile){0};
}
