/* vocab.h - a vocabulary as plain data: what every token is, and the merges that make it.
 *
 * Ids: 0 PAD, 1 UNK, 2 BOS, 3 EOS, then tokens in descending frequency in the encoded corpus, ties
 * by bytes. A token IS its byte string: two tokens of one vocabulary never share one. */
#ifndef VOCAB_H
#define VOCAB_H

#include "base/err.h"

enum { VOCAB_PAD, VOCAB_UNK, VOCAB_BOS, VOCAB_EOS, VOCAB_N_SPECIAL };
enum { VOCAB_MAX_TOKENS = 65536, VOCAB_MAX_TOKEN_BYTES = 1024, VOCAB_MAX_MERGES = 1 << 20 };

enum vocab_kind {
    VOCAB_BPE, /* byte-level BPE trained on the corpus; all 256 bytes are tokens: UNK never happens
                */
    VOCAB_GPT2 /* GPT-2's merges; only the most frequent base tokens kept, all others become UNK */
};
enum vocab_normalize { VOCAB_NORM_NONE, VOCAB_NORM_NFC, VOCAB_NORM_NFKC };
enum vocab_lines {
    VOCAB_LINES_KEPT, /* carriage returns and U+FEFF are characters: vocabularies before 0.2.0 */
    VOCAB_LINES_LF    /* CR LF and a lone CR are LF; no U+FEFF begins a line */
};
enum vocab_pretokens {                 /* what merges do not cross (pretok.h) */
                       VOCAB_WORDS,    /* words, as GPT-2 cuts them */
                       VOCAB_SENTENCES /* sentences and line ends: tokens may be several words,
                                          superwords */
};
enum vocab_type { VOCAB_SPECIAL, VOCAB_BYTE, VOCAB_MERGED }; /* special; one byte; two or more */

extern const char *const vocab_kind_names[2];                  /* "bpe", "gpt2" */
extern const char *const vocab_normalize_names[3];             /* "none", "nfc", "nfkc" */
extern const char *const vocab_lines_names[2];                 /* "kept", "lf" */
extern const char *const vocab_pretokens_names[2];             /* "words", "sentences" */
extern const char *const vocab_type_names[3];                  /* "special", "byte", "merged" */
extern const char *const vocab_special_names[VOCAB_N_SPECIAL]; /* "<pad>" "<unk>" "<bos>" "<eos>" */

/* The form that text is put into before it is encoded (normalize.h). */
struct vocab_form {
    enum vocab_normalize normalize;
    enum vocab_lines lines;
};

struct vocab_bytes {
    const unsigned char *data;
    uint32_t n;
};

struct vocab_token {
    struct vocab_bytes bytes; /* specials: their printed names, "<pad>" "<unk>" "<bos>" "<eos>" */
    enum vocab_type type;
    uint64_t count; /* occurrences in the training text as encoded */
};

/* Merge number `rank` (its index) joins left and right, both bytes or results of earlier merges. */
struct vocab_merge {
    struct vocab_bytes left;
    struct vocab_bytes right;
};

/* The same as numbers: 0..255 is that byte, 256 + i what merge i makes; of merges that make the
 * same bytes the first. */
struct vocab_sides {
    uint32_t left;
    uint32_t right;
};

struct vocab {
    enum vocab_kind kind;
    struct vocab_form form;
    enum vocab_pretokens pretokens; /* VOCAB_WORDS unless kind is VOCAB_BPE */
    uint32_t n_tokens;
    struct vocab_token *tokens; /* [n_tokens], index = id */
    uint32_t n_merges;
    struct vocab_merge *merges; /* [n_merges], index = rank */
    void *storage;              /* owned by vocab_release: the byte strings */

    /* For a vocabulary whose merges came as numbers, which then need not be looked up; else NULL.
     * Every number is below 256 + its rank, and left and right of a merge are adjacent in memory.
     */
    struct vocab_sides *sides; /* [n_merges] */
    void *merge_storage;       /* owned: byte strings of merges alone */
};

/* Checks what may be wrong in a file: sizes, the four specials, no empty or over-long token,
 * each of its right type, no token twice (but specials); every merge of two parts that are bytes or
 * earlier results, none twice, none with an over-long result; a BPE vocabulary's tokens being
 * exactly the 256 bytes and the results of its merges; only a BPE vocabulary having merges across
 * words. Messages begin with `name`. */
MUST_USE int vocab_check(const struct vocab *v, const char *name, struct err *e);

/* A chain of XXH3 hashes over kind, normalisation, pre-tokens, every token's bytes and type in id
 * order and every merge in rank order (spelled out in format/VOCAB.md). Counts are left out: they
 * do not change what an id means. Allocates nothing. */
uint64_t vocab_fingerprint(const struct vocab *v);

/* Frees the merges, which make up half of it, with sides and merge_storage, and leaves n_merges 0:
 * for a vocabulary whose tokenizer and fingerprint are known. */
void vocab_drop_merges(struct vocab *v);

/* Frees all that it points to; safe on a zeroed struct. */
void vocab_release(struct vocab *v);

#endif
