#include "eval/eval.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "os/clock.h"
#include "os/plan.h"
#include "os/threads.h"
#include "os/pages.h"
#include "ranks/same.h"

const char *const eval_phases[EVAL_N_PHASES] = {[EVAL_READ] = "read", [EVAL_SCORE] = "score"};

enum { PLAN_TIMES = 4 }; /* that a plan has each run scored: the least time of each task counts */

/* One file being scored. */
struct run {
    struct eval *eval;
    struct score *score;
    struct score *v4; /* NULL unless asked for */
    uint64_t n_stories;
    uint64_t n_chars, n_bytes; /* of all stories */
    struct cli_progress *progress;
    uint64_t done, total; /* bytes of all files, before this one and all */
    uint64_t read;        /* of this one */
    bool known;           /* read tells how far it is */
    double start;
};

static void lay_out(struct eval *v, struct arena *a)
{
    const struct dims *d = &v->file.model.dims;
    int n_threads = pool_threads(v->pool);
    if (v->options.math != MODEL_F32) {
        score_infer_init(&v->score_infer, &v->weights, v->pool, score_infer_rows(d, n_threads), a);
        v->engine = &v->score_infer.engine;
        return;
    }
    v->params = arena_alloc(a, dims_n_floats(d), sizeof *v->params);
    net_init(&v->net, d, score_net_rows(d), false, &v->kern, n_threads, a);
    score_net_init(&v->score_net, &v->net, v->pool);
    v->engine = &v->score_net.engine;
}

/* The open model made ready for the arithmetic asked for. */
static int prepare(struct eval *v, struct err *e)
{
    enum model_math math = v->options.math;
    if (math != MODEL_F32 &&
        infer_weights_init(&v->weights, &v->file.model, &v->kern, math, &pages_memory, e))
        return -1;
    struct arena measure;
    arena_measure(&measure);
    lay_out(v, &measure);
    if (arena_init(&v->arena, &pages_memory, measure.used, e))
        return -1;
    lay_out(v, &v->arena);
    if (math == MODEL_F32) {
        model_to_params(&v->file.model, v->params);
        net_load(&v->net, v->pool, v->params, true);
    }
    return 0;
}

/* All that is not scoring is reading. */
static void nll_of_planned(void *state, const struct score_run *runs, size_t n)
{
    struct eval *v = state;
    const struct score_engine *own =
        v->options.math == MODEL_F32 ? &v->score_net.engine : &v->score_infer.engine;
    plan_end_phase(v->plan, EVAL_READ);
    own->nll(own->state, runs, n);
    plan_end_phase(v->plan, EVAL_SCORE);
    for (int i = 1; i < PLAN_TIMES; i++) {
        plan_again(v->plan);
        own->nll(own->state, runs, n);
        plan_end_phase(v->plan, EVAL_SCORE);
    }
}

static void begin_plan(struct eval *v)
{
    v->plan = plan_of(v->pool);
    v->planned = *v->engine;
    v->planned.nll = nll_of_planned;
    v->planned.state = v;
    v->engine = &v->planned;
    plan_begin_step(v->plan);
}

static int open_alone(struct eval *v, const char *model, const char *vocab, int n_threads,
                      struct err *e)
{
    if (load_open(&v->file, model, vocab, &v->kern, e))
        return -1;
    int planned = v->options.plan_threads;
    v->pool = planned ? plan_new(planned, e) : threads_new(n_threads, e);
    if (!v->pool)
        return -1;
    v->gather = gather_new(v->file.vocab->form, v->file.tokenizer, v->pool, e);
    if (!v->gather)
        return -1;
    if (prepare(v, e))
        return -1;
    if (planned)
        begin_plan(v);
    return 0;
}

/* Of the weights, whatever file they came from. */
static int model_print(const struct model *m, uint64_t *print, struct err *e)
{
    size_t n = dims_n_floats(&m->dims);
    float *params = calloc(n, sizeof *params);
    if (!params)
        return err_memory(e, "out of memory");
    model_to_params(m, params);
    *print = hash64(params, n * sizeof *params);
    free(params);
    return 0;
}

