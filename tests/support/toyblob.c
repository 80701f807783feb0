#include "support/toyblob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/blob_file.h"
#include "os/file.h"

void toyblob_write(const char *path, struct model *m, enum number_type embed, const struct vocab *v)
{
    struct err e;
    struct blob_tensor tensors[64];
    assert_true(dims_n_tensors(&m->dims) <= ARRAY_LEN(tensors));
    for (size_t i = 0; i < dims_n_tensors(&m->dims); i++) {
        struct tensor t;
        dims_tensor(&m->dims, i, &t);
        const struct model_tern *w = model_ternary(m, t.kind, t.block);
        const float **floats = model_floats(m, t.kind, t.block);
        assert_int_equal((w != NULL) + (floats != NULL), t.kind != TENSOR_EMBED);
        tensors[i] = w        ? (struct blob_tensor){.data = w->codes, .alpha = w->alpha}
                     : floats ? (struct blob_tensor){.data = *floats}
                              : (struct blob_tensor){.data = m->embed.data};
    }
    if (blob_write(path, &m->dims, embed, v, tensors, NULL, NULL, &e))
        fail_msg("%s", e.text);
}

int toyblob_open(struct blob *b, const char *path, struct err *e)
{
    struct file_map map;
    *b = (struct blob){0};
    if (file_map(&map, path, e))
        return -1;
    if (blob_read(b, map.data, map.size, path, e)) {
        file_unmap(&map);
        return -1;
    }
    return 0;
}

void toyblob_close(struct blob *b)
{
    struct file_map map = {b->data, b->size};
    blob_release(b);
    file_unmap(&map);
}
