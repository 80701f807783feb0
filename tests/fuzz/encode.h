/* encode.h - what the targets of vocabularies do with one that was taken: any text is encoded. */
#ifndef FUZZ_ENCODE_H
#define FUZZ_ENCODE_H

#include "fuzz/fuzz.h"
#include "text/tokenizer.h"

/* Encodes the bytes with a vocabulary that a reader took from `name`: every id is one of its own.
 */
static inline void fuzz_encode(const struct vocab *v, const char *name, const uint8_t *data,
                               size_t n)
{
    struct token_buf ids = {0};
    struct err e;
    struct tokenizer *t = tokenizer_new_checked(v, name, &e);

    FUZZ_CAN_STARVE(t != NULL);
    if (t == NULL)
        return;
    int rc = tokenizer_encode(t, NULL, (const char *)data, n, &ids, &e);
    FUZZ_CAN_STARVE(rc == 0);
    for (size_t i = 0; rc == 0 && i < ids.n; i++)
        FUZZ_CHECK(ids.ids[i] < v->n_tokens);
    free(ids.ids);
    tokenizer_free(t);
}

#endif
