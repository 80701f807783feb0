/* safetensors of f32 weights, the linear ones dequantised, under the names of the checkpoint. */
#include "export/output.h"

#include <stdlib.h>

static int write_files(const struct output_source *s, const struct output_options *o,
                       struct file_set *files, struct output_report *r, struct err *e)
{
    const struct dims *d = &s->model->dims;
    float *params = malloc(dims_n_floats(d) * sizeof *params);
    if (!params)
        return err_memory(e, "%s: out of memory", o->path);
    model_to_params(s->model, params);
    int rc = ckpt_save_weights(o->path, d, params, s->vocab_fingerprint, files, e);
    free(params);
    r->embed = NUMBER_F32;
    return rc;
}

const struct output output_safetensors = {
    .name = "safetensors",
    .suffix = ".safetensors",
    .help = "dequantised weights for other programs",
    .reads_back = true,
    .write = write_files,
};
