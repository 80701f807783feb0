/* Any bytes as a packed model: refused with a sentence, or a model that can be run. The hashes are
 * put right first, or nothing would come past them. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "bolt/modelfile.h"
#include "format/blob_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    unsigned char *copy = malloc(n + 1);
    struct modelfile b = {0};
    struct err e;

    if (copy == NULL)
        abort();
    memcpy(copy, data, n);
    if (n >= BLOB_HEADER_BYTES) {
        le_put64(copy + BLOB_AT_PAYLOAD_HASH,
                 hash64(copy + BLOB_HEADER_BYTES, n - BLOB_HEADER_BYTES));
        le_put64(copy + BLOB_AT_HEADER_CHECK, hash64(copy, BLOB_AT_HEADER_CHECK));
    }
    struct fuzz_file f = fuzz_open(copy, n);
    if (modelfile_open(&b, f.path, &e) == 0) {
        float *row = malloc((size_t)b.blob.dims.D * sizeof *row);
        if (row == NULL)
            abort();
        for (size_t id = 0; id < (size_t)b.blob.dims.V; id++)
            model_embed_row(&b.model, id, row);
        free(row);
        modelfile_close(&b);
    }
    fuzz_close(&f);
    free(copy);
    return 0;
}
