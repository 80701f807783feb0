/* normalize.h - text into the one form that is tokenised, hashed and counted (utf8proc). */
#ifndef NORMALIZE_H
#define NORMALIZE_H

#include "text/unicode.h"
#include "text/vocab.h"

/* A growable byte buffer, reused from story to story. Zero-initialise; free(data) at the end. */
struct text_buf {
    char *data;
    size_t n;
    size_t capacity;
};

struct normalize_stats {
    uint64_t n_invalid; /* U+FFFD put in for invalid UTF-8 (one a maximal invalid subsequence) */
};

/* Writes the normalised form of in[0..n) to out (replacing its contents):
 *
 *   1. invalid UTF-8 becomes U+FFFD;
 *   2. NFC or NFKC, or neither (skipped where the text would not change: ASCII, and most of
 * English);
 *   3. with VOCAB_LINES_LF, CR LF and every other CR become LF, and U+FEFF, the byte-order mark, is
 *      dropped where it begins a line or stands in the white space at the start;
 *   4. leading and trailing white space (Unicode White_Space) is trimmed.
 *
 * Doing it again changes nothing. out->n is 0 for an empty story. *n_chars gets the number of code
 * points of the result. */
MUST_USE int normalize_text(struct vocab_form form, const char *in, size_t n, struct text_buf *out,
                            size_t *n_chars, struct normalize_stats *stats, struct err *e);

/* The same in memory of the caller's, reused from text to text. */
MUST_USE int normalize_text_in(struct unicode_scratch *w, struct vocab_form form, const char *in,
                               size_t n, struct text_buf *out, size_t *n_chars,
                               struct normalize_stats *stats, struct err *e);

/* The same, but without a copy of a text that is only trimmed. */
struct normalize_view {
    const char *text; /* [n] */
    size_t n;
    size_t n_chars;
    bool in_place; /* text is a part of `in`, else of `room` */
};
MUST_USE int normalize_view(struct unicode_scratch *w, struct vocab_form form, const char *in,
                            size_t n, struct text_buf *room, struct normalize_view *out,
                            struct normalize_stats *stats, struct err *e);

/* Makes room in w and out for every text of up to n bytes: normalize_text_in allocates nothing
 * then. Costs address space, 11 and 48 bytes a byte for NFKC, of which real text touches little. */
MUST_USE int normalize_reserve(struct unicode_scratch *w, struct text_buf *out,
                               struct vocab_form form, size_t n, struct err *e);

/* Code points of valid UTF-8. */
size_t normalize_count_chars(const char *text, size_t n);

#endif
