/* Any bytes as GPT-2's files: vocab.json up to a zero byte, merges.txt after it, or the
 * miniature's. Refused with a sentence, or a vocabulary that passes every check and encodes text.
 */
#include "fuzz/fuzz.h"

#include "prep/gpt2vocab.h"
#include "support/toygpt2.h"
#include "text/tokenizer.h"

static void encode(const struct vocab *v, const uint8_t *data, size_t n)
{
    struct token_buf ids = {0};
    struct err e;
    struct tokenizer *t = tokenizer_new_checked(v, "gpt2", &e);

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
        encode(&v, merges, n_merges < 512 ? n_merges : 512);
        vocab_release(&v);
    } else {
        FUZZ_CHECK(e.text[0] != '\0');
    }
    fuzz_close(&json);
    fuzz_close(&text);
}
