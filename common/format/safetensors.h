/* safetensors.h - the safetensors container, read and written.
 *
 * Format: https://github.com/huggingface/safetensors#format: 8-byte little-endian header length,
 * JSON header, raw little-endian data. Ours begin the data on a multiple of 64 bytes (the header is
 * padded with spaces); readers must not expect that of other files. Files written here carry two
 * checksums in __metadata__ (CKPT.md), which other readers see as two more strings. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "os/file_set.h"

enum safetensors_type { ST_F32, ST_F16, ST_BF16, ST_I32, ST_I64, ST_U8, ST_OTHER };

struct st_tensor {
    const char *name;
    enum safetensors_type type;
    int rank; /* 0..8 */
    uint64_t shape[8];
    const void *data; /* may be unaligned: copy, do not cast */
    uint64_t n_bytes;
};

struct st_meta {
    const char *key;
    const char *value;
};

struct safetensors {
    struct file_map map;
    struct st_tensor *tensors; /* in file order of their data */
    size_t n_tensors;
    struct st_meta *meta; /* without the checksums */
    size_t n_meta;
    bool has_checksums; /* checked, and right */
    void *storage;      /* owned strings */
};

/* Maps and checks: header length, JSON, every dtype, shape and offset pair; no overlap, no gap, no
 * duplicate name, data exactly filled; and the checksums, if the file has them: any changed byte is
 * an error. */
MUST_USE int safetensors_open(struct safetensors *s, const char *path, struct err *e);
void safetensors_close(struct safetensors *s);

/* NULL if there is none. */
const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name);
const char *safetensors_meta(const struct safetensors *s, const char *key);

/* True if the n bytes begin as safetensors do (a plausible length, then '{'). */
bool safetensors_probe(const void *data, size_t n);

/* Writes all tensors in the order given, with checksums, whole or not at all; with a set, to appear
 * with it. Same arguments, same bytes. */
MUST_USE int safetensors_write(const char *path, const struct st_tensor *tensors, size_t n_tensors,
                               const struct st_meta *meta, size_t n_meta, struct file_set *set,
                               struct err *e);

#endif
