/* Each call a program makes of the operating system fails once in turn. It must
 * then tell: exit status 1, one line, nothing half made, no checkpoint lost; or
 * come to the undisturbed result. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "torture/folder.h"
#include "torture/process.h"
#include "torture/scene.h"
#include "torture/torture.h"

static const struct fault {
    enum process_call call;
    const char *action;
    bool harmless; /* every program must come to its result all the same */
} faults[] = {
    {CALL_MALLOC, "fail", false}, {CALL_MMAP, "fail", false},  {CALL_OPEN, "fail", false},
    {CALL_THREAD, "fail", false}, {CALL_READ, "fail", false},  {CALL_READ, "short", true},
    {CALL_READ, "again", true},   {CALL_WRITE, "fail", false}, {CALL_WRITE, "fails", false},
    {CALL_WRITE, "short", true},  {CALL_WRITE, "again", true}, {CALL_SYNC, "fail", false},
    {CALL_RENAME, "fail", false},
};

/* Training goes on after a fault of the disk, and says so in a line each: then
 * a log or the best checkpoint may be an older one, but the run, resumed if
 * need be, must come to the same weights. */
static const char *lost_by_training(const struct trial *trial)
{
    static char text[256];
    struct process_end again;
    const char *damaged = scene_damage(trial);
    if (damaged) {
        snprintf(text, sizeof text, "%s is half made", damaged);
        return text;
    }
    if (scene_newest_step() < SCENE_OLD_STEPS)
        return "a checkpoint is lost";
    scene_run(trial, NULL, -1, &again);
    if (again.status != 0 || !scene_same_weights(trial)) {
        snprintf(text, sizeof text, "resumed (status %d), but with other weights", again.status);
        return text;
    }
    return NULL;
}

/* What is lost after a run that had a fault, or NULL. */
static const char *lost(const struct trial *trial, const struct process_end *end)
{
    static char text[256];
    int n_lines = process_said_lines(trial->arguments[0], end);
    const char *what;
    if (end->status > 1) {
        snprintf(text, sizeof text, "exit status %d", end->status);
        return text;
    }
    if (folder_strays("out"))
        return "a temporary file is left";
    if (end->status == 0 && n_lines == 0) {
        what = scene_difference(trial);
        snprintf(text, sizeof text, "done, but %s differs", what ? what : "nothing");
        return what ? text : NULL;
    }
    if (n_lines < 1 || (n_lines > 1 && !trial->resumes))
        return "not one line that says what is wrong";
    if (trial->resumes)
        return lost_by_training(trial);
    what = scene_difference(trial);
    if (what && end->status != 0) /* all of the old result or all of the new one */
        what = trial->output ? scene_damage(trial) : scene_change(trial);
    snprintf(text, sizeof text, "%s is lost or half made", what ? what : "nothing");
    return what ? text : NULL;
}

struct row {
    unsigned long n_faults, n_told, n_absorbed, n_losses, n_libarchive;
};

static bool ended_by_libarchive(const struct process_end *end)
{
    return end->status == 128 + SIGSEGV || strstr(end->talk, "Fatal Internal Error in libarchive");
}

static void one_fault(const struct trial *trial, const struct fault *f, unsigned long at,
                      struct row *row)
{
    struct process_end end;
    char fault[64];
    snprintf(fault, sizeof fault, "%s:%lu:%s", process_call_names[f->call], at, f->action);
    scene_reset(trial, true);
    scene_run(trial, fault, -1, &end);
    int status = end.status;
    const char *what = lost(trial, &end);
    if (!what && status != 0 && f->harmless)
        what = "fails of what is no failure";
    row->n_faults++;
    if (what && trial->libarchive && f->call == CALL_MALLOC && ended_by_libarchive(&end)) {
        row->n_libarchive++;
    } else if (what) {
        row->n_losses++;
        torture_loss("%s, FAULT=%s: %s: %.500s", trial->name, fault, what, end.talk);
    } else if (status == 0) {
        row->n_absorbed++;
    } else {
        row->n_told++;
    }
}

static void one_row(struct torture *t, const struct trial *trial, const struct fault *f,
                    unsigned long n_calls)
{
    enum { SAMPLE = 3 };
    struct row row = {0};
    unsigned long n = t->is_short && n_calls > SAMPLE ? SAMPLE : n_calls;
    for (unsigned long i = 1; i <= n; i++)
        one_fault(trial, f, n == n_calls ? i : 1 + rng_below(&t->rng, n_calls), &row);
    printf("sweep   %-12s %-6s %-6s %6lu calls %6lu faults %6lu told %6lu "
           "absorbed %3lu losses\n",
           trial->name, process_call_names[f->call], f->action, n_calls, row.n_faults, row.n_told,
           row.n_absorbed, row.n_losses);
    if (row.n_libarchive)
        printf("        of these %lu in libarchive, which ends the program\n", row.n_libarchive);
    fflush(stdout);
    torture_row(t, row.n_losses);
}

void sweep_run(struct torture *t)
{
    for (size_t i = 0; i < scene_n_trials; i++) {
        const struct trial *trial = &scene_trials[i];
        struct process_end end;
        if (!trial->starved)
            continue;
        scene_reset(trial, true);
        scene_run(trial, NULL, -1, &end);
        for (size_t k = 0; k < ARRAY_LEN(faults); k++)
            if (end.counts[faults[k].call])
                one_row(t, trial, &faults[k], end.counts[faults[k].call]);
    }
}
