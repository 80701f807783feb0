#include "train/options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "ranks/ranks.h"
#include "train/optim.h"
#include "train/preset.h"
#include "train/recipe.h"

static struct options chosen = {
    .save_dir = "checkpoints",
    .epochs = 10,
    .seed = 42,
    .eval_every = 1000,
    .eval_tokens = 100000,
    .patience = 3,
    .sample_every = 2000,
    .log_every = 10,
    .save_every = 5000,
    .save_minutes = 10,
    .keep = 3,
};

static bool small, large;

/* In the order of optim_kinds. */
static const char *const optimisers[] = {"adamw", "muon", NULL};
static const char *const precisions[] = {"auto", "f32", "bf16", NULL};

/* Exact in a double, and more than any run has of anything. */
static const double HUGE_COUNT = 1e15;

static const struct cli_option table[] = {
    CLI_HEADING("Data and budget"),
    CLI_LIST('d', "data", &chosen.data, "PATH",
             "folder made by prep, or a shard to train on; may be given many times"),
    CLI_TEXT(0, "curriculum", &chosen.curriculum, "FILE",
             "which parts of the data are learned from, and when: a line a stage, such as "
             "'30%: tiny 3 to 1, edu' (see the manual)"),
    CLI_INT(0, "steps", &chosen.steps, 1, HUGE_COUNT, "N", "stop after N optimiser steps",
            .given = &chosen.given.steps),
    CLI_INT(0, "epochs", &chosen.epochs, 1, 1e9, "N",
            "stop after N passes over the data (default 10 without --steps)",
            .given = &chosen.given.epochs),
    CLI_REAL(
        0, "hours", &chosen.hours, 0, 1e6, "H",
        "stop after H hours, counted over all resumes; 0 never (the default). The learning rate "
        "decays by the steps' or the clock's share, whichever is larger",
        .given = &chosen.given.hours),
    CLI_HEADING("Model"),
    CLI_CHOICE(0, "preset", &chosen.preset, preset_names, "NAME",
               "a model with its recipe. small: width 192, 6 blocks, hidden 512, 256 tokens a "
               "sequence. large: width 384, 8 blocks, hidden 896, 512 tokens a sequence. swift: "
               "small with attention in blocks 3 and 4 and --embed-norm, trained by --recipe swift "
               "(default: large with 8 processors and 32 GB or more, else small)",
               .given = &chosen.given.preset),
    CLI_FLAG(0, "small", &small, "the same as --preset small"),
    CLI_FLAG(0, "large", &large, "the same as --preset large"),
    CLI_INT(0, "dim", &chosen.dim, 1, 8192, "D", "model width", .given = &chosen.given.dim),
    CLI_INT(0, "blocks", &chosen.blocks, 1, 64, "L", "number of blocks",
            .given = &chosen.given.blocks),
    CLI_INT(0, "hidden", &chosen.hidden, 1, 32768, "H", "hidden width of the GLU",
            .given = &chosen.given.hidden),
    CLI_INT(0, "kernel", &chosen.kernel, 1, 64, "K", "taps of the convolution (default 8)",
            .given = &chosen.given.kernel),
    CLI_INT(0, "seq-len", &chosen.seq_len, 1, 65536, "T", "tokens of a sequence",
            .given = &chosen.given.seq_len),
    CLI_TEXT(0, "dilation", &chosen.dilation, "LIST",
             "distance between taps, one number a block, such as 1,2,4 (default 1 everywhere)"),
    CLI_TEXT(0, "mixers", &chosen.mixers, "LIST",
             "how information passes between tokens, one name a block: conv, a gated "
             "convolution (the default), or attention, over a window"),
    CLI_INT(0, "heads", &chosen.heads, 1, 8192, "N",
            "heads of attention, which divide the width (default: of 32 numbers)",
            .given = &chosen.given.heads),
    CLI_INT(0, "key-width", &chosen.key_width, 1, 512, "N",
            "numbers of a query or key of a head (default: as many as a head has of the width)",
            .given = &chosen.given.key_width),
    CLI_INT(0, "window", &chosen.window, 1, 1024, "N",
            "tokens that attention looks at, the newest among them (default 64)",
            .given = &chosen.given.window),
    CLI_FLAG(0, "embed-norm", &chosen.embed_norm,
             "the first block reads the embedding of a token through a norm"),
    CLI_HEADING("Optimiser"),
    CLI_CHOICE(0, "recipe", &chosen.recipe, recipe_names, NULL,
               "values for the options of this part that are not given: v4, that of FlashLM v4, "
               "or swift, which learns more from the same hours (default: of the preset)",
               .given = &chosen.given.recipe),
    CLI_INT('b', "batch", &chosen.batch, 1, 65536, "B", "sequences a batch (default 8)",
            .given = &chosen.given.batch),
    CLI_INT(0, "accum", &chosen.accum, 1, 65536, "N",
            "batches whose gradients make one step (default 1, of large 2)",
            .given = &chosen.given.accum),
    CLI_CHOICE(
        0, "optimiser", &chosen.optimiser, optimisers, NULL,
        "what steps the weights: adamw all of them, or muon the ternary matrices and adamw the "
        "others (default: of the recipe)",
        .given = &chosen.given.optimiser),
    CLI_LIST(0, "set", &chosen.set, "KEY=VALUE",
             "a setting of the optimiser; may be given many times (defaults: the manual)"),
    CLI_REAL(0, "lr", &chosen.lr, 1e-9, 10, "X", "highest learning rate, after the warm-up",
             .given = &chosen.given.lr),
    CLI_CHOICE(0, "windows", &chosen.windows, batches_names, NULL,
               "what a sequence is: stream, a piece of all stories as one stream (v4); story, one "
               "story (swift)",
               .given = &chosen.given.windows),
    CLI_CHOICE(0, "schedule", &chosen.schedule, schedule_names, NULL,
               "how the learning rate falls: cosine, to 1e-5 (v4), or linear, to 0 over the last "
               "part of the run (swift)",
               .given = &chosen.given.schedule),
    CLI_REAL(0, "decay-share", &chosen.decay_share, 0.001, 1, "S",
             "share of the run over which --schedule linear falls (default: of the recipe)",
             .given = &chosen.given.decay_share),
    CLI_REAL(0, "beta1-tokens", &chosen.beta1_tokens, 1, 1e15, "N",
             "tokens after which AdamW's mean of gradients has forgotten half (default: of the "
             "recipe)",
             .given = &chosen.given.beta1_tokens),
    CLI_REAL(0, "beta2-tokens", &chosen.beta2_tokens, 1, 1e15, "N",
             "the same of its mean of squared gradients", .given = &chosen.given.beta2_tokens),
    CLI_REAL(0, "head-filter", &chosen.head_filter, 0, 0.1, "P",
             "leave blocks of the vocabulary whose probabilities are all below P out of the head's "
             "input gradient; 0 is exact (default 0)"),
    CLI_SEED(&chosen.seed, "seed of the initial weights and the order of the data (default 42)",
             .given = &chosen.given.seed),
    CLI_HEADING("Checkpoints"),
    CLI_TEXT('o', "save-dir", &chosen.save_dir, "DIR",
             "folder for checkpoints, best.safetensors and log.jsonl (default checkpoints)"),
    CLI_OPT_TEXT(
        'r', "resume", &chosen.resume, "PATH",
        "go on from a checkpoint, or the newest in a folder (default: that of --save-dir)"),
    CLI_TEXT(0, "init-from", &chosen.init_from, "PATH",
             "start a new run from the weights of a checkpoint, or of the best in a folder"),
    CLI_INT(0, "save-every", &chosen.save_every, 0, HUGE_COUNT, "N",
            "write a checkpoint every N steps; 0 never (default 5000)"),
    CLI_REAL(0, "save-minutes", &chosen.save_minutes, 0, 1e6, "M",
             "and every M minutes; 0 never (default 10)"),
    CLI_INT(0, "keep", &chosen.keep, 0, 1e6, "N",
            "keep the newest N checkpoints; 0 keeps all (default 3)"),
    CLI_HEADING("Reports"),
    CLI_TEXT(
        0, "status", &chosen.status, "DIR",
        "instead print the state of the run in DIR: step, losses, time used and left, last good "
        "checkpoint, and the process that runs it"),
    CLI_INT(0, "log-every", &chosen.log_every, 1, HUGE_COUNT, "N",
            "write a report to log.jsonl every N steps (default 10)"),
    CLI_INT(0, "eval-every", &chosen.eval_every, 0, HUGE_COUNT, "N",
            "validate every N steps and at the end; 0 never (default 1000)"),
    CLI_INT(0, "eval-tokens", &chosen.eval_tokens, 0, HUGE_COUNT, "N",
            "validate on the first N tokens; 0 takes all (default 100000; on resume as before)",
            .given = &chosen.given.eval_tokens),
    CLI_INT(0, "patience", &chosen.patience, 0, 1e9, "N",
            "stop after N validations in a row without a new best; 0 never (default 3)"),
    CLI_INT(0, "sample-every", &chosen.sample_every, 0, HUGE_COUNT, "N",
            "tell three stories every N steps; 0 never (default 2000)"),
    CLI_HEADING("Machine"),
    CLI_FLAG(0, "bench", &chosen.bench,
             "measure training steps on made-up tokens, or those of --data, and print tokens/s, "
             "GFLOP/s, the share of the "
             "processor's peak and the time of each phase; needs no --data"),
    CLI_INT(0, "plan-threads", &chosen.plan_threads, 2, 1024, "N",
            "with --bench: project what N threads would reach, phase by phase, from the tasks of a "
            "step and what each of them takes here, alone"),
    CLI_THREADS(
        &chosen.threads,
        "worker threads (default: the processors this process may use); never changes the result",
        .old_letter = 't'),
    CLI_CPU(&chosen.cpu),
    CLI_CHOICE(0, "precision", &chosen.precision, precisions, NULL,
               "numbers that products multiply, f32 or bf16; sums and weights are f32 always "
               "(default auto: bf16 where "
               "the processor has it, and on resume as before)"),
};

