#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "corpus/cmdline.h"
#include "eval/report.h"
#include "os/file.h"

static const char *vocab;
static const struct cpu_level *cpu;
static struct cmdline reading;
static int threads;
static long long plan_threads;
static bool v4_scoring;
static int math = MODEL_F32;

static const struct cli_option options[] = {
    CLI_HEADING("Text"),
    CMDLINE_ROWS(reading),
    CLI_HEADING("Scoring"),
    LOAD_VOCAB_ROW(&vocab),
    CLI_CHOICE(0, "math", &math, model_math_names, "KIND",
               "arithmetic: f32 (default), or exact or int8 as sample runs the model"),
    CLI_FLAG(0, "v4-scoring", &v4_scoring,
             "add the figures of the original v4 script, which read lower"),
    CLI_HEADING("Machine"),
    CLI_THREADS(&threads, "worker threads (default: the processors this process may use)"),
    CLI_PLAN_THREADS(&plan_threads),
    CLI_CPU(&cpu),
};

static const struct cli_tool tool = {
    .name = "eval",
    .synopsis = "[options] MODEL FILE...",
    .summary = "Measures how well a model predicts text: loss, perplexity, bits per character.",
    .epilog = "MODEL is a model.bolt made by export or, with --vocab, a checkpoint made by\n"
              "train or the folder of its checkpoints.\n"
              "FILE is text in any form that prep reads, - for standard input, a shard, or\n"
              "a folder made by prep, whose validation stories are meant.\n\n"
              "  eval model.bolt valid.txt.gz\n"
              "  eval --vocab data/vocab.db checkpoints/best.safetensors data\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .has_json = true,
};

/* A missing file is better found before hours are spent on the others. */
static uint64_t check_files(char **files, size_t n)
{
    uint64_t total = 0;
    bool known = true;
    for (size_t i = 0; i < n; i++) {
        struct err e;
        if (strcmp(files[i], "-") != 0 && access(files[i], R_OK) != 0) {
            err_errno(&e, "%s: cannot open", files[i]);
            cli_fail(&e);
        }
        uint64_t size = corpus_size(files[i]);
        known = known && size > 0;
        total += size;
    }
    return known ? total : 0;
}

/* Options of reading have nothing to say where every FILE holds tokens already. */
static void check_reading(char **files, size_t n)
{
    static const char *const of_text[] = {"format",   "field",   "skip-missing", "separator",
                                          "encoding", "invalid", "max-bytes"};
    for (size_t i = 0; i < n; i++)
        if (!file_is_folder(files[i]) && !shard_probe_file(files[i]))
            return;
    for (size_t i = 0; i < ARRAY_LEN(of_text); i++)
        if (cli_given(of_text[i]))
            cli_usage("--%s is for text, and %s holds tokens", of_text[i], files[0]);
}

static void say_speed(const struct eval *v, const struct eval_result *r, size_t n)
{
    char tokens[32];
    char seconds[32];
    char rate[32];
    uint64_t n_tokens = 0;
    double spent = 0;
    for (size_t i = 0; i < n; i++) {
        n_tokens += r[i].sum.n_tokens;
        spent += r[i].seconds;
    }
    char ranks[32] = "";
    if (v->ranks->size > 1)
        snprintf(ranks, sizeof ranks, "%d ranks, here ", v->ranks->size);
    cli_say("eval: %s tokens in %s, %s tokens/s, %s%d thread%s, %s, %s\n",
            cli_count_text(tokens, n_tokens), cli_duration_text(seconds, spent),
            cli_count_text(rate, (uint64_t)((double)n_tokens / (spent + 1e-9))), ranks,
            pool_threads(v->pool), pool_threads(v->pool) == 1 ? "" : "s",
            model_math_names[v->options.math], v->kern.level->name);
}

static void score_inputs(struct eval *v, const struct eval_inputs *inputs, uint64_t total,
                         struct eval_result *results)
{
    struct err e;
    struct cli_progress progress;
    char count[32];
    uint64_t done = 0;
    cli_progress_start(&progress, "eval");
    for (size_t i = 0; i < inputs->n; i++) {
        if (eval_input(v, &inputs->items[i], &progress, done, total, &results[i], &e)) {
            cli_progress_end(&progress);
            cli_fail(&e);
        }
        done += corpus_size(inputs->items[i].path);
    }
    cli_progress_end(&progress);
    if (v->counts.n_missing)
        cli_say("eval: %s records without the field were skipped\n",
                cli_count_text(count, v->counts.n_missing));
    if (v->counts.n_passed_over)
        cli_say("eval: %s members of archives that are not text were skipped\n",
                cli_count_text(count, v->counts.n_passed_over));
    say_speed(v, results, inputs->n);
}

/* What the one process, or the first of many, does: reads, scores, reports. */
static void run_first(struct eval *v, char **files, size_t n_files, uint64_t total)
{
    struct err e;
    struct eval_inputs inputs = {0};
    for (size_t i = 0; i < n_files; i++)
        if (eval_input_add(&inputs, files[i], &e))
            cli_fail(&e);
    size_t n = inputs.n;
    struct eval_result *results = calloc(n + 1, sizeof *results);
    if (!results)
        cli_die("out of memory for %zu results", n);
    score_inputs(v, &inputs, total, results);
    if (eval_end(v, &e))
        cli_fail(&e);
    if (plan_threads) {
        cli_plan(v->plan, (int)plan_threads, eval_phases, EVAL_N_PHASES, "all");
    } else if (cli.json) {
        report_json(results, n, n_files, &v->options);
    } else {
        report_table(results, n, v->options.math, eval_has_unk(v));
        if (v4_scoring)
            report_v4_table(results, n, eval_has_unk(v));
    }
    free(results);
    free(inputs.items);
}

int main(int argc, char **argv)
{
    static const char *const no_plan[] = {"threads", "v4-scoring", NULL};
    size_t n;
    cli_one_of_many(ranks_told());
    char **operands = cli_parse(&tool, argc, argv, &n);
    if (n < 2)
        cli_usage(n ? "no FILE to score" : "no MODEL given");
    n--;
    if (plan_threads)
        cli_refuse("plan-threads", no_plan);
    struct err e;
    struct eval v;
    struct ranks ranks;
    struct eval_options o = {
        .math = (enum model_math)math, .v4_scoring = v4_scoring, .plan_threads = (int)plan_threads};
    if (cmdline_options(&reading, &o.corpus, &e))
        cli_fail(&e);
    if (ranks_open(&ranks, &e))
        cli_fail(&e);
    if (plan_threads && ranks.size > 1)
        cli_usage("--plan-threads is for one process");
    bool first = ranks.rank == 0;
    if (!first)
        cli_fall_silent();
    uint64_t total = first ? check_files(operands + 1, n) : 0;
    if (first)
        check_reading(operands + 1, n);
    if (eval_open(&v, &ranks, &o, operands[0], vocab, cpu, threads, &e))
        cli_fail(&e);
    if (v.file.vocab_assumed)
        cli_say("eval: " LOAD_ASSUMED "\n", operands[0], vocab);
    if (first)
        run_first(&v, operands + 1, n, total);
    else if (eval_serve(&v, &e))
        cli_fail(&e);
    eval_close(&v);
    ranks_close(&ranks);
    return cli_finish();
}
