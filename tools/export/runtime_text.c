#include "export/runtime_text.h"

/* The assembler reads the files, from the folder make runs in; the Makefile names them as
 * prerequisites. */
#define TEXT_OF(symbol, file)                    \
    __asm__(".pushsection .rodata\n"             \
            ".globl " #symbol "\n" #symbol ":\n" \
            ".incbin \"" file "\"\n"             \
            ".byte 0\n"                          \
            ".popsection\n")

TEXT_OF(runtime_text_h, "tools/export/runtime.h");
TEXT_OF(runtime_text_c, "tools/export/runtime.c");
