#include "corpus/corpus.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "corpus/split.h"
#include "corpus/stream.h"

enum { BLOCK = 1 << 17, HEAD = 4096 /* bytes that tell the form of a member */ };

const char *const corpus_format_names[5] = {"auto", "text", "json", "jsonl", NULL};

struct splitter {
    int (*feed)(struct split *s, const char *data, size_t n, struct err *e);
    int (*finish)(struct split *s, struct err *e);
};

static const struct splitter splitters[] = {
    [CORPUS_TEXT] = {textsplit_feed, textsplit_finish},
    [CORPUS_JSON] = {jsonarray_feed, jsonarray_finish},
    [CORPUS_JSONL] = {jsonlines_feed, jsonlines_finish},
};

static size_t skip_space(const char *data, size_t n, size_t i)
{
    while (i < n && data[i] && strchr(" \t\r\n", data[i]))
        i++;
    return i;
}

/* The form of a member by its first bytes: an array begins "[{" (or is "[]"), an object of JSON
 * lines begins {" (or is "{}"), white space aside; all else is text. */
static enum corpus_format sniff(const char *data, size_t n)
{
    size_t first = skip_space(data, n, 0), second = skip_space(data, n, first + 1);
    if (second >= n)
        return CORPUS_TEXT;
    if (data[first] == '[' && (data[second] == '{' || data[second] == ']'))
        return CORPUS_JSON;
    if (data[first] == '{' && (data[second] == '"' || data[second] == '}'))
        return CORPUS_JSONL;
    return CORPUS_TEXT;
}

/* Reads until the block holds HEAD bytes or the member ends: a sniff must not depend on how the
 * bytes happen to arrive. */
static int read_head(struct stream *in, char *block, size_t *n, struct err *e)
{
    for (size_t got = 1; *n < HEAD && got; *n += got)
        if (stream_read(in, block + *n, BLOCK - *n, &got, e))
            return -1;
    return 0;
}

struct reading { /* of one file */
    const struct corpus_options *options;
    corpus_story *story;
    corpus_progress *progress;
    void *context;
    struct stream *in;
    uint64_t n_bytes; /* of all members, unpacked */
    char block[BLOCK];
};

static int split_member(struct reading *r, struct split *split, struct err *e)
{
    size_t n = 0;
    if (read_head(r->in, r->block, &n, e))
        return -1;
    size_t skip = n >= 3 && !memcmp(r->block, "\xef\xbb\xbf", 3) ? 3 : 0; /* byte order mark */
    enum corpus_format format = r->options->format;
    if (format == CORPUS_AUTO) {
        format = sniff(r->block + skip, n - skip);
        if (memchr(r->block, 0, MIN(n, (size_t)HEAD)))
            return err_set(e, "%s: is neither text nor an archive of a known kind", split->name);
    }
    const struct splitter *splitter = &splitters[format];
    while (n) {
        r->n_bytes += n;
        if (splitter->feed(split, r->block + skip, n - skip, e))
            return -1;
        if (r->progress) {
            uint64_t read, total;
            stream_position(r->in, &read, &total);
            r->progress(r->context, read, total);
        }
        skip = 0;
        if (stream_read(r->in, r->block, BLOCK, &n, e))
            return -1;
    }
    return splitter->finish(split, e);
}

static int read_members(struct reading *r, struct err *e)
{
    bool more;
    for (;;) {
        if (stream_next(r->in, &more, e))
            return -1;
        if (!more)
            return 0;
        size_t limit = r->options->max_story_bytes;
        struct split split = {.name = stream_name(r->in),
                              .field = r->options->field ? r->options->field : "story",
                              .limit = limit ? limit : (size_t)64 << 20,
                              .story = r->story,
                              .context = r->context};
        int code = split_member(r, &split, e);
        split_release(&split);
        if (code)
            return -1;
    }
}

int corpus_read(const char *path, const struct corpus_options *options, corpus_story *story,
                corpus_progress *progress, void *context, struct err *e)
{
    struct reading *r = calloc(1, sizeof *r);
    if (!r)
        return err_memory(e, "%s: out of memory", path);
    *r = (struct reading){
        .options = options, .story = story, .progress = progress, .context = context};
    r->in = stream_open(path, e);
    int code = r->in ? read_members(r, e) : -1;
    if (!code && !r->n_bytes)
        code = err_set(e, "%s: is empty", strcmp(path, "-") ? path : "standard input");
    stream_close(r->in);
    free(r);
    return code;
}

uint64_t corpus_size(const char *path)
{
    struct stat st;
    if (!strcmp(path, "-") || stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size < 0)
        return 0;
    return (uint64_t)st.st_size;
}
