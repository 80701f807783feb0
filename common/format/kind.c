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
