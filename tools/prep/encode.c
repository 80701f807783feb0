#include "prep/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
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
    struct encode_edges *edges;      /* NULL where pre-tokens are words */
    struct tokenizer_cache **caches; /* [n_caches], one a worker */
    size_t n_caches;
    struct word_task *tasks; /* [n_tasks] */
    size_t n_tasks;
};

static void encode_range(void *context, size_t number, size_t worker)
{
    struct word_job *job = context;
    struct word_task *t = &job->tasks[number];
    size_t first = number * WORDS_PER_TASK, n = MIN(job->words->n - first, (size_t)WORDS_PER_TASK);
    for (size_t i = 0; i < n && !t->failed; i++) {
        const struct pretoken *word = &job->words->items[first + i];
        const char *text = (const char *)word->bytes;
        t->failed = tokenizer_symbols(job->tokenizer, job->caches[worker], text, word->n, &t->ids,
                                      &t->err) != 0;
        t->ends[i] = t->ids.n;
        if (job->edges)
            job->edges[first + i] =
                (struct encode_edges){.first = word->bytes[0],
                                      .last = word->bytes[word->n - 1],
                                      .ends = pretok_ends_sentence(text, word->n)};
    }
}

static int job_init(struct word_job *job, const struct encode_words *out, size_t n_threads,
                    struct err *e)
{
    const struct words *words = out->words;
    *job = (struct word_job){.words = words, .tokenizer = out->tokenizer, .edges = out->edges};
    job->caches = calloc(n_threads, sizeof(struct tokenizer_cache *));
    job->n_tasks = DIV_UP(words->n, (size_t)WORDS_PER_TASK);
    job->tasks = calloc(job->n_tasks, sizeof *job->tasks);
    if (!job->caches || !job->tasks)
        return err_memory(e, "out of memory for %u distinct words", words->n);
    for (; job->n_caches < n_threads; job->n_caches++)
        if (!(job->caches[job->n_caches] = tokenizer_cache_new(e)))
            return -1;
    return 0;
}

static void job_release(struct word_job *job)
{
    for (size_t i = 0; i < job->n_caches; i++)
        tokenizer_cache_free(job->caches[i]);
    free(job->caches);
    for (size_t i = 0; job->tasks && i < job->n_tasks; i++)
        free(job->tasks[i].ids.ids);
    free(job->tasks);
}

/* Puts the ids of all tasks one behind the other. */
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

int encode_words(struct encode_words *out, const struct vocab *v, const struct words *words,
                 struct pool *pool, struct err *e)
{
    struct word_job job = {0};
    *out = (struct encode_words){.words = words, .tokenizer = tokenizer_new(v, e)};
    if (!out->tokenizer)
        return -1;
    if (v->pretokens == VOCAB_SENTENCES) {
        out->edges = malloc(((size_t)words->n + 1) * sizeof *out->edges);
        if (!out->edges)
            return err_memory(e, "out of memory for %u distinct words", words->n);
    }
    int rc = job_init(&job, out, (size_t)pool_threads(pool), e);
    if (!rc) {
        pool_run(pool, encode_range, &job, job.n_tasks);
        rc = join(out, &job, e);
    }
    job_release(&job);
    return rc;
}

void encode_words_release(struct encode_words *w)
{
    free(w->starts);
    free(w->ids);
    free(w->edges);
    tokenizer_free(w->tokenizer);
    *w = (struct encode_words){0};
}

/* ---- stories --------------------------------------------------------------------------------- */

enum { FRAMES = 16 }; /* expanded at once; of a fixed size whatever the number of threads */

struct expanded_story {
    size_t end; /* of its ids in the frame's */
    uint64_t n_chars, n_bytes;
};

struct expansion { /* of one frame */
    struct spool_frame frame;
    struct token_buf ids;
    struct sentences sentences;
    struct expanded_story *stories;
    size_t n_stories, stories_capacity;
    uint64_t n_unk;
    bool failed; /* out of memory */
};

struct expand_job {
    const struct encode_words *words;
    struct expansion frames[FRAMES];
};

static bool add_ids(struct expansion *x, const uint16_t *ids, size_t n)
{
    if (array_reserve(&x->ids.ids, &x->ids.capacity, x->ids.n + n, sizeof *x->ids.ids))
        return false;
    for (size_t i = 0; i < n; i++) { /* a word has few: no call is worth it */
        x->ids.ids[x->ids.n + i] = ids[i];
        x->n_unk += ids[i] == VOCAB_UNK;
    }
    x->ids.n += n;
    return true;
}

