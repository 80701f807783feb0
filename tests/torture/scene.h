/* scene.h - what the programs are tortured with: inputs, commands, and the
 * results they must have.
 *
 * Folders in the current one: in/ inputs; start/NAME/ results of an earlier,
 * other run, which a trial finds in its place; want/NAME/ those of an
 * undisturbed one; out/ where it works. */
#ifndef SCENE_H
#define SCENE_H

#include "torture/process.h"
#include "torture/torture.h"

struct trial {
    const char *name;
    const char *arguments[32]; /* of the program, which is its first; NULL-terminated */
    const char *output;        /* file for standard output, or NULL */
    bool resumes;              /* train: goes on from the checkpoints in out, of which none may
                                  be lost */
    bool grows;                /* begins with what is in start/NAME, always */
    bool killed;               /* part of the kills */
    bool
        libarchive; /* which ends a program that has no memory, with a signal or words of its own */
    bool starved;   /* part of the sweep */
};

enum { SCENE_OLD_STEPS = 2, SCENE_STEPS = 4 }; /* of the trial "train": found, and in the end */

extern const struct trial scene_trials[];
extern const size_t scene_n_trials;

/* Makes in/, start/ and want/. */
void scene_make(const struct torture *t);

/* Empties out/; with `again` it holds what start/NAME/ does. */
void scene_reset(const struct trial *trial, bool again);

/* Runs the trial's command in whatever state out/ is. */
void scene_run(const struct trial *trial, const char *fault, long kill_after_us,
               struct process_end *end);

/* What is wrong with out/ after a run that was stopped: a file that is neither
 * the old nor the new one, nor a good checkpoint. NULL if nothing is. */
const char *scene_damage(const struct trial *trial);

/* The name of an old file beside new ones where all stand that belong together; NULL without one.
 */
const char *scene_mixed(const struct trial *trial);

/* What is wrong with out/ after a run that has failed, and began with what is in start/NAME: it is
 * as it was. NULL if nothing is. */
const char *scene_change(const struct trial *trial);

/* What is wrong with out/ after a run that was not stopped, or NULL. */
const char *scene_difference(const struct trial *trial);

/* True if the newest checkpoint of out/ has the weights and moments of that in
 * want/. */
bool scene_same_weights(const struct trial *trial);

/* Step of the newest good checkpoint in out/, 0 without any. */
uint64_t scene_newest_step(void);

#endif
