/* load.h - a model from files: a model.bolt, or a checkpoint and its vocabulary. */
#ifndef LOAD_H
#define LOAD_H

#include "bolt/modelfile.h"
#include "format/ckpt.h"

/* A file with a model in it, found and opened once. */
struct load_source {
    char *path; /* of the file, owned */
    bool is_ckpt;
    struct ckpt ckpt;      /* open if is_ckpt, else zeroed */
    struct modelfile blob; /* read if not is_ckpt, else zeroed */
};

/* path is a blob or a checkpoint, which its first bytes tell, or a directory of checkpoints: then
 * best.safetensors if there is one, which then must be good, else the newest good
 * step-*.safetensors; a folder without either may hold a model.safetensors (export --format hf, or
 * transformers). Errors: neither of these, and those of load_blob and ckpt_open.
 * load_source_close at the end. */
MUST_USE int load_source_open(struct load_source *s, const char *path, struct err *e);
void load_source_close(struct load_source *s); /* safe on a zeroed struct */

/* A model out of path, as load_source_open takes it, with its vocabulary: a blob's own, or for a
 * checkpoint that of the database vocab_path. Errors: those of load_source_open, load_vocab and,
 * where a blob is given a vocab_path, load_check_vocab. The vocabulary's merges are dropped, since
 * the tokenizer is made. load_close at the end. */
MUST_USE int load_open(struct modelfile *b, const char *path, const char *vocab_path,
                       const struct kern *k, struct err *e);

/* The row of a table of options that fills load_open's vocab_path, a const char *. For a file that
 * includes cli/cli.h. */
#define LOAD_VOCAB_ROW(to) \
    CLI_TEXT(0, "vocab", to, "DB", "vocabulary database of a checkpoint; a model.bolt needs none")

/* What to say of a model whose vocabulary is taken on trust (vocab_assumed); its path, and that of
 * the vocabulary, are to be filled in. */
#define LOAD_ASSUMED \
    "%s does not say which vocabulary it was trained with: %s is taken for it, as it has the size"

/* A model.bolt alone: maps the file and reads it (modelfile_read). load_close at the end. */
MUST_USE int load_blob(struct modelfile *b, const char *path, struct err *e);

/* Releases what load_open or load_blob filled; safe on a zeroed struct. */
void load_close(struct modelfile *b);

/* The two halves of a checkpoint for use, path being its name for messages: its weights packed, and
 * its vocabulary out of vocab_path, a database or a tokenizer.json. Errors: no vocab_path, a
 * vocabulary of another size or fingerprint than the checkpoint was trained with, and those of
 * ckpt_read, vocabdb_load and vocabjson_load. model_release and vocab_release at the end. */
MUST_USE int load_model(struct model *m, const struct ckpt *c, const char *path,
                        const struct kern *k, struct err *e);
MUST_USE int load_vocab(struct vocab *v, const struct ckpt *c, const char *path,
                        const char *vocab_path, struct err *e);

/* Whether vocab_path, a database or a tokenizer.json, is the vocabulary of a blob read from path;
 * an error if not. */
MUST_USE int load_check_vocab(const struct modelfile *b, const char *path, const char *vocab_path,
                              struct err *e);

#endif
