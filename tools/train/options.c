#include "train/options.h"

#include "cli/cli.h"

static struct options given = {
    .save_dir = "checkpoints",
    .cpu = "auto",
    .epochs = 10,
    .batch = 8,
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

static const char *const precisions[] = {"auto", "f32", "bf16", NULL};

/* Exact in a double, and more than any run has of anything. */
static const double HUGE_COUNT = 1e15;

static const struct cli_option table[] = {
    {.name = "Data and budget", .type = CLI_HEADING},
    {"data", 'd', CLI_TEXT, &given.data, 0, 0, "DIR",
     "folder made by prep: vocab.db, train.shard, valid.shard", NULL},
    {"steps", 0, CLI_INT, &given.steps, 1, HUGE_COUNT, "N", "stop after N optimiser steps", NULL},
    {"epochs", 0, CLI_INT, &given.epochs, 1, 1e9, "N",
     "stop after N passes over the data, unless --steps is given (default 10)", NULL},
    {"hours", 0, CLI_REAL, &given.hours, 0, 1e6, "H",
     "stop after H hours, counted over all resumes; 0 never (the default). The learning rate "
     "decays "
     "by the steps' or the clock's share, whichever is larger",
     NULL},
    {.name = "Model", .type = CLI_HEADING},
    {"small", 0, CLI_FLAG, &given.small, 0, 0, NULL,
     "width 192, 6 blocks, hidden 512, 256 tokens a sequence, learning rate 4e-3", NULL},
    {"large", 0, CLI_FLAG, &given.large, 0, 0, NULL,
     "width 384, 8 blocks, hidden 896, 512 tokens a sequence, learning rate 3e-3, 2 accumulation "
     "steps (default with 8 processors and 32 GB or more, else --small)",
     NULL},
    {"dim", 0, CLI_INT, &given.dim, 1, 8192, "D", "model width", NULL},
    {"blocks", 0, CLI_INT, &given.blocks, 1, 64, "L", "number of blocks", NULL},
    {"hidden", 0, CLI_INT, &given.hidden, 1, 32768, "H", "hidden width of the GLU", NULL},
    {"kernel", 0, CLI_INT, &given.kernel, 1, 64, "K", "taps of the convolution (default 8)", NULL},
    {"seq-len", 0, CLI_INT, &given.seq_len, 1, 65536, "T", "tokens of a sequence", NULL},
    {"dilation", 0, CLI_TEXT, &given.dilation, 0, 0, "LIST",
     "distance between taps, one number a block, such as 1,2,4 (default 1 everywhere)", NULL},
    {.name = "Optimiser", .type = CLI_HEADING},
    {"batch", 'b', CLI_INT, &given.batch, 1, 65536, "B", "sequences a batch (default 8)", NULL},
    {"accum", 0, CLI_INT, &given.accum, 1, 65536, "N",
     "batches whose gradients make one step (default 1, --large 2)", NULL},
    {"lr", 0, CLI_REAL, &given.lr, 1e-9, 10, "X",
     "highest learning rate, after the warm-up; decays to 1e-5", NULL},
    {"head-filter", 0, CLI_REAL, &given.head_filter, 0, 0.1, "P",
     "leave blocks of the vocabulary whose probabilities are all below P out of the head's input "
     "gradient; 0 is exact (default 0)",
     NULL},
    {"seed", 0, CLI_INT, &given.seed, 0, HUGE_COUNT, "N",
     "seed of the initial weights and the order of the data (default 42)", NULL},
    {.name = "Checkpoints", .type = CLI_HEADING},
    {"save-dir", 'o', CLI_TEXT, &given.save_dir, 0, 0, "DIR",
     "folder for checkpoints, best.safetensors and log.jsonl (default checkpoints)", NULL},
    {"resume", 'r', CLI_OPT_TEXT, &given.resume, 0, 0, "PATH",
     "go on from a checkpoint, or from the newest in the folder", NULL},
    {"init-from", 0, CLI_TEXT, &given.init_from, 0, 0, "PATH",
     "start a new run from the weights of a checkpoint", NULL},
    {"save-every", 0, CLI_INT, &given.save_every, 0, HUGE_COUNT, "N",
     "write a checkpoint every N steps; 0 never (default 5000)", NULL},
    {"save-minutes", 0, CLI_REAL, &given.save_minutes, 0, 1e6, "M",
     "and every M minutes; 0 never (default 10)", NULL},
    {"keep", 0, CLI_INT, &given.keep, 0, 1e6, "N",
     "keep the newest N checkpoints; 0 keeps all (default 3)", NULL},
    {.name = "Reports", .type = CLI_HEADING},
    {"log-every", 0, CLI_INT, &given.log_every, 1, HUGE_COUNT, "N",
     "write a report to log.jsonl every N steps (default 10)", NULL},
    {"eval-every", 0, CLI_INT, &given.eval_every, 0, HUGE_COUNT, "N",
     "validate every N steps and at the end; 0 never (default 1000)", NULL},
    {"eval-tokens", 0, CLI_INT, &given.eval_tokens, 0, HUGE_COUNT, "N",
     "validate on the first N tokens; 0 takes all (default 100000)", NULL},
    {"patience", 0, CLI_INT, &given.patience, 0, 1e9, "N",
     "stop after N validations in a row without a new best; 0 never (default 3)", NULL},
    {"sample-every", 0, CLI_INT, &given.sample_every, 0, HUGE_COUNT, "N",
     "tell three stories every N steps; 0 never (default 2000)", NULL},
    {.name = "Machine", .type = CLI_HEADING},
    {"bench", 0, CLI_FLAG, &given.bench, 0, 0, NULL,
     "measure training steps on made-up tokens and print tokens/s, GFLOP/s, the share of the "
     "processor's peak and the time of each phase; needs no --data",
     NULL},
    {"threads", 't', CLI_INT, &given.threads, 1, 1024, "N",
     "worker threads (default: the processors this process may use); never changes the result",
     NULL},
    {"cpu", 0, CLI_TEXT, &given.cpu, 0, 0, "LEVEL",
     "instruction set: auto, c, avx2, avx512, avx512vnni or avx512bf16 (default auto)", NULL},
    {"precision", 0, CLI_CHOICE, &given.precision, 0, 0, NULL,
     "numbers that products multiply, f32 or bf16; sums and weights are f32 always (default auto: "
     "bf16 where "
     "the processor has it, and on resume as before)",
     precisions},
};

static const struct cli_tool tool = {
    .name = "train",
    .synopsis = "[options] --data DIR | --bench",
    .summary = "Trains a ternary language model on the shards made by prep.",
    .epilog =
        "Examples:\n"
        "  train --data data --small --hours 2\n"
        "  train --data data --resume\n\n"
        "SIGINT and SIGTERM finish the step and write a checkpoint; --resume goes on from it.\n",
    .options = table,
    .n_options = ARRAY_LEN(table),
    .has_json = true,
};

void options_parse(struct options *o, int argc, char **argv)
{
    size_t n_operands;
    char **operands = cli_parse(&tool, argc, argv, &n_operands);
    if (n_operands > 0)
        cli_usage("unexpected argument '%s'", operands[0]);
    if (!given.data && !given.bench)
        cli_usage("--data DIR is required");
    if (given.small && given.large)
        cli_usage("--small and --large exclude each other");
    if (given.resume && given.init_from)
        cli_usage("--resume and --init-from exclude each other");
    if (given.bench && (given.resume || given.init_from))
        cli_usage("--bench takes no checkpoint: weights and tokens are made up");
    *o = given;
}
