#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "sample/tell.h"

static struct cli_list prompts;
static const char *vocab;
static const char *cpu = "auto";
static long long max_tokens = 200;
static long long count = 1;
static long long seed = 42;
static long long top_k = 50;
static double temperature = 0.8;
static double top_p = 1;
static double min_p = 0;
static double repeat_penalty = 1;

static const struct cli_option options[] = {
    {.name = "Story", .type = CLI_HEADING},
    {"prompt", 'p', CLI_LIST, &prompts, 0, 0, "TEXT",
     "how the story begins; may be given many times (default: each line of standard input, "
     "unless that is a terminal; without any, a story from its beginning)",
     NULL},
    {"max-tokens", 'n', CLI_INT, &max_tokens, 1, 1e9, "N",
     "draw at most N tokens a story (default 200)", NULL},
    {"count", 0, CLI_INT, &count, 1, 1e9, "N", "tell N stories a prompt (default 1)", NULL},
    {"seed", 0, CLI_INT, &seed, 0, 4294967295, "N",
     "seed of the random numbers; the same seed tells the same story (default 42)", NULL},
    {.name = "Choice of the next token", .type = CLI_HEADING},
    {"temperature", 't', CLI_REAL, &temperature, 0, 100, "X",
     "divide the logits by X; 0 always takes the likeliest (default 0.8)", NULL},
    {"top-k", 'k', CLI_INT, &top_k, 0, 65536, "N",
     "draw among the N likeliest tokens; 0 is all (default 50)", NULL},
    {"top-p", 0, CLI_REAL, &top_p, 0, 1, "P",
     "draw among the fewest tokens that reach probability P; 1 is all (default 1)", NULL},
    {"min-p", 0, CLI_REAL, &min_p, 0, 1, "P",
     "drop tokens less likely than P times the likeliest; 0 is none (default 0)", NULL},
    {"repeat-penalty", 0, CLI_REAL, &repeat_penalty, 0.1, 10, "X",
     "make the last 64 tokens less likely (above 1) or likelier; 1 is off (default 1)", NULL},
    {.name = "Model and machine", .type = CLI_HEADING},
    {"vocab", 0, CLI_TEXT, &vocab, 0, 0, "DB",
     "vocabulary database of a checkpoint; a blob needs none", NULL},
    {"cpu", 0, CLI_TEXT, &cpu, 0, 0, "LEVEL",
     "instruction set: auto, c, avx2, avx512, avx512vnni or avx512bf16 (default auto)", NULL},
};

static const struct cli_tool tool = {
    .name = "sample",
    .synopsis = "[options] MODEL",
    .summary = "Tells stories with a model, token by token.",
    .epilog = "MODEL is a blob made by export or, with --vocab, a checkpoint made by train or\n"
              "the folder of its checkpoints.\n"
              "Several stories are set apart by a line <|endoftext|>, as in a corpus.\n\n"
              "  sample model.bolt -p 'Once upon a time'\n"
              "  sample model.bolt --count 3 -n 500 -t 0.7\n"
              "  sample --json model.bolt < prompts.txt\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .has_json = true,
};

static uint64_t n_told; /* stories so far */

/* Tells all stories of one prompt. */
static void tell_prompt(struct tell *t, const char *prompt, size_t n)
{
    struct err e;
    for (uint64_t i = 0; i < (uint64_t)count; i++) {
        if (n_told++ > 0 && !cli.json)
            puts("<|endoftext|>");
        if (tell_story(t, prompt, n, i, cli.json, &e) || (cli.json && tell_json(t, i, &e)))
            cli_die("%s", e.text);
        if (cli.verbose) {
            size_t drawn = t->story.n + t->ended;
            cli_say("sample: %zu tokens after a prompt of %zu, %.0f tokens/s, stopped by %s\n",
                    drawn, t->prompt_ids.n, (double)drawn / (t->seconds + 1e-9),
                    t->ended ? "EOS" : "length");
        }
    }
}

static bool is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", line[i]))
            return false;
    return true;
}

/* Tells each prompt when its line is there, so that sample may stand at the end of a live pipe. */
static void tell_lines(struct tell *t)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    while ((n = getline(&line, &capacity, stdin)) >= 0)
        if (!is_blank(line, (size_t)n))
            tell_prompt(t, line, (size_t)n);
    if (!feof(stdin))
        cli_die("standard input: %s", strerror(errno));
    free(line);
}

int main(int argc, char **argv)
{
    /* Asked before any file is opened: a closed descriptor 0 would become the model's. */
    bool has_lines = fcntl(STDIN_FILENO, F_GETFD) >= 0 && isatty(STDIN_FILENO) == 0;
    size_t n;
    char **operands = cli_parse(&tool, argc, argv, &n);
    if (n != 1)
        cli_usage(n ? "more than one MODEL given" : "no MODEL given");
    struct err e;
    enum cpu_level level;
    if (cpu_parse(cpu, &level, &e))
        cli_usage("--cpu: %s", e.text);
    struct tell_options o = {
        .sampler = {(float)temperature, (int)top_k, (float)top_p, (float)min_p,
                    (float)repeat_penalty},
        .max_tokens = (uint64_t)max_tokens,
        .seed = (uint64_t)seed,
    };
    struct tell t;
    if (tell_open(&t, &o, operands[0], vocab, level, &e))
        cli_die("%s", e.text);
    for (size_t i = 0; i < prompts.n; i++)
        tell_prompt(&t, prompts.items[i], strlen(prompts.items[i]));
    if (prompts.n == 0 && has_lines)
        tell_lines(&t);
    if (n_told == 0)
        tell_prompt(&t, "", 0);
    tell_close(&t);
    return cli_finish();
}
