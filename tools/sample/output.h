/* output.h - stories on standard output: as text that appears as it is drawn, or as JSON. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "cli/cli.h"
#include "sample/story.h"

struct output {
    bool silent; /* shows nothing, only counts */
    bool json;
    uint64_t seed;        /* for JSON */
    bool terminal;        /* standard output is one: control characters are made harmless */
    bool streams;         /* it is no regular file: all is flushed at once */
    struct cli_utf8 utf8; /* of the story being shown */
    struct text_buf text; /* scratch: all of a story, for JSON */
    uint64_t n_stories;   /* begun */
    uint64_t n_tokens;    /* drawn in stories that ended, EOS counted */
    double seconds;       /* spent drawing them, story by story */
};

void output_init(struct output *o, bool silent, bool json, uint64_t seed);
void output_release(struct output *o);

/* Shows what is new of a story and drops it. Stories come one after the other. Errors: "standard
 * output: ...", memory. */
MUST_USE int output_show(struct output *o, struct story *s, struct err *e);

/* The same for a story that has ended; it is then complete. */
MUST_USE int output_end(struct output *o, struct story *s, struct err *e);

/* Says how many stories there were and how fast they went, all together. */
void output_sum(const struct output *o, double seconds);

#endif
