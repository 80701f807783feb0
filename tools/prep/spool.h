/* spool.h - stories as sequences of word numbers (words.h), kept in a temporary file without a name
 * until the vocabulary is known. So the text is read once, which lets it come from a pipe, and
 * memory does not grow with it.
 *
 * The file is a sequence of frames, each its length in bytes (8 bytes) and whole stories:
 * characters, bytes, number of words, and the words, all as LEB128. Frequent words appear early,
 * get small numbers and take one or two bytes. A cut, after which numbers stand for other words
 * (lexicon.h), is a frame of no bytes. */
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
    uint64_t n_read; /* frames since spool_rewind */
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

/* Makes a cut after the last story. */
MUST_USE int spool_cut(struct spool *s, struct err *e);

/* Ends the writing and goes back to the start. */
MUST_USE int spool_rewind(struct spool *s, struct err *e);

/* Reads the next frame into f; f->n is 0 at a cut and after the last. */
MUST_USE int spool_read(struct spool *s, struct spool_frame *f, struct err *e);

uint64_t spool_get_long(const unsigned char **p); /* of three bytes or more */

/* The number at *p, which moves on. Only over bytes that spool_add wrote, as spool_read gives them:
 * the byte after is looked at. Whether a number has one byte or two cannot be predicted, so there
 * is no branch for it. */
static inline uint64_t spool_get(const unsigned char **p)
{
    unsigned first = (*p)[0], second = (*p)[1], two = first >> 7;
    if (first & second & 0x80)
        return spool_get_long(p);
    *p += 1 + two;
    return (first & 0x7f) | (two ? second << 7 : 0);
}

#endif
