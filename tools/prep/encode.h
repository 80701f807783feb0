/* encode.h - the second half of prep: every distinct word to token ids, once, then the spools to
 * shards. */
#ifndef ENCODE_H
#define ENCODE_H

#include "base/pool.h"
#include "cli/cli.h"
#include "prep/expand.h"
#include "prep/lexicon.h"
#include "text/tokenizer.h"

/* What encoding needs of a word, in one place. */
enum { ENCODE_SHORT = 4, ENCODE_LONG = 255 };
struct encode_word {
    uint16_t ids[ENCODE_SHORT];
    uint8_t n;           /* of its ids; ENCODE_LONG: they are where starts says */
    uint8_t first, last; /* its bytes */
    bool ends;           /* nothing follows it in its sentence, where pre-tokens are these */
};

/* Token ids of all words of a segment (lexicon.h): word number w is ids[starts[w]..starts[w + 1]).
 * Where pre-tokens are sentences, symbols instead (tokenizer.h), and what it takes to make ids of
 * them. */
struct encode_words {
    uint64_t *starts; /* owned, [n + 1] */
    uint16_t *ids;    /* owned */

    const struct lexicon *lexicon; /* NULL: words are tokens, and there is one segment */
    size_t segment;
    const struct words *words;   /* of the segment */
    struct words read;           /* owned: these, unless it is the last */
    struct encode_word *parts;   /* owned, [n] */
    bool sentences;              /* pre-tokens are these */
    struct tokenizer *tokenizer; /* owned; it reads the vocabulary */
};

/* Appends the ids of a word. -1 only when out of memory. */
MUST_USE int encode_add(const struct encode_words *w, uint64_t word, struct token_buf *out,
                        struct err *e);

/* Encodes the words of the first segment. encode_words_release in any case. */
MUST_USE int encode_words(struct encode_words *out, const struct vocab *v,
                          const struct lexicon *lexicon, struct pool *pool, struct err *e);
void encode_words_release(struct encode_words *w);

/* And those of another, in their place. */
MUST_USE int encode_select(struct encode_words *w, size_t segment, struct pool *pool,
                           struct err *e);

/* expand_spool for every segment of the spool, in order, while w has its words. */
MUST_USE int encode_segments(struct encode_words *w, struct spool *spool, expand_fill *fill,
                             expand_take *take, void *context, struct pool *pool, struct err *e);

/* Fills the expansion of a frame with the ids of its stories. -1 only when out of memory. */
MUST_USE int encode_frame(const struct encode_words *words, struct expansion *x, struct err *e);

struct encode_counts {
    uint64_t n_stories;
    uint64_t n_tokens; /* EOS included */
    uint64_t n_unk;
};

/* Called with a story: n ids without its EOS. */
typedef int encode_sink(void *context, const uint16_t *ids, size_t n, uint64_t n_chars,
                        uint64_t n_bytes, struct err *e);

/* Passes every story of the spool, `total` of them, to the sink, in order. */
MUST_USE int encode_spool(struct spool *spool, struct encode_words *words, encode_sink *sink,
                          void *context, struct pool *pool, struct encode_counts *counts,
                          struct cli_progress *progress, uint64_t total, struct err *e);

#endif
