#include "prep/sentences.h"

#include <string.h>

#include "base/array.h"
#include "prep/spool.h"

static int fail(struct err *e)
{
    return err_memory(e, "out of memory for a sentence");
}

/* The words at p, up to its end, as one text: for merges that might reach across their borders. */
static int encode_text(const struct encode_words *w, struct text_buf *text, const unsigned char *p,
                       const unsigned char *end, struct token_buf *out, struct err *e)
{
    const struct pretoken *items = w->words->items;
    text->n = 0;
    while (p < end) {
        const struct pretoken *word = &items[spool_get(&p)];
        if (array_reserve(&text->data, &text->capacity, text->n + word->n, 1))
            return fail(e);
        memcpy(text->data + text->n, word->bytes, word->n);
        text->n += word->n;
    }
    return tokenizer_symbols(w->tokenizer, NULL, text->data, text->n, out, e);
}

int sentences_next(const struct encode_words *w, struct text_buf *scratch, const unsigned char **p,
                   uint64_t *n_words, struct token_buf *out, struct err *e)
{
    const struct tokenizer_joints *joints = tokenizer_joints(w->tokenizer);
    const unsigned char *begin = *p;
    size_t from = out->n;
    bool joined = false;
    const struct encode_word *last = NULL;
    while (*n_words) {
        const unsigned char *next = *p;
        uint64_t number = spool_get(&next);
        const struct encode_word *word = &w->parts[number];
        if (last && (last->ends || word->first == '\n'))
            break;
        joined |= last && tokenizer_joins(joints, last->last, word->first);
        last = word;
        *p = next;
        --*n_words;
        if (encode_add(w, number, out, e))
            return -1;
    }
    if (!joined)
        return 0;
    out->n = from;
    return encode_text(w, scratch, begin, *p, out, e);
}
