#include "eval/report.h"

#include <string.h>
#include <unistd.h>

static struct eval_result total_of(const struct eval_result *r, size_t n)
{
    struct eval_result total = {0};
    for (size_t i = 0; i < n; i++) {
        score_sum_add(&total.sum, &r[i].sum);
        score_sum_add(&total.v4, &r[i].v4);
        total.seconds += r[i].seconds;
    }
    return total;
}

static void print_row(const struct score_sum *s, const char *name, const char *part, bool has_unk)
{
    char stories[32];
    char tokens[32];
    char chars[32];
    printf("%8.4f %8.3f %6.4f %6.4f %10s %12s %13s", score_loss(s), score_ppl(s), score_bpc(s),
           score_bpb(s), cli_count_text(stories, s->n_stories), cli_count_text(tokens, s->n_tokens),
           cli_count_text(chars, s->n_chars));
    if (has_unk)
        printf(" %7.3f%%", 100 * score_unk(s));
    fputs("  ", stdout);
    struct cli_utf8 u = {.terminal = isatty(STDOUT_FILENO) == 1};
    cli_utf8_write(&u, stdout, name, strlen(name));
    cli_utf8_flush(&u, stdout);
    printf("%s%s\n", part ? ": " : "", part ? part : "");
}

static void print_rows(const struct eval_result *r, size_t n, bool has_unk, bool v4)
{
    printf("%8s %8s %6s %6s %10s %12s %13s%s  %s\n", "loss", "ppl", "bpc", "bpb", "stories",
           "tokens", "characters", has_unk ? "      UNK" : "", "file");
    for (size_t i = 0; i < n; i++)
        if (!v4 || r[i].v4.n_tokens > 0)
            print_row(v4 ? &r[i].v4 : &r[i].sum, r[i].name, r[i].part, has_unk);
    if (n > 1) {
        struct eval_result total = total_of(r, n);
        if (!v4 || total.v4.n_tokens > 0)
            print_row(v4 ? &total.v4 : &total.sum, "(total)", NULL, has_unk);
    }
}

void report_table(const struct eval_result *r, size_t n, enum model_math math, bool has_unk)
{
    print_rows(r, n, has_unk, false);
    if (math != MODEL_F32)
        printf("Computed with --math %s, as sample does it.\n", model_math_names[math]);
    if (has_unk)
        puts("UNK: share of predictions whose target is the unknown token; it is easy to predict "
             "and\nflatters the figures.");
}

void report_v4_table(const struct eval_result *r, size_t n, bool has_unk)
{
    printf("\nArithmetic of the original v4 script (of the first %d stories those longer than\n"
           "%d characters, first token not scored, cut at %d predictions while all\n"
           "characters count): it reads lower and compares only with figures made alike.\n",
           EVAL_V4_STORIES, EVAL_V4_MIN_CHARS - 1, EVAL_V4_PREDICTIONS);
    print_rows(r, n, has_unk, true);
}

static void put_sum(struct cli_json *j, const struct score_sum *s)
{
    cli_json_real(j, "loss", score_loss(s));
    cli_json_real(j, "ppl", score_ppl(s));
    cli_json_real(j, "bpc", score_bpc(s));
    cli_json_real(j, "bpb", score_bpb(s));
    cli_json_uint(j, "n_tokens", s->n_tokens);
    cli_json_uint(j, "n_chars", s->n_chars);
    cli_json_uint(j, "n_bytes", s->n_bytes);
    cli_json_uint(j, "n_stories", s->n_stories);
    cli_json_real(j, "unk_share", score_unk(s));
}

static void put_result(const struct eval_result *r, size_t n_files, const struct eval_options *o)
{
    struct cli_json j;
    cli_json_begin(&j, stdout);
    if (r->name)
        cli_json_text(&j, "file", r->name);
    else
        cli_json_uint(&j, "files", n_files);
    if (r->part)
        cli_json_text(&j, "part", r->part);
    cli_json_text(&j, "math", model_math_names[o->math]);
    put_sum(&j, &r->sum);
    cli_json_real(&j, "seconds", r->seconds);
    cli_json_real(&j, "tok_s", r->seconds > 0 ? (double)r->sum.n_tokens / r->seconds : 0);
    if (o->v4_scoring) {
        cli_json_object(&j, "v4_scoring");
        put_sum(&j, &r->v4);
        cli_json_object_end(&j);
    }
    cli_json_end(&j);
}

void report_json(const struct eval_result *r, size_t n, size_t n_files,
                 const struct eval_options *o)
{
    for (size_t i = 0; i < n; i++)
        put_result(&r[i], n_files, o);
    if (n > 1) {
        struct eval_result total = total_of(r, n);
        put_result(&total, n_files, o);
    }
}
