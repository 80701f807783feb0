/* The pieces of a training run, and runs as a whole: interrupted equals uninterrupted, whatever the
 * number of threads; what may not change on resume; the log. */
#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "format/vocabdb.h"
#include "train/init.h"
#include "train/log.h"
#include "train/loop.h"
#include "train/recipe.h"
#include "os/pages.h"

/* ---- a folder with tiny data ----------------------------------------------------------------- */

static char folder[] = "/tmp/bolt-train-XXXXXX";
static const char *folder_path = folder;

enum { N_STORIES = 200 };

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* A byte vocabulary: the four specials and all 256 bytes. */
static void make_vocab(struct vocab *v)
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

/* Stories `first` to `end` of a row of them. */
static uint64_t make_shard(const char *path, uint64_t vocabulary, size_t first, size_t end,
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

static int make_folder(void **state)
{
    (void)state;
    struct err e;
    struct vocab v;
    cli.quiet = true;
    assert_non_null(mkdtemp(folder));
    make_vocab(&v);
    assert_int_equal(vocabdb_save(&v, NULL, 0, in_folder("vocab.db"), NULL, &e), 0);
    make_shard(in_folder("train.shard"), vocab_fingerprint(&v), 0, N_STORIES, 1);
    make_shard(in_folder("valid.shard"), vocab_fingerprint(&v), 0, 20, 2);
    return 0;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct options tiny_options(const char *save_dir)
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
                            .threads = 2,
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

/* ---- initial weights ------------------------------------------------------------------------- */

static void test_initial_weights(void **state)
{
    (void)state;
    struct dims d;
    dims_small(&d, 2000);
    size_t n = dims_n_floats(&d);
    float *params = calloc(n, sizeof *params);
    init_params(&d, 42, params);
    for (size_t i = 0; i < dims_n_tensors(&d); i++) {
        struct tensor t;
        dims_tensor(&d, i, &t);
        double sum = 0;
        double squares = 0;
        for (size_t j = 0; j < t.n; j++) {
            double w = (double)params[t.offset + j];
            sum += w;
            squares += w * w;
        }
        double mean = sum / (double)t.n;
        double deviation = sqrt(squares / (double)t.n - mean * mean);
        if (t.rank == 1) {
            assert_true(mean == 1 && deviation == 0);
            continue;
        }
        double want = t.kind == TENSOR_EMBED  ? 0.02
                      : t.kind == TENSOR_TAPS ? sqrt(2.0 / (192 * 8))
                                              : sqrt(2.0 / (double)t.shape[0]);
        double spread = 5 / sqrt((double)t.n); /* five standard errors */
        assert_true(fabs(mean) < want * spread);
        assert_true(fabs(deviation / want - 1) < spread);
    }
    float *again = calloc(n, sizeof *again);
    init_params(&d, 42, again);
    assert_memory_equal(params, again, n * sizeof *params);
    init_params(&d, 43, again);
    assert_memory_not_equal(params, again, n * sizeof *params);
    free(again);
    free(params);
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* Weights, then all that the optimiser keeps beside them. */
struct weights {
    float *x;
    size_t n;
};

static struct weights copy_of(const struct trainer *t)
{
    size_t n_params = dims_n_floats(&t->dims);
    struct weights w = {calloc(n_params * (1 + OPTIM_MAX_ARRAYS), sizeof *w.x), n_params};
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

static void assert_same_weights(struct weights a, struct weights b)
{
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.x, b.x, a.n * sizeof *a.x);
}

static void free_weights(struct weights w)
{
    free(w.x);
}

static void open_run(struct trainer *t, const struct options *o)
{
    struct err e = {.text = ""};
    if (trainer_open(t, o, &e))
        fail_msg("%s", e.text);
}

/* A whole run; the weights it ends with. */
static struct weights run(struct options o)
{
    struct err e = {.text = ""};
    struct trainer t;
    open_run(&t, &o);
    if (loop_run(&t, &e))
        fail_msg("%s", e.text);
    struct weights w = copy_of(&t);
    trainer_close(&t);
    return w;
}

/* What a run may be: every recipe, and every kind of windows. */
enum { N_VARIANTS = 4 };

static struct options variant(int number, const char *name)
{
    struct options o = tiny_options(in_folder(name));
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

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    for (int i = 0; i < N_VARIANTS; i++) {
        char name[32];
        struct weights w[3];
        for (int j = 0; j < 3; j++) {
            snprintf(name, sizeof name, "threads%d-%d", i, j);
            struct options o = variant(i, name);
            o.steps = 12;
            o.threads = (int[]){1, 2, 7}[j];
            w[j] = run(o);
        }
        assert_same_weights(w[0], w[1]);
        assert_same_weights(w[0], w[2]);
        for (int j = 0; j < 3; j++)
            free_weights(w[j]);
    }
}

static void step_to(struct trainer *t, uint64_t last)
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

/* Stops after 23 of 60 steps, once more after 51, in the second epoch, and goes on with no word
 * about what kind of run it is. */
static void check_resume(int number)
{
    struct trainer t;
    char name[32];
    snprintf(name, sizeof name, "whole%d", number);
    struct options o = variant(number, name);
    o.steps = 60;
    struct weights whole = run(o);
    snprintf(name, sizeof name, "parts%d", number);
    o = variant(number, name);
    o.steps = 60;
    open_run(&t, &o);
    step_to(&t, 23);
    trainer_close(&t);
    o.given.recipe = false;
    o.given.windows = false;
    o.resume = "";
    o.threads = 3;
    open_run(&t, &o);
    assert_int_equal(t.progress.step, 23);
    step_to(&t, 51);
    assert_int_equal(t.batches.epoch, 1);
    trainer_close(&t);
    struct weights parts = run(o);
    assert_same_weights(whole, parts);
    free_weights(whole);
    free_weights(parts);
}

static void test_resumed_equals_uninterrupted(void **state)
{
    (void)state;
    for (int i = 0; i < N_VARIANTS; i++)
        check_resume(i);
}

static void test_learns(void **state)
{
    (void)state;
    struct err e = {.text = ""};
    struct trainer t;
    struct options o = tiny_options(in_folder("learns"));
    o.steps = 150;
    o.lr = 1e-2;
    o.given.lr = true;
    open_run(&t, &o);
    struct trainer_losses losses;
    assert_true(trainer_validate(&t, &losses));
    double before = losses.loss;
    assert_true(fabs(before - log(260)) < 0.5); /* as good as guessing */
    assert_int_equal(loop_run(&t, &e), 0);
    assert_true(t.progress.best_loss < 0.6 * before);
    trainer_close(&t);
    struct ckpt best;
    assert_int_equal(ckpt_open(&best, in_folder("learns/best.safetensors"), &e), 0);
    ckpt_close(&best);
}

static void refuse(const struct options *o, const char *why)
{
    struct err e = {.text = ""};
    struct trainer t;
    if (trainer_open(&t, o, &e) == 0)
        fail_msg("accepted, expected: %s", why);
    if (!strstr(e.text, why))
        fail_msg("said '%s', expected '%s'", e.text, why);
    trainer_close(&t);
}

static void test_refusals(void **state)
{
    (void)state;
    struct options o = tiny_options(in_folder("refusals"));
    o.steps = 2;
    free_weights(run(o));
    refuse(&o, "holds checkpoints of an earlier run");
    o.resume = "";
    o.dim = 32;
    refuse(&o, "--dim 32 does not match");
    o.dim = 24;
    o.dilation = "2,2";
    refuse(&o, "--dilation 2,2 does not match");
    o.dilation = "1,2";
    o.recipe = 1;
    o.given.recipe = true;
    refuse(&o, "--recipe swift does not match");
    o.given.recipe = false;
    o.windows = BATCHES_STORY;
    o.given.windows = true;
    refuse(&o, "--windows story does not match");
    o.given.windows = false;
    o.schedule = SCHEDULE_LINEAR;
    o.given.schedule = true;
    refuse(&o, "--schedule linear does not match");
    o.given.schedule = false;
    o.beta2_tokens = 1e6;
    o.given.beta2_tokens = true;
    refuse(&o, "--beta2-tokens, which gives beta2 0.99982");
    o.given.beta2_tokens = false;
    o.save_dir = folder;
    refuse(&o, "no checkpoint to resume from");
    o.resume = NULL;
    o.seq_len = 20000;
    refuse(&o, "too short for one step");
    o.seq_len = 32;
    o.eval_tokens = 5;
    refuse(&o, "less than one window");
    o.eval_tokens = 0;
    static const char *nowhere = "/nonexistent";
    o.data.items = &nowhere;
    refuse(&o, "/nonexistent/vocab.db");
}

/* A folder of its own with these stories in shards, a list of them, and the same validation. */
static void make_shards(const char *name, const size_t *ends, size_t n_shards,
                        const char *const *parts)
{
    struct err e;
    struct vocab v;
    struct shardlist list = {0};
    char dir[256], file[40], path[512];
    make_vocab(&v);
    list.vocab_fingerprint = vocab_fingerprint(&v);
    snprintf(dir, sizeof dir, "%s", in_folder(name));
    mkdir(dir, 0777);
    snprintf(path, sizeof path, "%s/vocab.db", dir);
    assert_int_equal(vocabdb_save(&v, NULL, 0, path, NULL, &e), 0);
    for (size_t i = 0; i < n_shards; i++) {
        snprintf(file, sizeof file, "train-%zu.shard", i);
        snprintf(path, sizeof path, "%s/%s", dir, file);
        uint64_t print = make_shard(path, list.vocab_fingerprint, i ? ends[i - 1] : 0, ends[i], 1);
        assert_int_equal(
            shardlist_add(&list, file, SHARDLIST_TRAIN, parts ? parts[i] : NULL, print, &e), 0);
    }
    for (size_t i = 0; i < n_shards; i++) {
        snprintf(file, sizeof file, "valid-%zu.shard", i);
        snprintf(path, sizeof path, "%s/%s", dir, file);
        uint64_t print = make_shard(path, list.vocab_fingerprint, i ? 20 : 0, i ? 21 : 20, 2);
        assert_int_equal(
            shardlist_add(&list, file, SHARDLIST_VALID, parts ? parts[i] : NULL, print, &e), 0);
    }
    assert_int_equal(shardlist_save(&list, dir, NULL, &e), 0);
    shardlist_release(&list);
}

/* The same stories in one file and in three, of which one has none: the same weights, and the same
 * fingerprint in the checkpoint. */
static void test_files_of_the_data_do_not_matter(void **state)
{
    (void)state;
    static const size_t ends[] = {70, 70, N_STORIES};
    make_shards("cut", ends, 3, NULL);
    static char path[256];
    static const char *cut = path;
    snprintf(path, sizeof path, "%s", in_folder("cut"));
    for (int i = 0; i < N_VARIANTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "in-one%d", i);
        struct options o = variant(i, name);
        o.steps = 60;
        o.eval_every = 0;
        struct weights one = run(o);
        snprintf(name, sizeof name, "in-three%d", i);
        o.save_dir = in_folder(name);
        o.data.items = &cut;
        struct weights three = run(o);
        assert_same_weights(one, three);
        free_weights(one);
        free_weights(three);
    }
}

/* Stories that are added while a run is interrupted: its epoch goes on as if nothing had been, and
 * the next one has them. */
static void test_stories_added_to_a_run(void **state)
{
    (void)state;
    static const size_t ends[] = {120, N_STORIES};
    static char path[256];
    static const char *grows = path;
    make_shards("grows", ends, 1, NULL);
    snprintf(path, sizeof path, "%s", in_folder("grows"));
    for (int i = 0; i < N_VARIANTS; i++) {
        struct trainer t, old;
        char name[32];
        make_shards("grows", ends, 1, NULL);
        snprintf(name, sizeof name, "before%d", i);
        struct options o = variant(i, name);
        o.data.items = &grows;
        o.steps = 60;
        open_run(&old, &o);
        uint64_t epoch = batches_steps_per_epoch(&old.batches);
        step_to(&old, epoch);
        snprintf(name, sizeof name, "after%d", i);
        o.save_dir = in_folder(name);
        open_run(&t, &o);
        step_to(&t, epoch / 2);
        trainer_close(&t);
        make_shards("grows", ends, 2, NULL);
        o.resume = "";
        open_run(&t, &o);
        assert_int_equal(t.had_shards, 1);
        assert_int_equal(t.valid.n_stories, 20);
        step_to(&t, epoch);
        struct weights was = copy_of(&old), is = copy_of(&t);
        assert_same_weights(was, is);
        free_weights(was);
        free_weights(is);
        trainer_close(&old);
        trainer_close(&t);
        open_run(&t, &o); /* once more within the epoch, then beyond its end */
        assert_int_equal(t.had_shards, 1);
        step_to(&t, epoch + 1);
        assert_int_equal(t.batches.n_shards, 2);
        trainer_close(&t);
        open_run(&t, &o);
        assert_int_equal(t.had_shards, 2);
        assert_int_equal(t.prints.train, t.train.fingerprint);
        assert_int_equal(t.valid.n_stories, 20);
        trainer_close(&t);
    }
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static char parted_path[256];
static const char *parted = parted_path;

/* A run by this curriculum over parts a and b, of which b is small. */
static struct options by_curriculum(int number, const char *name, const char *text)
{
    static const size_t ends[] = {170, 190, N_STORIES};
    static const char *const parts[] = {"a", "b", "a"};
    static char file[256];
    struct options o = variant(number, name);
    snprintf(parted_path, sizeof parted_path, "%s", in_folder("parted"));
    make_shards("parted", ends, 3, parts);
    snprintf(file, sizeof file, "%s", in_folder("curriculum"));
    write_text(file, text);
    o.data.items = &parted;
    o.curriculum = file;
    o.steps = 60;
    return o;
}

static const char stages[] = "40%: a\n60%: a 1 to 0, b 1 to 3\n";

/* Stops within the first stage, where the second begins, and within that, in another epoch of b. */
static void test_a_curriculum_is_resumed_to_the_bit(void **state)
{
    (void)state;
    for (int i = 0; i < N_VARIANTS; i++) {
        static const uint64_t stops[] = {11, 24, 47};
        struct trainer t;
        char name[32];
        snprintf(name, sizeof name, "lessons%d", i);
        struct weights whole = run(by_curriculum(i, name, stages));
        snprintf(name, sizeof name, "pauses%d", i);
        struct options o = by_curriculum(i, name, stages);
        for (size_t k = 0; k < ARRAY_LEN(stops); k++) {
            open_run(&t, &o);
            assert_int_equal(t.mixture.n, 2);
            assert_int_equal(t.progress.step, k ? stops[k - 1] : 0);
            step_to(&t, stops[k]);
            trainer_close(&t);
            o.resume = "";
            o.given.recipe = false;
            o.given.windows = false;
            o.curriculum = k == 1 ? o.curriculum : NULL;
            o.threads = 1 + (int)k;
        }
        open_run(&t, &o);
        assert_true(t.mixture.part[1].batches.epoch > 0);
        trainer_close(&t);
        struct weights paused = run(o);
        assert_same_weights(whole, paused);
        free_weights(whole);
        free_weights(paused);
    }
}

/* The whole of both parts in one file is another run, and so is another curriculum. */
static void test_another_curriculum_is_refused(void **state)
{
    (void)state;
    struct trainer t;
    struct options o = by_curriculum(0, "stages", stages);
    open_run(&t, &o);
    assert_int_equal(t.n_valid_parts, 2);
    step_to(&t, 5);
    trainer_close(&t);
    o.resume = "";
    write_text(o.curriculum, "100%: b\n");
    refuse(&o, "which has 40%: a 1; 60%: a 1 to 0, b 1 to 3");
    write_text(o.curriculum, "100%: c\n");
    refuse(&o, "/curriculum: line 1: the data have no part 'c' (they have a, b)");
    struct options plain = tiny_options(in_folder("plain"));
    plain.steps = 2;
    free_weights(run(plain));
    plain.resume = "";
    plain.curriculum = o.curriculum;
    refuse(&plain, "has no parts for --curriculum to name");
    plain = tiny_options(in_folder("unstaged"));
    plain.data.items = &parted;
    plain.steps = 2;
    free_weights(run(plain));
    plain.resume = "";
    plain.curriculum = o.curriculum;
    write_text(o.curriculum, "100%: b\n");
    refuse(&plain, "which has none");
}

/* A linear schedule ends at a rate of 0, at which nothing would be learnt. */
static void test_a_run_at_rate_0_is_not_gone_on_with(void **state)
{
    (void)state;
    struct err e = {.text = ""};
    struct trainer t;
    struct options o = tiny_options(in_folder("zero"));
    o.steps = 4;
    o.schedule = SCHEDULE_LINEAR;
    o.given.schedule = true;
    free_weights(run(o));
    o.resume = "";
    free_weights(run(o)); /* nothing to do is no error */
    o.steps = 8;
    open_run(&t, &o);
    assert_int_equal(loop_run(&t, &e), -1);
    assert_non_null(strstr(e.text, "where its learning rate is 0"));
    trainer_close(&t);
}

static void test_other_data_is_refused(void **state)
{
    (void)state;
    struct options o = tiny_options(in_folder("other"));
    struct vocab v;
    o.steps = 2;
    free_weights(run(o));
    make_vocab(&v);
    assert_int_equal(rename(in_folder("train.shard"), in_folder("kept.shard")), 0);
    make_shard(in_folder("train.shard"), vocab_fingerprint(&v), 0, N_STORIES, 99);
    o.resume = "";
    refuse(&o, "with other training stories");
    make_shard(in_folder("train.shard"), vocab_fingerprint(&v) + 1, 0, N_STORIES, 1);
    refuse(&o, "another vocabulary");
    assert_int_equal(rename(in_folder("kept.shard"), in_folder("train.shard")), 0);
}

static void test_infinite_loss_stops(void **state)
{
    (void)state;
    struct err e = {.text = ""};
    struct trainer t;
    struct trainer_step step;
    struct options o = tiny_options(in_folder("infinite"));
    open_run(&t, &o);
    t.params[VOCAB_EOS * 24] = NAN;
    struct weights before = copy_of(&t);
    assert_int_equal(trainer_step(&t, &step, &e), -1);
    assert_non_null(strstr(e.text, "not finite"));
    struct weights after = copy_of(&t);
    assert_same_weights(before, after);
    free_weights(before);
    free_weights(after);
    trainer_close(&t);
}

/* ---- log ------------------------------------------------------------------------------------- */

static void write_reports(const char *dir, uint64_t from, uint64_t to, uint64_t last)
{
    struct err e;
    struct log l = {0};
    assert_int_equal(log_open(&l, dir, true, &e), 0);
    assert_int_equal(log_cut(&l, last, &e), 0);
    for (uint64_t step = from; step <= to; step += 5) {
        struct log_report r = {.step = step, .val_loss = NAN, .zero_share = NAN};
        assert_int_equal(log_write(&l, &r, &e), 0);
    }
    log_close(&l);
}

static void test_log_has_each_step_once(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(file_make_dirs(in_folder("log"), &e), 0);
    write_reports(in_folder("log"), 5, 30, 0);
    FILE *f = fopen(in_folder("log/log.jsonl"), "a");
    fputs("{\"step\":35,\"tok", f); /* torn by a crash */
    fclose(f);
    write_reports(in_folder("log"), 25, 40, 20); /* resumed from a checkpoint at 20 */
    f = fopen(in_folder("log/log.jsonl"), "r");
    char line[1024];
    uint64_t expected = 5;
    while (fgets(line, sizeof line, f)) {
        unsigned long long step;
        assert_int_equal(sscanf(line, "{\"step\":%llu,", &step), 1);
        assert_int_equal(step, expected);
        expected += 5;
    }
    fclose(f);
    assert_int_equal(expected, 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_weights),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_resumed_equals_uninterrupted),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_files_of_the_data_do_not_matter),
        cmocka_unit_test(test_stories_added_to_a_run),
        cmocka_unit_test(test_a_curriculum_is_resumed_to_the_bit),
        cmocka_unit_test(test_another_curriculum_is_refused),
        cmocka_unit_test(test_a_run_at_rate_0_is_not_gone_on_with),
        cmocka_unit_test(test_other_data_is_refused),
        cmocka_unit_test(test_infinite_loss_stops),
        cmocka_unit_test(test_log_has_each_step_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
