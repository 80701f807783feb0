#include "model/score.h"

#include <assert.h>
#include <stdlib.h>

#include "base/fmath.h"

struct score {
    const struct score_engine *engine;
    size_t context;    /* rows a piece of a long story repeats */
    size_t n_rows;     /* gathered */
    uint16_t *tokens;  /* [max_rows] */
    uint16_t *targets; /* [max_rows] */
    uint32_t *pos;     /* [max_rows] */
    bool *counted;     /* [max_rows]; false for repeated context */
    float *nll;        /* [max_rows] */
    struct score_sum sum;
};

size_t score_min_rows(const struct dims *d)
{
    return 2 * (dims_context(d) + 1);
}

struct score *score_new(const struct score_engine *engine, struct err *e)
{
    size_t rows = engine->max_rows;
    size_t least = score_min_rows(engine->dims);
    if (rows < least) {
        err_set(e, "scoring needs at least %zu rows (found %zu)", least, rows);
        return NULL;
    }
    struct score *s = calloc(1, sizeof *s);
    if (!s)
        goto fail;
    *s = (struct score){.engine = engine, .context = dims_context(engine->dims)};
    s->tokens = calloc(rows, sizeof *s->tokens);
    s->targets = calloc(rows, sizeof *s->targets);
    s->pos = calloc(rows, sizeof *s->pos);
    s->counted = calloc(rows, sizeof *s->counted);
    s->nll = calloc(rows, sizeof *s->nll);
    if (s->tokens && s->targets && s->pos && s->counted && s->nll)
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
    free(s->tokens);
    free(s->targets);
    free(s->pos);
    free(s->counted);
    free(s->nll);
    free(s);
}

/* Rows are summed one by one in the order of the text, so the sum does not depend on where runs
 * end. */
static void run(struct score *s)
{
    if (s->n_rows == 0)
        return;
    s->engine->nll(s->engine->state, s->tokens, s->pos, s->targets, s->n_rows, s->nll);
    for (size_t r = 0; r < s->n_rows; r++) {
        if (!s->counted[r])
            continue;
        s->sum.nats += s->nll[r];
        s->sum.n_tokens++;
        s->sum.n_unk += s->targets[r] == DIMS_UNK;
    }
    s->n_rows = 0;
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
    for (size_t i = first; i < end; i++) {
        size_t r = s->n_rows++;
        s->tokens[r] = token_at(q, i);
        s->targets[r] = token_at(q, i + 1);
        s->pos[r] = (uint32_t)(i - first);
        s->counted[r] = i >= scored;
        assert(s->tokens[r] < s->engine->dims->V && s->targets[r] < s->engine->dims->V);
    }
}

/* A piece of a long sequence begins `context` rows early. No row after these can look further back
 * than the piece's beginning, in any block, so it sees all that it would see unsplit. */
static void score_sequence(struct score *s, const struct sequence *q)
{
    size_t max = s->engine->max_rows;
    size_t n = q->n + (q->eos ? 2 : 0);
    size_t rows = n > 0 ? n - 1 : 0;
    if (rows > max - s->n_rows)
        run(s);
    for (size_t done = 0; done < rows;) {
        size_t first = done > s->context ? done - s->context : 0;
        size_t end = MIN(rows, first + (max - s->n_rows));
        append(s, q, first, done, end);
        done = end;
        if (done < rows)
            run(s);
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
    run(s);
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
