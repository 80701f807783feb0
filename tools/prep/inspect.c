#include "prep/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "corpus/corpus.h"
#include "format/shardset.h"
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

/* How often each token stands in the training stories of each part of a folder. */
struct part_counts {
    struct shardlist list;
    const char *names[SHARDLIST_MAX_PARTS];
    uint64_t *counts[SHARDLIST_MAX_PARTS]; /* owned, [vocab_size] */
    uint64_t n_tokens[SHARDLIST_MAX_PARTS];
    size_t n; /* 0: no parts */
};

static void count_shard(struct part_counts *p, const struct shard *s, const char *part)
{
    size_t k = 0;
    while (strcmp(p->names[k], part) != 0)
        k++;
    p->n_tokens[k] += s->n_tokens;
    for (uint64_t i = 0; i < s->n_tokens; i++)
        p->counts[k][s->tokens[i]]++;
}

static int count_parts(struct part_counts *p, const char *folder, const struct vocab *v,
                       struct err *e)
{
    struct shardset set = {0};
    if (!folder)
        return 0;
    if (shardlist_read(&p->list, folder, e))
        return -1;
    p->n = shardlist_parts(&p->list, p->names);
    if (p->n == 0)
        return 0;
    if (shardset_open(&set, &p->list, folder, SHARDLIST_TRAIN, vocab_fingerprint(v), v->n_tokens,
                      e))
        return -1;
    int rc = 0;
    for (size_t i = 0; i < p->n && rc == 0; i++)
        if (!(p->counts[i] = calloc(v->n_tokens, sizeof *p->counts[i])))
            rc = err_memory(e, "out of memory for %u tokens", v->n_tokens);
    for (size_t i = 0; i < set.n && rc == 0; i++)
        count_shard(p, &set.shards[i], set.parts[i]);
    shardset_close(&set);
    return rc;
}

static void part_counts_release(struct part_counts *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->counts[i]);
    shardlist_release(&p->list);
}

/* In parts the counts are of each, in a million of its tokens. */
static void show_tokens(const struct vocab *v, const struct token_buf *ids, size_t n_chars,
                        const struct part_counts *p)
{
    char text[TOKENTEXT_BYTES], count[32];
    for (size_t k = 0; k < p->n; k++)
        printf(k ? " %12.12s" : "    id %14.14s", p->names[k]);
    if (p->n)
        printf("  in a million\n");
    for (size_t i = 0; i < ids->n; i++) {
        const struct vocab_token *t = &v->tokens[ids->ids[i]];
        printf("%6u", ids->ids[i]);
        for (size_t k = 0; k < p->n; k++)
            printf(k ? " %12.1f" : " %14.1f",
                   1e6 * ratio((double)p->counts[k][ids->ids[i]], (double)p->n_tokens[k]));
        if (!p->n)
            printf(" %14s", cli_count_text(count, t->count));
        printf("  %s\n", tokentext(text, t->bytes));
    }
    cli_say("%zu tokens, %zu characters: %.2f characters a token\n", ids->n, n_chars,
            ratio((double)n_chars, (double)ids->n));
}

/* p: NULL, or counts in parts too. */
static void put_token(struct cli_json *j, const struct vocab *v, uint32_t id, uint64_t count,
                      const struct part_counts *p)
{
    char text[TOKENTEXT_BYTES];
    cli_json_object(j, NULL);
    cli_json_uint(j, "id", id);
    cli_json_text(j, "text", tokentext(text, v->tokens[id].bytes));
    cli_json_uint(j, "count", count);
    if (p && p->n)
        cli_json_object(j, "parts");
    for (size_t k = 0; p && k < p->n; k++)
        cli_json_uint(j, p->names[k], p->counts[k][id]);
    if (p && p->n)
        cli_json_object_end(j);
    cli_json_object_end(j);
}

