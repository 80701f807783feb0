/* verify.h - compares a checkpoint with the file made from it, on a text. */
#ifndef VERIFY_H
#define VERIFY_H

#include "load/load.h"

struct verify_result {
    double checkpoint_loss; /* nats per token, every story's EOS included */
    double export_loss;
    double difference; /* relative to checkpoint_loss */
    uint64_t n_tokens;
};

/* Largest relative difference of the losses that counts as equal, by the storage of the embedding.
 */
double verify_limit(enum number_type embed);

/* A text as tokens, the same for both models. */
struct verify_text {
    struct token_buf ids; /* of all stories, one after the other */
    size_t *ends;         /* [n] of each story in ids */
    size_t n;
    size_t capacity;
};

/* Reads the stories of the file `path` (any form corpus.h reads, "-" for standard input), before
 * anything is written. A text without a story is an error. verify_release after a success. */
MUST_USE int verify_read(struct verify_text *text, const char *path, const struct vocab *v,
                         int n_threads, struct err *e);
void verify_release(struct verify_text *text); /* safe on a zeroed struct */

/* Scores the text with the checkpoint's own float weights, quantised as in training, and with the
 * exported file `path`, read back (vocab_path as load_open takes it). */
MUST_USE int verify_run(const struct ckpt *c, const char *path, const char *vocab_path,
                        const struct verify_text *text, const struct kern *k, int n_threads,
                        struct verify_result *r, struct err *e);

#endif
