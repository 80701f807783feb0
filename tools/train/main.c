#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "train/bench.h"
#include "train/loop.h"
#include "train/status.h"

/* What is said before a run: lines "name: item, item". One that would be wider than CLI_WIDTH goes
 * on below its first item. */
struct line {
    size_t indent; /* of the first item; 0 before it */
    size_t column;
};

static void add(struct line *l, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(struct line *l, const char *format, ...)
{
    char item[DIMS_MIXERS_TEXT + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(item, sizeof item, format, args);
    va_end(args);
    size_t n = strlen(item);
    if (l->indent == 0) {
        char *name_end = strstr(item, ": ");
        l->indent = name_end ? (size_t)(name_end + 2 - item) : 0;
        cli_say("%s", item);
        l->column = n;
    } else if (l->column + strlen(", ") + n < CLI_WIDTH) { /* a comma may follow */
        cli_say(", %s", item);
        l->column += strlen(", ") + n;
    } else {
        cli_say(",\n%*s%s", (int)l->indent, "", item);
        l->column = l->indent + n;
    }
}

static void end(struct line *l)
{
    cli_say("\n");
    *l = (struct line){0};
}

static void introduce_recipe(const struct trainer *t)
{
    const struct ckpt_settings *s = &t->settings;
    const struct optim_settings *q = &t->optim_settings;
    struct line l = {0};
    add(&l, "recipe: %s", s->recipe);
    add(&l, "learning rate %g", s->lr);
    if (t->schedule.shape == SCHEDULE_COSINE)
        add(&l, "as a cosine to %g", s->min_lr);
    else
        add(&l, "linear to %g over the last %g %%", s->min_lr, 100 * s->decay_share);
    end(&l);
    add(&l, "windows: %s", s->windows);
    end(&l);
    add(&l, "optimiser: %s", s->optimiser);
    for (size_t i = 0; i < optim_n_settings(q->kind); i++)
        add(&l, "%s %.10g", optim_setting(q->kind, i)->key, q->values[i]);
    end(&l);
}

/* Data in parts; of a curriculum the loop says each stage. */
static void introduce_parts(const struct trainer *t)
{
    const char *names[CURRICULUM_MAX_PARTS];
    char tokens[32];
    struct line l = {0};
    size_t n = mixture_names(&t->train, names);
    for (size_t i = 0; i < n; i++) {
        uint64_t sum = 0;
        for (size_t k = 0; k < t->train.n; k++)
            if (strcmp(t->train.parts[k], names[i]) == 0)
                sum += t->train.shards[k].n_tokens;
        add(&l, "%s%s %s", i ? "" : "parts: ", names[i], cli_count_text(tokens, sum));
    }
    if (n && !t->mixture.n)
        add(&l, "as one: no --curriculum");
    if (n)
        end(&l);
}

/* Of a model that is more than convolutions. */
static void introduce_mixers(const struct dims *d)
{
    char mixers[DIMS_MIXERS_TEXT];
    struct line l = {0};
    dims_mixers_text(d, mixers, sizeof mixers);
    if (d->window > 0) {
        add(&l, "mixers: %s", mixers);
        add(&l, "%d heads", d->heads);
        add(&l, "keys of %d", d->key_width);
        add(&l, "over %d tokens", d->window);
        end(&l);
    }
    if (d->embed_norm)
        cli_say("embedding: through a norm\n");
}

static void introduce_model(const struct dims *d)
{
    char count[32];
    struct line l = {0};
    add(&l, "model: %s parameters", cli_count_text(count, dims_n_params(d)));
    add(&l, "width %d", d->D);
    add(&l, "%d blocks", d->L);
    add(&l, "hidden %d", d->H);
    add(&l, "%d taps", d->K);
    add(&l, "vocabulary %s", cli_count_text(count, (uint64_t)d->V));
    end(&l);
    introduce_mixers(d);
}

static void introduce_data(const struct trainer *t)
{
    const struct ckpt_settings *s = &t->settings;
    char count[32];
    struct line l = {0};
    add(&l, "data: %s training tokens", cli_count_text(count, t->train.n_tokens));
    add(&l, "%d tokens a sequence", t->dims.T);
    add(&l, "%llu sequences a step", (unsigned long long)(s->batch * s->accum));
    end(&l);
    introduce_parts(t);
}

static void introduce_run(const struct trainer *t)
{
    const struct ckpt_settings *s = &t->settings;
    char count[32], hours[32], memory[32];
    struct line l = {0};
    if (t->ranks.size > 1)
        cli_say("ranks: %d, each %llu of a step's %llu batches\n", t->ranks.size,
                (unsigned long long)s->accum / (unsigned)t->ranks.size,
                (unsigned long long)s->accum);
    add(&l, "run: seed %llu", (unsigned long long)s->seed);
    if (!t->options.bench)
        add(&l, "%s step%s%s%s", cli_count_text(count, t->schedule.n_steps),
            t->schedule.n_steps == 1 ? "" : "s", t->schedule.hours > 0 ? " or " : "",
            t->schedule.hours > 0 ? cli_duration_text(hours, 3600 * t->schedule.hours) : "");
    add(&l, "%d thread%s", pool_threads(t->pool), pool_threads(t->pool) == 1 ? "" : "s");
    add(&l, "%s", t->kern.level->name);
    add(&l, "%s", s->precision);
    add(&l, "%s of memory", cli_bytes_text(memory, t->memory));
    end(&l);
}

static void introduce(const struct trainer *t)
{
    introduce_model(&t->dims);
    introduce_data(t);
    introduce_recipe(t);
    introduce_run(t);
    if (t->begun_from)
        cli_say("weights of %s\n", t->begun_from);
    if (t->resumed_from)
        cli_say("resumed from %s at step %llu\n", t->resumed_from,
                (unsigned long long)t->progress.step);
}

int main(int argc, char **argv)
{
    struct options o;
    struct trainer t;
    struct err e;
    options_parse(&o, argc, argv);
    if (o.status) {
        if (ranks_told() == 0 && status_print(o.status, &e))
            cli_fail(&e);
        return cli_finish();
    }
    if (trainer_open(&t, &o, &e))
        cli_fail(&e);
    introduce(&t);
    cli_catch();
    int rc = o.plan_threads ? bench_plan(&t, &e) : o.bench ? bench_run(&t, &e) : loop_run(&t, &e);
    if (rc)
        cli_fail(&e);
    trainer_close(&t);
    return cli_finish();
}
