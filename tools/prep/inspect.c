#include "prep/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "format/shard.h"
#include "format/vocabdb.h"
#include "prep/intake.h"
#include "prep/prep.h"
#include "prep/tokentext.h"
#include "text/normalize.h"
#include "text/tokenizer.h"

enum { SHOWN = 10, FIRST = 1000 };

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* ---- a text ---------------------------------------------------------------------------------- */

static void show_tokens(const struct vocab *v, const struct token_buf *ids, size_t n_chars)
{
    char text[TOKENTEXT_BYTES], count[32];
    for (size_t i = 0; i < ids->n; i++) {
        const struct vocab_token *t = &v->tokens[ids->ids[i]];
        printf("%6u %14s  %s\n", ids->ids[i], cli_count_text(count, t->count),
               tokentext(text, t->bytes));
    }
    cli_say("%zu tokens, %zu characters: %.2f characters a token\n", ids->n, n_chars,
            ratio((double)n_chars, (double)ids->n));
}

static void put_token(struct cli_json *j, const struct vocab *v, uint32_t id, uint64_t count)
{
    char text[TOKENTEXT_BYTES];
    cli_json_object(j, NULL);
    cli_json_uint(j, "id", id);
    cli_json_text(j, "text", tokentext(text, v->tokens[id].bytes));
    cli_json_uint(j, "count", count);
    cli_json_object_end(j);
}

static void put_tokens(const struct vocab *v, const struct token_buf *ids, size_t n_chars)
{
    struct cli_json j;
    cli_json_begin(&j, stdout);
    cli_json_uint(&j, "n_chars", n_chars);
    cli_json_uint(&j, "n_tokens", ids->n);
    cli_json_array(&j, "tokens");
    for (size_t i = 0; i < ids->n; i++)
        put_token(&j, v, ids->ids[i], v->tokens[ids->ids[i]].count);
    cli_json_array_end(&j);
    cli_json_end(&j);
}

int inspect_text(const struct prep_options *o, struct err *e)
{
    struct vocab v;
    if (prep_load_vocabulary(o, &v, e))
        return -1;
    struct text_buf text = {0};
    struct token_buf ids = {0};
    struct normalize_stats stats = {0};
    size_t n_chars;
    struct tokenizer *t = tokenizer_new(&v, e);
    int rc = t ? 0 : -1;
    if (!rc)
        rc = normalize_text(v.form, o->inspect, strlen(o->inspect), &text, &n_chars, &stats, e) ||
             tokenizer_encode(t, NULL, text.data, text.n, &ids, e);
    if (!rc)
        (cli.json ? put_tokens : show_tokens)(&v, &ids, n_chars);
    tokenizer_free(t);
    free(ids.ids);
    free(text.data);
    vocab_release(&v);
    return rc ? -1 : 0;
}

/* ---- a folder -------------------------------------------------------------------------------- */

struct part {
    struct shard shard;
    uint64_t *counts;                    /* owned, [vocab_size] */
    uint32_t n_unused;                   /* tokens that do not occur */
    uint64_t n_first;                    /* occurrences of the first FIRST ids */
    uint64_t least, median, tenth, most; /* tokens of a story, EOS not counted; tenth: 90 % */
};

struct met { /* a token that occurs in training */
    uint32_t id;
    uint64_t count;
};

struct folder {
    struct vocab vocab;
    struct part parts[INTAKE_N_SPLITS];
    struct met *met; /* owned, [n_met], commonest first */
    uint32_t n_met;
};

