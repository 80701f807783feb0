#include "prep/sentences.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "prep/spool.h"

static int fail(struct err *e)
{
    return err_memory(e, "out of memory for a sentence");
}

/* The words of the sentence as one text, for merges that might reach across their borders. */
static int encode_text(struct sentences *s, struct token_buf *out, struct err *e)
{
    const struct pretoken *items = s->words->words->items;
    s->text.n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct pretoken *word = &items[s->numbers[i]];
        if (array_reserve(&s->text.data, &s->text.capacity, s->text.n + word->n, 1))
            return fail(e);
        memcpy(s->text.data + s->text.n, word->bytes, word->n);
        s->text.n += word->n;
    }
    return tokenizer_symbols(s->words->tokenizer, NULL, s->text.data, s->text.n, out, e);
}

int sentences_next(struct sentences *s, const unsigned char **p, uint64_t *n_words,
                   struct token_buf *out, struct err *e)
{
    const struct encode_words *w = s->words;
    size_t from = out->n;
    bool borders = true;
    const struct encode_edges *last = NULL;
    s->n = 0;
    while (*n_words) {
        const unsigned char *next = *p;
        uint32_t number = (uint32_t)spool_get(&next);
        const struct encode_edges *edges = &w->edges[number];
        if (last && (last->ends || edges->first == '\n'))
            break;
        borders = borders && (!last || tokenizer_border(w->tokenizer, last->last, edges->first));
        last = edges;
        *p = next;
        --*n_words;
        size_t first = (size_t)w->starts[number], n = (size_t)w->starts[number + 1] - first;
        if (array_reserve(&s->numbers, &s->capacity, s->n + 1, sizeof *s->numbers) ||
            array_reserve(&out->ids, &out->capacity, out->n + n, sizeof *out->ids))
            return fail(e);
        s->numbers[s->n++] = number;
        for (size_t i = 0; i < n; i++)
            out->ids[out->n++] = w->ids[first + i];
    }
    if (borders)
        return 0;
    out->n = from;
    return encode_text(s, out, e);
}

void sentences_release(struct sentences *s)
{
    free(s->numbers);
    free(s->text.data);
    *s = (struct sentences){0};
}
