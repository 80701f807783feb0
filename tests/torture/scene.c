#include "torture/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/ckpt.h"
#include "support/toygpt2.h"
#include "torture/folder.h"

enum { PATH = 512 };

#define TINY                                                                                   \
    "--data", "in/data", "--save-dir", "out", "-q", "--small", "--dim", "8", "--blocks", "1",  \
        "--hidden", "8", "--kernel", "2", "--seq-len", "16", "--batch", "2", "--save-minutes", \
        "0", "--sample-every", "0", "--threads", "2"

const struct trial scene_trials[] = {
    {.name = "prep",
     .arguments = {"prep", "-q", "-o", "out", "--threads", "2", "--vocab-size", "280", "--valid",
                   "in/valid.txt", "in/train.txt"},
     .killed = true},
    {.name = "prep-append",
     .arguments = {"prep", "-q", "--append", "-o", "out", "--threads", "2", "in/few.txt"},
     .grows = true,
     .killed = true,
     .starved = true},
    {.name = "prep-few",
     .arguments = {"prep", "-q", "-o", "out", "--threads", "2", "--vocab-size", "264",
                   "in/few.txt"},
     .starved = true},
    {.name = "prep-super",
     .arguments = {"prep", "-q", "-o", "out", "--threads", "2", "--vocab-size", "272",
                   "--superwords", "8", "in/few.txt"},
     .starved = true},
    {.name = "prep-gz",
     .arguments = {"prep", "-q", "-o", "out", "--threads", "2", "--vocab", "in/data/vocab.db",
                   "--keep-duplicates", "in/few.jsonl.gz"},
     .starved = true},
    {.name = "prep-tar",
     .arguments = {"prep", "-q", "-o", "out", "--threads", "2", "--vocab", "in/data/vocab.db",
                   "in/few.tar.gz"},
     .starved = true,
     .libarchive = true},
    {.name = "prep-gpt2",
     .arguments = {"prep", "-q", "-o", "out", "--threads", "2", "--tokenizer", "gpt2",
                   "--vocab-size", "32", "--gpt2-vocab", "in/vocab.json", "--gpt2-merges",
                   "in/merges.txt", "in/few.txt"},
     .starved = true},
    {.name = "train-long",
     .arguments = {"train", TINY, "--steps", "40", "--save-every", "4", "--eval-every", "5"},
     .resumes = true,
     .killed = true},
    {.name = "train",
     .arguments = {"train", TINY, "--steps", "4", "--save-every", "2", "--eval-every", "2"},
     .resumes = true,
     .starved = true},
    {.name = "export",
     .arguments = {"export", "-q", "in/run", "-o", "out/m.bolt", "--vocab", "in/data/vocab.db"},
     .killed = true,
     .starved = true},
    {.name = "export-c",
     .arguments = {"export", "-q", "in/run", "-o", "out/m.c", "--format", "c", "--vocab",
                   "in/data/vocab.db"},
     .killed = true,
     .starved = true},
    {.name = "export-st",
     .arguments = {"export", "-q", "in/run", "-o", "out/m.safetensors", "--format", "safetensors"},
     .killed = true,
     .starved = true},
    {.name = "export-hf",
     .arguments = {"export", "-q", "in/run", "-o", "out", "--format", "hf", "--vocab",
                   "in/data/vocab.db"},
     .killed = true},
    {.name = "export-info",
     .arguments = {"export", "--info", "in/run/best.safetensors"},
     .output = "out/info",
     .starved = true},
    {.name = "sample",
     .arguments = {"sample", "-q", "in/m.bolt", "-n", "10", "--count", "3", "-p", "The",
                   "--threads", "2"},
     .output = "out/stories",
     .starved = true},
    {.name = "eval",
     .arguments = {"eval", "-q", "in/m.bolt", "in/valid.txt", "in/data/valid.shard", "--threads",
                   "2"},
     .output = "out/losses",
     .starved = true},
};
const size_t scene_n_trials = ARRAY_LEN(scene_trials);

