/* vocabdb.h - the vocabulary database, DIR/vocab.db (SQLite). Specification: VOCAB.md. */
#ifndef VOCABDB_H
#define VOCABDB_H

#include "os/file_set.h"
#include "text/vocab.h"

enum { VOCABDB_APPLICATION_ID = 0x426f6c74 /* "Bolt" */, VOCABDB_VERSION = 3 };

/* One input file of the corpus, as reported by prep. */
struct vocabdb_source {
    const char *name;      /* base name as given on the command line, "-" for standard input */
    const char *split;     /* "train" or "valid" */
    uint64_t n_stories;    /* kept */
    uint64_t n_duplicates; /* dropped as exact duplicates */
    uint64_t n_empty;      /* dropped as empty */
    uint64_t n_invalid;    /* U+FFFD put in */
    uint64_t n_chars;      /* of the kept stories, normalised */
    uint64_t n_bytes;
};

/* The version a vocabulary is written in: the oldest that can hold it. */
int vocabdb_version(const struct vocab *v);

/* Writes the database whole or not at all (built in memory, then written by file.h); with a set, to
 * appear with it. The same content gives the same file bytes for one version of SQLite. The
 * vocabulary is checked first. */
MUST_USE int vocabdb_save(const struct vocab *v, const struct vocabdb_source *sources,
                          size_t n_sources, const char *path, struct file_set *set, struct err *e);

/* Reads and checks a database from a read-only map of the file: never a journal, a lock or a write.
 * Another application_id or user_version is an error that names both numbers; the rules are those
 * of VOCAB.md. Fills v whatever it held before; vocab_release(v) at the end, not on failure. */
MUST_USE int vocabdb_load(struct vocab *v, const char *path, struct err *e);

/* True if the n bytes begin as an SQLite database does. */
bool vocabdb_probe(const void *data, size_t n);

#endif
