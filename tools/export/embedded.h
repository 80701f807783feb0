/* embedded.h - text files of the source that stand in the program as they are, NUL-terminated. */
#ifndef EMBEDDED_H
#define EMBEDDED_H

extern const char embedded_runtime_h[]; /* runtime.h */
extern const char embedded_runtime_c[];
extern const char embedded_hf_configuration[]; /* hf/configuration_bolt.py */
extern const char embedded_hf_modeling[];

#endif