/* ---- making it
 * -------------------------------------------------------------------------------
 */

/* Inputs; then the results of another run: other text, another model, fewer
 * steps. */
static const char script[] =
    "set -e\n"
    "mkdir in start want out\n"
    "b/stories --count 60 > in/train.txt\n"
    "b/stories --count 20 --seed 2 > in/valid.txt\n"
    "b/stories --count 40 --seed 3 > in/other.txt\n"
    "printf '{\"story\": \"One %s\"}\\n' $(seq 20) | gzip > in/few.jsonl.gz\n"
    "b/stories --count 4 --seed 4 > in/few.txt\n"
    "tar -C in -czf in/few.tar.gz few.txt few.jsonl.gz\n"
    "b/prep -q -o in/data --vocab-size 264 --valid in/valid.txt in/train.txt\n"
    "train='b/train --data in/data -q --small --dim 8 --blocks 1 --hidden 8 "
    "--kernel 2 --seq-len "
    "16\n"
    "   --batch 2 --sample-every 0 --save-minutes 0 --save-every 2 "
    "--eval-every 2 --threads 2'\n"
    "$train --save-dir in/old --steps 3 --seed 1\n"
    "$train --save-dir in/run --steps 8\n"
    "cp in/run/step-000000004.safetensors in/run/best.safetensors\n" /* not also
                                                                        the
                                                                        newest
                                                                      */
    "b/export -q in/run -o in/m.bolt --vocab in/data/vocab.db\n"
    "cd start\n"
    "mkdir train-long export export-c export-st export-hf export-info sample eval\n"
    "../b/prep -q -o prep --vocab-size 262 ../in/other.txt\n"
    "cp -r ../in/data prep-append\n"
    "cp -r prep prep-gz\n"
    "cp -r prep prep-few\n"
    "cp -r prep prep-tar\n"
    "cp -r prep prep-gpt2\n"
    "export='../b/export -q ../in/old --vocab ../in/data/vocab.db'\n"
    "$export -o export/m.bolt\n"
    "$export -o export-c/m.c --format c\n"
    "$export -o export-st/m.safetensors --format safetensors\n"
    "$export -o export-hf --format hf\n"
    "cd ..\n"
    "$train --save-dir start/train --steps 2\n";

static void make_wanted(const struct trial *trial)
{
    struct process_end end;
    char want[PATH];
    scene_reset(trial, true);
    scene_run(trial, NULL, -1, &end);
    if (end.status != 0)
        torture_stop("%s fails without any fault: %s", trial->name, end.talk);
    snprintf(want, sizeof want, "want/%s", trial->name);
    folder_copy("out", want);
}

static void write_file(const char *path, const char *data, size_t n)
{
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(data, 1, n, out) != n || fclose(out))
        torture_stop("%s: cannot write", path);
}

static void make_gpt2(void)
{
    char json[TOYGPT2_VOCAB_BYTES];
    write_file("in/vocab.json", json, toygpt2_vocab(json, toygpt2_merged));
    write_file("in/merges.txt", toygpt2_merges, strlen(toygpt2_merges));
}

void scene_make(const struct torture *t)
{
    if (symlink(t->programs, "b") || system(script))
        torture_stop("cannot make the scene with %s", t->programs);
    make_gpt2();
    for (size_t i = 0; i < scene_n_trials; i++)
        make_wanted(&scene_trials[i]);
}

/* ---- running
 * ---------------------------------------------------------------------------------
 */

void scene_reset(const struct trial *trial, bool again)
{
    char start[PATH];
    snprintf(start, sizeof start, "start/%s", trial->name);
    if (again || trial->grows) {
        folder_copy(start, "out");
    } else {
        folder_remove("out");
        mkdir("out", 0777);
    }
}

