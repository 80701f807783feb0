/* Any bytes as safetensors and as a checkpoint: refused with a sentence, or read whole. Checksums
 * are put right first, or they would refuse every input. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "format/ckpt.h"
#include "format/safetensors.h"

/* Writes a checksum in hexadecimal after its key, where both are. */
static void sign(unsigned char *head, size_t n, const char *key, const void *of, size_t n_of)
{
    unsigned char *at = memmem(head, n, key, strlen(key));
    char digits[17];
    if (at == NULL || n - (size_t)(at - head) < strlen(key) + 16)
        return;
    at += strlen(key);
    memset(at, '0', 16);
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash64(of, n_of));
    memcpy(at, digits, 16);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    unsigned char *copy = fuzz_alloc(n);
    memcpy(copy, data, n);
    uint64_t n_header = n >= 8 ? le_get64(copy) : 0;
    if (n >= 8 && n_header <= n - 8) {
        size_t begin = 8 + (size_t)n_header;
        sign(copy, begin, "\"data_xxh3\":\"", copy + begin, n - begin);
        sign(copy, begin, "\"header_xxh3\":\"", copy, begin);
    }
    struct fuzz_file f = fuzz_open(copy, n);
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
        float *params = fuzz_alloc(dims_n_floats(&c.dims) * sizeof *params);
        double number;
        ckpt_read(&c, params);
        sum += params[0] > 0;
        for (size_t i = 0; i < c.n_arrays; i++)
            if (ckpt_read_array(&c, c.arrays[i], 0, params, &e) == 0)
                sum += params[0] > 0;
        if (ckpt_read_number(&c, "beta1", &number, &e) == 0)
            sum += number > 0;
        free(params);
        ckpt_close(&c);
    }
    fuzz_close(&f);
    free(copy);
    volatile unsigned use = sum;
    (void)use;
}
