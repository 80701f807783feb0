#include "train/mixture.h"

#include <stdio.h>
#include <string.h>

enum { SHUFFLE_STREAM = 4 << 20 }; /* and one more for each part */

size_t mixture_names(const struct shardset *data, const char *names[CURRICULUM_MAX_PARTS])
{
    size_t n = 0;
    for (size_t i = 0; i < data->n; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], data->parts[i]) != 0)
            k++;
        if (k == n && data->parts[i][0] && n < CURRICULUM_MAX_PARTS)
            names[n++] = data->parts[i];
    }
    return n;
}

static int check_length(const struct mixture_part *p, int kind, size_t T, struct err *e)
{
    size_t n = batches_per_epoch(p->set.n_tokens, kind, T);
    if (n == 0)
        return err_set(e, "part '%s' is shorter than one sequence (%llu tokens, --seq-len %zu)",
                       p->name, (unsigned long long)p->set.n_tokens, T);
    if (n > UINT32_MAX)
        return err_set(e, "part '%s' has more sequences than a run can order (%zu)", p->name, n);
    return 0;
}

int mixture_open(struct mixture *m, const struct shardset *data, const char *text, int kind,
                 size_t T, uint64_t seed, struct err *e)
{
    const char *names[CURRICULUM_MAX_PARTS];
    size_t n = mixture_names(data, names);
    m->seed = seed;
    if (curriculum_parse(&m->curriculum, text, names, n, e))
        return -1;
    for (m->n = 0; m->n < n;) {
        struct mixture_part *p = &m->part[m->n];
        p->name = names[m->n];
        p->used = curriculum_uses(&m->curriculum, m->n);
        if (shardset_part(&p->set, data, p->name, e))
            return -1;
        m->n++;
        if (p->used && check_length(p, kind, T, e))
            return -1;
    }
    return 0;
}

void mixture_close(struct mixture *m)
{
    for (size_t i = 0; i < m->n; i++)
        shardset_release(&m->part[i].set);
    m->n = 0;
}

void mixture_init(struct mixture *m, int kind, size_t T, struct arena *a)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->part[i].used)
            batches_init(&m->part[i].batches, &m->part[i].set, kind, T, 1, a);
}

void mixture_start(struct mixture *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct mixture_part *p = &m->part[i];
        struct rng rng;
        rng_seed(&rng, m->seed, SHUFFLE_STREAM + i);
        if (p->used)
            batches_start(&p->batches, &rng, 0, 0, p->set.n);
    }
}

static int resume_part(struct mixture_part *p, const struct ckpt_part *had, struct err *e)
{
    struct rng rng;
    size_t n_shards = 1;
    memcpy(rng.s, had->rng, sizeof rng.s);
    while (n_shards < p->set.n && p->set.first_token[n_shards] < had->tokens)
        n_shards++;
    if (strcmp(p->name, had->name) != 0 || p->set.first_token[n_shards] != had->tokens)
        return err_set(e,
                       "its part '%s' had %llu tokens, which this data's '%s' does not begin with",
                       had->name, (unsigned long long)had->tokens, p->name);
    if (had->position > batches_windows_of(&p->batches, n_shards))
        return err_set(e, "position %llu lies beyond the sequences of part '%s'",
                       (unsigned long long)had->position, had->name);
    batches_start(&p->batches, &rng, had->epoch, had->position, n_shards);
    return 0;
}

int mixture_resume(struct mixture *m, const struct ckpt_progress *progress, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!m->part[i].used)
            continue;
        if (n == progress->n_parts)
            return err_set(e, "tells nothing of part '%s'", m->part[i].name);
        if (resume_part(&m->part[i], &progress->parts[n++], e))
            return -1;
    }
    return 0;
}

void mixture_save(const struct mixture *m, struct ckpt_progress *progress)
{
    progress->n_parts = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct batches *b = &m->part[i].batches;
        if (!m->part[i].used)
            continue;
        struct ckpt_part *p = &progress->parts[progress->n_parts++];
        *p = (struct ckpt_part){
            .epoch = b->epoch, .position = b->position, .tokens = b->set->first_token[b->n_shards]};
        snprintf(p->name, sizeof p->name, "%s", m->part[i].name);
        memcpy(p->rng, b->start.s, sizeof p->rng);
    }
}

uint64_t mixture_windows(const struct mixture *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->part[i].used)
            n += batches_windows_of(&m->part[i].batches, m->part[i].set.n);
    return n;
}

void mixture_begin_step(struct mixture *m, double progress, uint64_t n_seen)
{
    curriculum_shares(&m->curriculum, progress, m->shares);
    m->next = n_seen;
}

/* A part that is smaller than a batch begins as many epochs as it takes. */
static void take_from(struct batches *b, size_t count, uint16_t *tokens, uint16_t *targets,
                      uint32_t *pos)
{
    for (size_t done = 0, n; done < count; done += n) {
        batches_begin_step(b);
        n = MIN(count - done, (size_t)(b->n_windows - b->position));
        batches_take(b, n, tokens + done * b->T, targets + done * b->T, pos + done * b->T);
    }
}

void mixture_take(struct mixture *m, size_t count, uint16_t *tokens, uint16_t *targets,
                  uint32_t *pos)
{
    size_t counts[CURRICULUM_MAX_PARTS] = {0};
    for (size_t i = 0; i < count; i++)
        counts[curriculum_draw(m->shares, m->n, m->seed, m->next++)]++;
    for (size_t i = 0, first = 0; i < m->n; i++) {
        struct batches *b = &m->part[i].batches;
        if (counts[i] == 0)
            continue;
        take_from(b, counts[i], tokens + first * b->T, targets + first * b->T, pos + first * b->T);
        first += counts[i];
    }
}
