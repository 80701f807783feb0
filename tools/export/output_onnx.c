/* A graph of ONNX, alone or in a folder that Transformers.js opens. */
#include "export/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/hf_files.h"
#include "export/textfile.h"
#include "export/to_onnx.h"

/* What Transformers.js calls these weights, and their file in the folder onnx. */
static const struct {
    const char *dtype, *name;
} js_files[] = {
    [TO_ONNX_F32] = {"fp32", "onnx/model.onnx"}, [TO_ONNX_INT8] = {"int8", "onnx/model_int8.onnx"}};

static int check(const struct output_options *o, struct err *e)
{
    if (o->transformersjs && o->weights == TO_ONNX_INT2)
        return err_usage(e, "--for transformersjs takes --weights f32 or int8, not int2");
    if (o->transformersjs && strcmp(o->path, "-") == 0)
        return err_usage(e, "--for transformersjs writes a folder, so it cannot be standard "
                            "output");
    return 0;
}

/* Transformers.js runs no code of a model's folder. The folder claims to be a model of the kind
 * LFM2, whose layers of convolution have states of one size, as all blocks here do; that kind must
 * have a layer of attention too, for which the graph has a phantom. */
static int write_config(const struct hf_folder *f, enum to_onnx_weights weights, struct err *e)
{
    const struct dims *d = &f->source->model->dims;
    struct textfile t;
    FILE *out = textfile_open(&t, e);
    if (!out)
        return -1;
    fprintf(out,
            "{\n"
            "  \"architectures\": [\"Lfm2ForCausalLM\"],\n"
            "  \"model_type\": \"lfm2\",\n"
            "  \"vocab_size\": %d,\n"
            "  \"hidden_size\": %d,\n"
            "  \"num_hidden_layers\": %d,\n"
            "  \"num_attention_heads\": %d,\n"
            "  \"num_key_value_heads\": 1,\n"
            "  \"conv_L_cache\": %d,\n"
            "  \"layer_types\": [",
            d->V, d->D, d->L + 1, d->D, to_onnx_longest_state(d));
    for (int l = 0; l < d->L; l++)
        fputs("\"conv\", ", out);
    fprintf(out,
            "\"full_attention\"],\n"
            "  \"max_position_embeddings\": 1048576,\n"
            "  \"pad_token_id\": %d,\n"
            "  \"bos_token_id\": %d,\n"
            "  \"eos_token_id\": %d,\n"
            "  \"transformers.js_config\": {\"dtype\": \"%s\"}\n"
            "}\n",
            DIMS_PAD, DIMS_EOS, DIMS_EOS, js_files[weights].dtype);
    return textfile_close(&t, f->dir, "config.json", f->files, e);
}

static int write_folder(const struct hf_folder *f, const struct to_onnx_options *o, struct err *e)
{
    if (hf_check(f->dir, "config.json", "\"model_type\": \"lfm2\"", e))
        return -1;
    char *dir = textfile_path(f->dir, "onnx", e);
    char *path = dir ? textfile_path(f->dir, js_files[o->weights].name, e) : NULL;
    int rc = path && file_make_dirs(dir, e) == 0 &&
                     to_onnx(f->source->model, o, path, f->files, e) == 0 &&
                     hf_tokenizer(f, e) == 0 && hf_generation_config(f, e) == 0 &&
                     write_config(f, o->weights, e) == 0
                 ? 0
                 : -1;
    free(path);
    free(dir);
    return rc;
}

static int write_files(const struct output_source *s, const struct output_options *o,
                       struct file_set *files, struct output_report *r, struct err *e)
{
    const struct to_onnx_options options = {.weights = (enum to_onnx_weights)o->weights,
                                            .transformersjs = o->transformersjs,
                                            .vocab_fingerprint = s->vocab_fingerprint};
    const struct hf_folder folder = {s, o->path, files};
    if (output_text(r, "weights", to_onnx_weight_names[o->weights], e))
        return -1;
    output_count(r, "opset", (uint64_t)to_onnx_opset(options.weights));
    output_count(r, "state_length", (uint64_t)to_onnx_longest_state(&s->model->dims));
    return o->transformersjs ? write_folder(&folder, &options, e)
                             : to_onnx(s->model, &options, o->path, files, e);
}

const struct output output_onnx = {
    .name = "onnx",
    .suffix = ".onnx",
    .help = "a graph of ONNX for onnxruntime and others",
    .takes_weights = true,
    .check = check,
    .write = write_files,
};
