/* corpus.h - stories from any file: plain or compressed text, archives, JSON, tables.
 *
 * Packing is undone first (unpack.h), then a text in another encoding becomes UTF-8 (recode.h),
 * then the form of each member is detected from its first bytes (reader.h): a stream of JSON
 * values, a table with a header (CSV, TSV), else text, where a mark ends a story. Everything
 * streams: the size of a file does not matter. */
#ifndef CORPUS_H
#define CORPUS_H

#include "base/err.h"

enum corpus_format { /* jsonl is json: values need neither lines nor an array */
                     CORPUS_AUTO,
                     CORPUS_TEXT,
                     CORPUS_JSON,
                     CORPUS_JSONL,
                     CORPUS_CSV,
                     CORPUS_TSV,
                     CORPUS_N_FORMATS
};
extern const char *const corpus_format_names[CORPUS_N_FORMATS + 1]; /* "auto", ..., NULL */

enum corpus_invalid { CORPUS_REFUSE, CORPUS_REPLACE };
extern const char *const corpus_invalid_names[3]; /* "refuse", "replace", NULL */

#define CORPUS_MARK "<|endoftext|>" /* ends a story wherever it stands, in every form */

struct corpus_options { /* zero-initialised: the defaults */
    enum corpus_format format;
    const char *field;     /* of a JSON object (a.b reaches inside) or column; NULL: "story" */
    const char *separator; /* ends a story as the mark does; in text also the words "line" and
                              "blank-line"; NULL: none */
    const char *encoding;  /* of what has no byte-order mark (recode.h); NULL: UTF-8 */
    enum corpus_invalid invalid; /* whether text with many invalid characters is refused */
    bool skip_missing;           /* a record without the field is counted, not refused */
    uint64_t max_bytes;          /* what a file may unpack to; 0: 10^12 */
    size_t max_story_bytes;      /* a longer story is an error; 0: 64 MiB */
    bool ahead;                  /* another thread undoes the compression of a regular file */
};

/* Called for every story in order, raw: not normalised, perhaps empty, perhaps invalid UTF-8. The
 * text is only valid during the call. A non-zero return ends the reading with that failure. */
typedef int corpus_story(void *context, const char *text, size_t n, struct err *e);

/* Called now and then with the compressed bytes of this file read so far and its size (0 if
 * unknown, as for standard input). */
typedef void corpus_progress(void *context, uint64_t read, uint64_t total);

/* Called with a sentence about text that was read but looks wrong. */
typedef void corpus_warning(void *context, const char *sentence);

struct corpus_hooks {
    corpus_story *story;
    corpus_progress *progress; /* may be NULL */
    corpus_warning *warning;   /* may be NULL */
    void *context;             /* of all */
};

struct corpus_counts {
    uint64_t n_missing;     /* records without the field, with skip_missing */
    uint64_t n_passed_over; /* members of archives that are no text, by their names */
};

/* Reads all stories of path ("-" is standard input) and adds to *counts. Errors name the file, the
 * archive member where there is one, and the fault: unreadable, damaged, truncated, a form that
 * cannot be used, a field that is missing or no text, more than 1 % of the characters invalid. */
MUST_USE int corpus_read(const char *path, const struct corpus_options *options,
                         const struct corpus_hooks *hooks, struct corpus_counts *counts,
                         struct err *e);

/* Size of a file in bytes, 0 if unknown: for a total over several inputs. */
uint64_t corpus_size(const char *path);

#endif
