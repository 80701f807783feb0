/* reader.h - the forms a member may have: each a probe of its first bytes, and a reading. */
#ifndef READER_H
#define READER_H

#include <string.h>

#include "corpus/corpus.h"
#include "corpus/emit.h"
#include "corpus/source.h"

enum { READER_HEAD = 1 << 16 }; /* bytes that a probe sees, or all where there are fewer */

struct reader {
    /* Whether these first bytes are of this form; those of no form are text. */
    bool (*probe)(const char *head, size_t n, const struct corpus_options *o);
    /* Reads all of the member and emits its stories. */
    int (*read)(struct source *in, struct emit *out, struct err *e);
};

/* By enum corpus_format; CORPUS_AUTO has none. */
extern const struct reader reader_text;
extern const struct reader reader_json;
extern const struct reader reader_csv;
extern const struct reader reader_tsv;

/* White space of JSON and of tables. */
static inline bool reader_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Where the first line of text[0..n) ends: at a line feed or a carriage return. NULL if it goes on.
 */
static inline const char *reader_line_end(const char *text, size_t n)
{
    const char *lf = n ? memchr(text, '\n', n) : NULL;
    const char *cr = n ? memchr(text, '\r', lf ? (size_t)(lf - text) : n) : NULL;
    return cr ? cr : lf;
}

#endif
