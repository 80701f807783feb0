/* model.bolt: packed weights and vocabulary in one file. */
#include "export/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/blob_file.h"

/* Passes the tensors of a model to the blob writer, in the order of dims.h. */
static int write_model(struct model *m, const struct vocab *v, enum number_type embed,
                       const char *path, uint64_t *fingerprint, struct file_set *files,
                       struct err *e)
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
        } else if (t.form == TENSOR_TERNARY) {
            const struct model_tern *w = model_ternary(m, t.kind, t.block);
            tensors[i] = (struct blob_tensor){.data = w->codes, .alpha = w->alpha};
        } else {
            tensors[i] = (struct blob_tensor){.data = *model_floats(m, t.kind, t.block)};
        }
    }
    int rc = blob_write(path, &m->dims, embed, v, tensors, fingerprint, files, e);
    free(tensors);
    return rc;
}

static int write_files(const struct output_source *s, const struct output_options *o,
                       struct file_set *files, struct output_report *r, struct err *e)
{
    uint64_t fingerprint;
    char hex[17];
    r->embed = o->embed_given ? o->embed : NUMBER_F16;
    if (!s->ckpt) /* its embedding may be rounded already */
        return err_set(e, "%s: is a model blob already, expected a checkpoint", s->path);
    if (write_model(s->model, s->vocab, r->embed, o->path, &fingerprint, files, e))
        return -1;
    snprintf(hex, sizeof hex, "%016" PRIx64, fingerprint);
    if (output_text(r, "embed", number_type_names[r->embed], e))
        return -1;
    return output_text(r, "fingerprint", hex, e);
}

const struct output output_bolt = {
    .name = "bolt",
    .suffix = ".bolt",
    .help = "a self-contained file for sample and eval",
    .needs_vocab = true,
    .takes_embed = true,
    .reads_back = true,
    .write = write_files,
};
