/* info.h - describes a file of this project, for a person or as one JSON object. */
#ifndef INFO_H
#define INFO_H

#include "kern/kern.h"

/* Prints a description of a blob, checkpoint, other safetensors file, shard or vocabulary database
 * to stdout, as JSON if cli.json is set. In a directory it is the checkpoint load_source_open
 * finds. The file is checked in whole first; what fails its checks is an error and prints nothing.
 */
MUST_USE int info_print(const char *path, const struct kern *k, struct err *e);

#endif
