/* toyckpt.h - a small run as a checkpoint, whose optimiser keeps adam_m and adam_v beside every
 * tensor and `other` beside the ternary ones alone. Failures fail the test. */
#ifndef TOYCKPT_H
#define TOYCKPT_H

#include "format/ckpt.h"

enum { TOYCKPT_NUMBERS = 2 }; /* that the optimiser has */
extern const struct ckpt_number toyckpt_numbers[TOYCKPT_NUMBERS];

/* Without a curriculum, and with one of two parts. */
extern const struct ckpt_state toyckpt_state;
const struct ckpt_state *toyckpt_curriculum(void);

extern struct toyckpt {
    struct dims dims;
    float *params, *m, *v;
    const struct ckpt_state *state; /* what is saved: toyckpt_state until a test changes it */
} toyckpt;

/* Fixtures of cmocka: a scratch folder, and a model of convolutions or with attention in its second
 * block. */
int toyckpt_setup(void **state);
int toyckpt_setup_mixed(void **state);
int toyckpt_teardown(void **state);

/* What the optimiser keeps of the run; valid until the next call. */
struct ckpt_optim toyckpt_optim(void);

void toyckpt_save(const char *path);

/* ckpt_open refuses the file with a sentence that has its path and this message in it. */
void toyckpt_refuse(const char *path, const char *message);

#endif
