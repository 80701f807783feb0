/* reader.h - the forms a member may have: each a probe of its first bytes, and a reading. */
#ifndef READER_H
#define READER_H

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

#endif