static int by_length(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int measure_stories(struct part *p, struct err *e)
{
    size_t n = (size_t)p->shard.n_stories;
    if (!n)
        return 0;
    uint64_t *lengths = calloc(n, sizeof *lengths);
    if (!lengths)
        return err_memory(e, "out of memory for %zu stories", n);
    for (size_t i = 0; i < n; i++)
        lengths[i] = p->shard.stories[i + 1] - p->shard.stories[i] - 1;
    qsort(lengths, n, sizeof *lengths, by_length);
    p->least = lengths[0];
    p->median = lengths[n / 2];
    p->tenth = lengths[n - 1 - n / 10];
    p->most = lengths[n - 1];
    free(lengths);
    return 0;
}

static int read_part(struct part *p, const struct vocab *v, const char *path, struct err *e)
{
    if (shard_open(&p->shard, path, e))
        return -1;
    if (p->shard.vocab_fingerprint != vocab_fingerprint(v))
        return err_set(e,
                       "%s: made with another vocabulary than vocab.db beside it (fingerprint "
                       "%016" PRIx64 ", expected %016" PRIx64 ")",
                       path, p->shard.vocab_fingerprint, vocab_fingerprint(v));
    p->counts = calloc(v->n_tokens, sizeof *p->counts);
    if (!p->counts)
        return err_memory(e, "%s: out of memory for %u tokens", path, v->n_tokens);
    for (uint64_t i = 0; i < p->shard.n_tokens; i++)
        p->counts[p->shard.tokens[i]]++;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        p->n_unused += id >= VOCAB_N_SPECIAL && !p->counts[id];
        p->n_first += id < FIRST ? p->counts[id] : 0;
    }
    return measure_stories(p, e);
}