static const struct cli_tool tool = {
    .name = "train",
    .synopsis = "[options] --data PATH | --bench | --status DIR",
    .summary = "Trains a ternary language model on the shards made by prep.",
    .epilog = "Examples:\n"
              "  train --data data --small --hours 2\n"
              "  train --data data --resume\n\n"
              "SIGINT, SIGTERM, SIGUSR1 and their like finish the step and write a checkpoint;\n"
              "--resume goes on from it.\n",
    .options = table,
    .n_options = ARRAY_LEN(table),
    .has_json = true,
};

/* Each rank may have its own: rank 0 alone reads checkpoints. */
static bool is_of_one_rank(const struct cli_option *o)
{
    static const char *const names[] = {"data",   "curriculum", "save-dir",
                                        "resume", "init-from",  "status"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(o->name, names[i]) == 0)
            return true;
    return o->type == CLI_TYPE_HEADING || o->type == CLI_TYPE_THREADS || o->type == CLI_TYPE_CPU;
}

static int value_text(const struct cli_option *o, char *out, size_t size)
{
    switch (o->type) {
    case CLI_TYPE_FLAG:
        return snprintf(out, size, "%s", *o->to.flag ? "yes" : "no");
    case CLI_TYPE_INT:
        return snprintf(out, size, "%lld", *o->to.whole);
    case CLI_TYPE_REAL:
        return snprintf(out, size, "%.17g", *o->to.real);
    case CLI_TYPE_TEXT:
    case CLI_TYPE_OPT_TEXT:
        return snprintf(out, size, "%s", *o->to.text ? *o->to.text : "");
    case CLI_TYPE_CHOICE:
        return snprintf(out, size, "%s", o->choices[*o->to.number]);
    default:
        return 0;
    }
}

