/* Any bytes as a vocabulary database: refused with a sentence, or a vocabulary that encodes any
 * text and, if it is byte-level, gives it back. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "format/vocabdb.h"
#include "text/tokenizer.h"

static void round_trip(const struct vocab *v, const uint8_t *data, size_t n)
{
    struct token_buf ids = {0};
    struct err e;
    struct tokenizer *t = tokenizer_new(v, &e);
    size_t at = 0;

    if (t == NULL)
        return;
    if (tokenizer_encode(t, NULL, (const char *)data, n, &ids, &e) != 0) {
        FUZZ_CHECK(fuzz_starved());
        n = 0;
        ids.n = 0;
    }
    for (size_t i = 0; i < ids.n && v->kind == VOCAB_BPE; i++) {
        struct vocab_bytes piece = tokenizer_decode(t, ids.ids[i]);
        if (piece.n > n - at || memcmp(piece.data, data + at, piece.n) != 0)
            abort();
        at += piece.n;
    }
    if (v->kind == VOCAB_BPE && at != n)
        abort();
    free(ids.ids);
    tokenizer_free(t);
}

/* Puts the fingerprint right that the message says is wrong, or it would refuse nearly every input.
 */
static bool sign(uint8_t *data, size_t n, const char *message)
{
    char found[17], expected[17];
    const char *at = strstr(message, "wrong fingerprint (found ");
    if (at == NULL || sscanf(at, "wrong fingerprint (found %16[0-9a-f], expected %16[0-9a-f])",
                             found, expected) != 2)
        return false;
    uint8_t *digits = memmem(data, n, expected, 16);
    if (digits != NULL)
        memcpy(digits, found, 16);
    return digits != NULL;
}

void fuzz_one(const uint8_t *data, size_t n)
{
    uint8_t *copy = fuzz_alloc(n);
    struct fuzz_file f = fuzz_open(data, n);
    struct vocab v;
    struct err e;

    memcpy(copy, data, n);
    int rc = vocabdb_load(&v, f.path, &e);
    if (rc != 0 && sign(copy, n, e.text)) {
        fuzz_close(&f);
        f = fuzz_open(copy, n);
        rc = vocabdb_load(&v, f.path, &e);
    }
    if (rc == 0) {
        round_trip(&v, data, n < 512 ? n : 512);
        vocab_release(&v);
    }
    fuzz_close(&f);
    free(copy);
}
