/* corpus.h - stories out of any file: plain or compressed text, archives, JSON.
 *
 * Bytes come through libarchive, streaming: plain, .gz .xz .zst .bz2, and .tar.* or .zip archives
 * of such files (members in archive order, non-regular members passed over). Each file's form is
 * told by its content: text, where the mark <|endoftext|> ends a story; a JSON array of objects;
 * JSON lines. A JSON array is cut into elements as it streams, so its size does not matter.
 *
 * In text the mark counts wherever it stands: on a line of its own (ended by \n or \r\n), or inline
 * at the end of a line, as in parts of the official V2 files. The last story may lack it. A byte
 * order mark at the start of a file is dropped. Told by content, a file or member that holds a NUL
 * byte among its first 4,096 is an error: it is no text; with a format given it is read as told. */
#ifndef CORPUS_H
#define CORPUS_H

#include "base/err.h"

enum corpus_format { CORPUS_AUTO, CORPUS_TEXT, CORPUS_JSON, CORPUS_JSONL };
extern const char *const corpus_format_names[5]; /* "auto" "text" "json" "jsonl" NULL */

struct corpus_options {
    enum corpus_format format;
    const char *field;      /* of a JSON object; NULL means "story" */
    size_t max_story_bytes; /* a longer story is an error; 0 means 64 MiB */
};

/* Called for every story in order, raw: not normalised, perhaps empty, perhaps invalid UTF-8. The
 * text is only valid during the call. A non-zero return ends the reading with that failure. */
typedef int corpus_story(void *context, const char *text, size_t n, struct err *e);

/* Called now and then with the compressed bytes of this file read so far and its size (0 if
 * unknown, as for standard input). May be NULL. */
typedef void corpus_progress(void *context, uint64_t read, uint64_t total);

/* Reads all stories of path ("-" is standard input). Errors name the file, the archive member where
 * there is one, and the fault: unreadable, damaged, truncated, wrong JSON, field missing or no
 * text. */
MUST_USE int corpus_read(const char *path, const struct corpus_options *options,
                         corpus_story *story, corpus_progress *progress, void *context,
                         struct err *e);

/* Size of a file in bytes, 0 if unknown: for a total over several inputs. */
uint64_t corpus_size(const char *path);

#endif
