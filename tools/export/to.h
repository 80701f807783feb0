/* to.h - the formats export writes, one file each. */
#ifndef TO_H
#define TO_H

#include "load/load.h"

/* What is exported. */
struct to_source {
    const char *path; /* of the checkpoint, for messages */
    const struct ckpt *ckpt;
    const struct kern *kern;
    const char *vocab_path; /* may be NULL where the format needs no vocabulary */
};

/* model.bolt: packed weights and vocabulary in one file (blob.h). *fingerprint gets that of its
 * payload. */
MUST_USE int to_bolt(const struct to_source *s, enum number_type embed, const char *path,
                     uint64_t *fingerprint, struct err *e);

/* safetensors of f32 weights, the linear ones dequantised, under the names of the checkpoint. With
 * a vocab_path the vocabulary is checked to be the checkpoint's. */
MUST_USE int to_safetensors(const struct to_source *s, const char *path, struct err *e);

#endif
