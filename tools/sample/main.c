#include <fcntl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "os/clock.h"
#include "sample/sample.h"
#include "sample/speed.h"

static struct cli_list texts;
static struct cli_list stop_texts;
static const char *vocab;
static const struct cpu_level *cpu;
static int math = MODEL_INT8;
static int threads;
static bool ignore_eos;
static bool bench;
static long long max_tokens = 200;
static long long count = 1;
static long long seed = 42;
static long long top_k = 50;
static double temperature = 0.8;
static double top_p = 1;
static double min_p = 0;
static double repeat_penalty = 1;

static const struct cli_option options[] = {
    CLI_HEADING("Story"),
    CLI_LIST('p', "prompt", &texts, "TEXT",
             "how the story begins; may be given many times (default: each line of standard input, "
             "unless that is a terminal; without any, a story from its beginning)"),
    CLI_INT('n', "max-tokens", &max_tokens, 1, 1e9, "N",
            "draw at most N tokens a story (default 200)"),
    CLI_INT(0, "count", &count, 1, 1e9, "N", "tell N stories a prompt (default 1)"),
    CLI_SEED(&seed, "seed of the random numbers; the same seed tells the same story (default 42)"),
    CLI_LIST(0, "stop", &stop_texts, "TEXT", "end a story before TEXT; may be given many times"),
    CLI_FLAG(0, "ignore-eos", &ignore_eos, "never draw the token that ends a story: run on to -n"),
    CLI_HEADING("Choice of the next token"),
    CLI_REAL('t', "temperature", &temperature, 0, 100, "X",
             "divide the logits by X; 0 always takes the likeliest (default 0.8)"),
    CLI_INT('k', "top-k", &top_k, 0, 65536, "N",
            "draw among the N likeliest tokens; 0 is all (default 50)"),
    CLI_REAL(0, "top-p", &top_p, 0, 1, "P",
             "draw among the fewest tokens that reach probability P; 1 is all (default 1)"),
    CLI_REAL(0, "min-p", &min_p, 0, 1, "P",
             "drop tokens less likely than P times the likeliest; 0 is none (default 0)"),
    CLI_REAL(0, "repeat-penalty", &repeat_penalty, 0.1, 10, "X",
             "make the last 64 tokens less likely (above 1) or likelier; 1 is off (default 1)"),
    CLI_HEADING("Model and machine"),
    LOAD_VOCAB_ROW(&vocab),
    CLI_CHOICE(0, "math", &math, model_math_names, "KIND",
               "arithmetic: int8 (fast) or exact (float activations) (default int8)",
               .n_choices = MODEL_F32),
    CLI_THREADS(&threads, "worker threads (default: the processors this process may use)"),
    CLI_CPU(&cpu),
    CLI_FLAG(0, "bench", &bench,
             "tell no story, but measure how fast this model tells on this machine"),
};

static const struct cli_tool tool = {
    .name = "sample",
    .synopsis = "[options] MODEL",
    .summary = "Tells stories with a model, token by token.",
    .epilog = "MODEL is a model.bolt made by export or, with --vocab, a checkpoint made by\n"
              "train or the folder of its checkpoints.\n"
              "Several stories are set apart by a line <|endoftext|>, as in a corpus.\n\n"
              "  sample model.bolt -p 'Once upon a time'\n"
              "  sample model.bolt --count 3 -n 500 -t 0.7\n"
              "  sample --json model.bolt < prompts.txt\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .has_json = true,
};

static void tell(const struct sample_options *o, const char *model, bool has_lines)
{
    struct err e;
    struct sample s;
    struct prompts p;
    struct stop stop;
    struct output out;
    prompts_init(&p, texts.items, texts.n, has_lines ? STDIN_FILENO : -1, (uint64_t)count);
    output_init(&out, false, cli.json, o->seed);
    if (stop_init(&stop, stop_texts.items, stop_texts.n, &e) ||
        sample_open(&s, o, model, vocab, &e))
        cli_fail(&e);
    if (s.file.vocab_assumed)
        cli_say("sample: " LOAD_ASSUMED "\n", model, vocab);
    double start = clock_seconds();
    if (sample_tell(&s, &p, &stop, &out, &e))
        cli_fail(&e);
    if (cli.verbose && out.n_stories > 1)
        output_sum(&out, clock_seconds() - start);
    sample_close(&s);
    output_release(&out);
    stop_release(&stop);
    prompts_release(&p);
}

static void measure(const struct sample_options *o, const char *model)
{
    static const char *const of_stories[] = {"prompt", "max-tokens", "count",
                                             "stop",   "ignore-eos", NULL};
    struct speed_result r;
    struct err e;
    cli_refuse("bench", of_stories);
    if (speed_measure(&r, o, model, vocab, &e))
        cli_fail(&e);
    speed_print(&r, o, cli.json);
}

static struct sample_options chosen(void)
{
    struct sample_options o = {
        .sampler = {(float)temperature, (int)top_k, (float)top_p, (float)min_p,
                    (float)repeat_penalty},
        .math = (enum model_math)math,
        .level = cpu,
        .n_threads = threads,
        .max_tokens = (uint64_t)max_tokens,
        .seed = (uint64_t)seed,
        .ignore_eos = ignore_eos,
    };
    for (size_t i = 0; i < stop_texts.n; i++)
        if (!*stop_texts.items[i])
            cli_usage("--stop: the text is empty");
    return o;
}

int main(int argc, char **argv)
{
    /* Checked before any file is opened: a closed descriptor 0 would become the model's. */
    bool has_lines = fcntl(STDIN_FILENO, F_GETFD) >= 0 && isatty(STDIN_FILENO) == 0;
    size_t n;
    char **operands = cli_parse(&tool, argc, argv, &n);
    if (n != 1)
        cli_usage(n ? "more than one MODEL given" : "no MODEL given");
    struct sample_options o = chosen();
    if (bench)
        measure(&o, operands[0]);
    else
        tell(&o, operands[0], has_lines);
    return cli_finish();
}
