#include "prep/prep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"
#include "cli/cli.h"
#include "prep/bpetrain.h"
#include "prep/gpt2vocab.h"
#include "prep/series.h"
#include "prep/sources.h"
#include "prep/superwords.h"
#include "format/vocabjson.h"
#include "os/threads.h"

const char *const prep_phases[PREP_N_PHASES] = {
    [PREP_READ] = "read", [PREP_LEARN] = "learn", [PREP_WRITE] = "write"};

int prep_load_vocabulary(const struct prep_options *o, struct vocab *v, struct err *e)
{
    if (o->vocab_is_json)
        return vocabjson_load(v, o->vocab, o->vocab_size_given ? o->vocab_size : 0, false, e);
    if (vocabdb_load(v, o->vocab, e))
        return -1;
    if (!o->normalize_given || o->form.normalize == v->form.normalize)
        return 0;
    err_set(e, "%s: made for another normalisation (found %s, expected %s)", o->vocab,
            vocab_normalize_names[v->form.normalize], vocab_normalize_names[o->form.normalize]);
    vocab_release(v);
    return -1;
}

/* The words that stand in training stories: those of validation alone teach nothing. */
static int training_words(const struct words *words, struct pretoken **items, size_t *n,
                          struct err *e)
{
    *n = 0;
    *items = malloc(((size_t)words->n + 1) * sizeof **items);
    if (!*items)
        return err_memory(e, "out of memory for %u distinct words", words->n);
    for (uint32_t i = 0; i < words->n; i++)
        if (words->items[i].count)
            (*items)[(*n)++] = words->items[i];
    return 0;
}

/* A vocabulary that came out smaller than it was to be: an error where its size was asked for.
 * n_superwords of its tokens are those. */
static int check_size(const struct prep *p, uint32_t n_superwords, struct err *e)
{
    const struct prep_options *o = p->o;
    uint32_t n = p->vocab.n_tokens;
    if (n == o->vocab_size)
        return 0;
    if (o->vocab_size_given)
        return err_set(e,
                       "the stories have too few distinct pieces for a vocabulary of %u tokens, %u "
                       "of them superwords: the largest that works is %u, %u of them superwords",
                       o->vocab_size, o->superwords, n, n_superwords);
    if (o->superwords)
        cli_warn("the stories have too few distinct pieces for the default of %u tokens, %u of "
                 "them superwords: the vocabulary has %u, %u of them superwords",
                 o->vocab_size, o->superwords, n, n_superwords);
    else
        cli_warn("the stories have too few distinct pieces for the default of %u tokens: the "
                 "vocabulary has %u, all there are",
                 o->vocab_size, n);
    return 0;
}

/* The second phase. Where the first found fewer tokens than it was to, this one makes up for none
 * of them. */
static int learn_superwords(struct prep *p, struct err *e)
{
    return superwords_learn(&p->vocab, p->vocab.n_tokens + p->o->superwords, &p->intake.lexicon,
                            &p->intake.spools[INTAKE_TRAIN], &p->tokens, p->pool, e);
}

static int learn_vocabulary(struct prep *p, struct err *e)
{
    const struct prep_options *o = p->o;
    struct pretoken *items;
    struct pretokens words = {.n_stories = sources_total(&p->intake, INTAKE_TRAIN).n_stories};
    if (training_words(p->intake.lexicon.words, &items, &words.n, e))
        return -1;
    words.items = items;
    bool fewer = !o->vocab_size_given;
    int rc;
    if (o->tokenizer == VOCAB_GPT2)
        rc = gpt2vocab_build(&p->vocab, &words, o->vocab_size, fewer, o->form, o->gpt2_vocab,
                             o->gpt2_merges, NULL, e);
    else
        rc = bpetrain_run(&p->vocab, &words, o->vocab_size - o->superwords, fewer || o->superwords,
                          o->form, e);
    free(items);
    if (rc)
        return -1;
    uint32_t n_words = p->vocab.n_tokens;
    if (o->superwords && learn_superwords(p, e))
        return -1;
    return check_size(p, p->vocab.n_tokens - n_words, e);
}

