#include "export/hf_files.h"

#include <stdlib.h>

#include "export/textfile.h"
#include "export/tokenizer_json.h"

int hf_check(const char *dir, const char *name, const char *words, struct err *e)
{
    char *path = textfile_path(dir, name, e);
    if (!path)
        return -1;
    int rc = textfile_check(path, words, e);
    free(path);
    return rc;
}

int hf_generation_config(const struct hf_folder *f, struct err *e)
{
    struct textfile t;
    FILE *out = textfile_open(&t, e);
    if (!out)
        return -1;
    fprintf(out,
            "{\n"
            "  \"do_sample\": true,\n"
            "  \"temperature\": 0.8,\n"
            "  \"top_k\": 50,\n"
            "  \"max_new_tokens\": 200,\n"
            "  \"suppress_tokens\": [%d, %d, %d],\n"
            "  \"pad_token_id\": %d,\n"
            "  \"bos_token_id\": %d,\n"
            "  \"eos_token_id\": %d\n"
            "}\n",
            DIMS_PAD, DIMS_UNK, DIMS_BOS, DIMS_PAD, DIMS_EOS, DIMS_EOS);
    return textfile_close(&t, f->dir, "generation_config.json", f->files, e);
}

static int write_tokenizer_config(const struct hf_folder *f, struct err *e)
{
    struct textfile t;
    FILE *out = textfile_open(&t, e);
    if (!out)
        return -1;
    const char *eos = vocab_special_names[VOCAB_EOS];
    fprintf(out,
            "{\n"
            "  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
            "  \"pad_token\": \"%s\",\n"
            "  \"unk_token\": \"%s\",\n"
            "  \"bos_token\": \"%s\",\n"
            "  \"eos_token\": \"%s\",\n"
            "  \"add_bos_token\": true,\n"
            "  \"split_special_tokens\": true,\n"
            "  \"clean_up_tokenization_spaces\": false,\n"
            "  \"padding_side\": \"left\",\n"
            "  \"model_input_names\": [\"input_ids\", \"attention_mask\"]\n"
            "}\n",
            vocab_special_names[VOCAB_PAD], vocab_special_names[VOCAB_UNK], eos, eos);
    return textfile_close(&t, f->dir, "tokenizer_config.json", f->files, e);
}

int hf_tokenizer(const struct hf_folder *f, struct err *e)
{
    char *path = textfile_path(f->dir, "tokenizer.json", e);
    if (!path)
        return -1;
    int rc = tokenizer_json_write(path, f->source->vocab, f->files, e);
    free(path);
    return rc || write_tokenizer_config(f, e) ? -1 : 0;
}
