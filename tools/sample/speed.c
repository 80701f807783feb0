#include "sample/speed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "os/clock.h"
#include "sample/seats.h"
#include "os/threads.h"
#include "os/pages.h"

enum {
    N_ROUNDS = 15,
    WARM_UP = 32,       /* tokens told before anything is measured */
    WINDOW = 32,        /* tokens at the positions compared; half before, half after */
    PROMPT = 512,       /* tokens read at once for prefill_tok_s */
    MOST_TOKENS = 2000, /* of a window */
    MOST_EACH = 200     /* of each of many stories */
};

/* Seconds that windows aim at. */
static const double one_window = 0.015;
static const double many_window = 0.25;
static const double spin_window = 0.004;

struct speed {
    struct sample sample; /* its options change from window to window */
    const struct sample_options *options;
    const char *model;
    const char *vocab;
    struct seats seats;
    struct pool *pool; /* all threads; NULL for one */
    struct arena arena;
    struct infer_readers readers; /* all threads */
    struct infer_stream early;
    struct infer_stream late;
    uint16_t tokens[PROMPT];
    size_t n_tokens; /* of a window of one story */
    size_t n_each;   /* of every one of many */
    size_t n_spins;
    double x[SPEED_N_FIGURES][N_ROUNDS];
};

static const struct stop no_stop;

static struct sample_options greedy_options(const struct sample_options *o, size_t n)
{
    struct sample_options g = *o;
    g.sampler = (struct sampler_options){.top_p = 1, .repeat_penalty = 1};
    g.max_tokens = n;
    g.ignore_eos = true;
    return g;
}

/* ---- stories --------------------------------------------------------------------------------- */

/* Tells one story of n tokens by the teller, whose split and times are set; *seconds is what
 * drawing took. */
static int tell_one(struct sample *s, struct seats *t, double *seconds, struct err *e)
{
    static const char *const nothing[] = {""};
    struct prompts p;
    struct output o;
    struct queue q;
    prompts_init(&p, nothing, 1, -1, 1);
    output_init(&o, true, false, s->options.seed);
    int rc = queue_init(&q, &p, &o, &no_stop, 1, e);
    if (rc == 0) {
        t->sample = s;
        t->queue = &q;
        seats_run(t);
        *seconds = o.seconds;
        if (q.failed) {
            *e = q.error;
            rc = -1;
        }
    }
    queue_release(&q);
    output_release(&o);
    prompts_release(&p);
    return rc;
}

static int tell_greedy(struct speed *b, size_t n, double *seconds, struct err *e)
{
    b->sample.options = greedy_options(b->options, n);
    return tell_one(&b->sample, &b->seats, seconds, e);
}

static int measure_one(struct speed *b, int round, struct err *e)
{
    struct seats_times times = {0};
    double n = (double)b->n_tokens;
    double seconds;
    b->seats.times = &times;
    int rc = tell_greedy(b, b->n_tokens, &seconds, e);
    b->seats.times = NULL;
    if (rc)
        return -1;
    b->x[SPEED_TOK_S][round] = n / seconds;
    b->x[SPEED_US_BLOCKS][round] = times.feed / n * 1e6;
    b->x[SPEED_US_HEAD][round] = times.head / n * 1e6;
    b->x[SPEED_US_REST][round] = (seconds - times.feed - times.head) / n * 1e6;
    b->sample.options.sampler = b->options->sampler;
    if (tell_one(&b->sample, &b->seats, &seconds, e))
        return -1;
    b->x[SPEED_TOK_S_CHOICE][round] = n / seconds;
    b->x[SPEED_US_SPLIT][round] = NAN;
    if (!b->pool)
        return 0;
    b->seats.split = b->pool;
    b->seats.choice = (struct split){.n = 2 * SPLIT_TRIALS, .pays = true, .whole = INFINITY};
    rc = tell_greedy(b, b->n_tokens, &seconds, e);
    b->seats.split = NULL;
    b->x[SPEED_US_SPLIT][round] = seconds / n * 1e6;
    return rc;
}

