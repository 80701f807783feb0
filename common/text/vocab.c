#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "text/bytemap.h"
#include "text/merges.h"

const char *const vocab_kind_names[2] = {"bpe", "gpt2"};
const char *const vocab_normalize_names[3] = {"none", "nfc", "nfkc"};
const char *const vocab_lines_names[2] = {"kept", "lf"};
const char *const vocab_pretokens_names[2] = {"words", "sentences"};
const char *const vocab_type_names[3] = {"special", "byte", "merged"};
const char *const vocab_special_names[VOCAB_N_SPECIAL] = {"<pad>", "<unk>", "<bos>", "<eos>"};

static int check_token(const struct vocab *v, uint32_t id, const char *name, struct err *e)
{
    const struct vocab_token *t = &v->tokens[id];
    if (t->bytes.n < 1 || t->bytes.n > VOCAB_MAX_TOKEN_BYTES)
        return err_set(e, "%s: token %u has a bad length (found %u bytes, expected 1 to %d)", name,
                       id, t->bytes.n, VOCAB_MAX_TOKEN_BYTES);
    if (id < VOCAB_N_SPECIAL) {
        const char *expected = vocab_special_names[id];
        if (t->type != VOCAB_SPECIAL || t->bytes.n != strlen(expected) ||
            memcmp(t->bytes.data, expected, t->bytes.n) != 0)
            return err_set(e, "%s: token %u is not the special %s", name, id, expected);
        return 0;
    }
    enum vocab_type expected = t->bytes.n == 1 ? VOCAB_BYTE : VOCAB_MERGED;
    if (t->type != expected)
        return err_set(e, "%s: token %u of %u bytes is of the wrong kind (expected %s)", name, id,
                       t->bytes.n, vocab_type_names[expected]);
    return 0;
}

/* Checks every token, and fills seen with the ids of all but the specials. */
static int check_tokens(const struct vocab *v, struct bytemap *seen, const char *name,
                        struct err *e)
{
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        if (check_token(v, id, name, e))
            return -1;
        if (id < VOCAB_N_SPECIAL)
            continue;
        uint32_t before = bytemap_add(seen, v->tokens[id].bytes, id);
        if (before != BYTEMAP_NONE)
            return err_set(e, "%s: tokens %u and %u are the same bytes", name, before, id);
    }
    return 0;
}

/* What makes a BPE vocabulary one that never gives UNK: every symbol is a token; and every token
 * one that can come up: a symbol. No two symbols, nor two tokens, are the same bytes, so that the
 * second follows from the first if there are as many of both. */
static int check_bpe(const struct vocab *v, const struct bytemap *seen, const struct merges *m,
                     const char *name, struct err *e)
{
    for (uint32_t s = 0; s < m->n_symbols; s++) {
        if (bytemap_get(seen, m->symbols[s]) != BYTEMAP_NONE)
            continue;
        if (s < 256)
            return err_set(e, "%s: byte %u is not a token of this bpe vocabulary", name, s);
        return err_set(e, "%s: a merge makes %u bytes that are no token of this bpe vocabulary",
                       name, m->symbols[s].n);
    }
    if (m->n_symbols == v->n_tokens - VOCAB_N_SPECIAL)
        return 0;
    for (uint32_t id = VOCAB_N_SPECIAL; id < v->n_tokens; id++)
        if (bytemap_get(&m->by_bytes, v->tokens[id].bytes) == BYTEMAP_NONE)
            return err_set(e, "%s: no merge makes token %u of this bpe vocabulary", name, id);
    return 0;
}

int vocab_check_merges(const struct vocab *v, struct merges *m, const char *name, struct err *e)
{
    *m = (struct merges){0};
    if ((unsigned)v->kind >= ARRAY_LEN(vocab_kind_names))
        return err_set(e, "%s: unknown kind of vocabulary %d", name, (int)v->kind);
    if ((unsigned)v->form.normalize >= ARRAY_LEN(vocab_normalize_names))
        return err_set(e, "%s: unknown normalisation %d", name, (int)v->form.normalize);
    if ((unsigned)v->form.lines >= ARRAY_LEN(vocab_lines_names))
        return err_set(e, "%s: unknown form of lines %d", name, (int)v->form.lines);
    if ((unsigned)v->pretokens >= ARRAY_LEN(vocab_pretokens_names))
        return err_set(e, "%s: unknown pre-tokens %d", name, (int)v->pretokens);
    if (v->pretokens != VOCAB_WORDS && v->kind != VOCAB_BPE)
        return err_set(e, "%s: a vocabulary of kind %s has no merges across words", name,
                       vocab_kind_names[v->kind]);
    if (v->n_tokens <= VOCAB_N_SPECIAL || v->n_tokens > VOCAB_MAX_TOKENS)
        return err_set(e, "%s: bad number of tokens (found %u, expected %d to %d)", name,
                       v->n_tokens, VOCAB_N_SPECIAL + 1, VOCAB_MAX_TOKENS);
    struct bytemap seen;
    if (bytemap_init(&seen, v->n_tokens, v->tokens, sizeof *v->tokens))
        return err_memory(e, "%s: out of memory for %u tokens", name, v->n_tokens);
    int rc = check_tokens(v, &seen, name, e);
    if (!rc)
        rc = merges_init(m, v, name, e);
    if (!rc && v->kind == VOCAB_BPE)
        rc = check_bpe(v, &seen, m, name, e);
    if (rc)
        merges_release(m);
    bytemap_release(&seen);
    return rc;
}

int vocab_check(const struct vocab *v, const char *name, struct err *e)
{
    struct merges m;
    if (vocab_check_merges(v, &m, name, e))
        return -1;
    merges_release(&m);
    return 0;
}

/* The next link of the chain: XXH3 of the one before, two numbers and the hash of some bytes. */
static uint64_t chain(uint64_t h, uint32_t a, uint32_t b, struct vocab_bytes bytes)
{
    unsigned char record[24];
    le_put64(record, h);
    le_put32(record + 8, a);
    le_put32(record + 12, b);
    le_put64(record + 16, hash64(bytes.data, bytes.n));
    return hash64(record, sizeof record);
}

uint64_t vocab_fingerprint(const struct vocab *v)
{
    const struct vocab_bytes nothing = {(const unsigned char *)"", 0};
    uint32_t form = (uint32_t)v->form.normalize | (uint32_t)v->form.lines << 16;
    uint32_t kind = (uint32_t)v->kind | (uint32_t)v->pretokens << 16;
    uint64_t h = chain(0, kind, form, nothing);
    h = chain(h, v->n_tokens, v->n_merges, nothing);
    for (uint32_t id = 0; id < v->n_tokens; id++)
        h = chain(h, (uint32_t)v->tokens[id].type, v->tokens[id].bytes.n, v->tokens[id].bytes);
    for (uint32_t i = 0; i < v->n_merges; i++) {
        h = chain(h, 0, v->merges[i].left.n, v->merges[i].left);
        h = chain(h, 1, v->merges[i].right.n, v->merges[i].right);
    }
    return h;
}

void vocab_drop_merges(struct vocab *v)
{
    free(v->merges);
    free(v->sides);
    free(v->merge_storage);
    v->merges = NULL;
    v->sides = NULL;
    v->merge_storage = NULL;
    v->n_merges = 0;
}

void vocab_release(struct vocab *v)
{
    vocab_drop_merges(v);
    free(v->tokens);
    free(v->storage);
    *v = (struct vocab){0};
}