void options_text(char text[SAME_OPTIONS])
{
    char value[1024];
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct cli_option *o = &table[i];
        if (is_of_one_rank(o))
            continue;
        bool given = !o->given || *o->given;
        value[0] = '\0';
        value_text(o, value, sizeof value);
        for (size_t j = 0; o->type == CLI_TYPE_LIST && j < o->to.list->n; j++) {
            size_t used = strlen(value);
            snprintf(value + used, sizeof value - used, "%s%s", j ? " " : "", o->to.list->items[j]);
        }
        if (n < SAME_OPTIONS)
            n += (size_t)snprintf(text + n, SAME_OPTIONS - n, "--%s %s\n", o->name,
                                  given ? value : "(not given)");
    }
}

static bool sets(const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < chosen.set.n; i++)
        if (strncmp(chosen.set.items[i], key, n) == 0 && chosen.set.items[i][n] == '=')
            return true;
    return false;
}

/* One value for each setting; a beta and its half-life are two names of one. */
static void check_settings(void)
{
    for (size_t i = 0; i < chosen.set.n; i++) {
        const char *x = chosen.set.items[i];
        size_t n = strcspn(x, "=");
        for (size_t k = 0; k < i; k++)
            if (x[n] && strncmp(chosen.set.items[k], x, n + 1) == 0)
                cli_usage("--set gives %.*s twice", (int)n, x);
    }
    if (chosen.given.beta1_tokens && sets("beta1"))
        cli_usage("--beta1-tokens and --set beta1 exclude each other");
    if (chosen.given.beta2_tokens && sets("beta2"))
        cli_usage("--beta2-tokens and --set beta2 exclude each other");
}

