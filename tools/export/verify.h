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

/* Scores the stories of the file `text` (any form corpus.h reads, "-" for standard input) with the
 * checkpoint's own float weights, quantised as in training, and with the exported file `path`, read
 * back (vocab_path as load_open takes it). A text without a story is an error. */
MUST_USE int verify_run(const struct ckpt *c, const char *path, const char *vocab_path,
                        const char *text, const struct kern *k, int n_threads,
                        struct verify_result *r, struct err *e);

#endif
