#include "train/data.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fmath.h"
#include "cli/cli.h"
#include "format/kind.h"
#include "format/vocabdb.h"
#include "os/file.h"
#include "train/choose.h"

enum { LONGEST_CURRICULUM = 1 << 20 /* bytes of its text, remarks included */ };

/* ---- opening --------------------------------------------------------------------------------- */

/* While somebody holds the vocabulary of a folder, prep does not replace what is in it (claim.h).
 * What cannot be opened is told by who reads it. */
static int hold(struct trainer *t, const char *vocabulary, struct err *e)
{
    int fd = open(vocabulary, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return 0;
    if (array_reserve(&t->held, &t->held_capacity, t->n_held + 1, sizeof *t->held)) {
        close(fd);
        return err_memory(e, "out of memory");
    }
    t->held[t->n_held++] = fd;
    return file_hold(fd, FILE_SHARED)
               ? 0
               : err_system(e, "%s: prep is making this folder's stories anew; wait for its end",
                            vocabulary);
}

/* A file that is no shard is called what it is. */
static int refuse_file(const char *path, struct err *e)
{
    enum kind kind;
    if (kind_of_file(path, &kind, NULL, e))
        return -1;
    return err_set(e, "%s: is %s; give the folder that prep wrote, or a token shard in it", path,
                   kind_text(kind) ? kind_text(kind) : "no token shard");
}

/* The vocabulary in the folder that `path` is, or in which it lies. */
static int load_vocabulary(struct trainer *t, const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    bool folder = file_is_folder(path);
    char *name;
    if (!folder && !shard_probe_file(path))
        return refuse_file(path, e);
    int n = folder  ? asprintf(&name, "%s/vocab.db", path)
            : slash ? asprintf(&name, "%.*s/vocab.db", (int)(slash - path), path)
                    : asprintf(&name, "vocab.db");
    if (n < 0)
        return err_memory(e, "out of memory");
    int rc = folder && access(name, F_OK)
                 ? err_set(e, "%s: holds no vocab.db; give a folder that prep wrote", path)
                 : hold(t, name, e) || vocabdb_load(&t->vocab, name, e);
    free(name);
    if (rc)
        return -1;
    t->tokenizer = tokenizer_new(&t->vocab, e);
    return t->tokenizer ? 0 : -1;
}

static int open_folder(struct trainer *t, const char *path, struct err *e)
{
    uint64_t print = vocab_fingerprint(&t->vocab);
    struct shardlist list;
    char *vocabulary;
    if (asprintf(&vocabulary, "%s/vocab.db", path) < 0)
        return err_memory(e, "out of memory");
    int held = hold(t, vocabulary, e);
    free(vocabulary);
    if (held || shardlist_read(&list, path, e))
        return -1;
    int rc = shardset_open(&t->train, &list, path, SHARDLIST_TRAIN, print, t->vocab.n_tokens, e) ||
             (t->options.eval_every &&
              shardset_open(&t->valid, &list, path, SHARDLIST_VALID, print, t->vocab.n_tokens, e));
    shardlist_release(&list);
    return rc ? -1 : 0;
}

static int open_path(struct trainer *t, const char *path, struct err *e)
{
    if (file_is_folder(path))
        return open_folder(t, path, e);
    return shardset_open_file(&t->train, path, vocab_fingerprint(&t->vocab), t->vocab.n_tokens, e);
}

/* For --bench without data: tokens of the preset's own vocabulary, as frequent as 1 / (id + 10),
 * which is about how words are (Zipf). */
static int make_tokens(struct trainer *t, struct err *e)
{
    enum { N_TOKENS = 1 << 20 };
    const int V = preset_table[choose_preset(&t->options, NULL)].vocab;
    static const uint64_t one_story[] = {0, N_TOKENS};
    struct rng rng;
    t->made_up = malloc(N_TOKENS * sizeof *t->made_up);
    if (!t->made_up)
        return err_memory(e, "out of memory");
    rng_seed(&rng, 1, 0);
    for (size_t i = 0; i < N_TOKENS; i++) {
        double id = 10 * fmath_exp(rng_unit(&rng) * fmath_log((V + 10) / 10.0)) - 10;
        t->made_up[i] = (uint16_t)MIN((int)id, V - 1);
    }
    struct shard shard = {.tokens = t->made_up,
                          .stories = one_story,
                          .n_tokens = N_TOKENS,
                          .n_stories = 1,
                          .vocab_size = (uint32_t)V};
    return shardset_add(&t->train, &shard, NULL, e);
}

/* That may be meant, or two of --data name one folder. */
static void warn_of_repeats(const struct shardset *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < i; k++)
            if (s->shards[i].n_stories && s->shards[i].fingerprint == s->shards[k].fingerprint) {
                cli_warn("the same training stories are in the data twice (shards %zu and %zu of "
                         "%zu)",
                         k + 1, i + 1, s->n);
                return;
            }
}

