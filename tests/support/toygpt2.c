#include "support/toygpt2.h"

#include <stdio.h>

#define SPACE TOYGPT2_SPACE
const char toygpt2_merged[] =
    ", \"ab\": 257, \"" SPACE "a\": 258, \"##\": 259, \"" SPACE "ab\": 260";
const char toygpt2_merges[] = "a b\n" SPACE " a\n# #\n" SPACE " ab\n";

/* The name GPT-2 gives a byte, as UTF-8. */
static const char *byte_name(int b)
{
    static char name[3];
    int code = b;
    if (b <= 32)
        code = 256 + b;
    else if (b >= 127 && b <= 160)
        code = 256 + 33 + (b - 127);
    else if (b == 173)
        code = 256 + 67;
    if (code < 128)
        snprintf(name, sizeof name, "%c", code);
    else
        snprintf(name, sizeof name, "%c%c", 0xc0 | code >> 6, 0x80 | (code & 0x3f));
    return name;
}

size_t toygpt2_vocab(char json[TOYGPT2_VOCAB_BYTES], const char *more)
{
    size_t n = 0;
    json[n++] = '{';
    for (int b = 0; b < 256; b++)
        n += (size_t)snprintf(json + n, TOYGPT2_VOCAB_BYTES - n, "\"%s%s\": %d, ",
                              b == '"' || b == '\\' ? "\\" : "", byte_name(b), b);
    n += (size_t)snprintf(json + n, TOYGPT2_VOCAB_BYTES - n, "\"<|endoftext|>\": 256%s}", more);
    return n;
}
