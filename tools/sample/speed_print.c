#include "sample/speed.h"

#include <math.h>

/* Keys and rows in the order of enum speed_figure. */
static const struct {
    const char *key;
    const char *text;
    int decimals;
} figures[SPEED_N_FIGURES] = {
    {"tok_s", "one story, greedy, tokens/s", 0},
    {"tok_s_topk", "one story, drawn by the sampler, tokens/s", 0},
    {"us_blocks", "  blocks, us", 1},
    {"us_head", "  head, us", 1},
    {"us_rest", "  the rest, us", 1},
    {"us_per_token_split", "a token, head cut among the threads, us", 1},
    {"prefill_tok_s", "reading a prompt, tokens/s", 0},
    {"streams_tok_s", "many stories at a time, all threads, tokens/s", 0},
    {"load_ms", "from opening to the first token, ms", 2},
    {"position_ratio", "a token at position 10,000 to one at 100, time", 3},
    {"int8_peak_gmac_s", "int8 peak of one thread, GMAC/s", 1},
    {"int8_share", "greedy story's share of that peak", 3},
};

static void print_json(const struct speed_result *r, const struct sample_options *o)
{
    struct cli_json j;
    cli_json_begin(&j, stdout);
    for (int i = 0; i < SPEED_N_FIGURES; i++)
        if (i != SPEED_US_SPLIT || o->n_threads > 1)
            cli_json_real(&j, figures[i].key, r->median[i]);
    cli_json_real(&j, "us_per_token", 1e6 / r->median[SPEED_TOK_S]);
    cli_json_int(&j, "n_streams", SPEED_STREAMS);
    cli_json_real(&j, "rss_mb", r->rss_mb);
    cli_json_real(&j, "rss_anon_mb", r->rss_anon_mb);
    cli_json_text(&j, "math", model_math_names[o->math]);
    cli_json_text(&j, "cpu", o->level->name);
    cli_json_int(&j, "threads", o->n_threads);
    cli_json_text(&j, "embed", number_type_names[r->embed]);
    cli_json_int(&j, "n_rounds", r->n_rounds);
    cli_json_end(&j);
}

static void print_row(const char *text, double value, int decimals)
{
    if (decimals > 0) {
        printf("%-48s %12.*f\n", text, decimals, value);
    } else {
        char number[32];
        printf("%-48s %12s\n", text, cli_count_text(number, (uint64_t)llround(value)));
    }
}

static void print_table(const struct speed_result *r, const struct sample_options *o)
{
    printf("math %s, cpu %s, %d thread%s, embedding %s; medians of %d rounds\n",
           model_math_names[o->math], o->level->name, o->n_threads, o->n_threads == 1 ? "" : "s",
           number_type_names[r->embed], r->n_rounds);
    for (int i = 0; i < SPEED_N_FIGURES; i++) {
        if (i == SPEED_US_BLOCKS)
            print_row("a token, greedy, us", 1e6 / r->median[SPEED_TOK_S], 1);
        if (i != SPEED_US_SPLIT || o->n_threads > 1)
            print_row(figures[i].text, r->median[i], figures[i].decimals);
    }
    print_row("memory in use, one story, MB", r->rss_mb, 1);
    print_row("  private, MB", r->rss_anon_mb, 1);
}

void speed_print(const struct speed_result *r, const struct sample_options *o, bool json)
{
    if (json)
        print_json(r, o);
    else
        print_table(r, o);
}
