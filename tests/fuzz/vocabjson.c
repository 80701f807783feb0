/* Any bytes as a tokenizer.json, whole or with the first tokens kept: refused with a sentence, or a
 * vocabulary that passes every check and encodes text. */
#include "fuzz/encode.h"

#include "format/vocabjson.h"

static void load(const char *path, uint32_t size, bool exact, const uint8_t *data, size_t n)
{
    struct vocab v;
    struct err e = {.text = ""};
    if (vocabjson_load(&v, path, size, exact, &e) == 0) {
        FUZZ_CHECK(size == 0 || v.n_tokens == size);
        fuzz_encode(&v, "tokenizer.json", data, n < 512 ? n : 512);
        vocab_release(&v);
    } else {
        FUZZ_CHECK(e.text[0] != '\0');
    }
}

void fuzz_one(const uint8_t *data, size_t n)
{
    struct fuzz_file f = fuzz_open(data, n);
    load(f.path, 0, false, data, n);
    load(f.path, VOCAB_N_SPECIAL + 1 + (uint32_t)(n % 500), n % 2, data, n);
    fuzz_close(&f);
}
