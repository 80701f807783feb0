#include "export/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cli/cli.h"
#include "corpus/gather.h"
#include "model/score_net.h"
#include "os/threads.h"
#include "os/pages.h"

double verify_limit(enum number_type embed)
{
    switch (embed) {
    case NUMBER_F32:
        return 1e-6;
    case NUMBER_F16:
        return 1e-3;
    case NUMBER_Q8:
        break;
    }
    return 1e-2;
}

static int on_story(void *context, const struct gather_story *story, struct err *e)
{
    struct verify_text *s = context;
    struct token_buf *ids = &s->ids;
    if (array_reserve(&ids->ids, &ids->capacity, ids->n + story->n, sizeof *ids->ids) ||
        array_reserve(&s->ends, &s->capacity, s->n + 1, sizeof *s->ends))
        return err_memory(e, "out of memory for %zu stories", s->n + 1);
    memcpy(ids->ids + ids->n, story->ids, story->n * sizeof *story->ids);
    ids->n += story->n;
    s->ends[s->n++] = ids->n;
    return 0;
}

static void on_warning(void *context, const char *sentence)
{
    (void)context;
    cli_warn("%s", sentence);
}

static int read_stories(struct verify_text *s, const char *path, const struct vocab *v,
                        const struct tokenizer *t, struct pool *p, struct err *e)
{
    const struct corpus_options options = {.format = CORPUS_AUTO};
    const struct gather_hooks hooks = {.story = on_story, .warning = on_warning, .context = s};
    struct corpus_counts counts = {0};
    struct gather *g = gather_new(v->form, t, p, e);
    int rc = g ? gather_read(g, path, &options, &hooks, &counts, e) : -1;
    gather_free(g);
    if (!rc && !s->n)
        rc = err_set(e, "%s: no story in it", path);
    return rc;
}

int verify_read(struct verify_text *s, const char *path, const struct vocab *v, int n_threads,
                struct err *e)
{
    *s = (struct verify_text){0};
    struct tokenizer *t = tokenizer_new(v, e);
    struct pool *p = t ? threads_new(n_threads, e) : NULL;
    int rc = p ? read_stories(s, path, v, t, p, e) : -1;
    threads_free(p);
    tokenizer_free(t);
    if (rc)
        verify_release(s);
    return rc;
}

void verify_release(struct verify_text *s)
{
    free(s->ids.ids);
    free(s->ends);
    *s = (struct verify_text){0};
}

/* Runs all stories through a net that has its weights. */
static int score_stories(const struct verify_text *s, struct net *n, struct pool *p, double *loss,
                         uint64_t *n_tokens, struct err *e)
{
    struct score_net engine;
    score_net_init(&engine, n, p);
    struct score *score = score_new(&engine.engine, e);
    if (!score)
        return -1;
    size_t begin = 0;
    for (size_t i = 0; i < s->n; i++) {
        score_story(score, s->ids.ids + begin, s->ends[i] - begin, 0, 0);
        begin = s->ends[i];
    }
    const struct score_sum *sum = score_finish(score);
    *loss = score_loss(sum);
    *n_tokens = sum->n_tokens;
    score_free(score);
    return 0;
}

/* Lays out a net and scores with the weights that come from the checkpoint or, with m, the model.
 */
static int loss_of(const struct verify_text *s, const struct ckpt *c, const struct model *m,
                   const struct kern *k, struct pool *p, double *loss, uint64_t *n_tokens,
                   struct err *e)
{
    const struct dims *d = &c->dims;
    struct net *net = calloc(1, sizeof *net);
    struct arena arena = {0};
    int rc = -1;
    if (!net) {
        err_memory(e, "out of memory");
        goto out;
    }
    arena_measure(&arena);
    arena_alloc(&arena, dims_n_floats(d), sizeof(float));
    net_init(net, d, score_net_rows(d), false, k, pool_threads(p), &arena);
    if (arena_init(&arena, &pages_memory, arena.used, e))
        goto out;
    float *params = arena_alloc(&arena, dims_n_floats(d), sizeof *params);
    net_init(net, d, score_net_rows(d), false, k, pool_threads(p), &arena);
    if (m)
        model_to_params(m, params);
    else
        ckpt_read(c, params);
    net_load(net, p, params, m || c->ternary);
    rc = score_stories(s, net, p, loss, n_tokens, e);
out:
    arena_release(&arena);
    free(net);
    return rc;
}

int verify_run(const struct ckpt *c, const char *path, const char *vocab_path,
               const struct verify_text *text, const struct kern *k, int n_threads,
               struct verify_result *r, struct err *e)
{
    struct modelfile bolt;
    if (load_open(&bolt, path, vocab_path, k, e))
        return -1;
    int rc = -1;
    struct pool *pool = threads_new(n_threads, e);
    if (!pool)
        goto out;
    if (!dims_equal(&bolt.model.dims, &c->dims)) {
        err_set(e, "%s: has other hyperparameters than the checkpoint", path);
        goto out;
    }
    if (loss_of(text, c, NULL, k, pool, &r->checkpoint_loss, &r->n_tokens, e) ||
        loss_of(text, c, &bolt.model, k, pool, &r->export_loss, &r->n_tokens, e))
        goto out;
    r->difference = fabs(r->export_loss - r->checkpoint_loss) / fabs(r->checkpoint_loss);
    rc = 0;
out:
    threads_free(pool);
    load_close(&bolt);
    return rc;
}