static char *path_in(const char *folder, const char *name, const char *extension)
{
    char *path;
    return asprintf(&path, "%s/%s%s", folder, name, extension) < 0 ? NULL : path;
}

static int save_vocabulary(struct prep *p, struct file_set *set, struct err *e)
{
    char *path = path_in(p->o->output, "vocab", ".db");
    if (!path)
        return err_memory(e, "%s: out of memory", p->o->output);
    int rc = vocabdb_save(&p->vocab, p->intake.sources, p->intake.n_sources, path, set, e);
    free(path);
    return rc;
}

/* Whether shards.json tells what the folder is made of. */
static bool has_list(const struct prep *p)
{
    return p->o->append || p->o->shard_tokens || p->o->n_parts;
}

/* The stories of a split, part by part. */
struct writing {
    struct prep *p;
    enum intake_split split;
    struct file_set *set;
    size_t part;
    uint64_t n; /* stories written */
    struct series series;
};

static size_t n_series(const struct prep *p)
{
    return MAX(p->o->n_parts, (size_t)1);
}

static void begin_part(struct writing *w, size_t part)
{
    struct prep *p = w->p;
    w->part = part;
    w->series = (struct series){.folder = p->o->output,
                                .split = (enum shardlist_split)w->split,
                                .part = p->o->n_parts ? p->o->parts[part] : NULL,
                                .shard_tokens = p->o->shard_tokens,
                                .vocab_size = p->vocab.n_tokens,
                                .vocab_fingerprint = p->list.vocab_fingerprint,
                                .set = w->set,
                                .list = &p->list};
}

static int on_story(void *context, const uint16_t *ids, size_t n, uint64_t n_chars,
                    uint64_t n_bytes, struct err *e)
{
    struct writing *w = context;
    while (w->n == w->p->intake.ends[w->split][w->part] && w->part + 1 < n_series(w->p)) {
        if (series_end(&w->series, false, e))
            return -1;
        begin_part(w, w->part + 1);
    }
    struct prep_part *part = &w->p->parts[w->split][w->part];
    part->n_stories++;
    part->n_tokens += n + 1;
    w->n++;
    return series_add(&w->series, ids, n, n_chars, n_bytes, e);
}

static int write_split(struct prep *p, enum intake_split split, struct file_set *set, struct err *e)
{
    struct cli_progress progress;
    struct writing w = {.p = p, .split = split, .set = set};
    begin_part(&w, 0);
    cli_progress_start(&progress, split == INTAKE_TRAIN ? "writing training stories"
                                                        : "writing validation stories");
    bool as_tokens = split == INTAKE_TRAIN && p->tokens.parts;
    int rc =
        encode_spool(&p->intake.spools[split], as_tokens ? &p->tokens : &p->words, on_story, &w,
                     p->pool, &p->counts[split], &progress, p->intake.spools[split].n_stories, e);
    if (rc == 0)
        rc = series_end(&w.series, !has_list(p), e);
    series_abort(&w.series);
    cli_progress_end(&progress);
    return rc;
}

/* In the list training comes first, so that parts stand there in the order given, though it is put
 * in place last. */
static int write_splits(struct prep *p, struct file_set *set, struct err *e)
{
    struct shardlist *l = &p->list;
    size_t first = l->n;
    if (write_split(p, INTAKE_VALID, set, e))
        return -1;
    size_t end = l->n;
    if (write_split(p, INTAKE_TRAIN, set, e))
        return -1;
    for (size_t i = first; i < end; i++) {
        struct shardlist_item item = l->items[i]; /* the array may move */
        if (shardlist_add(l, item.file, item.split, item.part, item.fingerprint, e))
            return -1;
    }
    memmove(l->items + first, l->items + end, (l->n - end) * sizeof *l->items);
    l->n -= end - first;
    return 0;
}

