/* ckpt_config.h - the config.json beside weights that another program wrote: what the metadata of
 * a safetensors file tell, as Hugging Face's transformers keep it (CKPT.md). Used by ckpt.c only.
 */
#ifndef CKPT_CONFIG_H
#define CKPT_CONFIG_H

#include "dims/dims.h"

/* Reads the config.json in the folder of `path`, a file of weights whose shapes have filled *d but
 * for its dilations: these, T and other mixers where they are told, and whether the linear weights
 * are rounded already.
 * Errors: no such file; a model of another kind or arithmetic; what it must say and does not, or
 * says differently from the shapes; ranges (dims_check). */
MUST_USE int ckpt_config_read(const char *path, struct dims *d, bool *ternary, struct err *e);

#endif
