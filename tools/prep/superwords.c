#include "prep/superwords.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "prep/sentences.h"
#include "prep/supertrain.h"
#include "prep/vocabbuild.h"
#include "text/bytemap.h"

/* ---- what is learned from -------------------------------------------------------------------- */

struct sample {
    const struct encode_words *words;
    uint64_t share; /* of the sentences, in 2^-32 */
    struct supertrain_text text;
    size_t capacity;
};

/* Symbols of all training stories; those that join across words are rare and not corrected for. */
static int count_symbols(struct encode_words *w, uint64_t *n, struct pool *pool, struct err *e)
{
    *n = 0;
    for (size_t segment = 0; segment < lexicon_segments(w->lexicon); segment++) {
        if (encode_select(w, segment, pool, e))
            return -1;
        for (uint32_t i = 0; i < w->words->n; i++)
            *n += w->words->items[i].count * (w->starts[i + 1] - w->starts[i]);
    }
    return 0;
}

static uint64_t choose_share(uint64_t n_symbols, uint64_t n_tokens)
{
    uint64_t wanted = MIN(n_tokens * SUPERWORDS_CELLS, (uint64_t)SUPERWORDS_MOST);
    return n_symbols <= wanted ? UINT64_C(1) << 32 : (wanted << 32) / n_symbols;
}

/* The multiples of the golden ratio lie evenly between whole numbers, however many there are. */
static bool is_chosen(const struct sample *s, uint64_t number)
{
    return (number * UINT64_C(0x9e3779b97f4a7c15)) >> 32 < s->share;
}

/* The chosen sentences of a frame, each with a border after it. Every frame begins elsewhere. */
static int choose_sentences(const void *context, struct expansion *x, struct err *e)
{
    const struct sample *s = context;
    const unsigned char *p = x->frame.data, *end = p + x->frame.n;
    uint64_t number = x->number << 20;
    while (p < end) {
        (void)spool_get(&p);
        (void)spool_get(&p);
        for (uint64_t n_words = spool_get(&p); n_words; number++) {
            size_t from = x->ids.n;
            if (sentences_next(s->words, &x->text, &p, &n_words, &x->ids, e))
                return -1;
            if (!is_chosen(s, number))
                x->ids.n = from;
            else if (array_reserve(&x->ids.ids, &x->ids.capacity, x->ids.n + 1, sizeof *x->ids.ids))
                return err_memory(e, "out of memory for sentences");
            else
                x->ids.ids[x->ids.n++] = SUPERTRAIN_BORDER;
        }
    }
    return 0;
}

static int add_cells(struct sample *s, const uint16_t *cells, size_t n, struct err *e)
{
    struct supertrain_text *t = &s->text;
    if (n > UINT32_MAX - t->n || array_reserve(&t->cells, &s->capacity, t->n + n, sizeof *t->cells))
        return err_memory(e, "out of memory for sentences");
    if (n)
        memcpy(t->cells + t->n, cells, n * sizeof *cells);
    t->n += (uint32_t)n;
    return 0;
}

static int take_sentences(void *context, const struct expansion *x, struct err *e)
{
    return add_cells(context, x->ids.ids, x->ids.n, e);
}

static int learn(struct vocab *made, const struct vocab *base, uint32_t vocab_size,
                 const struct lexicon *lexicon, struct spool *spool, struct pool *pool,
                 struct err *e)
{
    uint64_t n_symbols;
    const uint16_t border = SUPERTRAIN_BORDER;
    struct encode_words symbols;
    struct sample s = {.words = &symbols};
    int rc = encode_words(&symbols, base, lexicon, pool, e) ||
             count_symbols(&symbols, &n_symbols, pool, e);
    if (!rc) {
        s.share = choose_share(n_symbols, vocab_size - base->n_tokens);
        rc = add_cells(&s, &border, 1, e) ||
             encode_segments(&symbols, spool, choose_sentences, take_sentences, &s, pool, e);
    }
    encode_words_release(&symbols);
    if (!rc)
        rc = supertrain_run(made, base, &s.text, vocab_size, e);
    free(s.text.cells);
    return rc;
}

/* ---- stories as tokens ----------------------------------------------------------------------- */

struct tally {
    const struct encode_words *words;
    struct spool *spool;
    uint64_t *counts;
    uint32_t *numbers; /* tokens of a story */
    size_t capacity;
};

static int encode(const void *context, struct expansion *x, struct err *e)
{
    const struct tally *t = context;
    return encode_frame(t->words, x, e);
}

