#include "prep/prep.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"
#include "os/file.h"
#include "cli/cli.h"
#include "prep/bpetrain.h"
#include "prep/gpt2vocab.h"
#include "prep/superwords.h"
#include "format/vocabjson.h"
#include "os/threads.h"

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

static int learn_vocabulary(struct prep *p, struct err *e)
{
    const struct prep_options *o = p->o;
    struct pretoken *items;
    struct pretokens words = {.n_stories = intake_total(&p->intake, INTAKE_TRAIN).n_stories};
    if (training_words(&p->intake.words, &items, &words.n, e))
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
    if (!rc && o->superwords)
        rc = superwords_learn(&p->vocab, o->vocab_size, &p->intake.words,
                              &p->intake.spools[INTAKE_TRAIN], &p->tokens, p->pool, e);
    if (!rc && !fewer && p->vocab.n_tokens < o->vocab_size)
        rc = err_set(e,
                     "the stories have too few distinct pieces for a vocabulary of %u tokens, %u "
                     "of them superwords: the largest that works is %u",
                     o->vocab_size, o->superwords, p->vocab.n_tokens);
    if (!rc && p->vocab.n_tokens < o->vocab_size)
        cli_warn("the stories have too few distinct pieces for the default of %u tokens: the "
                 "vocabulary has %u, all there are",
                 o->vocab_size, p->vocab.n_tokens);
    return rc;
}

static char *path_in(const char *folder, const char *name, const char *extension)
{
    char *path;
    return asprintf(&path, "%s/%s%s", folder, name, extension) < 0 ? NULL : path;
}

static struct shard_writer *create_shard(struct prep *p, enum intake_split split, struct err *e)
{
    char *path = path_in(p->o->output, intake_split_names[split], ".shard");
    if (!path) {
        err_memory(e, "%s: out of memory", p->o->output);
        return NULL;
    }
    struct shard_writer *w = shard_create(path, p->vocab.n_tokens, vocab_fingerprint(&p->vocab), e);
    free(path);
    return w;
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

static int write_shard(struct prep *p, enum intake_split split, struct file_set *set, struct err *e)
{
    struct cli_progress progress;
    struct shard_writer *w = create_shard(p, split, e);
    if (!w)
        return -1;
    cli_progress_start(&progress,
                       split == INTAKE_TRAIN ? "writing train.shard" : "writing valid.shard");
    bool as_tokens = split == INTAKE_TRAIN && p->tokens.starts;
    int rc = encode_spool(&p->intake.spools[split], as_tokens ? &p->tokens : &p->words, w, p->pool,
                          &p->counts[split], &progress, p->intake.spools[split].n_stories, e);
    if (rc)
        shard_abort(w);
    else
        rc = shard_finish(w, &p->fingerprints[split], set, e);
    cli_progress_end(&progress);
    return rc;
}

/* All three files or none. Were the run to end between two of their renamings, the fingerprint of
 * the vocabulary in the shards would tell. */
static int write_files(struct prep *p, struct err *e)
{
    struct file_set set = {0};
    if (encode_words(&p->words, &p->vocab, &p->intake.words, p->pool, e) ||
        save_vocabulary(p, &set, e) || write_shard(p, INTAKE_VALID, &set, e) ||
        write_shard(p, INTAKE_TRAIN, &set, e)) {
        file_set_abort(&set);
        return -1;
    }
    return file_set_commit(&set, e);
}

static int run(struct prep *p, struct err *e)
{
    const struct prep_options *o = p->o;
    if ((o->vocab && prep_load_vocabulary(o, &p->vocab, e)) || file_make_dirs(o->output, e))
        return -1;
    p->pool = threads_new(o->threads, e);
    struct vocab_form form = o->vocab ? p->vocab.form : o->form;
    enum vocab_pretokens pretokens = o->superwords ? VOCAB_SENTENCES : p->vocab.pretokens;
    if (!p->pool || intake_run(&p->intake, o, form, pretokens, p->pool, e))
        return -1;
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
    }
    p->learn_seconds = clock_seconds() - begin;
    begin = clock_seconds();
    if (write_files(p, e))
        return -1;
    p->encode_seconds = clock_seconds() - begin;
    return 0;
}

int prep_run(struct prep *p, const struct prep_options *o, struct err *e)
{
    double begin = clock_seconds();
    *p = (struct prep){.o = o};
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
    vocab_release(&p->vocab);
    threads_free(p->pool);
}
