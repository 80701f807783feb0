/* A folder for Hugging Face's transformers: weights, configuration, tokenizer, and the model in
 * Python. */
#include "export/output.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "export/embedded.h"
#include "export/hf_files.h"
#include "export/textfile.h"

_Static_assert(
    TENSOR_N_KINDS == 12 && DIMS_N_MIXERS == 2 &&
        sizeof(struct dims) == (10 + 2 * DIMS_MAX_BLOCKS) * sizeof(int),
    "hf/modeling_bolt.py computes a model of these tensors, mixers and hyperparameters: teach it "
    "what is new, or refuse it here");

/* ---- configuration --------------------------------------------------------------------------- */

static int write_config(const struct hf_folder *f, struct err *e)
{
    const struct dims *d = &f->source->model->dims;
    char dilation[512];
    struct textfile t;
    FILE *out = textfile_open(&t, e);
    if (!out)
        return -1;
    dims_dilation_text(d, dilation, sizeof dilation);
    fprintf(out,
            "{\n"
            "  \"architectures\": [\"BoltForCausalLM\"],\n"
            "  \"auto_map\": {\n"
            "    \"AutoConfig\": \"configuration_bolt.BoltConfig\",\n"
            "    \"AutoModelForCausalLM\": \"modeling_bolt.BoltForCausalLM\"\n"
            "  },\n"
            "  \"model_type\": \"bolt\",\n"
            "  \"dtype\": \"float32\",\n"
            "  \"vocab_size\": %d,\n"
            "  \"hidden_size\": %d,\n"
            "  \"num_hidden_layers\": %d,\n"
            "  \"intermediate_size\": %d,\n"
            "  \"conv_kernel\": %d,\n"
            "  \"conv_dilation\": [%s],\n"
            "  \"mixers\": [",
            d->V, d->D, d->L, d->H, d->K, dilation);
    for (int l = 0; l < d->L; l++)
        fprintf(out, "%s\"%s\"", l ? ", " : "", dims_mixer_names[d->mixer[l]]);
    fprintf(out,
            "],\n"
            "  \"heads\": %d,\n"
            "  \"key_width\": %d,\n"
            "  \"window\": %d,\n"
            "  \"embed_norm\": %s,\n"
            "  \"norm_eps\": %g,\n"
            "  \"ternary_weights\": true,\n"
            "  \"seq_len\": %d,\n",
            d->heads, d->key_width, d->window, d->embed_norm ? "true" : "false",
            (double)DIMS_NORM_EPS, d->T);
    fprintf(out,
            "  \"pad_token_id\": %d,\n"
            "  \"unk_token_id\": %d,\n"
            "  \"bos_token_id\": %d,\n"
            "  \"eos_token_id\": %d,\n"
            "  \"tie_word_embeddings\": true,\n"
            "  \"use_cache\": true\n"
            "}\n",
            DIMS_PAD, DIMS_UNK, DIMS_EOS, DIMS_EOS);
    return textfile_close(&t, f->dir, "config.json", f->files, e);
}

/* ---- model card ------------------------------------------------------------------------------ */

static void print_count(FILE *out, const char *what, uint64_t n)
{
    char text[32];
    fprintf(out, "| %s | %s |\n", what, cli_count_text(text, n));
}

