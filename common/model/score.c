#include "model/score.h"

#include <assert.h>
#include <stdlib.h>

#include "base/fmath.h"

struct score {
    const struct score_engine *engine;
    size_t context;         /* rows a piece of a long story repeats */
    struct score_run *runs; /* [max_runs] */
    size_t n;               /* of them are full; the next one is being gathered */
    uint16_t *tokens;       /* [max_runs][max_rows], as all below */
    uint16_t *targets;
    uint32_t *pos;
    bool *counted; /* false for repeated context */
    float *nll;
    struct score_sum sum;
};

size_t score_min_rows(const struct dims *d)
{
    return 2 * (dims_context(d) + 1);
}

struct score *score_new(const struct score_engine *engine, struct err *e)
{
    size_t max = engine->max_rows;
    size_t rows = max * engine->max_runs;
    size_t least = score_min_rows(engine->dims);
    if (max < least) {
        err_set(e, "scoring needs at least %zu rows (found %zu)", least, max);
        return NULL;
    }
    struct score *s = calloc(1, sizeof *s);
    if (!s)
        goto fail;
    *s = (struct score){.engine = engine, .context = dims_context(engine->dims)};
    s->runs = calloc(engine->max_runs, sizeof *s->runs);
    s->tokens = calloc(rows, sizeof *s->tokens);
    s->targets = calloc(rows, sizeof *s->targets);
    s->pos = calloc(rows, sizeof *s->pos);
    s->counted = calloc(rows, sizeof *s->counted);
    s->nll = calloc(rows, sizeof *s->nll);
    if (!s->runs || !s->tokens || !s->targets || !s->pos || !s->counted || !s->nll)
        goto fail;
    for (size_t i = 0; i < engine->max_runs; i++)
        s->runs[i] = (struct score_run){.tokens = s->tokens + i * max,
                                        .pos = s->pos + i * max,
                                        .targets = s->targets + i * max,
                                        .nll = s->nll + i * max};
    return s;
fail:
    err_memory(e, "out of memory for scoring %zu rows", rows);
    score_free(s);
    return NULL;
}

void score_free(struct score *s)
{
    if (!s)
        return;
    free(s->runs);
    free(s->tokens);
    free(s->targets);
    free(s->pos);
    free(s->counted);
    free(s->nll);
    free(s);
}

static void add_run(struct score *s, size_t number)
{
    const struct score_run *r = &s->runs[number];
    const bool *counted = s->counted + number * s->engine->max_rows;
    for (size_t i = 0; i < r->rows; i++) {
        if (!counted[i])
            continue;
        s->sum.nats += r->nll[i];
        s->sum.n_tokens++;
        s->sum.n_unk += r->targets[i] == DIMS_UNK;
    }
}

/* Rows are summed one by one in the order of the text, so the sum does not depend on where runs
 * end. */
static void run_full(struct score *s)
{
    if (s->n == 0)
        return;
    s->engine->nll(s->engine->state, s->runs, s->n);
    for (size_t i = 0; i < s->n; i++) {
        add_run(s, i);
        s->runs[i].rows = 0;
    }
    s->n = 0;
}

/* The run being gathered gets no more rows. */
static void end_run(struct score *s)
{
    if (s->runs[s->n].rows > 0 && ++s->n == s->engine->max_runs)
        run_full(s);
}

/* ids, with EOS put before and after them when `eos`. */
struct sequence {
    const uint16_t *ids;
    size_t n;
    bool eos;
};

static uint16_t token_at(const struct sequence *q, size_t i)
{
    if (!q->eos)
        return q->ids[i];
    return i == 0 || i > q->n ? DIMS_EOS : q->ids[i - 1];
}

/* Appends rows [first, end) of a sequence as a piece of their own; those before `scored` are
 * context. */
static void append(struct score *s, const struct sequence *q, size_t first, size_t scored,
                   size_t end)
{
    struct score_run *run = &s->runs[s->n];
    bool *counted = s->counted + s->n * s->engine->max_rows;
    for (size_t i = first; i < end; i++) {
        size_t r = run->rows++;
        run->tokens[r] = token_at(q, i);
        run->targets[r] = token_at(q, i + 1);
        run->pos[r] = (uint32_t)(i - first);
        counted[r] = i >= scored;
        assert(run->tokens[r] < s->engine->dims->V && run->targets[r] < s->engine->dims->V);
    }
}

/* A piece of a long sequence begins `context` rows early. No row after these can look further back
 * than the piece's beginning, in any block, so it sees all that it would see unsplit. */
static void score_sequence(struct score *s, const struct sequence *q)
{
    size_t max = s->engine->max_rows;
    size_t n = q->n + (q->eos ? 2 : 0);
    size_t rows = n > 0 ? n - 1 : 0;
    if (rows > max - s->runs[s->n].rows)
        end_run(s);
    for (size_t done = 0; done < rows;) {
        size_t first = done > s->context ? done - s->context : 0;
        size_t end = MIN(rows, first + (max - s->runs[s->n].rows));
        append(s, q, first, done, end);
        done = end;
        if (done < rows)
            end_run(s);
    }
}

static void add(struct score *s, const struct sequence *q, uint64_t n_chars, uint64_t n_bytes)
{
    s->sum.n_stories++;
    s->sum.n_chars += n_chars;
    s->sum.n_bytes += n_bytes;
    score_sequence(s, q);
}

void score_story(struct score *s, const uint16_t *ids, size_t n, uint64_t n_chars, uint64_t n_bytes)
{
    add(s, &(struct sequence){ids, n, true}, n_chars, n_bytes);
}

void score_tokens(struct score *s, const uint16_t *ids, size_t n, uint64_t n_chars,
                  uint64_t n_bytes)
{
    add(s, &(struct sequence){ids, n, false}, n_chars, n_bytes);
}

const struct score_sum *score_finish(struct score *s)
{
    end_run(s);
    run_full(s);
    return &s->sum;
}

const struct score_sum *score_so_far(const struct score *s)
{
    return &s->sum;
}

void score_sum_add(struct score_sum *total, const struct score_sum *part)
{
    total->nats += part->nats;
    total->n_tokens += part->n_tokens;
    total->n_unk += part->n_unk;
    total->n_stories += part->n_stories;
    total->n_chars += part->n_chars;
    total->n_bytes += part->n_bytes;
}

double score_loss(const struct score_sum *s)
{
    return s->nats / (double)s->n_tokens;
}

double score_ppl(const struct score_sum *s)
{
    return fmath_exp(score_loss(s));
}

double score_bpc(const struct score_sum *s)
{
    return s->nats / (M_LN2 * (double)s->n_chars);
}

double score_bpb(const struct score_sum *s)
{
    return s->nats / (M_LN2 * (double)s->n_bytes);
}

double score_unk(const struct score_sum *s)
{
    return (double)s->n_unk / (double)s->n_tokens;
}
