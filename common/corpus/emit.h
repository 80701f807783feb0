/* emit.h - where every reader sends its stories, on their way to the caller: strings are cut at the
 * mark, and what the stories of a file look like is counted, to refuse the file or to warn. */
#ifndef EMIT_H
#define EMIT_H

#include "corpus/corpus.h"
#include "corpus/cut.h"

enum { EMIT_MARKERS = 16, EMIT_MARKER_BYTES = 24 };

struct emit_tally {
    uint64_t n_bytes, n_chars, n_invalid;
    bool judged; /* over its first MiB */
};

struct emit_markers { /* words in brackets that stories begin or end with */
    struct {
        char text[EMIT_MARKER_BYTES];
        uint64_t n_stories;
    } items[EMIT_MARKERS];
    size_t n;
};

struct emit {
    const struct corpus_options *options;
    const struct corpus_hooks *hooks;
    struct corpus_counts *counts;
    const char *file; /* for people */
    const char *name; /* of the current member, for people */
    const char *field;
    size_t limit; /* most bytes of a story */
    enum cut_kind text_cuts, string_cuts;
    struct emit_tally of_file, of_member;
    struct emit_markers begins, ends;
    uint64_t n_stories;
    uint64_t n_uncut;     /* members of text that are large and have no end of a story in them */
    uint64_t uncut_bytes; /* of the last of them */
};

void emit_begin(struct emit *m, const char *file, const struct corpus_options *o,
                const struct corpus_hooks *hooks, struct corpus_counts *counts);
void emit_begin_member(struct emit *m, const char *name);

/* One story, from text that has been cut already. */
MUST_USE int emit_story(struct emit *m, const char *text, size_t n, struct err *e);

/* A string, which the mark may cut into several stories. */
MUST_USE int emit_string(struct emit *m, const char *text, size_t n, struct err *e);

/* A record without the field: whether it is passed over, and counted. */
bool emit_skips(struct emit *m);

/* If not, this error: it names the fields that the record has, `found`; `where` is the record for
 * people. */
int emit_missing(const struct emit *m, const char *where, const char *found, struct err *e);

/* The end of the file: refuses it if too much of it was invalid, and warns. */
MUST_USE int emit_end(struct emit *m, struct err *e);

void emit_warn(const struct emit *m, const char *format, ...) PRINTF_LIKE(2, 3);

/* Whether text[0..n) has nothing but ASCII white space in it. */
bool emit_is_blank(const char *text, size_t n);

#endif