static void print_figures(FILE *out, const struct output_source *s)
{
    const struct dims *d = &s->model->dims;
    char dilation[512];
    dims_dilation_text(d, dilation, sizeof dilation);
    fputs("| | |\n|---|---|\n", out);
    print_count(out, "parameters", dims_n_params(d));
    print_count(out, "vocabulary", (uint64_t)d->V);
    print_count(out, "blocks", (uint64_t)d->L);
    print_count(out, "width", (uint64_t)d->D);
    print_count(out, "hidden width of the feed-forward part", (uint64_t)d->H);
    print_count(out, "taps of the convolutions", (uint64_t)d->K);
    fprintf(out, "| their dilations | %s |\n", dilation);
    if (!dims_is_v4(d)) {
        char mixers[DIMS_MIXERS_TEXT];
        dims_mixers_text(d, mixers, sizeof mixers);
        fprintf(out, "| mixers | %s |\n", mixers);
    }
    if (d->window > 0) {
        print_count(out, "heads of attention", (uint64_t)d->heads);
        print_count(out, "its window", (uint64_t)d->window);
    }
    print_count(out, "tokens that a prediction can depend on", dims_context(d) + 1);
    print_count(out, "length of a training sequence", (uint64_t)d->T);
    if (!s->ckpt || !s->ckpt->has_state)
        return;
    const struct ckpt_progress *p = &s->ckpt->state.progress;
    print_count(out, "training steps", p->step);
    print_count(out, "training tokens", p->tokens);
    if (p->best_loss < 1e9) /* infinite before the first validation */
        fprintf(out, "| lowest validation loss, nats a token | %.4f |\n", p->best_loss);
}

static int write_card(const struct hf_folder *f, struct err *e)
{
    struct textfile t;
    FILE *out = textfile_open(&t, e);
    if (!out)
        return -1;
    fputs("---\n"
          "library_name: transformers\n"
          "pipeline_tag: text-generation\n"
          "tags: [flashlm, bolt, ternary]\n"
          "---\n\n"
          "# FlashLM Bolt\n\n"
          "A language model whose linear weights are -1, 0 and +1 times one scale a matrix. Gated "
          "causal convolutions mix\nthe tokens, or attention over a window: no cache grows, and a "
          "text "
          "may be of any length.\n\n",
          out);
    print_figures(out, f->source);
    fputs("\n## Use\n\n"
          "```python\n"
          "from transformers import pipeline\n\n"
          "tell = pipeline(\"text-generation\", \"THIS FOLDER\", trust_remote_code=True)\n"
          "print(tell(\"Once upon a time\")[0][\"generated_text\"])\n"
          "```\n\n"
          "`trust_remote_code` lets transformers run `modeling_bolt.py`, which stands here. The "
          "weights are stored as the\nmodel computes with them. In lm-evaluation-harness, whose "
          "tasks put the token before a text themselves:\n\n"
          "    lm_eval --model hf --model_args "
          "pretrained=THIS_FOLDER,trust_remote_code=True,add_bos_token=False ...\n",
          out);
    return textfile_close(&t, f->dir, "README.md", f->files, e);
}

/* ---- the folder ------------------------------------------------------------------------------ */

/* The bytes of --format safetensors. */
static int write_weights(const struct hf_folder *f, const struct output_options *o, struct err *e)
{
    char *path = textfile_path(f->dir, "model.safetensors", e);
    if (!path)
        return -1;
    struct output_options options = *o;
    struct output_report ignored = {0};
    options.path = path;
    int rc = output_safetensors.write(f->source, &options, f->files, &ignored, e);
    free(path);
    return rc;
}

static int check(const struct output_options *o, struct err *e)
{
    return strcmp(o->path, "-") == 0
               ? err_usage(e, "--format hf writes a folder, so it cannot be standard output")
               : 0;
}

static int write_files(const struct output_source *s, const struct output_options *o,
                       struct file_set *files, struct output_report *r, struct err *e)
{
    const struct hf_folder f = {s, o->path, files};
    r->embed = NUMBER_F32;
    if (hf_check(o->path, "config.json", "\"model_type\": \"bolt\"", e) ||
        hf_check(o->path, "README.md", "library_name: transformers", e) ||
        file_make_dirs(o->path, e))
        return -1;
    return write_weights(&f, o, e) || hf_tokenizer(&f, e) ||
                   textfile_write(embedded_hf_configuration, f.dir, "configuration_bolt.py", files,
                                  e) ||
                   textfile_write(embedded_hf_modeling, f.dir, "modeling_bolt.py", files, e) ||
                   hf_generation_config(&f, e) || write_card(&f, e) || write_config(&f, e)
               ? -1
               : 0;
}

const struct output output_hf = {
    .name = "hf",
    .help = "a folder for Hugging Face's transformers",
    .needs_vocab = true,
    .check = check,
    .write = write_files,
};
