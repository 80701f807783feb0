#include "model/score_infer.h"

#include "base/cpu.h"

enum {
    TASK_ROWS = 256,    /* a task ends at the first sequence to end after this many */
    THREAD_ROWS = 8192, /* of a run */
    STREAMS = 8,        /* sequences in one feed at most */
    HEAD_ROWS = 12      /* rows whose logits are held at a time */
};

struct score_infer_worker {
    struct infer infer;
    struct infer_stream *streams[STREAMS]; /* the first is the one being read */
    struct infer_stream storage[STREAMS];
    float *logits; /* [HEAD_ROWS][V] */
};

/* A long sequence is cut where reading the context again costs an eighth at most. */
static size_t longest_task(const struct dims *d)
{
    return MAX(4 * (size_t)TASK_ROWS, 8 * dims_context(d));
}

size_t score_infer_rows(const struct dims *d, int n_threads)
{
    return MAX((size_t)n_threads * THREAD_ROWS, score_min_rows(d));
}

/* Every task but the last of a run has TASK_ROWS rows at least. */
static size_t max_tasks(size_t max_rows)
{
    return max_rows / TASK_ROWS + 1;
}

static void plan_tasks(struct score_infer *s, size_t rows)
{
    size_t longest = longest_task(s->engine.dims);
    size_t begin = 0;
    s->n_tasks = 0;
    s->tasks[0] = 0;
    for (size_t r = 1; r <= rows; r++) {
        bool whole = r - begin >= TASK_ROWS && (r == rows || s->pos[r] == 0);
        if (!whole && r - begin < longest && r < rows)
            continue;
        s->tasks[++s->n_tasks] = r;
        begin = r;
    }
}

/* Feeds rows from `first` on, as many as fit, and returns how many. A sequence that begins takes
 * the next stream; the last one read becomes the first, for the next feed. */
static size_t feed(struct score_infer *s, struct score_infer_worker *w, size_t first, size_t end)
{
    struct infer_row rows[INFER_ROWS];
    size_t n = 0;
    size_t stream = 0;
    for (; n < INFER_ROWS && first + n < end; n++) {
        if (s->pos[first + n] == 0 && n > 0) {
            if (stream + 1 == STREAMS)
                break;
            stream++;
        }
        if (s->pos[first + n] == 0)
            infer_stream_reset(w->streams[stream]);
        rows[n] = (struct infer_row){w->streams[stream], s->tokens[first + n]};
    }
    infer_feed(&w->infer, rows, n);
    struct infer_stream *last = w->streams[stream];
    w->streams[stream] = w->streams[0];
    w->streams[0] = last;
    return n;
}

/* Losses of the n rows fed last, the first of them being row `first` of the run; `skip` of them are
 * context. */
static void losses(struct score_infer *s, struct score_infer_worker *w, size_t first, size_t skip,
                   size_t n)
{
    size_t V = (size_t)s->engine.dims->V;
    for (size_t i = skip; i < n; i += HEAD_ROWS) {
        size_t count = MIN(n - i, (size_t)HEAD_ROWS);
        infer_head(&w->infer, i, count, w->logits);
        for (size_t k = 0; k < count; k++) {
            const float *logits = w->logits + k * V;
            size_t r = first + i + k;
            s->nll[r] = s->weights->kern->exact.logsumexp(logits, V) - logits[s->targets[r]];
        }
    }
}

static void run_task(void *state, size_t task, size_t worker)
{
    struct score_infer *s = state;
    struct score_infer_worker *w = &s->workers[worker];
    size_t begin = s->tasks[task];
    size_t end = s->tasks[task + 1];
    size_t context = MIN((size_t)s->pos[begin], dims_context(s->engine.dims));
    uint32_t mode = cpu_float_default();
    infer_stream_reset(w->streams[0]);
    for (size_t r = begin - context; r < end;) {
        size_t n = feed(s, w, r, end);
        losses(s, w, r, r < begin ? MIN(begin - r, n) : 0, n);
        r += n;
    }
    cpu_float_restore(mode);
}

static void nll_of_infer(void *state, const struct score_run *r, size_t n)
{
    struct score_infer *s = state;
    (void)n; /* 1 */
    s->tokens = r->tokens;
    s->pos = r->pos;
    s->targets = r->targets;
    s->nll = r->nll;
    plan_tasks(s, r->rows);
    pool_run(s->pool, run_task, s, s->n_tasks);
}

void score_infer_init(struct score_infer *s, const struct infer_weights *w, struct pool *p,
                      size_t max_rows, struct arena *a)
{
    const struct dims *d = &w->model->dims;
    size_t n_threads = (size_t)pool_threads(p);
    *s = (struct score_infer){.engine = {d, max_rows, 1, nll_of_infer, s}, .weights = w, .pool = p};
    s->tasks = arena_alloc(a, max_tasks(max_rows) + 1, sizeof *s->tasks);
    s->workers = arena_alloc(a, n_threads, sizeof *s->workers);
    for (size_t i = 0; i < n_threads; i++) {
        struct score_infer_worker measured;
        struct score_infer_worker *worker = s->workers ? &s->workers[i] : &measured;
        infer_init(&worker->infer, w, INFER_ROWS, a);
        for (size_t k = 0; k < STREAMS; k++) {
            infer_stream_init(&worker->storage[k], d, a);
            worker->streams[k] = &worker->storage[k];
        }
        worker->logits = arena_alloc(a, (size_t)HEAD_ROWS * (size_t)d->V, sizeof(float));
    }
}