/* The shards of an earlier prep that are no part of the folder any more. What cannot be removed is
 * only space lost. */
static void remove_old(const struct prep *p, const struct shardlist *old)
{
    for (size_t i = 0; i < old->n; i++) {
        bool stays = false;
        for (size_t k = 0; k < p->list.n; k++)
            stays |= strcmp(p->list.items[k].file, old->items[i].file) == 0;
        char *path = stays ? NULL : path_in(p->o->output, old->items[i].file, "");
        if (path)
            (void)unlink(path);
        free(path);
    }
}

/* All files or none. Were the run to be killed between two of their renamings, the fingerprints in
 * the list would tell, or without a list that train.shard is missing, which is placed last. */
static int write_new(struct prep *p, struct err *e)
{
    struct file_set set = {.last_completes = !has_list(p)};
    struct shardlist old;
    struct err ignored;
    if (shardlist_read(&old, p->o->output, &ignored))
        old = (struct shardlist){0};
    p->list.vocab_fingerprint = vocab_fingerprint(&p->vocab);
    int rc = save_vocabulary(p, &set, e) || write_splits(p, &set, e) ||
             (has_list(p) && shardlist_save(&p->list, p->o->output, &set, e));
    rc = rc ? -1 : file_set_commit(&set, e);
    char *path = rc || has_list(p) ? NULL : path_in(p->o->output, "shards", ".json");
    if (path && unlink(path) != 0 && errno != ENOENT)
        rc = err_errno(e, "%s: cannot remove", path);
    free(path);
    if (rc == 0)
        remove_old(p, &old);
    file_set_abort(&set);
    shardlist_release(&old);
    return rc;
}

static void remove_added(const struct prep *p, size_t first)
{
    for (size_t i = first; i < p->list.n; i++) {
        char *path = path_in(p->o->output, p->list.items[i].file, "");
        if (path)
            (void)unlink(path);
        free(path);
    }
}

/* The list is what adds them: shards come first, and a failure removes them again. */
static int write_added(struct prep *p, struct err *e)
{
    struct file_set set = {0};
    struct shardlist now;
    struct err ignored;
    size_t n = p->there.list.n;
    for (size_t i = 0; i < n; i++) {
        const struct shardlist_item *item = &p->there.list.items[i];
        if (shardlist_add(&p->list, item->file, item->split, item->part, item->fingerprint, e))
            return -1;
    }
    p->list.vocab_fingerprint = p->there.list.vocab_fingerprint;
    int rc = write_splits(p, &set, e);
    rc = rc ? -1 : file_set_commit(&set, e);
    file_set_abort(&set);
    if (rc || p->list.n == n)
        return rc;
    rc = shardlist_save(&p->list, p->o->output, NULL, e);
    if (rc == 0 || shardlist_read(&now, p->o->output, &ignored))
        return rc;
    if (now.n == n) /* else only its way to the disk failed */
        remove_added(p, n);
    shardlist_release(&now);
    return rc;
}

static int write_files(struct prep *p, struct err *e)
{
    if (encode_words(&p->words, &p->vocab, &p->intake.lexicon, p->pool, e))
        return -1;
    return p->o->append ? write_added(p, e) : write_new(p, e);
}

/* Of the folder as it is now: a single shard has told it, several are read once more. */
static int find_fingerprints(struct prep *p, struct err *e)
{
    for (int split = 0; split < INTAKE_N_SPLITS; split++) {
        struct shardset s = {0};
        size_t n = 0;
        for (size_t i = 0; i < p->list.n; i++)
            if (p->list.items[i].split == (enum shardlist_split)split) {
                p->fingerprints[split] = p->list.items[i].fingerprint;
                n++;
            }
        if (n < 2)
            continue;
        if (shardset_open(&s, &p->list, p->o->output, (enum shardlist_split)split,
                          p->list.vocab_fingerprint, p->vocab.n_tokens, e))
            return -1;
        p->fingerprints[split] = s.fingerprint;
        shardset_close(&s);
    }
    return 0;
}

