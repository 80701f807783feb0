/* data.h - what a run learns from: folders of stories and shards, under one vocabulary. */
#ifndef DATA_H
#define DATA_H

#include "train/trainer.h"

/* Opens what --data names, in that order, as t->train and, with validation, t->valid, and the
 * vocabulary beside the first. With --bench tokens are made up instead. */
MUST_USE int data_open(struct trainer *t, struct err *e);
void data_close(struct trainer *t);

/* Reads the file of --curriculum for this data, as the text that checkpoints keep; "" without the
 * option. */
MUST_USE int data_curriculum(const struct trainer *t, char out[CKPT_CURRICULUM_BYTES],
                             struct err *e);

/* Divides the data into its parts, for t->settings: those of validation, and the mixture of a
 * curriculum. */
MUST_USE int data_parts(struct trainer *t, struct err *e);

/* Whether there is enough for a step of t->settings and, where asked for, a validation. */
MUST_USE int data_check_length(const struct trainer *t, struct err *e);

/* Takes the data of a run that is resumed: t->had_shards of t->train are those that its current
 * epoch is made of, and t->valid is cut to what it is validated on. Reports what was added since,
 * if anything was; data of another kind are an error. `path` names the checkpoint. */
MUST_USE int data_resume(struct trainer *t, const struct ckpt_state *had, const char *path,
                         struct err *e);

#endif
