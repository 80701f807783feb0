/* Any text: a vocabulary learned from it, of words and then of sentences, passes every check, gives
 * every text back that it encodes, in a database and in a model file as well, and none of it
 * depends on a cache. */
#include "fuzz/fuzz.h"

#include "base/array.h"
#include "base/hash.h"
#include "format/vocabdb.h"
#include "prep/bpetrain.h"
#include "prep/supertrain.h"
#include "prep/words.h"
#include "text/pretok.h"
#include "text/tokenizer.h"

enum { MOST_TOKENS = 400, MOST_SUPERWORDS = 500, MOST_BYTES = 4096 };

/* Cuts the text into words; -1 when out of memory. */
static int count(struct words *w, const char *text, size_t n, struct err *e)
{
    for (size_t at = 0; at < n;) {
        size_t length = pretok_next(text + at, n - at);
        uint32_t number;
        FUZZ_CHECK(length > 0 && length <= n - at);
        if (words_add(w, text + at, length, hash64(text + at, length), &number, e) != 0)
            return -1;
        w->items[number].count++;
        at += length;
    }
    return 0;
}

/* The ids are the text again, piece by piece. */
static void check_decoded(const struct tokenizer *t, const struct token_buf *ids, const char *text,
                          size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < ids->n; i++) {
        struct vocab_bytes piece = tokenizer_decode(t, ids->ids[i]);
        FUZZ_CHECK(piece.n <= n - at && memcmp(piece.data, text + at, piece.n) == 0);
        at += piece.n;
    }
    FUZZ_CHECK(at == n);
}

static void check_encoding(const struct vocab *v, const char *text, size_t n)
{
    struct token_buf plain = {0}, cached = {0};
    struct err e;
    struct tokenizer *t = tokenizer_new_checked(v, "learned", &e);
    struct tokenizer_cache *c = tokenizer_cache_new_small(n, &e);

    FUZZ_CAN_STARVE(t != NULL && c != NULL);
    if (t != NULL && c != NULL && tokenizer_encode(t, NULL, text, n, &plain, &e) == 0 &&
        tokenizer_encode(t, c, text, n, &cached, &e) == 0) {
        check_decoded(t, &plain, text, n);
        FUZZ_CHECK(plain.n == cached.n);
        FUZZ_CHECK(plain.n == 0 || memcmp(plain.ids, cached.ids, plain.n * sizeof *plain.ids) == 0);
    } else {
        FUZZ_CHECK(fuzz_starved());
    }
    free(plain.ids);
    free(cached.ids);
    tokenizer_cache_free(c);
    tokenizer_free(t);
}

static void check_database(const struct vocab *v)
{
    char path[64];
    struct vocab again;
    struct err e;

    snprintf(path, sizeof path, "/tmp/fuzz-roundtrip.%ld", (long)getpid());
    if (vocabdb_save(v, NULL, 0, path, NULL, &e) == 0 && vocabdb_load(&again, path, &e) == 0) {
        FUZZ_CHECK(vocab_fingerprint(v) == vocab_fingerprint(&again));
        vocab_release(&again);
    } else {
        FUZZ_CHECK(fuzz_starved());
    }
    remove(path);
}

/* Fills cells with the sentences, as symbols of the tokenizer. */
static int cut(const struct tokenizer *t, const char *text, size_t n, struct token_buf *cells,
               struct err *e)
{
    for (size_t at = 0, length; at <= n; at += length) {
        if (array_reserve(&cells->ids, &cells->capacity, cells->n + 1, sizeof *cells->ids) != 0)
            return err_memory(e, "out of memory");
        cells->ids[cells->n++] = SUPERTRAIN_BORDER;
        if (at == n)
            break;
        length = pretok_sentence(text + at, n - at);
        FUZZ_CHECK(length > 0 && length <= n - at);
        if (tokenizer_symbols(t, NULL, text + at, length, cells, e) != 0)
            return -1;
    }
    return 0;
}

/* Goes on to superwords from a vocabulary learned from the text. */
static void check_superwords(struct vocab *base, const char *text, size_t n)
{
    struct token_buf cells = {0};
    struct vocab v;
    struct err e;

    base->pretokens = VOCAB_SENTENCES;
    struct tokenizer *t = tokenizer_new(base, &e);
    if (t != NULL && cut(t, text, n, &cells, &e) == 0) {
        struct supertrain_text sentences = {cells.ids, (uint32_t)cells.n};
        if (supertrain_run(&v, base, &sentences, MOST_SUPERWORDS, &e) == 0) {
            check_encoding(&v, text, n);
            vocab_release(&v);
        } else {
            FUZZ_CHECK(fuzz_starved());
        }
    } else {
        FUZZ_CHECK(fuzz_starved());
    }
    free(cells.ids);
    tokenizer_free(t);
}

void fuzz_one(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    const struct vocab_form form = {VOCAB_NORM_NONE, VOCAB_LINES_LF};
    struct words w = {0};
    struct vocab v;
    struct err e;

    n = n < MOST_BYTES ? n : MOST_BYTES;
    if (count(&w, text, n, &e) == 0) {
        struct pretokens words = {w.items, w.n, 1};
        if (bpetrain_run(&v, &words, MOST_TOKENS, true, form, &e) == 0) {
            check_encoding(&v, text, n);
            if (n % 16 == 0) /* a database takes much longer than all the rest */
                check_database(&v);
            check_superwords(&v, text, n);
            vocab_release(&v);
        } else {
            FUZZ_CHECK(fuzz_starved());
        }
    } else {
        FUZZ_CHECK(fuzz_starved());
    }
    words_release(&w);
}
