/* Any bytes as safetensors and as a checkpoint: refused with a sentence, or read whole. */
#include "fuzz/fuzz.h"

#include "format/ckpt.h"
#include "format/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_file f = fuzz_open(data, n);
    struct safetensors s = {0};
    struct ckpt c = {0};
    struct err e;
    unsigned sum = 0;

    if (safetensors_open(&s, f.path, &e) == 0) {
        for (size_t i = 0; i < s.n_tensors; i++)
            for (size_t b = 0; b < s.tensors[i].n_bytes; b++)
                sum += ((const unsigned char *)s.tensors[i].data)[b];
        safetensors_close(&s);
    }
    if (ckpt_open(&c, f.path, &e) == 0) {
        float *params = calloc(dims_n_floats(&c.dims), sizeof *params);
        if (params != NULL && ckpt_read(&c, params, NULL, NULL, &e) == 0)
            sum += params[0] > 0;
        free(params);
        ckpt_close(&c);
    }
    fuzz_close(&f);
    volatile unsigned use = sum;
    (void)use;
    return 0;
}
