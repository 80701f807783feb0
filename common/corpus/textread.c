#include "corpus/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { LARGE = 1 << 16 /* a text of so many bytes without an end of a story in it is suspect */ };

/* The text form: the mark ends a story wherever it stands, and so does the user's separator. What
 * follows the last end is a story if it has anything but white space in it. */
struct text {
    struct emit *out;
    char *buffer; /* owned: the story that is not complete yet, and what follows it */
    size_t n, capacity;
    size_t scanned; /* bytes of the buffer that need not be looked at again */
    uint64_t n_read, n_ends;
};

static bool probe(const char *head, size_t n, const struct corpus_options *o)
{
    (void)head;
    (void)n;
    (void)o;
    return true;
}

/* Lines and blank lines are a layout: nothing stands between two of them. */
static int tell(struct text *t, const char *story, size_t n, struct err *e)
{
    bool layout = t->out->text_cuts == CUT_LINE || t->out->text_cuts == CUT_BLANK_LINE;
    return layout && emit_is_blank(story, n) ? 0 : emit_story(t->out, story, n, e);
}

static int take_block(struct text *t, const char *data, size_t n, bool last, struct err *e)
{
    struct emit *out = t->out;
    const char *separator = out->options->separator;
    struct cut c = {.kind = out->text_cuts,
                    .separator = separator,
                    .n_separator = separator ? strlen(separator) : 0};
    size_t begin = 0, at, next, again;
    if (array_reserve(&t->buffer, &t->capacity, t->n + n, 1))
        return err_memory(e, "%s: out of memory for a story of %zu bytes", out->name, t->n + n);
    if (n)
        memcpy(t->buffer + t->n, data, n);
    t->n += n;
    t->n_read += n;
    cut_begin(&c, t->buffer, t->n, t->scanned, last);
    for (; cut_next(&c, &at, &next, &again); begin = next, t->n_ends++)
        if (tell(t, t->buffer + begin, at - begin, e))
            return -1;
    t->n -= begin;
    if (begin)
        memmove(t->buffer, t->buffer + begin, t->n);
    t->scanned = again - begin;
    if (t->n <= out->limit + sizeof CORPUS_MARK + c.n_separator)
        return 0;
    return emit_story(out, t->buffer, t->n, e); /* says that it is too long */
}

static int read_all(struct text *t, struct source *in, struct err *e)
{
    for (size_t n = 1; n;) {
        const char *data;
        if (source_next(in, &data, &n, e) || take_block(t, data, n, n == 0, e))
            return -1;
    }
    if (t->n_read >= LARGE && !t->n_ends) {
        t->out->n_uncut++;
        t->out->uncut_bytes = t->n_read;
    }
    return emit_is_blank(t->buffer, t->n) ? 0 : emit_story(t->out, t->buffer, t->n, e);
}

static int read_text(struct source *in, struct emit *out, struct err *e)
{
    struct text t = {.out = out};
    int rc = read_all(&t, in, e);
    free(t.buffer);
    return rc;
}

const struct reader reader_text = {probe, read_text};
