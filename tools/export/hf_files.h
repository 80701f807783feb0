/* hf_files.h - the small files that programs of Hugging Face's family look for in a model's folder.
 */
#ifndef HF_FILES_H
#define HF_FILES_H

#include "export/output.h"

/* A folder being written. */
struct hf_folder {
    const struct output_source *source;
    const char *dir;
    struct file_set *files;
};

/* textfile_check of the file `name` of the folder. */
MUST_USE int hf_check(const char *dir, const char *name, const char *words, struct err *e);

/* generation_config.json: as sample tells a story unless it is told otherwise. */
MUST_USE int hf_generation_config(const struct hf_folder *f, struct err *e);

/* tokenizer.json and tokenizer_config.json: a text begins after the token that ends the one before;
 * names of special tokens in it are text. */
MUST_USE int hf_tokenizer(const struct hf_folder *f, struct err *e);

#endif
