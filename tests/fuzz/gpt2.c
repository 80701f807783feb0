/* Any bytes as GPT-2's files: vocab.json up to a zero byte, merges.txt after it, or the
 * miniature's. Refused with a sentence, or a vocabulary that passes every check and encodes text.
 */
#include "fuzz/encode.h"

#include "prep/gpt2vocab.h"
#include "support/toygpt2.h"

void fuzz_one(const uint8_t *data, size_t n)
{
    const uint8_t *zero = n > 0 ? memchr(data, 0, n) : NULL;
    size_t n_json = zero != NULL ? (size_t)(zero - data) : n;
    const uint8_t *merges = zero != NULL ? zero + 1 : (const uint8_t *)toygpt2_merges;
    size_t n_merges = zero != NULL ? n - n_json - 1 : strlen(toygpt2_merges);
    struct fuzz_file json = fuzz_open(data, n_json);
    struct fuzz_file text = fuzz_open(merges, n_merges);
    struct vocab v;
    struct err e = {.text = ""};

    if (gpt2vocab_load(&v, json.path, text.path, &e) == 0) {
        fuzz_encode(&v, "gpt2", merges, n_merges < 512 ? n_merges : 512);
        vocab_release(&v);
    } else {
        FUZZ_CHECK(e.text[0] != '\0');
    }
    fuzz_close(&json);
    fuzz_close(&text);
}
