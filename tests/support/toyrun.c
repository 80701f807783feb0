#include "support/toyrun.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "cli/cli.h"
#include "format/vocabdb.h"
#include "train/loop.h"
#include "train/recipe.h"

static char folder[] = "/tmp/bolt-train-XXXXXX";
const char *const toyrun_data = folder;
static const char *folder_path = folder;

const char *toyrun_path(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void toyrun_vocab(struct vocab *v)
{
    static unsigned char bytes[256];
    static struct vocab_token tokens[VOCAB_N_SPECIAL + 256];
    static const char *const specials[] = {"<pad>", "<unk>", "<bos>", "<eos>"};
    *v = (struct vocab){
        .kind = VOCAB_BPE, .form = {VOCAB_NORM_NFC, VOCAB_LINES_LF}, .n_tokens = 260};
    for (uint32_t i = 0; i < VOCAB_N_SPECIAL; i++)
        tokens[i] = (struct vocab_token){
            {(const unsigned char *)specials[i], (uint32_t)strlen(specials[i])}, VOCAB_SPECIAL, 0};
    for (uint32_t i = 0; i < 256; i++) {
        bytes[i] = (unsigned char)i;
        tokens[VOCAB_N_SPECIAL + i] = (struct vocab_token){{&bytes[i], 1}, VOCAB_BYTE, 1};
    }
    v->tokens = tokens;
}

uint64_t toyrun_shard(const char *path, uint64_t vocabulary, size_t first, size_t end,
                      uint64_t seed)
{
    uint64_t fingerprint;
    struct err e;
    struct rng rng;
    struct shard_writer *w = shard_create(path, 260, vocabulary, &e);
    assert_non_null(w);
    rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < end; i++) {
        uint16_t story[80];
        size_t n = 20 + rng_below(&rng, 60);
        for (size_t j = 0; j < n; j++) /* a pattern that can be learnt, with a little noise */
            story[j] = (uint16_t)(100 + (i + 3 * j) % 50 + (rng_below(&rng, 8) == 0));
        if (i >= first)
            assert_int_equal(shard_add(w, story, n, n, n, &e), 0);
    }
    assert_int_equal(shard_finish(w, &fingerprint, NULL, &e), 0);
    return fingerprint;
}

void toyrun_folder(const char *name, const size_t *ends, size_t n_shards, const char *const *parts)
{
    struct err e;
    struct vocab v;
    struct shardlist list = {0};
    char dir[256], file[40], path[512];
    toyrun_vocab(&v);
    list.vocab_fingerprint = vocab_fingerprint(&v);
    snprintf(dir, sizeof dir, "%s", toyrun_path(name));
    mkdir(dir, 0777);
    snprintf(path, sizeof path, "%s/vocab.db", dir);
    assert_int_equal(vocabdb_save(&v, NULL, 0, path, NULL, &e), 0);
    for (size_t i = 0; i < n_shards; i++) {
        snprintf(file, sizeof file, "train-%zu.shard", i);
        snprintf(path, sizeof path, "%s/%s", dir, file);
        uint64_t print =
            toyrun_shard(path, list.vocab_fingerprint, i ? ends[i - 1] : 0, ends[i], 1);
        assert_int_equal(
            shardlist_add(&list, file, SHARDLIST_TRAIN, parts ? parts[i] : NULL, print, &e), 0);
    }
    for (size_t i = 0; i < n_shards; i++) {
        snprintf(file, sizeof file, "valid-%zu.shard", i);
        snprintf(path, sizeof path, "%s/%s", dir, file);
        uint64_t print = toyrun_shard(path, list.vocab_fingerprint, i ? 20 : 0, i ? 21 : 20, 2);
        assert_int_equal(
            shardlist_add(&list, file, SHARDLIST_VALID, parts ? parts[i] : NULL, print, &e), 0);
    }
    assert_int_equal(shardlist_save(&list, dir, NULL, &e), 0);
    shardlist_release(&list);
}