static void put_tokens(const struct vocab *v, const struct token_buf *ids, size_t n_chars,
                       const struct part_counts *p)
{
    struct cli_json j;
    cli_json_begin(&j, stdout);
    cli_json_uint(&j, "n_chars", n_chars);
    cli_json_uint(&j, "n_tokens", ids->n);
    cli_json_array(&j, "tokens");
    for (size_t i = 0; i < ids->n; i++)
        put_token(&j, v, ids->ids[i], v->tokens[ids->ids[i]].count, p);
    cli_json_array_end(&j);
    cli_json_end(&j);
}

/* What makes a text another than that of a story. */
static void say_doubts(const struct text_buf *text, uint64_t n_invalid)
{
    static const char mark[] = CORPUS_MARK;
    if (n_invalid > 0)
        cli_say("prep: the text is not valid UTF-8: U+FFFD stands in %" PRIu64 " places of it\n",
                n_invalid);
    if (text->n > 0 && memmem(text->data, text->n, mark, sizeof mark - 1))
        cli_say("prep: the text holds %s, which ends a story in a corpus and is text here\n", mark);
}

int inspect_text(const struct prep_options *o, struct err *e)
{
    struct vocab v;
    if (prep_load_vocabulary(o, &v, e))
        return -1;
    struct text_buf text = {0};
    struct token_buf ids = {0};
    struct normalize_stats stats = {0};
    struct part_counts parts = {0};
    size_t n_chars;
    struct tokenizer *t = tokenizer_new(&v, e);
    int rc = t ? 0 : -1;
    if (!rc)
        rc = normalize_text(v.form, o->inspect, strlen(o->inspect), &text, &n_chars, &stats, e) ||
             tokenizer_encode(t, NULL, text.data, text.n, &ids, e);
    if (!rc)
        rc = count_parts(&parts, o->inspect_data, &v, e);
    if (!rc)
        say_doubts(&text, stats.n_invalid);
    if (!rc)
        (cli.json ? put_tokens : show_tokens)(&v, &ids, n_chars, &parts);
    part_counts_release(&parts);
    tokenizer_free(t);
    free(ids.ids);
    free(text.data);
    vocab_release(&v);
    return rc ? -1 : 0;
}

/* ---- a folder -------------------------------------------------------------------------------- */

struct split {
    struct shardset set;
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
    struct split splits[INTAKE_N_SPLITS];
    struct shardlist list;
    struct met *met; /* owned, [n_met], commonest first */
    uint32_t n_met;
};

