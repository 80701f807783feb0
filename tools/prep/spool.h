/* spool.h - stories as sequences of word numbers (words.h), kept in a temporary file without a name
 * until the vocabulary is known. So the text is read once, which lets it come from a pipe, and
 * memory does not grow with it.
 *
 * The file is a sequence of frames, each its length in bytes (8 bytes) and whole stories:
 * characters, bytes, number of words, and the words. A number has two bytes, in this machine's
 * order, or four or ten where it is large; frequent words appear early and get small ones. A cut,
 * after which numbers stand for other words (lexicon.h), is a frame of no bytes. */
#ifndef SPOOL_H
#define SPOOL_H

#include <string.h>

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

/* The first two bytes: a number, or from SPOOL_LONG on the upper half of one of four bytes, or what
 * comes before one of eight. */
enum { SPOOL_LONG = 0xf000, SPOOL_LONGEST = 0xffff };

uint64_t spool_get_long(const unsigned char **p); /* of four bytes or more */

/* The number at *p, which moves on. Only over bytes that spool_add wrote, as spool_read gives them.
 */
static inline uint64_t spool_get(const unsigned char **p)
{
    uint16_t first;
    memcpy(&first, *p, sizeof first);
    if (first >= SPOOL_LONG)
        return spool_get_long(p);
    *p += sizeof first;
    return first;
}

#endif
