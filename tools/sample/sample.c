#include "sample/sample.h"

#include <stdlib.h>

#include "os/machine.h"
#include "sample/seats.h"
#include "os/threads.h"
#include "os/pages.h"

int sample_open(struct sample *s, const struct sample_options *o, const char *model,
                const char *vocab, struct err *e)
{
    *s = (struct sample){.options = *o};
    kern_init(&s->kern, o->level);
    if (load_open(&s->file, model, vocab, &s->kern, e))
        return -1;
    if (infer_weights_init(&s->weights, &s->file.model, &s->kern, o->math, &pages_memory, e))
        return -1;
    return o->math == MODEL_EXACT
               ? shortlist_head_init(&s->shortlist, &s->weights, &pages_memory, e)
               : 0;
}

void sample_close(struct sample *s)
{
    shortlist_head_release(&s->shortlist);
    infer_weights_release(&s->weights);
    load_close(&s->file);
    *s = (struct sample){0};
}

/* All threads at work. */
struct crew {
    struct queue queue;
    struct seats *tellers; /* [n] */
    size_t n;
    struct pool *pool;  /* of tellers; NULL for one */
    struct pool *split; /* of a lone story's head; NULL if there will hardly be one */
};

static void run_teller(void *context, size_t task, size_t worker)
{
    struct crew *c = context;
    (void)worker;
    seats_run(&c->tellers[task]);
}

/* As many tellers as there may be stories; what threads are left help a lone one. */
static int hire(struct crew *c, const struct sample *s, struct prompts *p, const struct stop *stop,
                struct output *o, struct err *e)
{
    int threads = s->options.n_threads;
    bool open = prompts_open(p);
    uint64_t most = open ? (uint64_t)threads : prompts_waiting(p);
    c->n = (size_t)MIN((uint64_t)threads, MAX(most, 1u));
    c->tellers = calloc(c->n, sizeof *c->tellers);
    if (!c->tellers)
        return err_memory(e, "out of memory for %zu threads", c->n);
    if (queue_init(&c->queue, p, o, stop, c->n, e))
        return -1;
    if (c->n > 1 && !(c->pool = threads_new((int)c->n, e)))
        return -1;
    int helpers = MIN(threads, machine_processors()); /* more than processors never pay */
    if (helpers > 1 && (open || c->n == 1) && !(c->split = threads_new(helpers, e)))
        return -1;
    for (size_t i = 0; i < c->n; i++)
        c->tellers[i] = (struct seats){.sample = s,
                                       .queue = &c->queue,
                                       .number = i,
                                       .keep_ids = o->json,
                                       .split = c->split,
                                       .together = c->n == 1 ? c->split : NULL};
    return 0;
}

int sample_tell(const struct sample *s, struct prompts *p, const struct stop *stop,
                struct output *o, struct err *e)
{
    struct crew c = {0};
    int rc = hire(&c, s, p, stop, o, e);
    if (rc == 0) {
        if (c.pool)
            pool_run(c.pool, run_teller, &c, c.n);
        else
            run_teller(&c, 0, 0);
        if (c.queue.failed) {
            *e = c.queue.error;
            rc = -1;
        }
    }
    for (size_t i = 0; c.tellers && i < c.n; i++)
        seats_release(&c.tellers[i]);
    threads_free(c.split);
    threads_free(c.pool);
    queue_release(&c.queue);
    free(c.tellers);
    return rc;
}
