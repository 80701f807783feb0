/* speed.h - sample --bench: how fast a model tells on this machine.
 *
 * Figures are medians of interleaved short rounds, since machines are noisy: in every round each
 * thing is measured once, in the code that tells stories, EOS never drawn. */
#ifndef SPEED_H
#define SPEED_H

#include "sample/sample.h"

/* Stories told at once for streams_tok_s; positions whose times per token are compared. */
enum { SPEED_STREAMS = 64, SPEED_EARLY = 100, SPEED_LATE = 10000 };

enum speed_figure {
    SPEED_TOK_S,        /* one stream, greedy, head by one thread */
    SPEED_TOK_S_CHOICE, /* the same with the sampler of the options */
    SPEED_US_BLOCKS,    /* of a greedy token: embedding and blocks */
    SPEED_US_HEAD,
    SPEED_US_REST,  /* drawing, text, and all else */
    SPEED_US_SPLIT, /* a greedy token, head by all threads; NaN with one thread */
    SPEED_PREFILL_TOK_S,
    SPEED_STREAMS_TOK_S, /* SPEED_STREAMS stories by all threads, with the sampler of the options */
    SPEED_LOAD_MS,       /* from opening the file to the first token drawn */
    SPEED_LATE_RATIO,    /* time of a token at position SPEED_LATE to that at SPEED_EARLY */
    SPEED_PEAK_GMAC_S,   /* int8 multiply-accumulates of one thread at most */
    SPEED_SHARE, /* of that peak: what one greedy stream needs in ternary and head products */
    SPEED_N_FIGURES
};

struct speed_result {
    double median[SPEED_N_FIGURES];
    int n_rounds;
    double rss_mb;      /* while one story is told: memory in use, files included */
    double rss_anon_mb; /* and private memory, files left out; NaN where the system does not tell */
    enum number_type embed;
};

/* Opens the model as sample_open does and measures; takes a few seconds. */
MUST_USE int speed_measure(struct speed_result *r, const struct sample_options *o,
                           const char *model, const char *vocab, struct err *e);

/* Prints the result as a table or as one JSON object. */
void speed_print(const struct speed_result *r, const struct sample_options *o, bool json);

#endif
