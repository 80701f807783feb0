/* Any bytes as a packed model: refused with a sentence, or a model whose embedding can be read. */
#include "fuzz/fuzz.h"
#include "fuzz/signed.h"
#include "load/load.h"

void fuzz_one(const uint8_t *data, size_t n)
{
    unsigned char *copy = signed_copy(data, n);
    struct modelfile b = {0};
    struct err e;

    struct fuzz_file f = fuzz_open(copy, n);
    if (load_blob(&b, f.path, &e) == 0) {
        float *row = fuzz_alloc((size_t)b.blob.dims.D * sizeof *row);
        for (size_t id = 0; id < (size_t)b.blob.dims.V; id++)
            model_embed_row(&b.model, id, row);
        free(row);
        load_close(&b);
    }
    fuzz_close(&f);
    free(copy);
}
