#include "export/to.h"

#include <stdlib.h>

static int check_vocab(const struct to_source *s, struct err *e)
{
    struct vocab v;
    if (load_vocab(&v, s->ckpt, s->path, s->vocab_path, e))
        return -1;
    vocab_release(&v);
    return 0;
}

int to_safetensors(const struct to_source *s, const char *path, struct err *e)
{
    struct model m;
    const struct dims *d = &s->ckpt->dims;
    if (s->vocab_path && check_vocab(s, e))
        return -1;
    if (load_model(&m, s->ckpt, s->path, s->kern, e))
        return -1;
    int rc;
    float *params = malloc(dims_n_floats(d) * sizeof *params);
    if (params) {
        model_to_params(&m, params);
        rc = ckpt_save_weights(path, d, params, s->ckpt->state.vocab_fingerprint, NULL, e);
    } else {
        rc = err_memory(e, "%s: out of memory", path);
    }
    free(params);
    model_release(&m);
    return rc;
}
