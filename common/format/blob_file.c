#include "format/blob_file.h"

#include <stdlib.h>

#include "os/file.h"

int blob_write(const char *path, const struct dims *d, enum number_type embed,
               const struct vocab *v, const struct blob_tensor *tensors, uint64_t *fingerprint,
               struct file_set *set, struct err *e)
{
    unsigned char *image;
    size_t n_bytes;
    struct file_out out = {0};
    if (blob_build(path, d, embed, v, tensors, &image, &n_bytes, fingerprint, e))
        return -1;
    int rc = file_out_open(&out, path, e);
    if (rc == 0)
        rc = file_out_write(&out, image, n_bytes, e);
    if (rc == 0)
        rc = file_set_take(set, &out, e);
    else
        file_out_abort(&out);
    free(image);
    return rc;
}