static int by_count(const void *a, const void *b)
{
    const struct met *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static int sort_met(struct folder *f, struct err *e)
{
    const uint64_t *counts = f->parts[INTAKE_TRAIN].counts;
    f->met = calloc(f->vocab.n_tokens, sizeof *f->met);
    if (!f->met)
        return err_memory(e, "out of memory for %u tokens", f->vocab.n_tokens);
    for (uint32_t id = 0; id < f->vocab.n_tokens; id++)
        if (counts[id])
            f->met[f->n_met++] = (struct met){id, counts[id]};
    qsort(f->met, f->n_met, sizeof *f->met, by_count);
    return 0;
}

static int read_folder(struct folder *f, const char *name, struct err *e)
{
    char *path;
    if (asprintf(&path, "%s/vocab.db", name) < 0)
        return err_memory(e, "%s: out of memory", name);
    int rc = vocabdb_load(&f->vocab, path, e);
    free(path);
    for (int i = 0; i < INTAKE_N_SPLITS && !rc; i++) {
        if (asprintf(&path, "%s/%s.shard", name, intake_split_names[i]) < 0)
            return err_memory(e, "%s: out of memory", name);
        rc = read_part(&f->parts[i], &f->vocab, path, e);
        free(path);
    }
    return rc ? rc : sort_met(f, e);
}

static double chars_per_token(const struct part *p)
{
    return ratio((double)p->shard.n_chars, (double)p->shard.n_tokens);
}

static double coverage(const struct part *p)
{
    return 1 - ratio((double)p->shard.n_unk, (double)(p->shard.n_tokens - p->shard.n_stories));
}

static double tokens_per_story(const struct part *p)
{
    return ratio((double)(p->shard.n_tokens - p->shard.n_stories), (double)p->shard.n_stories);
}

static void show_counts(const char *label, uint64_t train, uint64_t valid)
{
    char a[32], b[32];
    printf("%-26s %16s %16s\n", label, cli_count_text(a, train), cli_count_text(b, valid));
}

static void show_some(const struct folder *f, const char *label, uint32_t from, uint32_t end)
{
    const struct part *train = &f->parts[INTAKE_TRAIN];
    char text[TOKENTEXT_BYTES], count[32];
    printf("%s\n", label);
    for (uint32_t i = from; i < end; i++) {
        const struct met *m = &f->met[i];
        printf("%6u %14s %8.4f %%  %s\n", m->id, cli_count_text(count, m->count),
               100 * ratio((double)m->count, (double)train->shard.n_tokens),
               tokentext(text, f->vocab.tokens[m->id].bytes));
    }
}

static void show_folder(const struct folder *f, const char *name)
{
    const struct part *t = &f->parts[INTAKE_TRAIN], *v = &f->parts[INTAKE_VALID];
    char count[32];
    printf("%s: vocabulary of %s tokens (%s, merges inside %s)\n", name,
           cli_count_text(count, f->vocab.n_tokens), vocab_kind_names[f->vocab.kind],
           vocab_pretokens_names[f->vocab.pretokens]);
    printf("%-26s %16s %16s\n", "", "training", "validation");
    show_counts("stories", t->shard.n_stories, v->shard.n_stories);
    show_counts("characters", t->shard.n_chars, v->shard.n_chars);
    show_counts("bytes", t->shard.n_bytes, v->shard.n_bytes);
    show_counts("tokens", t->shard.n_tokens, v->shard.n_tokens);
    printf("%-26s %16.4f %16.4f\n", "characters a token", chars_per_token(t), chars_per_token(v));
    printf("%-26s %16.4f %16.4f\n", "coverage, %", 100 * coverage(t), 100 * coverage(v));
    printf("%-26s %16.1f %16.1f\n", "tokens a story, mean", tokens_per_story(t),
           tokens_per_story(v));
    show_counts("  least", t->least, v->least);
    show_counts("  median", t->median, v->median);
    show_counts("  nine of ten at most", t->tenth, v->tenth);
    show_counts("  most", t->most, v->most);
    printf("%-26s %16.4f %16.4f\n", "first 1,000 ids, %",
           100 * ratio((double)t->n_first, (double)t->shard.n_tokens),
           100 * ratio((double)v->n_first, (double)v->shard.n_tokens));
    show_counts("tokens without use", t->n_unused, v->n_unused);
    show_some(f, "commonest:", 0, MIN((uint32_t)SHOWN, f->n_met));
    show_some(f, "rarest:", f->n_met - MIN((uint32_t)SHOWN, f->n_met), f->n_met);
}

static void put_part(struct cli_json *j, const char *name, const struct part *p)
{
    cli_json_object(j, name);
    cli_json_uint(j, "n_stories", p->shard.n_stories);
    cli_json_uint(j, "n_chars", p->shard.n_chars);
    cli_json_uint(j, "n_bytes", p->shard.n_bytes);
    cli_json_uint(j, "n_tokens", p->shard.n_tokens);
    cli_json_uint(j, "n_unk", p->shard.n_unk);
    cli_json_real(j, "chars_per_token", chars_per_token(p));
    cli_json_real(j, "coverage", coverage(p));
    cli_json_real(j, "mean_story", tokens_per_story(p));
    cli_json_uint(j, "least_story", p->least);
    cli_json_uint(j, "median_story", p->median);
    cli_json_uint(j, "p90_story", p->tenth);
    cli_json_uint(j, "most_story", p->most);
    cli_json_real(j, "share_first_1000", ratio((double)p->n_first, (double)p->shard.n_tokens));
    cli_json_uint(j, "n_unused", p->n_unused);
    cli_json_object_end(j);
}

static void put_some(struct cli_json *j, const char *key, const struct folder *f, uint32_t from,
                     uint32_t end)
{
    cli_json_array(j, key);
    for (uint32_t i = from; i < end; i++)
        put_token(j, &f->vocab, f->met[i].id, f->met[i].count);
    cli_json_array_end(j);
}

static void put_folder(const struct folder *f, const char *name)
{
    struct cli_json j;
    uint32_t n = MIN((uint32_t)SHOWN, f->n_met);
    cli_json_begin(&j, stdout);
    cli_json_text(&j, "folder", name);
    cli_json_text(&j, "tokenizer", vocab_kind_names[f->vocab.kind]);
    cli_json_text(&j, "pretokens", vocab_pretokens_names[f->vocab.pretokens]);
    cli_json_uint(&j, "vocab_size", f->vocab.n_tokens);
    for (int i = 0; i < INTAKE_N_SPLITS; i++)
        put_part(&j, intake_split_names[i], &f->parts[i]);
    put_some(&j, "commonest", f, 0, n);
    put_some(&j, "rarest", f, f->n_met - n, f->n_met);
    cli_json_end(&j);
}

int inspect_folder(const struct prep_options *o, struct err *e)
{
    struct folder f = {0};
    int rc = read_folder(&f, o->report, e);
    if (!rc)
        (cli.json ? put_folder : show_folder)(&f, o->report);
    for (int i = 0; i < INTAKE_N_SPLITS; i++) {
        shard_close(&f.parts[i].shard);
        free(f.parts[i].counts);
    }
    free(f.met);
    vocab_release(&f.vocab);
    return rc;
}
