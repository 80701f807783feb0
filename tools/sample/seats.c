#include "sample/seats.h"

#include "os/clock.h"
#include "os/pages.h"

enum { LONG_PROMPT = 64 /* tokens: threads that sleep are slow to begin */ };

/* Far below any logit, and yet a number that may be multiplied. */
static const float never_drawn = -1e30f;

static void lay_out_teller(struct seats *t, struct arena *a)
{
    teller_init(&t->teller, &t->sample->weights, INFER_ROWS, a);
    if (t->sample->weights.math == MODEL_EXACT)
        shortlist_init(&t->shortlist, &t->sample->shortlist, &t->sample->file.model.dims, a);
    if (t->together)
        infer_readers_init(&t->readers, &t->sample->weights, t->together, a);
}

static int open_teller(struct seats *t, struct err *e)
{
    struct arena measure;
    t->cache = tokenizer_cache_new(e);
    if (!t->cache)
        return -1;
    arena_measure(&measure);
    lay_out_teller(t, &measure);
    if (arena_init(&t->arena, &pages_memory, measure.used, e))
        return -1;
    lay_out_teller(t, &t->arena);
    return 0;
}

static int open_seat(struct seats *t, struct seat *seat, struct err *e)
{
    const struct dims *d = &t->sample->file.model.dims;
    struct arena measure;
    arena_measure(&measure);
    teller_story_init(&seat->told, d, &measure);
    if (arena_init(&seat->arena, &pages_memory, measure.used, e))
        return -1;
    teller_story_init(&seat->told, d, &seat->arena);
    return 0;
}

void seats_release(struct seats *t)
{
    for (size_t i = 0; i < t->n_seats; i++)
        arena_release(&t->seats[i].arena);
    tokenizer_cache_free(t->cache);
    arena_release(&t->arena);
    *t = (struct seats){0};
}

/* ---- prompts --------------------------------------------------------------------------------- */

static int seat_story(struct seats *t, struct story *s, struct err *e)
{
    const struct sample_options *o = &t->sample->options;
    const struct modelfile *f = &t->sample->file;
    struct seat *seat = &t->seats[t->n];
    if (!t->cache && open_teller(t, e))
        return -1;
    if (t->n == t->n_seats) {
        if (open_seat(t, seat, e))
            return -1;
        t->n_seats++;
    }
    if (story_read_prompt(s, f->vocab->form, f->tokenizer, t->cache, e))
        return -1;
    teller_begin(&seat->told, &o->sampler, o->seed, s->stream);
    seat->story = s;
    seat->start = 0;
    if (t->together && s->prompt_ids.n >= LONG_PROMPT)
        teller_take_long(&t->teller, &t->readers, &seat->told, s->prompt_ids.ids, s->prompt_ids.n);
    else
        for (size_t i = 0; i < s->prompt_ids.n; i++)
            teller_take(&t->teller, &seat->told, s->prompt_ids.ids[i]);
    t->n++;
    return 0;
}

/* Takes stories while there are seats and stories. Prompts are shown before they are read. */
static int fill_seats(struct seats *t, bool *alone, struct err *e)
{
    struct story *s;
    size_t before = t->n;
    while (t->n < INFER_ROWS && (s = queue_take(t->queue, t->number, t->n)))
        if (seat_story(t, s, e))
            return -1;
    if (t->n > before)
        (void)queue_show(t->queue, t->number, alone); /* a failure is met after the step */
    teller_read(&t->teller);
    return 0;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static int draw(struct seats *t, struct seat *seat, float *logits, struct err *e)
{
    const struct sample_options *o = &t->sample->options;
    struct story *s = seat->story;
    float logprob = 0;
    if (o->ignore_eos)
        logits[VOCAB_EOS] = never_drawn;
    uint16_t id = teller_draw(&t->teller, &seat->told, logits, t->keep_ids ? &logprob : NULL);
    if (id == VOCAB_EOS) {
        story_finish(s, STORY_EOS);
        return 0;
    }
    teller_take(&t->teller, &seat->told, id);
    struct vocab_bytes text = tokenizer_decode(t->sample->file.tokenizer, id);
    if (story_add(s, t->queue->stop, id, logprob, t->keep_ids, text, e))
        return -1;
    if (s->end == STORY_GOING && s->n_tokens == o->max_tokens)
        story_finish(s, STORY_LENGTH);
    return 0;
}

/* Highest logits that a draw depends on; 0 for all of them. */
static size_t reach(const struct seats *t)
{
    const struct sample_options *o = &t->sample->options;
    size_t k = t->keep_ids || o->math != MODEL_EXACT ? 0 : sampler_reach(&o->sampler);
    return k > 0 ? k + o->ignore_eos : 0;
}

static void lone_head(void *context, struct pool *p)
{
    struct seats *t = context;
    struct infer *f = &t->teller.infer;
    size_t k = reach(t);
    if (k == 0 || !shortlist_logits(&t->shortlist, f, p, 0, DIMS_EOS, k, t->teller.logits))
        infer_head_split(f, p, 0, 1, t->teller.logits);
}

/* Logits of the rows [first, first + n) read last, or what a draw needs of them. */
static void make_logits(struct seats *t, size_t first, size_t n, bool alone)
{
    double start = t->times ? clock_seconds() : 0;
    if (t->n == 1)
        split_run(&t->choice, lone_head, t, alone ? t->split : NULL);
    else
        infer_head(&t->teller.infer, first, n, t->teller.logits);
    if (t->times)
        t->times->head += clock_seconds() - start;
}

/* Reads the newest token of every story and draws the next token of each. */
static int step(struct seats *t, bool alone, struct err *e)
{
    size_t V = (size_t)t->sample->file.model.dims.V;
    double now = clock_seconds();
    for (size_t i = 0; i < t->n; i++) {
        teller_add(&t->teller, &t->seats[i].told);
        if (t->seats[i].start == 0)
            t->seats[i].start = now;
    }
    teller_read(&t->teller);
    if (t->times)
        t->times->feed += clock_seconds() - now;
    for (size_t first = 0; first < t->n; first += TELLER_HEAD_ROWS) {
        size_t n = MIN(t->n - first, (size_t)TELLER_HEAD_ROWS);
        make_logits(t, first, n, alone);
        for (size_t i = 0; i < n; i++)
            if (draw(t, &t->seats[first + i], t->teller.logits + i * V, e))
                return -1;
    }
    return 0;
}

/* Gives back stories that have ended; the last seat moves into the gap. */
static void clear_seats(struct seats *t)
{
    double now = clock_seconds();
    for (size_t i = t->n; i-- > 0;) {
        struct seat seat = t->seats[i];
        if (seat.story->end == STORY_GOING)
            continue;
        seat.story->seconds = now - seat.start;
        queue_done(t->queue, seat.story);
        t->seats[i] = t->seats[--t->n];
        t->seats[t->n] = seat;
    }
}

void seats_run(struct seats *t)
{
    struct err e;
    bool alone = false;
    for (;;) {
        if (fill_seats(t, &alone, &e))
            break;
        if (t->n == 0)
            return;
        if (step(t, alone, &e))
            break;
        clear_seats(t);
        if (!queue_show(t->queue, t->number, &alone))
            return;
    }
    queue_fail(t->queue, &e);
}
