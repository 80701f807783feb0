/* The vocabulary as Hugging Face's tokenizers reads it. */
#include "export/output.h"
#include "export/tokenizer_json.h"

static int write_files(const struct output_source *s, const struct output_options *o,
                       struct file_set *files, struct output_report *r, struct err *e)
{
    output_count(r, "n_tokens", s->vocab->n_tokens);
    return tokenizer_json_write(o->path, s->vocab, files, e);
}

const struct output output_tokenizer = {
    .name = "tokenizer.json",
    .suffix = "tokenizer.json",
    .help = "the vocabulary for Hugging Face's tokenizers",
    .needs_vocab = true,
    .vocab_alone = true,
    .write = write_files,
};