/* A folder has parts or none. */
static int check_parts(const struct prep *p, struct err *e)
{
    const struct prep_options *o = p->o;
    const char *names[SHARDLIST_MAX_PARTS];
    size_t n = shardlist_parts(&p->there.list, names), n_new = 0;
    if (n && !o->n_parts)
        return err_usage(e, "%s: has parts; --append says which: --part %s=FILE", o->output,
                         names[0]);
    if (!n && o->n_parts)
        return err_usage(e, "%s: has no parts, so --append takes INPUT without --part", o->output);
    for (size_t i = 0; i < o->n_parts; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], o->parts[i]) != 0)
            k++;
        n_new += k == n;
    }
    if (n + n_new > SHARDLIST_MAX_PARTS)
        return err_usage(e, "%s: would have more than %d parts", o->output, SHARDLIST_MAX_PARTS);
    return 0;
}

static int start_threads(struct prep *p, struct err *e)
{
    int planned = p->o->plan_threads;
    p->pool = planned ? plan_new(planned, e) : threads_new(p->o->threads, e);
    if (!p->pool)
        return -1;
    if (planned) {
        p->plan = plan_of(p->pool);
        plan_begin_step(p->plan);
    }
    return 0;
}

static int run(struct prep *p, struct err *e)
{
    const struct prep_options *o = p->o;
    if ((o->vocab && prep_load_vocabulary(o, &p->vocab, e)) || file_make_dirs(o->output, e) ||
        claim_folder(&p->claim, o->output, !o->append, e) ||
        (o->append && (there_open(&p->there, o->output, &p->vocab, e) || check_parts(p, e))))
        return -1;
    struct vocab_form form = o->vocab ? p->vocab.form : o->form;
    enum vocab_pretokens pretokens = o->superwords ? VOCAB_SENTENCES : p->vocab.pretokens;
    if (start_threads(p, e) ||
        intake_run(&p->intake, o, form, pretokens, o->append ? &p->there : NULL, p->pool, e))
        return -1;
    plan_end_phase(p->plan, PREP_READ);
    double begin = clock_seconds();
    if (!o->vocab) {
        struct cli_progress progress;
        cli_progress_start(&progress, "learning the vocabulary");
        progress.last = 0; /* show it at once: there is nothing to count */
        if (progress.terminal)
            cli_progress_update(&progress, -1, "");
        int rc = learn_vocabulary(p, e);
        cli_progress_end(&progress);
        if (rc)
            return -1;
        plan_end_phase(p->plan, PREP_LEARN);
    }
    p->learn_seconds = clock_seconds() - begin;
    begin = clock_seconds();
    if (write_files(p, e) || find_fingerprints(p, e))
        return -1;
    p->encode_seconds = clock_seconds() - begin;
    plan_end_phase(p->plan, PREP_WRITE);
    return p->plan ? plan_end_step(p->plan, e) : 0;
}

int prep_run(struct prep *p, const struct prep_options *o, struct err *e)
{
    double begin = clock_seconds();
    *p = (struct prep){.o = o, .claim = {-1, -1}};
    for (int i = 0; i < INTAKE_N_SPLITS; i++)
        p->intake.spools[i].fd = -1;
    int rc = run(p, e);
    p->seconds = clock_seconds() - begin;
    return rc;
}

void prep_release(struct prep *p)
{
    encode_words_release(&p->words);
    encode_words_release(&p->tokens);
    intake_release(&p->intake);
    shardlist_release(&p->list);
    there_close(&p->there);
    claim_release(&p->claim);
    vocab_release(&p->vocab);
    if (p->plan)
        plan_free(p->pool);
    else
        threads_free(p->pool);
}
