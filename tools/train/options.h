/* options.h - the command line of train. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "cli/cli.h"
#include "ranks/same.h"

enum options_precision { OPTIONS_AUTO, OPTIONS_F32, OPTIONS_BF16 };

struct options {
    bool bench;             /* measure steps on made-up tokens; nothing is read or written */
    long long plan_threads; /* 0, or with bench: how many to project a step for */
    const char *status;     /* NULL or the folder of a run to report on; nothing else is done */
    struct cli_list data;   /* folders of stories, and shards */
    const char *curriculum; /* NULL or a file */
    const char *save_dir;
    const char *resume; /* NULL: a fresh run; "": the newest in save_dir; a file or folder */
    const char
        *init_from; /* NULL or a checkpoint, or folder of them, whose weights start a new run */
    const struct cpu_level *cpu;
    int precision;                                  /* enum options_precision */
    int preset;                                     /* enum preset_kind; if given */
    long long dim, blocks, hidden, kernel, seq_len; /* if given, else the preset's */
    bool embed_norm;
    const char *mixers;                 /* NULL: the preset's */
    long long heads, key_width, window; /* of attention; if given */
    const char *dilation;               /* NULL: the preset's */
    long long epochs;
    long long steps;     /* if given, else by epochs */
    double hours;        /* 0: no clock */
    int recipe;          /* index into recipe_table; if given, else the preset's */
    int optimiser;       /* index into optim_kinds; if given, else the recipe's */
    struct cli_list set; /* KEY=VALUE, settings of the optimiser */
    long long batch;     /* this and the next seven if given, else the recipe's */
    long long accum;
    double lr;
    double beta1_tokens, beta2_tokens; /* half-lives of the moments */
    int windows;                       /* enum batches_kind */
    int schedule;                      /* enum schedule_shape */
    double decay_share;
    double head_filter; /* 0: the exact gradient */
    long long seed;
    int threads;
    long long eval_every;
    long long eval_tokens;
    long long patience;
    long long sample_every;
    long long log_every;
    long long save_every;
    double save_minutes;
    long long keep;
    struct { /* on the command line */
        bool dim, blocks, hidden, kernel, seq_len, heads, key_width, window, epochs, steps, hours,
            seed;
        bool preset, recipe, optimiser, batch, accum, lr, beta1_tokens, beta2_tokens;
        bool windows, schedule, decay_share, eval_tokens;
    } given;
};

/* The options that must be the same on all ranks of a run, as lines "--name value": all but
 * folders, files and what concerns the machine alone. */
void options_text(char text[SAME_OPTIONS]);

/* Parses argv into o; exits on --help, --version and usage errors. */
void options_parse(struct options *o, int argc, char **argv);

#endif
