/* options.h - what the command line of prep asks for. */
#ifndef PREP_OPTIONS_H
#define PREP_OPTIONS_H

#include "corpus/corpus.h"
#include "text/vocab.h"

struct prep_options {
    const char *report;  /* a folder to report on, and nothing else; or NULL */
    const char *inspect; /* a text to cut by `vocab`, and nothing else; or NULL */
    const char
        *inspect_data;     /* the folder of stories that `vocab` is of, if it was named; or NULL */
    const char *output;    /* folder of the results */
    bool append;           /* adds to what is there, under its vocabulary, which is `vocab` */
    uint64_t shard_tokens; /* of a shard at most; 0: one shard for all */
    const char *const *inputs; /* [n_inputs], "-" is standard input */
    size_t n_inputs;
    const char *const
        *parts; /* names [n_parts], at most SHARDLIST_MAX_PARTS; with none, all is one */
    size_t n_parts;
    const size_t *input_part; /* [n_inputs] of the file, ascending; and of those of validation */
    const size_t *valid_part;
    const char *const *valid; /* [n_valid]; with none, valid_fraction holds stories out */
    size_t n_valid;
    double valid_fraction;
    enum vocab_kind tokenizer;
    uint32_t vocab_size;
    uint32_t superwords;                  /* of these, learned on sentences */
    bool vocab_size_given;                /* then a vocabulary of fewer tokens will not do */
    const char *gpt2_vocab, *gpt2_merges; /* both set with VOCAB_GPT2 */
    const char *vocab;                    /* an existing vocabulary to use; NULL to learn one */
    bool vocab_is_json;                   /* it is a tokenizer.json, no database */
    struct vocab_form form;               /* of a new vocabulary */
    bool normalize_given;                 /* then an existing one must agree in that */
    bool keep_duplicates;
    size_t max_words; /* distinct words in memory at once (lexicon.h) */
    struct corpus_options corpus;
    int threads;
    int plan_threads; /* 0, or how many to project the work for, which one does */
};

/* Parses the command line; a mistake ends the program with exit status 2, a file that cannot be
 * read with 1. */
void prep_options_parse(struct prep_options *o, int argc, char **argv);

#endif