static int by_length(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int measure_stories(struct split *p, struct err *e)
{
    size_t n = 0;
    if (!p->set.n_stories)
        return 0;
    uint64_t *lengths = calloc((size_t)p->set.n_stories, sizeof *lengths);
    if (!lengths)
        return err_memory(e, "out of memory for %" PRIu64 " stories", p->set.n_stories);
    for (size_t k = 0; k < p->set.n; k++) {
        const struct shard *s = &p->set.shards[k];
        for (uint64_t i = 0; i < s->n_stories; i++)
            lengths[n++] = s->stories[i + 1] - s->stories[i] - 1;
    }
    qsort(lengths, n, sizeof *lengths, by_length);
    p->least = lengths[0];
    p->median = lengths[n / 2];
    p->tenth = lengths[n - 1 - n / 10];
    p->most = lengths[n - 1];
    free(lengths);
    return 0;
}

static int read_split(struct split *p, const struct vocab *v, struct err *e)
{
    p->counts = calloc(v->n_tokens, sizeof *p->counts);
    if (!p->counts)
        return err_memory(e, "out of memory for %u tokens", v->n_tokens);
    for (size_t k = 0; k < p->set.n; k++)
        for (uint64_t i = 0; i < p->set.shards[k].n_tokens; i++)
            p->counts[p->set.shards[k].tokens[i]]++;
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
    const uint64_t *counts = f->splits[INTAKE_TRAIN].counts;
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
    if (!rc)
        rc = shardlist_read(&f->list, name, e);
    for (int i = 0; i < INTAKE_N_SPLITS && !rc; i++) {
        struct split *p = &f->splits[i];
        rc = shardset_open(&p->set, &f->list, name, (enum shardlist_split)i,
                           vocab_fingerprint(&f->vocab), f->vocab.n_tokens, e);
        rc = rc ? rc : read_split(p, &f->vocab, e);
    }
    return rc ? rc : sort_met(f, e);
}

static double chars_per_token(const struct split *p)
{
    return ratio((double)p->set.n_chars, (double)p->set.n_tokens);
}

static double coverage(const struct split *p)
{
    return 1 - ratio((double)p->set.n_unk, (double)(p->set.n_tokens - p->set.n_stories));
}

static double tokens_per_story(const struct split *p)
{
    return ratio((double)(p->set.n_tokens - p->set.n_stories), (double)p->set.n_stories);
}

static void show_counts(const char *label, uint64_t train, uint64_t valid)
{
    char a[32], b[32];
    printf("%-26s %16s %16s\n", label, cli_count_text(a, train), cli_count_text(b, valid));
}

static void show_some(const struct folder *f, const char *label, uint32_t from, uint32_t end)
{
    const struct split *train = &f->splits[INTAKE_TRAIN];
    char text[TOKENTEXT_BYTES], count[32];
    printf("%s\n", label);
    for (uint32_t i = from; i < end; i++) {
        const struct met *m = &f->met[i];
        printf("%6u %14s %8.4f %%  %s\n", m->id, cli_count_text(count, m->count),
               100 * ratio((double)m->count, (double)train->set.n_tokens),
               tokentext(text, f->vocab.tokens[m->id].bytes));
    }
}

/* The same split of one part. */
struct sums {
    uint64_t n_stories, n_chars, n_tokens;
};

static struct sums sums_of(const struct shardset *s, const char *part)
{
    struct sums sum = {0};
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->parts[i], part) != 0)
            continue;
        sum.n_stories += s->shards[i].n_stories;
        sum.n_chars += s->shards[i].n_chars;
        sum.n_tokens += s->shards[i].n_tokens;
    }
    return sum;
}

static void show_parts(const struct folder *f)
{
    const char *names[SHARDLIST_MAX_PARTS];
    size_t n = shardlist_parts(&f->list, names);
    char a[32], b[32], c[32], d[32];
    if (n)
        printf("%-20s %12s %14s %8s %10s %12s\n", "part", "stories", "tokens", "chars/t.",
               "validation", "tokens");
    for (size_t i = 0; i < n; i++) {
        struct sums t = sums_of(&f->splits[INTAKE_TRAIN].set, names[i]);
        struct sums v = sums_of(&f->splits[INTAKE_VALID].set, names[i]);
        printf("%-20s %12s %14s %8.4f %10s %12s\n", names[i], cli_count_text(a, t.n_stories),
               cli_count_text(b, t.n_tokens), ratio((double)t.n_chars, (double)t.n_tokens),
               cli_count_text(c, v.n_stories), cli_count_text(d, v.n_tokens));
    }
}

