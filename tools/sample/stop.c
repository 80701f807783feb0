#include "sample/stop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void fill_back(const char *bytes, uint32_t n, uint32_t *back)
{
    uint32_t matched = 0;
    back[0] = 0;
    for (uint32_t i = 1; i < n; i++) {
        while (matched > 0 && bytes[i] != bytes[matched])
            matched = back[matched - 1];
        matched += bytes[i] == bytes[matched];
        back[i] = matched;
    }
}

int stop_init(struct stop *s, const char *const *texts, size_t n, struct err *e)
{
    size_t total = 0;
    *s = (struct stop){.n = n};
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        total += strlen(texts[i]);
    s->texts = calloc(n, sizeof *s->texts);
    s->backs = calloc(MAX(total, 1), sizeof *s->backs);
    if (!s->texts || !s->backs)
        return err_memory(e, "out of memory for the stop texts");
    uint32_t *back = s->backs;
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(texts[i]);
        assert(length > 0 && length <= INT32_MAX);
        fill_back(texts[i], (uint32_t)length, back);
        s->texts[i] = (struct stop_text){texts[i], (uint32_t)length, back};
        back += length;
    }
    return 0;
}

void stop_release(struct stop *s)
{
    free(s->texts);
    free(s->backs);
    *s = (struct stop){0};
}

/* One byte more; true when the text is complete. */
static bool follow(const struct stop_text *t, uint32_t *matched, char byte)
{
    uint32_t m = *matched;
    while (m > 0 && t->bytes[m] != byte)
        m = t->back[m - 1];
    m += t->bytes[m] == byte;
    *matched = m;
    return m == t->n;
}

bool stop_find(const struct stop *s, uint32_t *state, const unsigned char *bytes, size_t n,
               size_t *end, size_t *length)
{
    if (s->n == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t longest = 0;
        for (size_t k = 0; k < s->n; k++)
            if (follow(&s->texts[k], &state[k], (char)bytes[i]))
                longest = MAX(longest, s->texts[k].n);
        if (longest > 0) {
            *end = i + 1;
            *length = longest;
            return true;
        }
    }
    return false;
}

size_t stop_held(const struct stop *s, const uint32_t *state)
{
    size_t held = 0;
    for (size_t k = 0; k < s->n; k++)
        held = MAX(held, (size_t)state[k]);
    return held;
}
