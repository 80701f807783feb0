#include "prep/holdout.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* One pass over the training stories. */
struct move {
    const struct holdout *holdout;
    struct spool *rest, *valid;
    struct words *words;
    size_t n_cuts;  /* of the spool, that are still to come */
    uint64_t first; /* place before which none is moved */
    uint64_t n_head;
    uint64_t place; /* of the next story */
    uint32_t *ids;  /* owned: its words */
    size_t capacity;
    void (*moved)(void *context, uint64_t place, uint64_t n_chars, uint64_t n_bytes);
    void *context;
};

static bool is_smaller(struct hash128 a, struct hash128 b)
{
    return a.low != b.low ? a.low < b.low : a.high < b.high;
}

int holdout_see(struct holdout *h, const struct holdout_story *s, struct err *e)
{
    bool first = !h->n_equal;
    h->n_seen++;
    h->n_equal += !first && s->hash.low == h->hash.low && s->hash.high == h->hash.high;
    if (!s->is_new || (!first && !is_smaller(s->hash, h->hash)))
        return 0;
    if (array_reserve(&h->words, &h->capacity, s->n_words, sizeof *h->words))
        return err_memory(e, "out of memory for a story of %zu words", s->n_words);
    memcpy(h->words, s->words, s->n_words * sizeof *h->words);
    h->n_words = s->n_words;
    h->hash = s->hash;
    h->n_equal = 1;
    return 0;
}

/* Equal words are equal texts. */
static bool is_held_out(const struct move *m, size_t n_words)
{
    const struct holdout *h = m->holdout;
    return n_words == h->n_words && !memcmp(m->ids, h->words, n_words * sizeof *m->ids);
}

static int move_story(struct move *m, const unsigned char **p, struct err *e)
{
    uint64_t n_chars = spool_get(p), n_bytes = spool_get(p);
    size_t n_words = (size_t)spool_get(p);
    uint64_t place = m->place++;
    if (array_reserve(&m->ids, &m->capacity, n_words + 1, sizeof *m->ids))
        return err_memory(e, "out of memory for a story of %zu words", n_words);
    for (size_t i = 0; i < n_words; i++)
        m->ids[i] = (uint32_t)spool_get(p);
    if (m->n_cuts || place < m->first || !is_held_out(m, n_words))
        return spool_add(m->rest, n_chars, n_bytes, m->ids, n_words, e);
    for (size_t i = 0; i < n_words; i++) {
        struct pretoken *word = &m->words->items[m->ids[i]];
        word->count--;
        word->count_head -= place < m->n_head;
    }
    m->moved(m->context, place, n_chars, n_bytes);
    return spool_add(m->valid, n_chars, n_bytes, m->ids, n_words, e);
}

static int move_all(struct move *m, struct spool *train, struct err *e)
{
    struct spool_frame f = {0};
    int rc = spool_rewind(train, e);
    while (!rc) {
        rc = spool_read(train, &f, e);
        if (rc || (!f.n && !m->n_cuts))
            break;
        if (!f.n) {
            m->n_cuts--;
            rc = spool_cut(m->rest, e);
        }
        for (const unsigned char *p = f.data; !rc && p < f.data + f.n;)
            rc = move_story(m, &p, e);
    }
    free(f.data);
    return rc;
}

int holdout_move(const struct holdout *h, struct spool *train, struct spool *valid, size_t n_cuts,
                 struct words *words, uint64_t first, uint64_t n_head,
                 void (*moved)(void *context, uint64_t place, uint64_t n_chars, uint64_t n_bytes),
                 void *context, struct err *e)
{
    struct spool rest;
    if (!h->n_equal || h->n_seen == h->n_equal)
        return 0;
    struct move m = {.holdout = h,
                     .rest = &rest,
                     .valid = valid,
                     .n_cuts = n_cuts,
                     .words = words,
                     .first = first,
                     .n_head = n_head,
                     .moved = moved,
                     .context = context};
    int rc = spool_init(&rest, train->folder, e);
    if (!rc)
        rc = move_all(&m, train, e);
    free(m.ids);
    if (rc) {
        spool_release(&rest);
        return -1;
    }
    spool_release(train);
    *train = rest;
    return 0;
}

void holdout_release(struct holdout *h)
{
    free(h->words);
    *h = (struct holdout){0};
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

size_t holdout_cut(const char *text, size_t n, double fraction)
{
    size_t end = n; /* line ends at both ends cut nothing off */
    while (end > 0 && is_line_end(text[end - 1]))
        end--;
    size_t begin = 0;
    while (begin < end && is_line_end(text[begin]))
        begin++;
    size_t target = MIN((size_t)((double)(end + 1) * (1 - fraction)), end), at = target;
    while (at > begin && !is_line_end(text[at - 1]))
        at--;
    if (at > begin)
        return at;
    for (at = MAX(target, begin); at < end; at++)
        if (is_line_end(text[at]))
            return at + 1;
    return n;
}
