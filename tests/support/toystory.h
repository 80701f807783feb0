/* toystory.h - a random model with a vocabulary, a story of random tokens and the logits that exact
 * inference gives after each of them. */
#ifndef TOYSTORY_H
#define TOYSTORY_H

#include "model/model.h"
#include "text/vocab.h"

enum { TOYSTORY_TOKENS = 300 };

struct toystory {
    float *params;
    struct model floats;   /* their model, the embedding in floats */
    struct model model;    /* the same, but for its embedding, which is stored as asked for */
    unsigned char *stored; /* the embedding */
    float *scales;         /* of its rows */
    struct vocab vocab;    /* texts of one byte and more, and one of the longest */
    unsigned char *texts;
    uint16_t tokens[TOYSTORY_TOKENS];
    float *logits; /* [TOYSTORY_TOKENS][V] as they should be */
};

/* D is at most 200. */
void toystory_open(struct toystory *s, struct dims d, enum number_type type);
void toystory_close(struct toystory *s);

#endif
