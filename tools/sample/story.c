#include "sample/story.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

const char *const story_end_names[4] = {"going", "eos", "length", "stop"};

struct story *story_new(const struct stop *stop)
{
    struct story *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->stop_state = calloc(MAX(stop->n, 1), sizeof *s->stop_state);
    if (!s->stop_state) {
        free(s);
        return NULL;
    }
    return s;
}

void story_free(struct story *s)
{
    if (!s)
        return;
    free(s->raw.data);
    free(s->prompt.data);
    free(s->prompt_ids.ids);
    free(s->ids.ids);
    free(s->logprobs);
    free(s->text.data);
    free(s->stop_state);
    free(s);
}

static int add_bytes(struct text_buf *b, const void *data, size_t n, struct err *e)
{
    if (array_reserve(&b->data, &b->capacity, b->n + n, 1))
        return err_memory(e, "out of memory for the story");
    if (n > 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    return 0;
}

int story_start(struct story *s, const struct stop *stop, const struct prompt *p, struct err *e)
{
    s->stream = p->stream;
    s->raw.n = s->prompt.n = s->text.n = s->ready = 0;
    s->prompt_ids.n = s->ids.n = 0;
    s->n_unknown = 0;
    s->n_invalid = 0;
    s->n_tokens = 0;
    s->end = STORY_GOING;
    s->seconds = 0;
    s->next = NULL;
    s->ended = s->begun = false;
    if (stop->n > 0)
        memset(s->stop_state, 0, stop->n * sizeof *s->stop_state);
    return add_bytes(&s->raw, p->text, p->n, e);
}

int story_read_prompt(struct story *s, struct vocab_form form, const struct tokenizer *t,
                      struct tokenizer_cache *cache, struct err *e)
{
    struct normalize_stats stats = {0};
    size_t n_chars;
    if (normalize_text(form, s->raw.n ? s->raw.data : "", s->raw.n, &s->prompt, &n_chars, &stats,
                       e))
        return -1;
    s->n_invalid = stats.n_invalid;
    if (s->prompt.n > 0 &&
        tokenizer_encode(t, cache, s->prompt.data, s->prompt.n, &s->prompt_ids, e))
        return -1;
    for (size_t i = 0; i < s->prompt_ids.n; i++)
        s->n_unknown += s->prompt_ids.ids[i] == VOCAB_UNK;
    return 0;
}

static int keep_token(struct story *s, uint16_t id, float logprob, struct err *e)
{
    size_t n = s->ids.n + 1;
    if (array_reserve(&s->ids.ids, &s->ids.capacity, n, sizeof *s->ids.ids) ||
        array_reserve(&s->logprobs, &s->n_logprobs_room, n, sizeof *s->logprobs))
        return err_memory(e, "out of memory for the story");
    s->ids.ids[s->ids.n] = id;
    s->logprobs[s->ids.n] = logprob;
    s->ids.n = n;
    return 0;
}

int story_add(struct story *s, const struct stop *stop, uint16_t id, float logprob, bool keep,
              struct vocab_bytes text, struct err *e)
{
    size_t end;
    size_t length;
    size_t before = s->text.n;
    s->n_tokens++;
    if ((keep && keep_token(s, id, logprob, e)) || add_bytes(&s->text, text.data, text.n, e))
        return -1;
    if (stop_find(stop, s->stop_state, text.data, text.n, &end, &length)) {
        assert(before + end >= length + s->ready);
        s->text.n = before + end - length;
        story_finish(s, STORY_STOP);
    } else {
        s->ready = s->text.n - stop_held(stop, s->stop_state);
    }
    return 0;
}

void story_finish(struct story *s, enum story_end end)
{
    s->end = end;
    s->ready = s->text.n;
}

void story_drop_ready(struct story *s)
{
    s->text.n -= s->ready;
    if (s->text.n > 0)
        memmove(s->text.data, s->text.data + s->ready, s->text.n);
    s->ready = 0;
}