static int measure_many(struct speed *b, int round, struct err *e)
{
    static const char *const nothing[] = {""};
    struct prompts p;
    struct output o;
    prompts_init(&p, nothing, 1, -1, SPEED_STREAMS);
    output_init(&o, true, false, b->options->seed);
    b->sample.options = greedy_options(b->options, b->n_each);
    b->sample.options.sampler = b->options->sampler;
    double start = clock_seconds();
    int rc = sample_tell(&b->sample, &p, &no_stop, &o, e);
    b->x[SPEED_STREAMS_TOK_S][round] = (double)o.n_tokens / (clock_seconds() - start);
    output_release(&o);
    prompts_release(&p);
    return rc;
}

/* ---- single steps ---------------------------------------------------------------------------- */

static void measure_prefill(struct speed *b, int round)
{
    struct seats *t = &b->seats;
    infer_stream_reset(&b->early);
    double start = clock_seconds();
    infer_read(&b->readers, &t->teller.infer, &b->early, b->tokens, PROMPT);
    infer_head(&t->teller.infer, 0, 1, t->teller.logits);
    b->x[SPEED_PREFILL_TOK_S][round] = PROMPT / (clock_seconds() - start);
}

/* Lets a stream read up to a position. */
static void go_to(struct speed *b, struct infer_stream *s, uint64_t position)
{
    struct infer_row rows[INFER_ROWS];
    while (s->position < position) {
        size_t n = (size_t)MIN(position - s->position, (uint64_t)INFER_ROWS);
        for (size_t i = 0; i < n; i++)
            rows[i] = (struct infer_row){s, b->tokens[(s->position + i) % PROMPT]};
        infer_feed(&b->seats.teller.infer, rows, n);
    }
}

/* Seconds of WINDOW tokens from here on, the likeliest following. */
static double window(struct speed *b, struct infer_stream *s)
{
    struct seats *t = &b->seats;
    size_t V = (size_t)b->sample.file.model.dims.V;
    uint16_t token = b->tokens[s->position % PROMPT];
    double start = clock_seconds();
    for (int i = 0; i < WINDOW; i++) {
        infer_token(&t->teller.infer, s, token, t->teller.logits);
        token = (uint16_t)b->sample.kern.exact.argmax(t->teller.logits, V);
    }
    return clock_seconds() - start;
}

/* Each three times in turn, since the question is of percents. */
static void measure_positions(struct speed *b, int round)
{
    double best[2] = {INFINITY, INFINITY};
    for (int i = 0; i < 3; i++) {
        infer_stream_reset(&b->early);
        go_to(b, &b->early, SPEED_EARLY - WINDOW / 2);
        double early = window(b, &b->early);
        double late = window(b, &b->late);
        best[0] = MIN(best[0], early);
        best[1] = MIN(best[1], late);
    }
    b->x[SPEED_LATE_RATIO][round] = best[1] / best[0];
}

/* What the model needs for a token, linear layers and head. */
static double token_macs(const struct dims *d)
{
    double D = d->D;
    return d->L * (3 * D * D + 3 * D * d->H) + D * d->V;
}

static void measure_peak(struct speed *b, int round)
{
    double start = clock_seconds();
    double macs = b->sample.kern.exact.int8_spin(b->n_spins);
    b->x[SPEED_PEAK_GMAC_S][round] = macs / (clock_seconds() - start) * 1e-9;
}

/* ---- loading --------------------------------------------------------------------------------- */

static int load(struct speed *b, struct sample *s, struct seats *t, double *ms, struct err *e)
{
    struct sample_options o = greedy_options(b->options, 1);
    double seconds;
    double start = clock_seconds();
    if (sample_open(s, &o, b->model, b->vocab, e) || tell_one(s, t, &seconds, e))
        return -1;
    *ms = (clock_seconds() - start) * 1e3;
    return 0;
}

/* Once more, beside the model already there. */
static int measure_load(struct speed *b, int round, struct err *e)
{
    struct sample *s = calloc(1, sizeof *s);
    struct seats *t = calloc(1, sizeof *t);
    int rc = s && t ? load(b, s, t, &b->x[SPEED_LOAD_MS][round], e)
                    : err_memory(e, "out of memory for another model");
    if (t)
        seats_release(t);
    if (s)
        sample_close(s);
    free(t);
    free(s);
    return rc;
}

