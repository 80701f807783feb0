#include "export/embedded.h"

/* The assembler reads the files, from the folder make runs in; the Makefile names them as
 * prerequisites. */
#define TEXT_OF(symbol, file)                    \
    __asm__(".pushsection .rodata\n"             \
            ".globl " #symbol "\n" #symbol ":\n" \
            ".incbin \"" file "\"\n"             \
            ".byte 0\n"                          \
            ".popsection\n")

TEXT_OF(embedded_runtime_h, "tools/export/runtime.h");
TEXT_OF(embedded_runtime_c, "tools/export/runtime.c");
TEXT_OF(embedded_hf_configuration, "tools/export/hf/configuration_bolt.py");
TEXT_OF(embedded_hf_modeling, "tools/export/hf/modeling_bolt.py");