/* What would be silently without effect. */
static void check_modes(void)
{
    static const char *const none[] = {NULL};
    static const char *const of_machine[] = {"threads", NULL};
    static const char *const of_runs[] = {
        "steps",       "epochs",       "hours",        "save-dir", "resume",    "init-from",
        "save-every",  "save-minutes", "keep",         "status",   "log-every", "eval-every",
        "eval-tokens", "patience",     "sample-every", NULL};
    if (chosen.status)
        cli_allow_only("status", none);
    if (chosen.bench)
        cli_refuse("bench", of_runs);
    if (chosen.plan_threads && !chosen.bench)
        cli_usage("--plan-threads goes with --bench");
    if (chosen.plan_threads)
        cli_refuse("plan-threads", of_machine);
    if (chosen.eval_every == 0 && chosen.patience > 0 && cli_given("patience"))
        cli_usage("--patience counts validations, and --eval-every 0 makes none");
    if (chosen.curriculum && !chosen.data.n)
        cli_usage("--curriculum needs --data");
    if (chosen.given.steps && chosen.given.epochs)
        cli_usage("--steps and --epochs exclude each other");
}

void options_parse(struct options *o, int argc, char **argv)
{
    size_t n_operands;
    cli_one_of_many(ranks_told());
    char **operands = cli_parse(&tool, argc, argv, &n_operands);
    if (n_operands > 0)
        cli_usage("unexpected argument '%s'", operands[0]);
    check_modes();
    if (!chosen.data.n && !chosen.bench && !chosen.status)
        cli_usage("--data PATH is required");
    if (small + large + chosen.given.preset > 1)
        cli_usage("--preset, --small and --large exclude each other");
    if (small || large) {
        chosen.preset = small ? PRESET_SMALL : PRESET_LARGE;
        chosen.given.preset = true;
    }
    if (chosen.resume && chosen.init_from)
        cli_usage("--resume and --init-from exclude each other");
    check_settings();
    assert(strcmp(optimisers[chosen.optimiser], optim_kinds[chosen.optimiser]->name) == 0);
    *o = chosen;
}
