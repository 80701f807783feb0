#include "sample/tell.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"

static void lay_out(struct tell *t, struct arena *a)
{
    step_init(&t->step, &t->bolt.model, &t->kern, a);
    sampler_init(&t->sampler, &t->options.sampler, t->options.seed);
    sampler_scratch_init(&t->scratch, &t->kern, (size_t)t->bolt.model.dims.V, a);
}

int tell_open(struct tell *t, const struct tell_options *o, const char *model, const char *vocab,
              enum cpu_level level, struct err *e)
{
    *t = (struct tell){.options = *o};
    cpu_flush_denormals();
    kern_init(&t->kern, level);
    if (any_open(&t->bolt, model, vocab, &t->kern, e))
        return -1;
    t->cache = tokenizer_cache_new(e);
    if (!t->cache)
        return -1;
    struct arena measure;
    arena_measure(&measure);
    lay_out(t, &measure);
    if (measure.overflow)
        return err_set(e, "%s: the model needs more memory than can be addressed", model);
    if (arena_init(&t->arena, measure.used, e))
        return -1;
    lay_out(t, &t->arena);
    struct stat st;
    t->terminal = isatty(STDOUT_FILENO) == 1;
    t->streams = fstat(STDOUT_FILENO, &st) == 0 && !S_ISREG(st.st_mode);
    return 0;
}

void tell_close(struct tell *t)
{
    tokenizer_cache_free(t->cache);
    arena_release(&t->arena);
    modelfile_close(&t->bolt);
    free(t->prompt.data);
    free(t->prompt_ids.ids);
    free(t->story.ids);
    free(t->text.data);
    *t = (struct tell){0};
}

static int out_of_memory(struct err *e)
{
    return err_set(e, "out of memory for the story");
}

static int push_token(struct token_buf *b, uint16_t id)
{
    if (array_reserve(&b->ids, &b->capacity, b->n + 1, sizeof *b->ids))
        return -1;
    b->ids[b->n++] = id;
    return 0;
}

static int push_bytes(struct text_buf *b, const void *data, size_t n)
{
    if (array_reserve(&b->data, &b->capacity, b->n + n, 1))
        return -1;
    if (n > 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    return 0;
}

/* What is not flushed is shown late; whether the write worked shows here too. */
static int flush(const struct tell *t, struct err *e)
{
    if ((t->streams && fflush(stdout) != 0) || ferror(stdout))
        return err_errno(e, "standard output");
    return 0;
}

static int write_text(struct tell *t, struct cli_utf8 *u, const void *text, size_t n, struct err *e)
{
    cli_utf8_write(u, stdout, text, n);
    return flush(t, e);
}

static int read_prompt(struct tell *t, const char *prompt, size_t n, struct err *e)
{
    struct normalize_stats stats = {0};
    size_t n_chars;
    size_t n_unk = 0;
    if (normalize_text(t->bolt.vocab->normalize, prompt, n, &t->prompt, &n_chars, &stats, e))
        return -1;
    t->prompt_ids.n = 0;
    if (t->prompt.n > 0 && tokenizer_encode(t->bolt.tokenizer, t->cache, t->prompt.data,
                                            t->prompt.n, &t->prompt_ids, e))
        return -1;
    for (size_t i = 0; i < t->prompt_ids.n; i++)
        n_unk += t->prompt_ids.ids[i] == VOCAB_UNK;
    if (n_unk > 0)
        cli_say("sample: %zu of the prompt's %zu tokens are unknown to the model\n", n_unk,
                t->prompt_ids.n);
    return 0;
}

/* Feeds EOS, which a story follows, then the prompt; returns the logits of the first token to draw.
 */
static const float *feed_prompt(struct tell *t)
{
    uint16_t last = VOCAB_EOS;
    step_reset(&t->step);
    for (size_t i = 0; i < t->prompt_ids.n; i++) {
        step_prefill(&t->step, last);
        last = t->prompt_ids.ids[i];
        sampler_accept(&t->sampler, last);
    }
    return step_token(&t->step, last);
}

int tell_story(struct tell *t, const char *prompt, size_t n, uint64_t stream, bool silent,
               struct err *e)
{
    struct cli_utf8 u = {.terminal = t->terminal};
    sampler_reset(&t->sampler, t->options.seed, stream);
    t->story.n = 0;
    t->ended = false;
    if (read_prompt(t, prompt, n, e))
        return -1;
    if (!silent && write_text(t, &u, t->prompt.data, t->prompt.n, e))
        return -1;
    const float *logits = feed_prompt(t);
    double start = cli_seconds();
    while (t->story.n < t->options.max_tokens) {
        uint16_t id = sampler_draw(&t->sampler, &t->scratch, logits, NULL);
        t->ended = id == VOCAB_EOS;
        if (t->ended)
            break;
        sampler_accept(&t->sampler, id);
        if (push_token(&t->story, id))
            return out_of_memory(e);
        struct vocab_bytes b = tokenizer_decode(t->bolt.tokenizer, id);
        if (!silent && write_text(t, &u, b.data, b.n, e))
            return -1;
        if (t->story.n < t->options.max_tokens)
            logits = step_token(&t->step, id);
    }
    t->seconds = cli_seconds() - start;
    if (silent)
        return 0;
    cli_utf8_flush(&u, stdout);
    putchar('\n');
    return flush(t, e);
}

int tell_json(struct tell *t, uint64_t stream, struct err *e)
{
    t->text.n = 0;
    if (push_bytes(&t->text, t->prompt.data, t->prompt.n))
        return out_of_memory(e);
    for (size_t i = 0; i < t->story.n; i++) {
        struct vocab_bytes b = tokenizer_decode(t->bolt.tokenizer, t->story.ids[i]);
        if (push_bytes(&t->text, b.data, b.n))
            return out_of_memory(e);
    }
    size_t drawn = t->story.n + t->ended;
    struct cli_json j;
    cli_json_begin(&j, stdout);
    cli_json_bytes(&j, "prompt", t->prompt.n ? t->prompt.data : "", t->prompt.n);
    cli_json_bytes(&j, "text", t->text.n ? t->text.data : "", t->text.n);
    cli_json_text(&j, "stop", t->ended ? "eos" : "length");
    cli_json_uint(&j, "seed", t->options.seed);
    cli_json_uint(&j, "story", stream);
    cli_json_uint(&j, "n_prompt_tokens", t->prompt_ids.n);
    cli_json_uint(&j, "n_tokens", t->story.n);
    cli_json_real(&j, "tok_s", t->seconds > 0 ? (double)drawn / t->seconds : 0);
    cli_json_array(&j, "tokens");
    for (size_t i = 0; i < t->story.n; i++)
        cli_json_item_uint(&j, t->story.ids[i]);
    cli_json_array_end(&j);
    cli_json_end(&j);
    return flush(t, e);
}