void scene_run(const struct trial *trial, const char *fault, long kill_after_us,
               struct process_end *end)
{
    const char *argv[PROCESS_MAX_ARGS];
    char program[64];
    size_t n = 0;
    struct err e;
    bool any = false;
    if (trial->resumes && ckpt_any("out", &any, &e))
        torture_stop("%s", e.text);
    snprintf(program, sizeof program, "b/%s", trial->arguments[0]);
    while (trial->arguments[n]) {
        argv[n] = trial->arguments[n];
        n++;
    }
    argv[0] = program;
    if (any)
        argv[n++] = "--resume";
    argv[n] = NULL;
    struct process p = {argv, trial->output, fault, kill_after_us};
    process_run(&p, "b/tests/inject.so", end);
}

/* ---- judging
 * ---------------------------------------------------------------------------------
 */

static bool opens(const char *path)
{
    struct ckpt c;
    struct err e;
    if (ckpt_open(&c, path, &e))
        return false;
    ckpt_close(&c);
    return true;
}

/* Is out/NAME the file of FOLDER/TRIAL/NAME? */
static bool is_of(const char *folder, const struct trial *trial, const char *name)
{
    char path[PATH], other[PATH];
    struct stat st;
    snprintf(path, sizeof path, "out/%s", name);
    snprintf(other, sizeof other, "%s/%s/%s", folder, trial->name, name);
    return stat(other, &st) == 0 && folder_same_file(path, other);
}

const char *scene_damage(const struct trial *trial)
{
    static struct folder out;
    folder_read(&out, "out");
    for (size_t i = 0; i < out.n; i++) {
        const char *name = out.names[i];
        char path[PATH];
        snprintf(path, sizeof path, "out/%s", name);
        if (folder_is_stray(name) || (trial->output && strcmp(path, trial->output) == 0))
            continue;
        if (trial->resumes ? strstr(name, ".safetensors") && !opens(path)
                           : !is_of("start", trial, name) && !is_of("want", trial, name))
            return name;
    }
    return NULL;
}

const char *scene_mixed(const struct trial *trial)
{
    static struct folder want;
    static char old[FOLDER_NAME];
    char path[PATH];
    bool has_new = false;
    snprintf(path, sizeof path, "want/%s", trial->name);
    folder_read(&want, path);
    old[0] = '\0';
    for (size_t i = 0; i < want.n && !trial->resumes; i++) {
        const char *name = want.names[i];
        snprintf(path, sizeof path, "out/%s", name);
        if (access(path, F_OK) != 0)
            return NULL; /* nobody takes them for a whole */
        bool is_new = is_of("want", trial, name), is_old = is_of("start", trial, name);
        has_new |= is_new && !is_old;
        if (is_old && !is_new)
            snprintf(old, sizeof old, "%s", name);
    }
    return has_new && old[0] ? old : NULL;
}

const char *scene_change(const struct trial *trial)
{
    char start[PATH];
    snprintf(start, sizeof start, "start/%s", trial->name);
    return folder_difference("out", start);
}

const char *scene_difference(const struct trial *trial)
{
    char want[PATH];
    snprintf(want, sizeof want, "want/%s", trial->name);
    return folder_difference("out", want);
}

bool scene_same_weights(const struct trial *trial)
{
    char name[64], path[PATH], want[PATH];
    snprintf(name, sizeof name, "step-%09d.safetensors", SCENE_STEPS);
    snprintf(path, sizeof path, "out/%s", name);
    snprintf(want, sizeof want, "want/%s/%s", trial->name, name);
    return folder_same_tensors(path, want);
}

uint64_t scene_newest_step(void)
{
    struct ckpt c;
    struct err e;
    char *path = NULL;
    char *skipped = NULL;
    uint64_t step = 0;
    if (ckpt_open_newest(&c, "out", &path, &skipped, &e) == 0 && path) {
        step = c.state.progress.step;
        ckpt_close(&c);
    }
    free(path);
    free(skipped);
    return step;
}
