/* tokenizer.h - byte-level BPE: normalised text to token ids and back.
 *
 * Text is cut into pre-tokens (pretok.h); in each, the adjacent pair whose merge has the lowest
 * rank is joined again and again, the leftmost of equals (Sennrich et al. 2016, on bytes as in
 * GPT-2); a piece that is not a token of the vocabulary becomes UNK. The tokenizer itself is
 * read-only and may be shared by threads; each thread has a cache of the words it has seen.
 *
 * Where pre-tokens are sentences (superwords: Liu et al. 2025, arXiv 2503.13423), the merges
 * ranked before the first that joins two words are run on words, through the cache, and then all
 * merges on the few symbols that the sentence then consists of, since no merge of a lower rank is
 * left to run. Words at whose border one of the former might join are taken as one. */
#ifndef TOKENIZER_H
#define TOKENIZER_H

#include "text/vocab.h"

struct tokenizer;
struct tokenizer_cache; /* one a thread and tokenizer; bounded in size */

struct token_buf { /* growable; zero-initialise; free(ids) at the end */
    uint16_t *ids;
    size_t n;
    size_t capacity;
};

/* Keeps a pointer to v, which must outlive it. Errors: a merge of something that is neither a byte
 * nor an earlier merge's result; out of memory. */
struct tokenizer *tokenizer_new(const struct vocab *v, struct err *e);

/* vocab_check and tokenizer_new in one, which costs half. */
struct tokenizer *tokenizer_new_checked(const struct vocab *v, const char *name, struct err *e);
void tokenizer_free(struct tokenizer *t); /* NULL is fine */

/* 4 MiB, for whole corpora. */
struct tokenizer_cache *tokenizer_cache_new(struct err *e);

/* 32 KiB, and room for texts of up to max_bytes, which are encoded without an allocation, given
 * that `out` has room for as many ids. */
struct tokenizer_cache *tokenizer_cache_new_small(size_t max_bytes, struct err *e);
void tokenizer_cache_free(struct tokenizer_cache *c); /* NULL is fine */

/* Appends the ids of text[0..n) to out. Never yields PAD, BOS or EOS, whatever the text. cache may
 * be NULL (slower) and must not have served another tokenizer. -1 only when out of memory. */
MUST_USE int tokenizer_encode(const struct tokenizer *t, struct tokenizer_cache *cache,
                              const char *text, size_t n, struct token_buf *out, struct err *e);

/* The two halves of the above for a vocabulary of sentences, one sentence at a time. The first
 * appends to out, instead of ids, the symbols of its words: a byte, or 256 + i for the i-th
 * distinct result of a merge. The second turns the symbols from out->ids[from] on into at most as
 * many ids. (Of a vocabulary of words the first makes ids.) */
MUST_USE int tokenizer_symbols(const struct tokenizer *t, struct tokenizer_cache *cache,
                               const char *text, size_t n, struct token_buf *out, struct err *e);
MUST_USE int tokenizer_join(const struct tokenizer *t, struct tokenizer_cache *cache,
                            struct token_buf *out, size_t from, struct err *e);

/* The pairs of bytes between which a merge of the first `end` ranks, those inside words, can join.
 * Where two bytes are no such pair, none of these merges reaches across: the symbols of what stands
 * left and right are those of both together. */
struct tokenizer_joints {
    uint32_t end;
    uint32_t bits[256][256 / 32];
};

/* NULL for a vocabulary of words. */
const struct tokenizer_joints *tokenizer_joints(const struct tokenizer *t);

static inline bool tokenizer_joins(const struct tokenizer_joints *j, unsigned char left,
                                   unsigned char right)
{
    return j->bits[left][right / 32] >> right % 32 & 1;
}

/* Bytes of a token as text: PAD, BOS and EOS are empty, UNK is U+FFFD. id < n_tokens. */
struct vocab_bytes tokenizer_decode(const struct tokenizer *t, uint16_t id);

#endif
