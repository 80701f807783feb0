#include "prep/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "format/shard.h"
#include "prep/sentences.h"
#include "text/pretok.h"

/* ---- words ----------------------------------------------------------------------------------- */

enum { WORDS_PER_TASK = 4096 };

struct word_task { /* a range of words and their ids, one after the other */
    struct token_buf ids;
    size_t ends[WORDS_PER_TASK];
    bool failed;
    struct err err;
};

struct word_job {
    const struct words *words;
    const struct tokenizer *tokenizer;
    struct word_task *tasks; /* [n_tasks] */
    size_t n_tasks;
};

static void encode_range(void *context, size_t number, size_t worker)
{
    struct word_job *job = context;
    struct word_task *t = &job->tasks[number];
    size_t first = number * WORDS_PER_TASK, n = MIN(job->words->n - first, (size_t)WORDS_PER_TASK);
    (void)worker;
    for (size_t i = 0; i < n && !t->failed; i++) {
        const struct pretoken *word = &job->words->items[first + i];
        const char *text = (const char *)word->bytes;
        /* no word comes twice: a cache would not help */
        t->failed = tokenizer_symbols(job->tokenizer, NULL, text, word->n, &t->ids, &t->err) != 0;
        t->ends[i] = t->ids.n;
    }
}

static int job_init(struct word_job *job, const struct encode_words *out, struct err *e)
{
    const struct words *words = out->words;
    *job = (struct word_job){.words = words, .tokenizer = out->tokenizer};
    job->n_tasks = DIV_UP(words->n, (size_t)WORDS_PER_TASK);
    job->tasks = calloc(job->n_tasks, sizeof *job->tasks);
    return job->tasks ? 0 : err_memory(e, "out of memory for %u distinct words", words->n);
}

static void job_release(struct word_job *job)
{
    for (size_t i = 0; job->tasks && i < job->n_tasks; i++)
        free(job->tasks[i].ids.ids);
    free(job->tasks);
}

/* Joins the ids of all tasks. */
static int join(struct encode_words *out, const struct word_job *job, struct err *e)
{
    uint64_t n_ids = 0;
    for (size_t i = 0; i < job->n_tasks; i++) {
        if (job->tasks[i].failed) {
            *e = job->tasks[i].err;
            return -1;
        }
        n_ids += job->tasks[i].ids.n;
    }
    out->starts = malloc(((size_t)job->words->n + 1) * sizeof *out->starts);
    out->ids = malloc((n_ids + 1) * sizeof *out->ids);
    if (!out->starts || !out->ids)
        return err_memory(e, "out of memory for %u distinct words", job->words->n);
    uint64_t at = 0;
    for (size_t i = 0; i < job->n_tasks; i++) {
        const struct word_task *t = &job->tasks[i];
        size_t first = i * WORDS_PER_TASK, n = MIN(job->words->n - first, (size_t)WORDS_PER_TASK);
        for (size_t k = 0; k < n; k++)
            out->starts[first + k] = at + (k ? t->ends[k - 1] : 0);
        if (t->ids.n)
            memcpy(out->ids + at, t->ids.ids, t->ids.n * sizeof *out->ids);
        at += t->ids.n;
    }
    out->starts[job->words->n] = at;
    return 0;
}

static struct encode_word part(const struct encode_words *w, uint32_t number)
{
    const struct pretoken *word = &w->words->items[number];
    const uint16_t *ids = w->ids + w->starts[number];
    uint64_t n = w->starts[number + 1] - w->starts[number];
    struct encode_word p = {.n = n <= ENCODE_SHORT ? (uint8_t)n : ENCODE_LONG,
                            .first = word->bytes[0],
                            .last = word->bytes[word->n - 1]};
    for (uint64_t k = 0; n <= ENCODE_SHORT && k < n; k++)
        p.ids[k] = ids[k];
    p.ends = w->sentences && pretok_ends_sentence((const char *)word->bytes, word->n);
    return p;
}

static int make_parts(struct encode_words *out, struct err *e)
{
    const struct words *words = out->words;
    out->parts = malloc(((size_t)words->n + 1) * sizeof *out->parts);
    if (!out->parts)
        return err_memory(e, "out of memory for %u distinct words", words->n);
    for (uint32_t i = 0; i < words->n; i++)
        out->parts[i] = part(out, i);
    return 0;
}

static int encode_all(struct encode_words *out, struct pool *pool, struct err *e)
{
    struct word_job job = {0};
    int rc = job_init(&job, out, e);
    if (!rc) {
        pool_run(pool, encode_range, &job, job.n_tasks);
        rc = join(out, &job, e) || make_parts(out, e) ? -1 : 0;
    }
    job_release(&job);
    return rc;
}

static void forget_words(struct encode_words *w)
{
    free(w->starts);
    free(w->ids);
    free(w->parts);
    words_release(&w->read);
    w->starts = NULL;
    w->ids = NULL;
    w->parts = NULL;
}

static int encode_segment(struct encode_words *w, size_t segment, struct pool *pool, struct err *e)
{
    const struct lexicon *l = w->lexicon;
    bool is_last = segment + 1 == lexicon_segments(l);
    w->segment = segment;
    w->words = is_last ? l->words : &w->read;
    if (!is_last && lexicon_read(l, segment, &w->read, e))
        return -1;
    return encode_all(w, pool, e);
}

int encode_words(struct encode_words *out, const struct vocab *v, const struct lexicon *lexicon,
                 struct pool *pool, struct err *e)
{
    *out = (struct encode_words){.lexicon = lexicon,
                                 .sentences = v->pretokens == VOCAB_SENTENCES,
                                 .tokenizer = tokenizer_new(v, e)};
    return out->tokenizer ? encode_segment(out, 0, pool, e) : -1;
}

