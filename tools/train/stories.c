#include "train/stories.h"

#include "cli/cli.h"
#include "model/teller.h"
#include "os/pages.h"

static void lay_out(struct teller *t, struct teller_story *s, const struct infer_weights *w,
                    struct arena *a)
{
    teller_init(t, w, 1, a);
    teller_story_init(s, &w->model->dims, a);
}

/* A story is set off by a bar, so that it is never taken for a report. */
static void tell(struct teller *t, struct teller_story *s, const struct tokenizer *tokenizer,
                 uint64_t seed, int max_tokens)
{
    struct cli_utf8 out = {.terminal = true};
    struct sampler_options options = sampler_defaults();
    uint16_t token = VOCAB_PAD;
    teller_begin(s, &options, seed, 0);
    fputs("  | ", stderr);
    for (int i = 0; i < max_tokens && !cli_caught(); i++) {
        token = teller_draw(t, s, teller_logits(t, s), NULL);
        if (token == VOCAB_EOS)
            break;
        teller_take(t, s, token);
        struct vocab_bytes text = tokenizer_decode(tokenizer, token);
        for (uint32_t j = 0; j < text.n; j++) {
            cli_utf8_write(&out, stderr, (const char *)text.data + j, 1);
            if (text.data[j] == '\n')
                fputs("  | ", stderr);
        }
    }
    cli_utf8_flush(&out, stderr);
    fputs(token == VOCAB_EOS ? "\n" : " ...\n", stderr);
}

static int tell_all(const struct infer_weights *w, const struct tokenizer *t, struct rng *rng,
                    int n, int max_tokens, struct err *e)
{
    struct arena arena;
    struct teller teller;
    struct teller_story story;
    arena_measure(&arena);
    lay_out(&teller, &story, w, &arena);
    if (arena_init(&arena, &pages_memory, arena.used, e))
        return -1;
    lay_out(&teller, &story, w, &arena);
    for (int i = 0; i < n; i++) {
        uint64_t seed = rng_u64(rng);
        if (cli_caught()) /* untold stories draw their seeds too */
            continue;
        cli_say("story %d of %d:\n", i + 1, n);
        tell(&teller, &story, t, seed, max_tokens);
    }
    arena_release(&arena);
    return 0;
}

int stories_tell(const struct dims *d, const float *params, const struct kern *k,
                 const struct tokenizer *t, struct rng *rng, int n, int max_tokens, struct err *e)
{
    struct model model;
    struct infer_weights weights;
    if (model_from_params(&model, d, params, false, k, e))
        return -1;
    int rc = infer_weights_init(&weights, &model, k, MODEL_INT8, &pages_memory, e);
    if (rc == 0) {
        rc = tell_all(&weights, t, rng, n, max_tokens, e);
        infer_weights_release(&weights);
    }
    model_release(&model);
    return rc;
}
