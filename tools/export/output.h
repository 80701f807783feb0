/* output.h - the formats export writes: a table, and what its entries are given.
 *
 * A format is a file output_NAME.c with its struct output, which is named below and in the table of
 * output.c. Files of several parts are one set, so all of them appear or none. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "format/ckpt.h"
#include "model/model.h"
#include "os/file_set.h"
#include "text/vocab.h"

/* What is exported: a model, whatever file held it. */
struct output_source {
    const char *path;           /* of that file, for messages */
    const struct ckpt *ckpt;    /* NULL if it was a model.bolt */
    struct model *model;        /* NULL if it was a vocabulary alone */
    const struct vocab *vocab;  /* with merges; NULL where none was named */
    uint64_t vocab_fingerprint; /* 0 if unknown */
};

/* What the command line asks for. */
struct output_options {
    const char *path; /* "-" is standard output */
    bool embed_given;
    enum number_type embed; /* if given */
    const char *name;       /* NULL if not given */
    int weights;            /* enum to_onnx_weights */
    bool weights_given;
    bool transformersjs; /* the folder of Transformers.js, which has a vocabulary */
};

/* What a person or a program may want to know of what was written. */
struct output_report {
    char summary[200]; /* follows "wrote FILE: "; "" for nothing to say */
    struct output_fact {
        const char *key;
        char *text;      /* owned; NULL for a count */
        uint64_t number; /* without a text */
    } facts[8];
    size_t n_facts;
    enum number_type embed; /* how precisely the embedding is kept: for --verify */
};

struct output {
    const char *name;   /* as --format takes it */
    const char *suffix; /* of file names that mean it, where --format is not given; NULL for none */
    const char *help;   /* what it is, for --help */
    bool needs_vocab;
    bool vocab_alone;   /* no model is needed: a vocabulary database will do */
    bool takes_embed;   /* --embed means something */
    bool takes_name;    /* --name means something */
    bool takes_weights; /* --weights and --for mean something */
    bool reads_back;    /* load_open opens it, so that --verify can */
    /* Says whether it can be done, before any file is opened: a sentence for wrong usage. NULL if
     * there is nothing to check. */
    int (*check)(const struct output_options *o, struct err *e);
    /* Writes its files into the set, and the report, which is zeroed. */
    int (*write)(const struct output_source *s, const struct output_options *o,
                 struct file_set *files, struct output_report *r, struct err *e);
};

extern const struct output output_bolt, output_safetensors, output_c, output_tokenizer, output_hf,
    output_onnx;

/* All of them, the default first; NULL at the end. */
extern const struct output *const output_table[];

/* The one whose suffix path ends in; the default for a name without an ending, or whose ending
 * begins with no letter, as that of story-1.2. NULL and ERR_USAGE for any other ending: what it
 * stands for is not what would be written. */
const struct output *output_of(const char *path, struct err *e);

/* A fact for the report; the text is copied. */
MUST_USE int output_text(struct output_report *r, const char *key, const char *text, struct err *e);
void output_count(struct output_report *r, const char *key, uint64_t number);
void output_report_release(struct output_report *r);

#endif
