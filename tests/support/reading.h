/* reading.h - a corpus file as a test sees it: its stories, warnings and error, and archives made
 * of given bytes. */
#ifndef READING_H
#define READING_H

#include "corpus/corpus.h"

/* A group's setup, with scratch_teardown at its end: makes the folder, and reading_path in it. */
int reading_setup(void **state);

extern char reading_path[256]; /* of the file that is read */

extern struct reading { /* what the last reading gave */
    char text[1 << 22]; /* all stories, each followed by a zero byte */
    size_t n, n_stories;
    size_t stop_at; /* fail at this story; 0 never */
    struct corpus_counts counts;
    char warnings[1024]; /* each on a line */
    struct err err;
} reading;

int reading_read(const char *path, const struct corpus_options *o);

/* The content, read with options o, is exactly these stories, each ended by a zero byte. */
void reading_expect(const struct corpus_options *o, const void *content, size_t n,
                    const char *stories, size_t n_stories_bytes);

/* The content is refused with a line that begins with the path and has the message in it. */
void reading_refuse(const struct corpus_options *o, const void *content, size_t n,
                    const char *message);

/* The same of literals, with options as in {.field = "text"}. */
#define EXPECT_WITH(options, content, stories)                                             \
    reading_expect(&(struct corpus_options)options, content, sizeof(content) - 1, stories, \
                   sizeof(stories) - 1)
#define REFUSE_WITH(options, content, message) \
    reading_refuse(&(struct corpus_options)options, content, sizeof(content) - 1, message)
#define EXPECT(content, stories) EXPECT_WITH({0}, content, stories)
#define REFUSE(content, message) REFUSE_WITH({0}, content, message)

enum reading_packing { READING_TAR, READING_ZIP, READING_RAW };

struct reading_member {
    const char *name; /* a folder if it ends in '/' */
    const char *data;
    size_t n;
};

/* Writes members into reading_path, as an archive with a filter of libarchive around it. */
void reading_pack(enum reading_packing packing, int filter, const struct reading_member *members,
                  size_t n);

/* The file at reading_path; returns its bytes, at most `most`. */
size_t reading_load(char *data, size_t most);

#endif
