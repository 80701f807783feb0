#include "corpus/corpus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "corpus/reader.h"
#include "corpus/recode.h"
#include "corpus/unpack.h"

enum {
    BINARY_HEAD = 4096, /* a NUL among so many first bytes of a member means that it is not text */
    NUL_RUN = 512       /* so many NULs are not text but a hole in a file */
};
static const uint64_t MAX_BYTES = 1000 * UINT64_C(1000000000);

const char *const corpus_format_names[CORPUS_N_FORMATS + 1] = {"auto", "text", "json", "jsonl",
                                                               "csv",  "tsv",  NULL};
const char *const corpus_invalid_names[3] = {"refuse", "replace", NULL};

/* In the order in which they are asked; text takes what is left. */
static const struct {
    enum corpus_format format;
    const struct reader *reader;
} readers[] = {{CORPUS_JSON, &reader_json},
               {CORPUS_JSONL, &reader_json},
               {CORPUS_CSV, &reader_csv},
               {CORPUS_TSV, &reader_tsv},
               {CORPUS_TEXT, &reader_text}};

struct reading { /* of one file */
    const struct corpus_options *options;
    struct emit out;
    uint64_t n_bytes; /* of all members */
    bool has_records; /* one of them is no text */
};

/* The bytes of a member, as UTF-8, on their way to the reader. */
struct member {
    struct source source;
    struct source *from;
    const char *name;
    uint64_t n_read;
    uint64_t n_nuls; /* at the end of what was read */
};

/* ---- damage ---------------------------------------------------------------------------------- */

/* NULs that a download or a file system put in place of text. */
static int next_of_member(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct member *m = (struct member *)source;
    if (source_next(m->from, data, n, e))
        return -1;
    for (size_t i = 0; i < *n;) {
        const char *nul = memchr(*data + i, 0, *n - i);
        size_t at = nul ? (size_t)(nul - *data) : *n;
        if (at > i)
            m->n_nuls = 0;
        for (i = at; i < *n && !(*data)[i]; i++)
            if (++m->n_nuls == NUL_RUN)
                return err_set(e,
                               "%s: is damaged: a run of NUL bytes from byte %" PRIu64
                               " of its text (a download that was cut short?)",
                               m->name, m->n_read + i + 1 - NUL_RUN);
    }
    m->n_read += *n;
    return 0;
}

/* What begins with the mark is text, whatever follows. */
static bool is_marked(const struct head *in)
{
    const size_t n = sizeof CORPUS_MARK - 1;
    return in->n >= n && !memcmp(in->data, CORPUS_MARK, n);
}

/* What has a NUL early is not text, or not in UTF-8; damage begins later, or with the file. */
static int check_binary(const char *name, const struct head *in, struct err *e)
{
    size_t n = MIN(in->n, (size_t)BINARY_HEAD), n_nuls = 0;
    if (!n || !memchr(in->data, 0, n) || is_marked(in))
        return 0;
    while (n_nuls < in->n && !in->data[n_nuls])
        n_nuls++;
    if (n_nuls >= NUL_RUN)
        return 0; /* refused as that */
    if (n >= 4 && !memcmp(in->data, "PAR1", 4))
        return err_set(e,
                       "%s: is Parquet: 'scripts/parquet-stories FILE' writes its stories as JSON "
                       "lines for a pipe",
                       name);
    const char *guess = recode_guess(in->data, n);
    if (guess)
        return err_set(e, "%s: looks like %s without a byte-order mark: read it with --encoding %s",
                       name, guess, guess);
    return err_set(e, "%s: is neither text nor an archive of a known kind", name);
}

/* ---- a member -------------------------------------------------------------------------------- */

/* By so many bytes and no more, however many a block has: a pipe is read as a file is. */
static const struct reader *choose(const struct corpus_options *o, const struct head *in)
{
    size_t n = MIN(in->n, (size_t)READER_HEAD);
    if (o->format == CORPUS_AUTO && is_marked(in))
        return &reader_text;
    for (size_t i = 0;; i++)
        if (o->format == readers[i].format ||
            (o->format == CORPUS_AUTO && readers[i].reader->probe(in->data, n, o)))
            return readers[i].reader;
}

static int read_utf8(struct reading *r, const char *name, struct source *in, struct err *e)
{
    struct member member = {.source = {next_of_member}, .from = in, .name = name};
    struct head head;
    emit_begin_member(&r->out, name);
    head_init(&head, &member.source);
    int rc = head_look(&head, READER_HEAD, e);
    if (!rc) {
        const struct reader *reader = choose(r->options, &head);
        r->has_records |= reader != &reader_text;
        rc = reader->read(&head.source, &r->out, e);
    }
    r->n_bytes += member.n_read;
    head_release(&head);
    return rc;
}

/* Refuses what is not text, where the form is not given. */
static int read_member(struct reading *r, const char *name, struct head *in, struct err *e)
{
    if (head_look(in, BINARY_HEAD, e) ||
        (r->options->format == CORPUS_AUTO && check_binary(name, in, e)))
        return -1;
    return read_utf8(r, name, &in->source, e);
}

static int read_encoded(struct reading *r, const char *name, const char *encoding,
                        struct source *in, struct err *e)
{
    struct source *recode = recode_open(in, encoding, name, e);
    struct head head;
    if (!recode)
        return -1;
    head_init(&head, recode);
    int rc = read_member(r, name, &head, e);
    head_release(&head);
    recode_close(recode);
    return rc;
}

static int visit(void *context, const char *name, struct head *in, struct err *e)
{
    struct reading *r = context;
    size_t n_mark;
    if (head_look(in, BINARY_HEAD, e))
        return -1;
    const char *encoding = recode_mark(in->data, in->n, &n_mark);
    head_skip(in, n_mark); /* a mark takes precedence over an option for all files */
    r->n_bytes += n_mark;
    if (!encoding)
        encoding = r->options->encoding;
    if (!encoding || !strcasecmp(encoding, "UTF-8") || !strcasecmp(encoding, "UTF8"))
        return read_member(r, name, in, e);
    return read_encoded(r, name, encoding, &in->source, e);
}

/* ---- a file ---------------------------------------------------------------------------------- */

static int end_file(struct reading *r, const struct unpack_result *u, struct err *e)
{
    if (!r->n_bytes)
        return err_set(e, "%s: is empty", r->out.file);
    r->out.counts->n_passed_over += u->n_passed_over;
    if (u->n_cut)
        emit_warn(&r->out,
                  "%s: the tar archive has no end mark: it may have been cut after a member",
                  r->out.file);
    if (r->options->field && !r->has_records)
        emit_warn(&r->out, "%s: is text, in which --field %s finds nothing: all of it was read",
                  r->out.file, r->options->field);
    return emit_end(&r->out, e);
}

int corpus_read(const char *path, const struct corpus_options *options,
                const struct corpus_hooks *hooks, struct corpus_counts *counts, struct err *e)
{
    struct reading r = {.options = options};
    struct unpack_result result;
    const struct unpack_hooks walk = {visit, hooks->progress, hooks->context, &r, options->ahead};
    emit_begin(&r.out, strcmp(path, "-") ? path : "standard input", options, hooks, counts);
    int rc =
        unpack_file(path, options->max_bytes ? options->max_bytes : MAX_BYTES, &walk, &result, e);
    if (!rc)
        rc = end_file(&r, &result, e);
    return rc;
}

uint64_t corpus_size(const char *path)
{
    struct stat st;
    if (!strcmp(path, "-") || stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size < 0)
        return 0;
    return (uint64_t)st.st_size;
}