static void show_folder(const struct folder *f, const char *name)
{
    const struct split *t = &f->splits[INTAKE_TRAIN], *v = &f->splits[INTAKE_VALID];
    char count[32];
    printf("%s: vocabulary of %s tokens (%s, merges inside %s)\n", name,
           cli_count_text(count, f->vocab.n_tokens), vocab_kind_names[f->vocab.kind],
           vocab_pretokens_names[f->vocab.pretokens]);
    printf("%-26s %16s %16s\n", "", "training", "validation");
    show_counts("stories", t->set.n_stories, v->set.n_stories);
    show_counts("characters", t->set.n_chars, v->set.n_chars);
    show_counts("bytes", t->set.n_bytes, v->set.n_bytes);
    show_counts("tokens", t->set.n_tokens, v->set.n_tokens);
    printf("%-26s %16.4f %16.4f\n", "characters a token", chars_per_token(t), chars_per_token(v));
    printf("%-26s %16.4f %16.4f\n", "coverage, %", 100 * coverage(t), 100 * coverage(v));
    printf("%-26s %16.1f %16.1f\n", "tokens a story, mean", tokens_per_story(t),
           tokens_per_story(v));
    show_counts("  least", t->least, v->least);
    show_counts("  median", t->median, v->median);
    show_counts("  nine of ten at most", t->tenth, v->tenth);
    show_counts("  most", t->most, v->most);
    printf("%-26s %16.4f %16.4f\n", "first 1,000 ids, %",
           100 * ratio((double)t->n_first, (double)t->set.n_tokens),
           100 * ratio((double)v->n_first, (double)v->set.n_tokens));
    show_counts("tokens without use", t->n_unused, v->n_unused);
    show_parts(f);
    show_some(f, "commonest:", 0, MIN((uint32_t)SHOWN, f->n_met));
    show_some(f, "rarest:", f->n_met - MIN((uint32_t)SHOWN, f->n_met), f->n_met);
}

static void put_split(struct cli_json *j, const char *name, const struct split *p)
{
    cli_json_object(j, name);
    cli_json_uint(j, "n_stories", p->set.n_stories);
    cli_json_uint(j, "n_chars", p->set.n_chars);
    cli_json_uint(j, "n_bytes", p->set.n_bytes);
    cli_json_uint(j, "n_tokens", p->set.n_tokens);
    cli_json_uint(j, "n_unk", p->set.n_unk);
    cli_json_real(j, "chars_per_token", chars_per_token(p));
    cli_json_real(j, "coverage", coverage(p));
    cli_json_real(j, "mean_story", tokens_per_story(p));
    cli_json_uint(j, "least_story", p->least);
    cli_json_uint(j, "median_story", p->median);
    cli_json_uint(j, "p90_story", p->tenth);
    cli_json_uint(j, "most_story", p->most);
    cli_json_real(j, "share_first_1000", ratio((double)p->n_first, (double)p->set.n_tokens));
    cli_json_uint(j, "n_unused", p->n_unused);
    cli_json_object_end(j);
}

static void put_some(struct cli_json *j, const char *key, const struct folder *f, uint32_t from,
                     uint32_t end)
{
    cli_json_array(j, key);
    for (uint32_t i = from; i < end; i++)
        put_token(j, &f->vocab, f->met[i].id, f->met[i].count, NULL);
    cli_json_array_end(j);
}

static void put_sums(struct cli_json *j, const char *key, struct sums s)
{
    cli_json_object(j, key);
    cli_json_uint(j, "n_stories", s.n_stories);
    cli_json_uint(j, "n_chars", s.n_chars);
    cli_json_uint(j, "n_tokens", s.n_tokens);
    cli_json_real(j, "chars_per_token", ratio((double)s.n_chars, (double)s.n_tokens));
    cli_json_object_end(j);
}

static void put_parts(struct cli_json *j, const struct folder *f)
{
    const char *names[SHARDLIST_MAX_PARTS];
    size_t n = shardlist_parts(&f->list, names);
    cli_json_array(j, "parts");
    for (size_t i = 0; i < n; i++) {
        cli_json_object(j, NULL);
        cli_json_text(j, "name", names[i]);
        for (int split = 0; split < INTAKE_N_SPLITS; split++)
            put_sums(j, intake_split_names[split], sums_of(&f->splits[split].set, names[i]));
        cli_json_object_end(j);
    }
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
        put_split(&j, intake_split_names[i], &f->splits[i]);
    cli_json_uint(&j, "n_shards", f->list.n);
    put_parts(&j, f);
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
        shardset_close(&f.splits[i].set);
        free(f.splits[i].counts);
    }
    free(f.met);
    shardlist_release(&f.list);
    vocab_release(&f.vocab);
    return rc;
}
