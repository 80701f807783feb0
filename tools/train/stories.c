#include "train/stories.h"

#include <unistd.h>

#include "cli/cli.h"
#include "model/infer.h"
#include "model/sampler.h"

struct teller {
    struct step step;
    struct sampler sampler;
};

static void lay_out(struct teller *t, const struct model *m, const struct kern *k, struct arena *a)
{
    struct sampler_options o = sampler_defaults();
    step_init(&t->step, m, k, a);
    sampler_init(&t->sampler, &o, (size_t)m->dims.V, 0, a);
}

/* A story is set off by a bar, so that it is never taken for a report. */
static void tell(struct teller *t, const struct tokenizer *tokenizer, uint64_t seed, int max_tokens)
{
    struct cli_utf8 out = {.terminal = true};
    uint16_t token = VOCAB_EOS;
    step_reset(&t->step);
    sampler_reset(&t->sampler, seed, 0);
    fputs("  | ", stderr);
    for (int i = 0; i < max_tokens; i++) {
        token = sampler_draw(&t->sampler, step_token(&t->step, token), NULL);
        if (token == VOCAB_EOS)
            break;
        sampler_accept(&t->sampler, token);
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

int stories_tell(const struct dims *d, const float *params, const struct kern *k,
                 const struct tokenizer *t, struct rng *rng, int n, int max_tokens, struct err *e)
{
    struct model model;
    struct arena arena;
    struct teller teller;
    if (model_from_params(&model, d, params, false, k, e))
        return -1;
    arena_measure(&arena);
    lay_out(&teller, &model, k, &arena);
    int code = arena_init(&arena, arena.used, e);
    if (code == 0) {
        lay_out(&teller, &model, k, &arena);
        for (int i = 0; i < n; i++) {
            cli_say("story %d of %d:\n", i + 1, n);
            tell(&teller, t, rng_u64(rng), max_tokens);
        }
        arena_release(&arena);
    }
    model_release(&model);
    return code;
}
