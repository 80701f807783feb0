/* spool.h - stories as sequences of word numbers (words.h), parked in a temporary file without a
 * name until the vocabulary is known. So the text is read once, which lets it come from a pipe, and
 * memory does not grow with it.
 *
 * The file is a sequence of frames, each its length in bytes (8 bytes) and whole stories:
 * characters, bytes, number of words, and the words, all as LEB128. Frequent words appear early,
 * get small numbers and take one or two bytes. */
#ifndef SPOOL_H
#define SPOOL_H

#include "base/err.h"

struct spool {
    int fd;
    const char *folder;   /* for messages */
    unsigned char *frame; /* owned: the frame being filled */
    size_t n;
    size_t capacity;
    uint64_t n_stories;
};

struct spool_frame { /* zero-initialise; free(data) at the end */
    unsigned char *data;
    size_t n;
    size_t capacity;
};

/* spool_release in any case, also after a failure. */
MUST_USE int spool_init(struct spool *s, const char *folder, struct err *e);
void spool_release(struct spool *s);

MUST_USE int spool_add(struct spool *s, uint64_t n_chars, uint64_t n_bytes, const uint32_t *words,
                       size_t n_words, struct err *e);

/* Ends the writing and goes back to the start. */
MUST_USE int spool_rewind(struct spool *s, struct err *e);

/* Reads the next frame into f; f->n is 0 behind the last. */
MUST_USE int spool_read(struct spool *s, struct spool_frame *f, struct err *e);

/* The number at *p, which moves on. Only over bytes that spool_add wrote. */
static inline uint64_t spool_get(const unsigned char **p)
{
    uint64_t value = *(*p) & 0x7f;
    for (unsigned shift = 7; *(*p)++ & 0x80; shift += 7)
        value |= (uint64_t)(**p & 0x7f) << shift;
    return value;
}

#endif
