#include "support/toyvocab.h"

#define BYTES(text)                                     \
    {                                                   \
        (const unsigned char *)(text), sizeof(text) - 1 \
    }

struct vocab toyvocab(void)
{
    static struct vocab_token tokens[TOYVOCAB_SIZE] = {
        {BYTES("<pad>"), VOCAB_SPECIAL, 0}, {BYTES("<unk>"), VOCAB_SPECIAL, 0},
        {BYTES("<bos>"), VOCAB_SPECIAL, 0}, {BYTES("<eos>"), VOCAB_SPECIAL, 0},
        {BYTES("a"), VOCAB_BYTE, 9},        {BYTES("b"), VOCAB_BYTE, 8},
        {BYTES("c"), VOCAB_BYTE, 7},        {BYTES(" "), VOCAB_BYTE, 6},
        {BYTES("ab"), VOCAB_MERGED, 5},     {BYTES("abc"), VOCAB_MERGED, 4},
        {BYTES(" a"), VOCAB_MERGED, 3},
    };
    static struct vocab_merge merges[3] = {
        {BYTES("a"), BYTES("b")}, {BYTES("ab"), BYTES("c")}, {BYTES(" "), BYTES("a")}};
    return (struct vocab){.kind = VOCAB_GPT2,
                          .form = {VOCAB_NORM_NFC, VOCAB_LINES_KEPT},
                          .n_tokens = TOYVOCAB_SIZE,
                          .tokens = tokens,
                          .n_merges = ARRAY_LEN(merges),
                          .merges = merges};
}
