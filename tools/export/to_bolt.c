#include "export/to.h"

#include <stdlib.h>

#include "format/blob_file.h"

/* Hands the tensors of a model to the blob writer, in the order of dims.h. */
static int write_model(struct model *m, const struct vocab *v, enum number_type embed,
                       const char *path, uint64_t *fingerprint, struct err *e)
{
    size_t n = dims_n_tensors(&m->dims);
    struct blob_tensor *tensors = calloc(n, sizeof *tensors);
    if (!tensors)
        return err_memory(e, "%s: out of memory", path);
    for (size_t i = 0; i < n; i++) {
        struct tensor t;
        dims_tensor(&m->dims, i, &t);
        if (t.kind == TENSOR_EMBED) {
            tensors[i] = (struct blob_tensor){.data = m->embed.data};
        } else if (t.ternary) {
            const struct model_tern *w = model_ternary(m, t.kind, t.block);
            tensors[i] = (struct blob_tensor){.data = w->codes, .alpha = w->alpha};
        } else {
            tensors[i] = (struct blob_tensor){.data = *model_floats(m, t.kind, t.block)};
        }
    }
    int rc = blob_write(path, &m->dims, embed, v, tensors, fingerprint, NULL, e);
    free(tensors);
    return rc;
}

int to_bolt(const struct to_source *s, enum number_type embed, const char *path,
            uint64_t *fingerprint, struct err *e)
{
    struct vocab v;
    struct model m;
    if (load_vocab(&v, s->ckpt, s->path, s->vocab_path, e))
        return -1;
    int rc = load_model(&m, s->ckpt, s->path, s->kern, e);
    if (rc == 0) {
        rc = write_model(&m, &v, embed, path, fingerprint, e);
        model_release(&m);
    }
    vocab_release(&v);
    return rc;
}
