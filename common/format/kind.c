#include "format/kind.h"

#include "blob/blob.h"
#include "format/safetensors.h"
#include "format/shard.h"
#include "format/vocabdb.h"
#include "os/file.h"

enum kind kind_of(const void *data, size_t n)
{
    return n == 0                       ? KIND_EMPTY
           : blob_probe(data, n)        ? KIND_BLOB
           : shard_probe(data, n)       ? KIND_SHARD
           : vocabdb_probe(data, n)     ? KIND_VOCAB
           : safetensors_probe(data, n) ? KIND_SAFETENSORS
                                        : KIND_OTHER;
}

const char *kind_text(enum kind kind)
{
    switch (kind) {
    case KIND_OTHER:
    case KIND_EMPTY:
        break;
    case KIND_BLOB:
        return "a model blob";
    case KIND_SAFETENSORS:
        return "a checkpoint";
    case KIND_SHARD:
        return "a token shard";
    case KIND_VOCAB:
        return "a vocabulary";
    }
    return NULL;
}

int kind_of_file(const char *path, enum kind *kind, size_t *size, struct err *e)
{
    struct file_map map;
    if (file_map(&map, path, e))
        return -1;
    *kind = kind_of(map.data, map.size);
    if (size)
        *size = map.size;
    file_unmap(&map);
    return 0;
}