static int take_tokens(void *context, const struct expansion *x, struct err *e)
{
    struct tally *t = context;
    size_t at = 0;
    for (size_t i = 0; i < x->n_stories; i++) {
        const struct expanded_story *s = &x->stories[i];
        size_t n = s->end - at;
        if (array_reserve(&t->numbers, &t->capacity, n, sizeof *t->numbers))
            return err_memory(e, "out of memory for a story of %zu tokens", n);
        for (size_t k = 0; k < n; k++) {
            t->numbers[k] = x->ids.ids[at + k];
            t->counts[t->numbers[k]]++;
        }
        at = s->end;
        if (spool_add(t->spool, s->n_chars, s->n_bytes, t->numbers, n, e))
            return -1;
    }
    return 0;
}

/* Makes the spool one of tokens of v, and counts them. */
static int encode_stories(const struct vocab *v, const struct lexicon *lexicon, struct spool *spool,
                          uint64_t *counts, struct pool *pool, struct err *e)
{
    struct spool encoded = {.fd = -1};
    struct encode_words ids;
    struct tally t = {.words = &ids, .spool = &encoded, .counts = counts};
    int rc = encode_words(&ids, v, lexicon, pool, e);
    if (!rc)
        rc = spool_init(&encoded, spool->folder, e) ||
             encode_segments(&ids, spool, encode, take_tokens, &t, pool, e);
    encode_words_release(&ids);
    free(t.numbers);
    if (rc) {
        spool_release(&encoded);
        return -1;
    }
    counts[VOCAB_EOS] = spool->n_stories;
    spool_release(spool);
    *spool = encoded;
    return 0;
}

/* ---- in the order of counts ------------------------------------------------------------------ */

/* The ids that made's tokens have in v, as words of one token each. */
static int renumber(struct encode_words *tokens, const struct vocab *made, const struct vocab *v,
                    struct err *e)
{
    struct bytemap ids;
    tokens->parts = calloc(made->n_tokens, sizeof *tokens->parts);
    if (!tokens->parts || bytemap_init(&ids, v->n_tokens, v->tokens, sizeof *v->tokens))
        return err_memory(e, "out of memory for %u tokens", v->n_tokens);
    for (uint32_t id = VOCAB_N_SPECIAL; id < v->n_tokens; id++)
        (void)bytemap_add(&ids, v->tokens[id].bytes, id);
    for (uint32_t id = 0; id < made->n_tokens; id++) {
        uint32_t made_id = id < VOCAB_N_SPECIAL ? id : bytemap_get(&ids, made->tokens[id].bytes);
        tokens->parts[id] = (struct encode_word){.ids = {(uint16_t)made_id}, .n = 1};
    }
    bytemap_release(&ids);
    return 0;
}

static int order(struct vocab *v, struct vocab *made, const uint64_t *counts, struct err *e)
{
    uint32_t n = made->n_tokens - VOCAB_N_SPECIAL;
    struct vocab_token *tokens = malloc(n * sizeof *tokens);
    if (!tokens)
        return err_memory(e, "out of memory for %u tokens", n);
    for (uint32_t i = 0; i < n; i++) {
        tokens[i] = made->tokens[VOCAB_N_SPECIAL + i];
        tokens[i].count = counts[VOCAB_N_SPECIAL + i];
    }
    vocabbuild_sort(tokens, n);
    int rc = vocabbuild_make(v, counts, tokens, n, made->merges, made->n_merges, e);
    v->kind = made->kind;
    v->form = made->form;
    v->pretokens = made->pretokens;
    free(tokens);
    return rc;
}

int superwords_learn(struct vocab *v, uint32_t vocab_size, const struct lexicon *lexicon,
                     struct spool *spool, struct encode_words *tokens, struct pool *pool,
                     struct err *e)
{
    struct vocab base = *v;
    struct vocab made = {0}, ordered = {0};
    uint64_t *counts = calloc(vocab_size, sizeof *counts);
    *tokens = (struct encode_words){0};
    base.pretokens = VOCAB_SENTENCES;
    int rc = counts ? learn(&made, &base, vocab_size, lexicon, spool, pool, e)
                    : err_memory(e, "out of memory for %u tokens", vocab_size);
    if (!rc)
        rc = encode_stories(&made, lexicon, spool, counts, pool, e) ||
             order(&ordered, &made, counts, e) || renumber(tokens, &made, &ordered, e);
    if (rc) {
        vocab_release(&ordered);
    } else {
        vocab_release(v);
        *v = ordered;
    }
    vocab_release(&made);
    free(counts);
    return rc ? -1 : 0;
}
