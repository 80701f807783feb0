/* unicode.h - code points: classes, canonical composition. The only user of utf8proc. */
#ifndef UNICODE_H
#define UNICODE_H

#include "base/err.h"

enum unicode_class {
    UNICODE_OTHER,  /* none of those below; also invalid bytes */
    UNICODE_LETTER, /* \p{L} */
    UNICODE_NUMBER, /* \p{N} */
    UNICODE_SPACE   /* White_Space */
};

/* Class of every ASCII character; all bytes from 128 up read UNICODE_OTHER here. */
extern const unsigned char unicode_ascii_class[256];

/* Class of what utf8_decode stored. */
enum unicode_class unicode_class(int32_t code);

/* The same for the character at s[0..n), n > 0, whose length goes to *length. */
enum unicode_class unicode_class_at(const char *s, size_t n, size_t *length);

/* Working memory of unicode_compose, reused from text to text. Zero-initialise; release at the end.
 */
struct unicode_scratch {
    int32_t *codes;
    size_t capacity; /* of codes */
    int32_t *marks;
    size_t marks_capacity;
};
void unicode_scratch_release(struct unicode_scratch *w);

/* Room for every text of up to n bytes: unicode_compose allocates nothing then. */
MUST_USE int unicode_reserve(struct unicode_scratch *w, bool compat, size_t n, struct err *e);

/* NFC, or NFKC if compat, of s[0..n), valid UTF-8, as *n_out bytes at *out, which lie in w and are
 * good until its next use. */
MUST_USE int unicode_compose(bool compat, const char *s, size_t n, struct unicode_scratch *w,
                             const char **out, size_t *n_out, struct err *e);

#endif