static bool add_story(struct expansion *x, uint64_t n_chars, uint64_t n_bytes)
{
    if (array_reserve(&x->stories, &x->stories_capacity, x->n_stories + 1, sizeof *x->stories))
        return false;
    x->stories[x->n_stories++] =
        (struct expanded_story){.end = x->ids.n, .n_chars = n_chars, .n_bytes = n_bytes};
    return true;
}

/* Adds the ids of n_words words. False when out of memory, as above. */
static bool add_words(struct expansion *x, const struct encode_words *words,
                      const unsigned char **p, uint64_t n_words)
{
    for (; n_words; n_words--) {
        uint64_t word = spool_get(p), first = words->starts[word];
        if (!add_ids(x, words->ids + first, words->starts[word + 1] - first))
            return false;
    }
    return true;
}

static bool add_sentences(struct expansion *x, const struct encode_words *words,
                          const unsigned char **p, uint64_t n_words)
{
    struct err e; /* there is but one */
    x->sentences.words = words;
    while (n_words) {
        size_t from = x->ids.n;
        if (sentences_next(&x->sentences, p, &n_words, &x->ids, &e) ||
            tokenizer_join(words->tokenizer, NULL, &x->ids, from, &e))
            return false;
    }
    return true;
}

static void expand_frame(void *context, size_t task, size_t worker)
{
    struct expand_job *job = context;
    struct expansion *x = &job->frames[task];
    const struct encode_words *words = job->words;
    const unsigned char *p = x->frame.data, *end = p + x->frame.n;
    (void)worker;
    x->ids.n = x->n_stories = 0;
    x->n_unk = 0;
    while (p < end && !x->failed) {
        uint64_t n_chars = spool_get(&p), n_bytes = spool_get(&p), n_words = spool_get(&p);
        x->failed = !(words->edges ? add_sentences(x, words, &p, n_words)
                                   : add_words(x, words, &p, n_words)) ||
                    !add_story(x, n_chars, n_bytes);
    }
}

static int write_expansion(const struct expansion *x, struct shard_writer *shard, struct err *e)
{
    if (x->failed)
        return err_memory(e, "out of memory for the tokens of %zu bytes of stories", x->frame.n);
    size_t begin = 0;
    for (size_t i = 0; i < x->n_stories; i++) {
        const struct expanded_story *s = &x->stories[i];
        if (shard_add(shard, x->ids.ids + begin, s->end - begin, s->n_chars, s->n_bytes, e))
            return -1;
        begin = s->end;
    }
    return 0;
}

static void show_progress(struct cli_progress *progress, uint64_t done, uint64_t total)
{
    char detail[64], count[32];
    snprintf(detail, sizeof detail, "%s stories", cli_count_text(count, done));
    cli_progress_update(progress, total ? (double)done / (double)total : -1, detail);
}

/* Reads up to FRAMES frames, expands them, and writes them in order. */
static int expand_some(struct spool *spool, struct expand_job *job, struct shard_writer *shard,
                       struct pool *pool, struct encode_counts *counts, size_t *n, struct err *e)
{
    for (*n = 0; *n < FRAMES; ++*n) {
        if (spool_read(spool, &job->frames[*n].frame, e))
            return -1;
        if (!job->frames[*n].frame.n)
            break;
    }
    pool_run(pool, expand_frame, job, *n);
    for (size_t i = 0; i < *n; i++) {
        const struct expansion *x = &job->frames[i];
        if (write_expansion(x, shard, e))
            return -1;
        counts->n_tokens += x->ids.n + x->n_stories;
        counts->n_unk += x->n_unk;
        counts->n_stories += x->n_stories;
    }
    return 0;
}

int encode_spool(struct spool *spool, const struct encode_words *words, struct shard_writer *shard,
                 struct pool *pool, struct encode_counts *counts, struct cli_progress *progress,
                 uint64_t total, struct err *e)
{
    struct expand_job *job = calloc(1, sizeof *job);
    if (!job)
        return err_memory(e, "out of memory for stories");
    job->words = words;
    *counts = (struct encode_counts){0};
    int rc = spool_rewind(spool, e);
    for (size_t n = 1; !rc && n;) {
        rc = expand_some(spool, job, shard, pool, counts, &n, e);
        show_progress(progress, counts->n_stories, total);
    }
    for (size_t i = 0; i < FRAMES; i++) {
        free(job->frames[i].frame.data);
        free(job->frames[i].ids.ids);
        sentences_release(&job->frames[i].sentences);
        free(job->frames[i].stories);
    }
    free(job);
    return rc;
}