/* The ranks become one. */
static int join(struct eval *v, struct err *e)
{
    struct same here = {.isa = ""};
    uint64_t print = 0;
    if (v->ranks->size == 1)
        return 0;
    if (ranks_agree(v->ranks, model_print(&v->file.model, &print, e), e))
        return -1;
    if (v->options.math == MODEL_F32)
        snprintf(here.isa, sizeof here.isa, "%s", v->kern.level->name);
    snprintf(here.options, sizeof here.options, "--math %s\n", model_math_names[v->options.math]);
    same_add(&here, "the model", print);
    same_add(&here, "the vocabulary", v->file.vocab_fingerprint);
    if (same_check(v->ranks, &here, e) || team_open(&v->team, v->ranks, v->engine, e))
        return -1;
    v->engine = &v->team.engine;
    return 0;
}

int eval_open(struct eval *v, struct ranks *r, const struct eval_options *o, const char *model,
              const char *vocab, const struct cpu_level *level, int n_threads, struct err *e)
{
    *v = (struct eval){.options = *o, .ranks = r};
    kern_init(&v->kern, level);
    int rc = open_alone(v, model, vocab, n_threads, e);
    return ranks_agree(r, rc, e) ? -1 : join(v, e);
}

void eval_close(struct eval *v)
{
    team_close(&v->team);
    gather_free(v->gather);
    if (v->options.plan_threads)
        plan_free(v->pool);
    else
        threads_free(v->pool);
    arena_release(&v->arena);
    infer_weights_release(&v->weights);
    load_close(&v->file);
    *v = (struct eval){0};
}

int eval_serve(struct eval *v, struct err *e)
{
    return team_serve(&v->team, e);
}

int eval_end(struct eval *v, struct err *e)
{
    plan_end_phase(v->plan, EVAL_READ);
    if (v->plan && plan_end_step(v->plan, e))
        return -1;
    return v->ranks->size > 1 ? team_end(&v->team, e) : 0;
}

bool eval_has_unk(const struct eval *v)
{
    return v->file.vocab->kind == VOCAB_GPT2;
}

static void add_story(struct run *r, const uint16_t *ids, size_t n, uint64_t n_chars,
                      uint64_t n_bytes)
{
    score_story(r->score, ids, n, n_chars, n_bytes);
    bool v4 = r->v4 && r->n_stories < EVAL_V4_STORIES && n_chars >= EVAL_V4_MIN_CHARS && n >= 2;
    if (v4)
        score_tokens(r->v4, ids, MIN(n, EVAL_V4_PREDICTIONS + 1), n_chars, n_bytes);
    r->n_stories++;
    r->n_chars += n_chars;
    r->n_bytes += n_bytes;
}

static void show_progress(struct run *r)
{
    char stories[32];
    char tokens[32];
    char detail[128];
    const struct score_sum *sum = score_so_far(r->score);
    double rate = (double)sum->n_tokens / MAX(clock_seconds() - r->start, 1e-9);
    snprintf(detail, sizeof detail, "%s stories, %s tokens/s",
             cli_count_text(stories, r->n_stories), cli_count_text(tokens, (uint64_t)rate));
    double share = r->known && r->total ? (double)(r->done + r->read) / (double)r->total : -1;
    cli_progress_update(r->progress, MIN(share, 1.0), detail);
}

static void on_progress(void *context, uint64_t read, uint64_t total)
{
    struct run *r = context;
    r->read = read;
    r->known = total > 0;
    show_progress(r);
}

static int on_story(void *context, const struct gather_story *s, struct err *e)
{
    struct run *r = context;
    add_story(r, s->ids, s->n, s->n_chars, s->n_bytes);
    return team_check(&r->eval->team, e);
}

static void on_warning(void *context, const char *sentence)
{
    (void)context;
    cli_warn("%s", sentence);
}

/* Size of a story's text. Exact where nothing is UNK: its tokens then decode to the text. */
static void measure_story(const struct eval *v, const uint16_t *ids, size_t n, uint64_t *n_chars,
                          uint64_t *n_bytes)
{
    *n_chars = 0;
    *n_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        struct vocab_bytes b = tokenizer_decode(v->file.tokenizer, ids[i]);
        *n_bytes += b.n;
        for (uint32_t k = 0; k < b.n; k++) /* every byte but a continuation begins a character */
            *n_chars += (b.data[k] & 0xc0) != 0x80;
    }
}

