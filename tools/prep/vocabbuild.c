#include "prep/vocabbuild.h"

#include <stdlib.h>
#include <string.h>

#include "text/bytemap.h"
#include "text/tokenizer.h"

int vocabbuild_count(const struct vocab *v, const struct pretokens *words, uint64_t *counts,
                     uint64_t *counts_head, struct err *e)
{
    struct tokenizer *t = tokenizer_new(v, e);
    if (!t)
        return -1;
    struct token_buf ids = {0};
    int rc = 0;
    for (size_t i = 0; i < words->n && !rc; i++) {
        const struct pretoken *w = &words->items[i];
        ids.n = 0;
        rc = tokenizer_encode(t, NULL, (const char *)w->bytes, w->n, &ids, e);
        for (size_t k = 0; k < ids.n; k++) {
            counts[ids.ids[k]] += w->count;
            if (counts_head)
                counts_head[ids.ids[k]] += w->count_head;
        }
    }
    counts[VOCAB_EOS] += words->n_stories;
    free(ids.ids);
    tokenizer_free(t);
    return rc;
}

static int by_count(const void *a, const void *b)
{
    const struct vocab_token *x = a;
    const struct vocab_token *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return bytemap_compare(x->bytes, y->bytes);
}

void vocabbuild_sort(struct vocab_token *tokens, size_t n)
{
    qsort(tokens, n, sizeof *tokens, by_count);
}

static struct vocab_bytes copy(unsigned char **at, struct vocab_bytes bytes)
{
    memcpy(*at, bytes.data, bytes.n);
    *at += bytes.n;
    return (struct vocab_bytes){*at - bytes.n, bytes.n};
}

int vocabbuild_make(struct vocab *v, const uint64_t specials[VOCAB_N_SPECIAL],
                    const struct vocab_token *tokens, uint32_t n, const struct vocab_merge *merges,
                    uint32_t n_merges, struct err *e)
{
    *v = (struct vocab){.n_tokens = VOCAB_N_SPECIAL + n, .n_merges = n_merges};
    size_t n_bytes = 1;
    for (uint32_t i = 0; i < n; i++)
        n_bytes += tokens[i].bytes.n;
    for (uint32_t i = 0; i < n_merges; i++)
        n_bytes += (size_t)merges[i].left.n + merges[i].right.n;
    v->tokens = calloc(v->n_tokens, sizeof *v->tokens);
    v->merges = calloc((size_t)n_merges + 1, sizeof *v->merges);
    v->storage = malloc(n_bytes);
    if (!v->tokens || !v->merges || !v->storage) {
        vocab_release(v);
        return err_memory(e, "out of memory for a vocabulary of %u tokens", VOCAB_N_SPECIAL + n);
    }
    unsigned char *at = v->storage;
    for (int i = 0; i < VOCAB_N_SPECIAL; i++) {
        const char *name = vocab_special_names[i];
        v->tokens[i].bytes =
            (struct vocab_bytes){(const unsigned char *)name, (uint32_t)strlen(name)};
        v->tokens[i].type = VOCAB_SPECIAL;
        v->tokens[i].count = specials[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        struct vocab_token *t = &v->tokens[VOCAB_N_SPECIAL + i];
        t->bytes = copy(&at, tokens[i].bytes);
        t->type = t->bytes.n == 1 ? VOCAB_BYTE : VOCAB_MERGED;
        t->count = tokens[i].count;
    }
    for (uint32_t i = 0; i < n_merges; i++) {
        v->merges[i].left = copy(&at, merges[i].left);
        v->merges[i].right = copy(&at, merges[i].right);
    }
    return 0;
}