/* ---- all together ---------------------------------------------------------------------------- */

static double megabytes(const char *field)
{
    char line[256];
    double kib = NAN;
    FILE *f = fopen("/proc/self/status", "re");
    if (!f)
        return NAN;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtod(line + strlen(field), NULL);
    fclose(f);
    return kib * 1024e-6;
}

/* Window lengths from a first look at the speed. */
static int calibrate(struct speed *b, struct err *e)
{
    double seconds;
    if (tell_greedy(b, WARM_UP, &seconds, e))
        return -1;
    double rate = WARM_UP / MAX(seconds, 1e-9);
    double threads = b->options->n_threads;
    b->n_tokens = (size_t)MAX(WARM_UP, MIN(rate * one_window, (double)MOST_TOKENS));
    b->n_each =
        (size_t)MAX(8.0, MIN(rate * threads * many_window / SPEED_STREAMS, (double)MOST_EACH));
    double start;
    b->n_spins = 500;
    do {
        b->n_spins *= 2;
        start = clock_seconds();
        b->sample.kern.exact.int8_spin(b->n_spins);
    } while (clock_seconds() - start < spin_window);
    return 0;
}

static void lay_out(struct speed *b, struct arena *a)
{
    const struct dims *d = &b->sample.file.model.dims;
    infer_stream_init(&b->early, d, a);
    infer_stream_init(&b->late, d, a);
    infer_readers_init(&b->readers, &b->sample.weights, b->pool, a);
}

static int prepare(struct speed *b, struct err *e)
{
    const struct dims *d = &b->sample.file.model.dims;
    struct arena measure;
    struct rng rng;
    if (b->options->n_threads > 1 && !(b->pool = threads_new(b->options->n_threads, e)))
        return -1;
    arena_measure(&measure);
    lay_out(b, &measure);
    if (arena_init(&b->arena, &pages_memory, measure.used, e))
        return -1;
    lay_out(b, &b->arena);
    rng_seed(&rng, b->options->seed, 0);
    for (size_t i = 0; i < PROMPT; i++)
        b->tokens[i] =
            (uint16_t)(VOCAB_N_SPECIAL + rng_below(&rng, (uint64_t)(d->V - VOCAB_N_SPECIAL)));
    go_to(b, &b->late, SPEED_LATE - N_ROUNDS * 3 * WINDOW / 2);
    return calibrate(b, e);
}

static int measure_all(struct speed *b, struct speed_result *r, struct err *e)
{
    double seconds;
    double ms;
    if (load(b, &b->sample, &b->seats, &ms, e) || tell_greedy(b, WARM_UP, &seconds, e))
        return -1;
    r->rss_mb = megabytes("VmRSS:");
    r->rss_anon_mb = megabytes("RssAnon:");
    r->embed = b->sample.file.model.embed.type;
    if (prepare(b, e))
        return -1;
    for (int i = 0; i < N_ROUNDS; i++) {
        measure_peak(b, i);
        if (measure_one(b, i, e))
            return -1;
        measure_prefill(b, i);
        measure_positions(b, i);
        if (measure_many(b, i, e) || measure_load(b, i, e))
            return -1;
        b->x[SPEED_SHARE][i] = token_macs(&b->sample.file.model.dims) * b->x[SPEED_TOK_S][i] /
                               (b->x[SPEED_PEAK_GMAC_S][i] * 1e9);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int speed_measure(struct speed_result *r, const struct sample_options *o, const char *model,
                  const char *vocab, struct err *e)
{
    struct speed *b = calloc(1, sizeof *b);
    if (!b)
        return err_memory(e, "out of memory for the measurements");
    *r = (struct speed_result){.n_rounds = N_ROUNDS};
    b->options = o;
    b->model = model;
    b->vocab = vocab;
    int rc = measure_all(b, r, e);
    for (int i = 0; i < SPEED_N_FIGURES && rc == 0; i++) {
        qsort(b->x[i], N_ROUNDS, sizeof **b->x, compare);
        r->median[i] = b->x[i][N_ROUNDS / 2];
    }
    threads_free(b->pool);
    arena_release(&b->arena);
    seats_release(&b->seats);
    sample_close(&b->sample);
    free(b);
    return rc;
}