static int check_unk(const struct run *r, const struct shardset *s, const char *path, struct err *e)
{
    if (!r->v4 || s->n_unk == 0)
        return 0;
    return err_set(
        e, "%s: --v4-scoring needs the text itself: the shard holds %" PRIu64 " unknown tokens",
        path, s->n_unk);
}

static int read_shard(struct run *r, const struct shard *s, struct err *e)
{
    for (uint64_t i = 0; i < s->n_stories; i++) {
        const uint16_t *ids = s->tokens + s->stories[i];
        size_t n = (size_t)(s->stories[i + 1] - s->stories[i]) - 1; /* EOS is added in scoring */
        uint64_t n_chars = 0;
        uint64_t n_bytes = 0;
        if (r->v4)
            measure_story(r->eval, ids, n, &n_chars, &n_bytes);
        add_story(r, ids, n, n_chars, n_bytes);
        r->read = s->stories[i + 1] * s->map.size / s->n_tokens;
        r->known = true;
        show_progress(r);
        if (team_check(&r->eval->team, e))
            return -1;
    }
    return 0;
}

static int read_set(struct run *r, const struct shardset *s, const char *path, struct err *e)
{
    if (check_unk(r, s, path, e))
        return -1;
    for (size_t i = 0; i < s->n; i++)
        if (read_shard(r, &s->shards[i], e))
            return -1;
    r->n_chars = s->n_chars;
    r->n_bytes = s->n_bytes;
    return 0;
}

static int read_folder(struct run *r, const struct eval_input *in, struct err *e)
{
    const struct modelfile *b = &r->eval->file;
    struct shardlist list;
    struct shardset all = {0}, part = {0};
    if (shardlist_read(&list, in->path, e))
        return -1;
    int rc = shardset_open(&all, &list, in->path, SHARDLIST_VALID, b->vocab_fingerprint,
                           (uint32_t)b->model.dims.V, e);
    shardlist_release(&list);
    if (rc == 0 && in->part[0])
        rc = shardset_part(&part, &all, in->part, e);
    if (rc == 0)
        rc = read_set(r, in->part[0] ? &part : &all, in->path, e);
    shardset_release(&part);
    shardset_close(&all);
    return rc;
}

static int read_one_shard(struct run *r, const char *path, struct err *e)
{
    const struct modelfile *b = &r->eval->file;
    struct shardset s = {0};
    if (shardset_open_file(&s, path, b->vocab_fingerprint, (uint32_t)b->model.dims.V, e))
        return -1;
    int rc = read_set(r, &s, path, e);
    shardset_close(&s);
    return rc;
}

static int read_any(struct run *r, const struct eval_input *in, struct err *e)
{
    struct eval *v = r->eval;
    const char *path = in->path;
    const struct gather_hooks hooks = {on_story, on_progress, on_warning, r};
    if (in->is_folder)
        return read_folder(r, in, e);
    if (shard_probe_file(path))
        return read_one_shard(r, path, e);
    return gather_read(v->gather, path, &v->options.corpus, &hooks, &v->counts, e);
}

int eval_input(struct eval *v, const struct eval_input *in, struct cli_progress *p, uint64_t done,
               uint64_t total, struct eval_result *out, struct err *e)
{
    const char *path = in->path;
    struct run r = {
        .eval = v, .progress = p, .done = done, .total = total, .start = clock_seconds()};
    int rc = -1;
    r.score = score_new(v->engine, e);
    if (!r.score)
        goto out;
    if (v->options.v4_scoring && !(r.v4 = score_new(v->engine, e)))
        goto out;
    if (read_any(&r, in, e))
        goto out;
    if (r.n_stories == 0) {
        err_set(e, in->is_folder ? "%s: no story for validation in it" : "%s: no story in it",
                path);
        goto out;
    }
    *out = (struct eval_result){
        .name = path, .part = in->part[0] ? in->part : NULL, .sum = *score_finish(r.score)};
    if (r.v4)
        out->v4 = *score_finish(r.v4);
    if (team_check(&v->team, e))
        goto out;
    if (!isfinite(out->sum.nats)) {
        err_set(e, "%s: its loss is not finite: the model's weights are too large", path);
        goto out;
    }
    out->sum.n_chars = r.n_chars;
    out->sum.n_bytes = r.n_bytes;
    out->seconds = clock_seconds() - r.start;
    rc = 0;
out:
    score_free(r.v4);
    score_free(r.score);
    return rc;
}
