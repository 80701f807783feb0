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
    if (tokenizer_encode(t, NULL, (const char *)data, n, &ids, &e) != 0)
        abort();
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_file f = fuzz_open(data, n);
    struct vocab v = {0};
    struct err e;

    if (vocabdb_load(&v, f.path, &e) == 0) {
        round_trip(&v, data, n < 512 ? n : 512);
        vocab_release(&v);
    }
    fuzz_close(&f);
    return 0;
}
