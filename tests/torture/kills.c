/* kill -9, half of them at a counted write, fsync or rename, the others at any time. What stands
 * under a final name is whole, and files that belong together are of one run, or one is missing;
 * another run, or the resumed one, comes to the undisturbed result. */
#include <stdio.h>

#include "torture/folder.h"
#include "torture/scene.h"
#include "torture/torture.h"

enum { KILLED = 128 + 9 };

struct row {
    unsigned long wanted, at_call, at_time, n_runs, n_strays, n_losses;
    unsigned long n_disk_calls; /* of an undisturbed run */
    long took_us;
};

/* Runs the trial once, to be killed at a call or after a time; true if it was. */
static bool run_killed(struct torture *t, const struct trial *trial, struct row *row,
                       struct process_end *end)
{
    static const char *const actions[] = {"kill", "tear", "after"};
    char fault[64];
    if (row->at_call <= row->at_time) {
        snprintf(fault, sizeof fault, "disk:%lu:%s",
                 (unsigned long)(1 + rng_below(&t->rng, row->n_disk_calls)),
                 actions[rng_below(&t->rng, ARRAY_LEN(actions))]);
        scene_run(trial, fault, -1, end);
        row->at_call += end->status == KILLED;
    } else {
        scene_run(trial, NULL, (long)rng_below(&t->rng, (uint64_t)row->took_us), end);
        row->at_time += end->status == KILLED;
    }
    return end->status == KILLED;
}

static void lose(struct row *row, const struct trial *trial, const char *what, const char *more)
{
    row->n_losses++;
    torture_loss("%s, kill %lu: %s%s", trial->name, row->at_call + row->at_time, what, more);
}

/* Kills in one folder until a run comes to its end, which one in three is let do. */
static void one_folder(struct torture *t, const struct trial *trial, struct row *row)
{
    struct process_end end;
    scene_reset(trial, rng_below(&t->rng, 2));
    for (;;) {
        uint64_t newest = trial->resumes ? scene_newest_step() : 0;
        bool is_last = row->at_call + row->at_time >= row->wanted || rng_below(&t->rng, 3) == 0;
        if (is_last)
            scene_run(trial, NULL, -1, &end);
        if (is_last || !run_killed(t, trial, row, &end))
            break;
        row->n_strays += folder_strays("out") > 0;
        const char *damaged = scene_damage(trial);
        if (damaged)
            lose(row, trial, "is half made: ", damaged);
        const char *mixed = scene_mixed(trial);
        if (mixed)
            lose(row, trial, "an old file beside new ones, without a sign: ", mixed);
        if (trial->resumes && scene_newest_step() < newest)
            lose(row, trial, "a checkpoint is lost", "");
    }
    row->n_runs++;
    const char *different = end.status == 0 ? scene_difference(trial) : NULL;
    if (end.status != 0)
        lose(row, trial, "the run after it fails: ", end.talk);
    if (different)
        lose(row, trial, "another result after it: ", different);
    if (trial->resumes && folder_strays("out"))
        lose(row, trial, "a temporary file is left for ever", "");
}

static void one_row(struct torture *t, const struct trial *trial, unsigned long wanted)
{
    struct row row = {.wanted = wanted};
    struct process_end end;
    scene_reset(trial, false);
    scene_run(trial, NULL, -1, &end);
    row.took_us = end.took_us;
    row.n_disk_calls = end.counts[CALL_DISK];
    while (row.at_call + row.at_time < row.wanted)
        one_folder(t, trial, &row);
    printf(
        "kills   %-12s %4lu at a call %4lu at a time %4lu runs to the end %4lu with a stray %3lu "
        "losses\n",
        trial->name, row.at_call, row.at_time, row.n_runs, row.n_strays, row.n_losses);
    fflush(stdout);
    torture_row(t, row.n_losses);
}

void kills_run(struct torture *t)
{
    for (size_t i = 0; i < scene_n_trials; i++)
        if (scene_trials[i].killed)
            one_row(t, &scene_trials[i], t->is_short ? 12 : 500);
}