int toyrun_setup(void **state)
{
    (void)state;
    struct err e;
    struct vocab v;
    cli.quiet = true;
    assert_non_null(mkdtemp(folder));
    toyrun_vocab(&v);
    assert_int_equal(vocabdb_save(&v, NULL, 0, toyrun_path("vocab.db"), NULL, &e), 0);
    toyrun_shard(toyrun_path("train.shard"), vocab_fingerprint(&v), 0, TOYRUN_STORIES, 1);
    toyrun_shard(toyrun_path("valid.shard"), vocab_fingerprint(&v), 0, 20, 2);
    return 0;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

int toyrun_teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

struct options toyrun_options(const char *save_dir)
{
    return (struct options){.data = {&folder_path, 1},
                            .save_dir = save_dir,
                            .cpu = cpu_best(),
                            .dim = 24,
                            .blocks = 2,
                            .hidden = 40,
                            .kernel = 4,
                            .seq_len = 32,
                            .dilation = "1,2",
                            .epochs = 10,
                            .steps = 40,
                            .batch = 4,
                            .accum = 2,
                            .seed = 5,
                            .threads = 1,
                            .eval_every = 10,
                            .log_every = 5,
                            .keep = 3,
                            .given = {.dim = true,
                                      .blocks = true,
                                      .hidden = true,
                                      .kernel = true,
                                      .seq_len = true,
                                      .steps = true,
                                      .batch = true,
                                      .accum = true}};
}

struct toyrun_weights toyrun_weights(const struct trainer *t)
{
    size_t n_params = dims_n_floats(&t->dims);
    struct toyrun_weights w = {calloc(n_params * (1 + OPTIM_MAX_ARRAYS), sizeof *w.x), n_params};
    memcpy(w.x, t->params, n_params * sizeof *w.x);
    for (size_t i = 0; i < t->optim.n_tensors; i++) {
        const struct optim_tensor *o = &t->optim.tensors[i];
        for (size_t a = 0; a < OPTIM_MAX_ARRAYS && o->state[a]; a++) {
            memcpy(w.x + w.n, o->state[a], o->tensor.n * sizeof *w.x);
            w.n += o->tensor.n;
        }
    }
    return w;
}

void toyrun_same(struct toyrun_weights a, struct toyrun_weights b)
{
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.x, b.x, a.n * sizeof *a.x);
}

void toyrun_free(struct toyrun_weights w)
{
    free(w.x);
}

void toyrun_open(struct trainer *t, const struct options *o)
{
    struct err e = {.text = ""};
    if (trainer_open(t, o, &e))
        fail_msg("%s", e.text);
}

struct toyrun_weights toyrun_run(struct options o)
{
    struct err e = {.text = ""};
    struct trainer t;
    toyrun_open(&t, &o);
    if (loop_run(&t, &e))
        fail_msg("%s", e.text);
    struct toyrun_weights w = toyrun_weights(&t);
    trainer_close(&t);
    return w;
}

struct options toyrun_variant(int number, const char *name)
{
    struct options o = toyrun_options(toyrun_path(name));
    assert_true(!recipe_names[2] && !batches_names[2]);
    if (number < 2) {
        o.recipe = number;
        o.given.recipe = true;
    } else {
        o.windows = number - 2;
        o.given.windows = true;
    }
    return o;
}

void toyrun_step_to(struct trainer *t, uint64_t last)
{
    struct err e = {.text = ""};
    struct trainer_step step;
    char name[48];
    while (t->progress.step < last) {
        assert_int_equal(trainer_step(t, &step, &e), 0);
        t->progress.share = schedule_progress(&t->schedule, t->progress.share, t->progress.step, 0);
    }
    snprintf(name, sizeof name, "step-%09d.safetensors", (int)last);
    assert_int_equal(trainer_save(t, name, &e), 0);
}

void toyrun_refuse(const struct options *o, const char *why)
{
    struct err e = {.text = ""};
    struct trainer t;
    if (trainer_open(&t, o, &e) == 0)
        fail_msg("accepted, expected: %s", why);
    if (!strstr(e.text, why))
        fail_msg("said '%s', expected '%s'", e.text, why);
    trainer_close(&t);
}