int data_open(struct trainer *t, struct err *e)
{
    const struct cli_list *paths = &t->options.data;
    if (t->options.bench)
        t->options.eval_every = 0;
    if (!paths->n)
        return make_tokens(t, e);
    if (load_vocabulary(t, paths->items[0], e))
        return -1;
    for (size_t i = 0; i < paths->n; i++)
        if (open_path(t, paths->items[i], e))
            return -1;
    if (t->train.n == 0)
        return err_set(e, "%s: has no training shard", paths->items[0]);
    warn_of_repeats(&t->train);
    return 0;
}

void data_close(struct trainer *t)
{
    tokenizer_free(t->tokenizer);
    vocab_release(&t->vocab);
    mixture_close(&t->mixture);
    for (size_t i = 0; i < t->n_valid_parts; i++)
        shardset_release(&t->valid_parts[i]);
    shardset_close(&t->train);
    shardset_close(&t->valid);
    free(t->made_up);
    for (size_t i = 0; i < t->n_held; i++)
        close(t->held[i]);
    free(t->held);
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* All of a file or pipe, which has no NUL in it. */
static int read_text(const char *path, char **text, struct err *e)
{
    size_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_errno(e, "%s: cannot open", path);
    int rc = file_read_fd(fd, path, LONGEST_CURRICULUM, text, &n, e);
    close(fd); /* only read: nothing can be lost */
    if (rc || strlen(*text) == n)
        return rc;
    free(*text);
    return err_set(e, "%s: is no text (found a NUL byte)", path);
}

int data_curriculum(const struct trainer *t, char out[CKPT_CURRICULUM_BYTES], struct err *e)
{
    const char *path = t->options.curriculum;
    const char *names[CURRICULUM_MAX_PARTS];
    size_t n_names = mixture_names(&t->train, names);
    struct curriculum c;
    char *text;
    out[0] = '\0';
    if (!path)
        return 0;
    if (n_names == 0)
        return err_usage(e, "%s: has no parts for --curriculum to name; prep --part makes them",
                         t->options.data.items[0]);
    if (read_text(path, &text, e))
        return -1;
    int rc = curriculum_parse(&c, text, names, n_names, e) || curriculum_text(&c, names, out, e);
    free(text);
    return rc ? err_at(e, path, e) : 0;
}

/* Whether the names are those of all shards, where one of them has a part: what no name stands for
 * would be left out without a word. */
static int check_names(const struct shardset *s, const char *what, const char *const *names,
                       size_t n, struct err *e)
{
    for (size_t i = 0; i < s->n && n > 0; i++) {
        size_t k = 0;
        while (k < n && strcmp(names[k], s->parts[i]) != 0)
            k++;
        if (k < n)
            continue;
        if (s->parts[i][0])
            return err_usage(e, "--data: the %s stories are of more than %d parts", what,
                             CKPT_MAX_PARTS);
        return err_usage(e,
                         "--data: some %s stories are of parts, others of none; prep --part makes "
                         "a part of these",
                         what);
    }
    return 0;
}

/* A part whose stories are shorter than one window is not validated. */
static int divide_valid(struct trainer *t, struct err *e)
{
    const char *names[CKPT_MAX_PARTS] = {""};
    size_t T = (size_t)t->dims.T, n = mixture_names(&t->valid, names);
    if (!t->options.eval_every)
        return 0;
    if (check_names(&t->valid, "validation", names, n, e))
        return -1;
    for (size_t i = 0; i < MAX(n, (size_t)1); i++) {
        struct shardset *s = &t->valid_parts[t->n_valid_parts];
        if (shardset_part(s, &t->valid, names[i], e))
            return -1;
        if (batches_windows(s->n_tokens, T) > 0) {
            t->n_valid_parts++;
            continue;
        }
        if (n > 1)
            cli_warn("part %s is not validated: its validation stories are shorter than one window "
                     "(%llu tokens, expected %zu)",
                     names[i], (unsigned long long)s->n_tokens, T + 1);
        shardset_release(s);
    }
    return 0;
}

static int open_mixture(struct trainer *t, struct err *e)
{
    const struct ckpt_settings *s = &t->settings;
    const char *names[CURRICULUM_MAX_PARTS];
    size_t n = mixture_names(&t->train, names);
    if (check_names(&t->train, "training", names, n, e))
        return -1;
    if (mixture_open(&t->mixture, &t->train, s->curriculum, batches_find(s->windows),
                     (size_t)t->dims.T, s->seed, e) == 0)
        return 0;
    return err_at(e, t->resumed_from ? t->resumed_from : t->options.curriculum, e);
}

int data_parts(struct trainer *t, struct err *e)
{
    if (divide_valid(t, e))
        return -1;
    return t->settings.curriculum[0] ? open_mixture(t, e) : 0;
}

int data_check_length(const struct trainer *t, struct err *e)
{
    const struct options *o = &t->options;
    size_t T = (size_t)t->dims.T;
    const char *name = o->data.n ? o->data.items[0] : "--bench";
    size_t n = batches_per_epoch(t->train.n_tokens, batches_find(t->settings.windows), T);
    size_t per_step = t->settings.batch * t->settings.accum;
    if (n < per_step && !t->mixture.n)
        return err_set(
            e,
            "%s: too short for one step (%llu training tokens give %zu windows of --seq-len %zu, a "
            "step takes %zu); use a smaller --seq-len or --batch",
            name, (unsigned long long)t->train.n_tokens, n, T, per_step);
    if (n > UINT32_MAX && !t->mixture.n)
        return err_set(e, "%s: more windows than a run can order (%zu)", name, n);
    if (o->eval_every && t->n_valid_parts == 0)
        return err_set(e,
                       "%s: its validation stories are shorter than one window (%llu tokens, "
                       "expected %zu); use --eval-every 0 or a smaller --seq-len",
                       name, (unsigned long long)t->valid.n_tokens, T + 1);
    if (o->eval_every && o->eval_tokens && (uint64_t)o->eval_tokens < T + 1)
        return err_usage(e, "--eval-tokens %lld is less than one window of %zu tokens",
                         o->eval_tokens, T + 1);
    return 0;
}

/* ---- resuming -------------------------------------------------------------------------------- */

/* How many of the shards are those of the checkpoint. */
static int find_had(const struct shardset *s, const char *what, uint64_t had, const char *path,
                    size_t *n, struct err *e)
{
    if (shardset_find_prefix(s, had, n, e))
        return -1;
    if (*n != SIZE_MAX)
        return 0;
    return err_set(e,
                   "%s: trained with other %s stories (found %016llx, this data has %016llx, and "
                   "does not begin with those); let prep make those again, or begin a new run with "
                   "--init-from",
                   path, what, (unsigned long long)had, (unsigned long long)s->fingerprint);
}

static void say_added(const struct trainer *t, const struct ckpt_state *had)
{
    char stories[32], tokens[32], steps[32];
    size_t n = t->had_shards;
    uint64_t epoch = had->progress.epoch + 1; /* as people count */
    if (n == t->train.n)
        return;
    cli_say("data: %s training stories (%s tokens) were added since this checkpoint: ",
            cli_count_text(stories, t->train.n_stories - t->train.first_story[n]),
            cli_count_text(tokens, t->train.n_tokens - t->train.first_token[n]));
    if (had->settings.curriculum[0])
        cli_say("each part ends its epoch without them, and begins the next with all");
    else
        cli_say("epoch %llu ends without them, epoch %llu begins with all",
                (unsigned long long)epoch, (unsigned long long)epoch + 1);
    cli_say("; the budget stays at %s steps unless --steps or --epochs is given\n",
            cli_count_text(steps, had->settings.budget_steps));
}

/* A run is validated on the same stories from its first step to its last: losses compare. */
static int resume_valid(struct trainer *t, uint64_t had, const char *path, struct err *e)
{
    char stories[32];
    size_t n;
    if (!t->options.eval_every || !had)
        return 0;
    if (find_had(&t->valid, "validation", had, path, &n, e))
        return -1;
    if (n == t->valid.n)
        return 0;
    cli_say("data: validation stays on the %s stories that this run began with, so that its losses "
            "compare\n",
            cli_count_text(stories, t->valid.first_story[n]));
    return shardset_cut(&t->valid, n, e);
}

int data_resume(struct trainer *t, const struct ckpt_state *had, const char *path, struct err *e)
{
    if (find_had(&t->train, "training", had->prints.train, path, &t->had_shards, e))
        return -1;
    say_added(t, had);
    return resume_valid(t, had->prints.valid, path, e);
}
