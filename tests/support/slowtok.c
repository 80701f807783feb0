#include "support/slowtok.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "text/bytemap.h"
#include "text/unicode.h"

size_t slowtok_pretoken(const struct vocab *v, const char *text, size_t n, uint16_t *ids)
{
    struct vocab_bytes pieces[SLOWTOK_MOST];
    size_t n_pieces = n;
    assert_true(n <= ARRAY_LEN(pieces));
    for (size_t i = 0; i < n; i++)
        pieces[i] = (struct vocab_bytes){(const unsigned char *)text + i, 1};
    for (;;) {
        uint32_t best = v->n_merges;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n_pieces; i++) {
            for (uint32_t rank = 0; rank < best; rank++) {
                if (bytemap_compare(v->merges[rank].left, pieces[i]) ||
                    bytemap_compare(v->merges[rank].right, pieces[i + 1]))
                    continue;
                best = rank;
                at = i;
            }
        }
        if (best == v->n_merges)
            break;
        pieces[at].n += pieces[at + 1].n;
        memmove(pieces + at + 1, pieces + at + 2, (n_pieces - at - 2) * sizeof *pieces);
        n_pieces--;
    }
    for (size_t i = 0; i < n_pieces; i++) {
        ids[i] = VOCAB_UNK;
        for (uint32_t id = VOCAB_N_SPECIAL; id < v->n_tokens; id++)
            if (!bytemap_compare(v->tokens[id].bytes, pieces[i]))
                ids[i] = (uint16_t)id;
    }
    return n_pieces;
}

size_t slowtok_sentences(const struct vocab *v, const char *text, size_t n, uint16_t *ids)
{
    size_t n_ids = 0;
    for (size_t at = 0, end; at < n; at = end) {
        end = at;
        if (text[at] == '\n') {
            while (end < n && text[end] == '\n')
                end++;
        } else {
            while (end < n && !strchr("\n.!?", text[end]))
                end++;
            if (end < n && text[end] != '\n')
                for (size_t length; end < n; end += length)
                    if (unicode_class_at(text + end, n - end, &length) != UNICODE_OTHER)
                        break;
        }
        n_ids += slowtok_pretoken(v, text + at, end - at, ids + n_ids);
    }
    return n_ids;
}
