/* options.h - the command line of train. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "base/base.h"

enum options_precision { OPTIONS_AUTO, OPTIONS_F32, OPTIONS_BF16 };

struct options {
    bool bench; /* measure steps on made-up tokens; nothing is read or written */
    const char *data;
    const char *save_dir;
    const char *resume;    /* NULL: a fresh run; "": the newest in save_dir */
    const char *init_from; /* NULL or a checkpoint whose weights start a new run */
    const char *cpu;
    int precision; /* enum options_precision */
    bool small;
    bool large;
    long long dim, blocks, hidden, kernel, seq_len; /* 0: the preset's */
    const char *dilation;                           /* NULL: the preset's */
    long long epochs;
    long long steps; /* 0: by epochs */
    double hours;    /* 0: no clock */
    long long batch;
    long long accum;    /* 0: the preset's */
    double lr;          /* 0: the preset's */
    double head_filter; /* 0: the exact gradient */
    long long seed;
    long long threads; /* 0: all processors */
    long long eval_every;
    long long eval_tokens;
    long long patience;
    long long sample_every;
    long long log_every;
    long long save_every;
    double save_minutes;
    long long keep;
};

/* Parses argv into o; exits on --help, --version and usage errors. */
void options_parse(struct options *o, int argc, char **argv);

#endif