int encode_select(struct encode_words *w, size_t segment, struct pool *pool, struct err *e)
{
    if (segment == w->segment)
        return 0;
    forget_words(w);
    return encode_segment(w, segment, pool, e);
}

int encode_segments(struct encode_words *w, struct spool *spool, expand_fill *fill,
                    expand_take *take, void *context, struct pool *pool, struct err *e)
{
    size_t n = w->lexicon ? lexicon_segments(w->lexicon) : 1;
    int rc = spool_rewind(spool, e);
    for (size_t i = 0; i < n && !rc; i++)
        rc = encode_select(w, i, pool, e) || expand_spool(spool, pool, fill, take, context, e);
    return rc ? -1 : 0;
}

void encode_words_release(struct encode_words *w)
{
    forget_words(w);
    tokenizer_free(w->tokenizer);
    *w = (struct encode_words){0};
}

/* ---- stories --------------------------------------------------------------------------------- */

struct job {
    const struct encode_words *words;
    encode_sink *sink;
    void *context; /* the sink's */
    struct encode_counts *counts;
    struct cli_progress *progress;
    uint64_t total;
};

static int no_room(struct err *e)
{
    return err_memory(e, "out of memory for the tokens of a story");
}

static int add_long(const struct encode_words *w, uint64_t word, struct token_buf *out,
                    struct err *e)
{
    uint64_t first = w->starts[word];
    size_t n = (size_t)(w->starts[word + 1] - first);
    if (array_reserve(&out->ids, &out->capacity, out->n + n, sizeof *out->ids))
        return no_room(e);
    memcpy(out->ids + out->n, w->ids + first, n * sizeof *out->ids);
    out->n += n;
    return 0;
}

int encode_add(const struct encode_words *w, uint64_t word, struct token_buf *out, struct err *e)
{
    const struct encode_word *p = &w->parts[word];
    if (p->n == ENCODE_LONG)
        return add_long(w, word, out, e);
    if (array_reserve(&out->ids, &out->capacity, out->n + ENCODE_SHORT, sizeof *out->ids))
        return no_room(e);
    memcpy(out->ids + out->n, p->ids, sizeof p->ids); /* all at once, of which n count */
    out->n += p->n;
    return 0;
}

static int add_words(struct expansion *x, const struct encode_words *words, const unsigned char **p,
                     uint64_t n_words, struct err *e)
{
    struct token_buf *out = &x->ids;
    while (n_words) {
        size_t most = out->n + (size_t)n_words * ENCODE_SHORT;
        if (array_reserve(&out->ids, &out->capacity, most, sizeof *out->ids))
            return no_room(e);
        uint16_t *to = out->ids + out->n;
        uint64_t word = 0;
        bool is_long = false;
        for (; n_words && !is_long; n_words--) {
            word = spool_get(p);
            const struct encode_word *part = &words->parts[word];
            is_long = part->n == ENCODE_LONG;
            memcpy(to, part->ids, sizeof part->ids); /* all at once, of which n count */
            to += is_long ? 0 : part->n;
        }
        out->n = (size_t)(to - out->ids);
        if (is_long && add_long(words, word, out, e))
            return -1;
    }
    return 0;
}

static int add_sentences(struct expansion *x, const struct encode_words *words,
                         const unsigned char **p, uint64_t n_words, struct err *e)
{
    while (n_words) {
        size_t from = x->ids.n;
        if (sentences_next(words, &x->text, p, &n_words, &x->ids, e) ||
            tokenizer_join(words->tokenizer, NULL, &x->ids, from, e))
            return -1;
    }
    return 0;
}

int encode_frame(const struct encode_words *words, struct expansion *x, struct err *e)
{
    const unsigned char *p = x->frame.data, *end = p + x->frame.n;
    while (p < end) {
        uint64_t n_chars = spool_get(&p), n_bytes = spool_get(&p), n_words = spool_get(&p);
        if (words->sentences ? add_sentences(x, words, &p, n_words, e)
                             : add_words(x, words, &p, n_words, e))
            return -1;
        if (expand_story(x, n_chars, n_bytes, e))
            return -1;
    }
    return 0;
}

static int fill(const void *context, struct expansion *x, struct err *e)
{
    const struct job *job = context;
    return encode_frame(job->words, x, e);
}

static int take(void *context, const struct expansion *x, struct err *e)
{
    struct job *job = context;
    struct encode_counts *counts = job->counts;
    size_t begin = 0;
    for (size_t i = 0; i < x->n_stories; i++) {
        const struct expanded_story *s = &x->stories[i];
        if (job->sink(job->context, x->ids.ids + begin, s->end - begin, s->n_chars, s->n_bytes, e))
            return -1;
        begin = s->end;
    }
    counts->n_unk += shard_ids(x->ids.ids, x->ids.n).n_unk;
    counts->n_tokens += x->ids.n + x->n_stories;
    counts->n_stories += x->n_stories;
    char detail[64], count[32];
    snprintf(detail, sizeof detail, "%s stories", cli_count_text(count, counts->n_stories));
    cli_progress_update(job->progress,
                        job->total ? (double)counts->n_stories / (double)job->total : -1, detail);
    return 0;
}

int encode_spool(struct spool *spool, struct encode_words *words, encode_sink *sink, void *context,
                 struct pool *pool, struct encode_counts *counts, struct cli_progress *progress,
                 uint64_t total, struct err *e)
{
    struct job job = {words, sink, context, counts, progress, total};
    *counts = (struct encode_counts){0};
    return encode_segments(words, spool, fill, take, &job, pool, e);
}
