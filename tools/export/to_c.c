#include "export/to_c.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/csource.h"
#include "export/embedded.h"

enum {
    GROUP = 3,            /* columns in a cell of five bits */
    CELLS = 6,            /* rows in a word */
    TEXTS_A_START = 32,   /* as in runtime.c */
    STACK_BYTES = 1280,   /* more than a call needs */
    STACK_ATTENTION = 256 /* more with attention */
};

_Static_assert(
    TENSOR_N_KINDS == 12 && DIMS_N_MIXERS == 2 &&
        sizeof(struct dims) == (10 + 2 * DIMS_MAX_BLOCKS) * sizeof(int),
    "runtime.c computes a model of these tensors, mixers and hyperparameters: teach it what is "
    "new, or refuse it");

/* ---- sizes ----------------------------------------------------------------------------------- */

static uint64_t ring_rows(const struct dims *d)
{
    return dims_context(d) + (uint64_t)d->L;
}

/* Those of keys; up to a block. */
static uint64_t key_rows(const struct dims *d, int block)
{
    uint64_t rows = 0;
    for (int l = 0; l < block; l++)
        rows += d->mixer[l] == DIMS_ATTENTION ? (uint64_t)d->window : 0;
    return rows;
}

static int count_ram(const struct dims *d, const char *path, struct to_c_sizes *sizes,
                     struct err *e)
{
    uint64_t D = (uint64_t)d->D;
    uint64_t cells = 1 + (uint64_t)d->L + 2 * D + 2 * (uint64_t)MAX(d->D, d->H) + ring_rows(d) * D;
    if (d->window > 0)
        cells += (key_rows(d, d->L) + 1) * (uint64_t)(d->heads * d->key_width) +
                 (uint64_t)d->window + 4 * D / (uint64_t)d->heads;
    sizes->ram_bytes_no_logits = 4 * cells;
    sizes->ram_bytes = 4 * (cells + 2 + (uint64_t)d->V);
    if (sizes->ram_bytes <= INT32_MAX)
        return 0;
    return err_set(e, "%s: the model needs %" PRIu64 " bytes of RAM, C source can have %d", path,
                   sizes->ram_bytes, INT32_MAX);
}

/* ---- weights --------------------------------------------------------------------------------- */

struct job {
    struct csource *s;
    const struct model *model;
    const struct vocab *vocab;
    const struct to_c_options *options;
    const char *path;
};

static void say(struct csource *s, const char *text)
{
    csource_text(s, text, strlen(text));
}

static int not_finite(const struct job *j, const char *what)
{
    return err_set(j->s->e, "%s: not written: %s of the model %s", j->path, what,
                   "hold a number that is not finite");
}

static int put_floats(const struct job *j, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return not_finite(j, "weights");
        csource_float(j->s, x[i]);
    }
    return 0;
}

static int put_vector(const struct job *j, const char *label, const float *x, size_t n)
{
    csource_array(j->s, "float", sizeof *x, label);
    int rc = put_floats(j, x, n);
    csource_array_end(j->s);
    return rc;
}

/* [D][K] as [K][D]. */
static int put_taps(const struct job *j, int block)
{
    char label[32];
    size_t D = (size_t)j->model->dims.D;
    size_t K = (size_t)j->model->dims.K;
    int rc = 0;
    snprintf(label, sizeof label, "taps_%d", block);
    csource_array(j->s, "float", sizeof(float), label);
    for (size_t i = 0; i < K && rc == 0; i++)
        for (size_t c = 0; c < D && rc == 0; c++)
            rc = put_floats(j, &j->model->block[block].taps[c * K + i], 1);
    csource_array_end(j->s);
    return rc;
}

static uint32_t cell(const struct model_tern *w, size_t row, size_t first)
{
    const uint8_t *codes = w->codes + row * DIV_UP(w->cols, 4);
    uint32_t index = 0;
    for (size_t c = first + GROUP; c-- > first;)
        index = 3 * index + (c < w->cols ? (uint32_t)codes[c / 4] >> 2 * (c % 4) & 3 : 1);
    return index;
}

/* The rows [first, first + rows) of w, as runtime.c wants them. */
static int put_ternary(const struct job *j, const char *label, int block,
                       const struct model_tern *w, size_t first, size_t rows)
{
    char name[48];
    snprintf(name, sizeof name, "%s_%d", label, block);
    if (!isfinite(w->alpha))
        return not_finite(j, "scales");
    csource_array(j->s, "uint32_t", sizeof(uint32_t), name);
    for (size_t c = 0; c < w->cols; c += GROUP)
        for (size_t r = 0; r < rows; r += CELLS) {
            uint32_t word = 0;
            for (size_t i = 0; i < MIN(rows - r, (size_t)CELLS); i++)
                word |= cell(w, first + r + i, c) << 5 * i;
            csource_word(j->s, word);
        }
    csource_array_end(j->s);
    return 0;
}

static bool has_attention(const struct job *j, int l)
{
    return j->model->dims.mixer[l] == DIMS_ATTENTION;
}

/* What the mixer of a block has besides the matrices of all mixers. */
static int put_mixer(const struct job *j, int l)
{
    const struct dims *d = &j->model->dims;
    const struct model_block *b = &j->model->block[l];
    size_t keys = (size_t)(d->heads * d->key_width);
    char distance[32];
    if (!has_attention(j, l))
        return put_taps(j, l);
    snprintf(distance, sizeof distance, "distance_%d", l);
    if (put_vector(j, distance, b->distance, (size_t)(d->heads * d->window)) ||
        put_ternary(j, "query", l, &b->query_key, 0, keys))
        return -1;
    return put_ternary(j, "key", l, &b->query_key, keys, keys);
}

static int put_block(const struct job *j, int l)
{
    const struct model_block *b = &j->model->block[l];
    size_t D = (size_t)j->model->dims.D;
    size_t H = (size_t)j->model->dims.H;
    char norm1[32], norm2[32];
    snprintf(norm1, sizeof norm1, "norm1_%d", l);
    snprintf(norm2, sizeof norm2, "norm2_%d", l);
    if (put_vector(j, norm1, b->norm1, D) || put_mixer(j, l) || put_vector(j, norm2, b->norm2, D) ||
        put_ternary(j, "mixer_gate", l, &b->mixer_up, 0, D) ||
        put_ternary(j, "mixer_value", l, &b->mixer_up, D, D) ||
        put_ternary(j, "mixer_down", l, &b->mixer_down, 0, D) ||
        put_ternary(j, "ffn_gate", l, &b->ffn_gate, 0, H) ||
        put_ternary(j, "ffn_up", l, &b->ffn_up, 0, H))
        return -1;
    return put_ternary(j, "ffn_down", l, &b->ffn_down, 0, D);
}

static void put_matrix(const struct job *j, const char *label, int l, float alpha)
{
    char text[32];
    csource_print(j->s, "     {%s_%d, %s},\n", label, l, csource_float_text(text, alpha));
}

/* The end of a block's entry, where any has attention. */
static void put_attention(const struct job *j, int l)
{
    const struct model_block *b = &j->model->block[l];
    if (!has_attention(j, l)) {
        say(j->s, "     0, {0, 0}, {0, 0}, 0},\n");
        return;
    }
    csource_print(j->s, "     distance_%d,\n", l);
    put_matrix(j, "query", l, b->query_key.alpha);
    put_matrix(j, "key", l, b->query_key.alpha);
    csource_print(j->s, "     %" PRIu64 "},\n", key_rows(&j->model->dims, l));
}

static void put_block_table(const struct job *j)
{
    const struct dims *d = &j->model->dims;
    say(j->s, "static const struct block blocks[RUNTIME_BLOCKS] = {\n");
    for (int l = 0; l < d->L; l++) {
        const struct model_block *b = &j->model->block[l];
        if (has_attention(j, l))
            csource_print(j->s, "    {norm1_%d, 0, norm2_%d,\n", l, l);
        else
            csource_print(j->s, "    {norm1_%d, taps_%d, norm2_%d,\n", l, l, l);
        put_matrix(j, "mixer_gate", l, b->mixer_up.alpha);
        put_matrix(j, "mixer_value", l, b->mixer_up.alpha);
        put_matrix(j, "mixer_down", l, b->mixer_down.alpha);
        put_matrix(j, "ffn_gate", l, b->ffn_gate.alpha);
        put_matrix(j, "ffn_up", l, b->ffn_up.alpha);
        put_matrix(j, "ffn_down", l, b->ffn_down.alpha);
        csource_print(j->s, d->window > 0 ? "     %d,\n" : "     %d},\n", d->dilation[l]);
        if (d->window > 0)
            put_attention(j, l);
    }
    csource_print(j->s, "};\n");
}

/* ---- the embedding --------------------------------------------------------------------------- */

/* A row as it is to be stored: bytes, half words or floats; *scale for bytes. */
static void store_row(const struct job *j, size_t id, float *row, void *out, float *scale)
{
    const struct model_embed *from = &j->model->embed;
    enum number_type type = j->options->embed;
    size_t D = (size_t)j->model->dims.D;
    size_t n_bytes = D * number_bytes(from->type);
    if (from->type == type) {
        memcpy(out, (const char *)from->data + id * n_bytes, n_bytes);
        if (type == NUMBER_Q8)
            *scale = from->row_scales[id];
        return;
    }
    model_embed_row(j->model, id, row);
    if (type == NUMBER_Q8)
        *scale = number_q8(row, D, out);
    else if (type == NUMBER_F16)
        for (size_t c = 0; c < D; c++)
            ((uint16_t *)out)[c] = number_f16(row[c]);
    else
        memcpy(out, row, D * sizeof *row);
}

static int put_row(const struct job *j, const void *row)
{
    size_t D = (size_t)j->model->dims.D;
    if (j->options->embed == NUMBER_F32)
        return put_floats(j, row, D);
    const signed char *bytes = row;
    const uint16_t *halves = row;
    for (size_t c = 0; c < D; c++) {
        if (j->options->embed == NUMBER_Q8)
            csource_whole(j->s, bytes[c]);
        else if (number_f16_is_finite(halves[c]))
            csource_word(j->s, halves[c]);
        else
            return err_set(j->s->e, "%s: not written: %s", j->path,
                           "a number of the embedding is too large for f16");
    }
    return 0;
}

static int put_embedding(const struct job *j)
{
    static const char *const types[] = {"float", "uint16_t", "int8_t"};
    enum number_type type = j->options->embed;
    size_t V = (size_t)j->model->dims.V;
    size_t D = (size_t)j->model->dims.D;
    float *row = calloc(2 * D + V, sizeof *row);
    if (!row)
        return err_memory(j->s->e, "%s: out of memory", j->path);
    float *stored = row + D;
    float *scales = row + 2 * D;
    int rc = 0;
    csource_array(j->s, types[type], number_bytes(type), "embedding");
    for (size_t id = 0; id < V && rc == 0; id++) {
        store_row(j, id, row, stored, &scales[id]);
        rc = put_row(j, stored);
    }
    csource_array_end(j->s);
    if (rc == 0 && type == NUMBER_Q8)
        rc = put_vector(j, "row_scales", scales, V);
    free(row);
    return rc;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* A token as it stands in a text; as tokenizer_decode. */
static struct vocab_bytes text_of(const struct vocab *v, size_t id)
{
    if (id == VOCAB_UNK)
        return (struct vocab_bytes){(const unsigned char *)"\xef\xbf\xbd", 3};
    if (id < VOCAB_N_SPECIAL)
        return (struct vocab_bytes){(const unsigned char *)"", 0};
    return v->tokens[id].bytes;
}

static void put_texts(const struct job *j)
{
    size_t n = j->vocab->n_tokens;
    uint32_t longest = 0;
    uint32_t at = 0;
    for (size_t id = 0; id < n; id++)
        longest = MAX(longest, text_of(j->vocab, id).n);
    if (longest <= UINT8_MAX)
        csource_array(j->s, "uint8_t", 1, "text_lengths");
    else
        csource_array(j->s, "uint16_t", 2, "text_lengths");
    for (size_t id = 0; id < n; id++)
        csource_whole(j->s, text_of(j->vocab, id).n);
    csource_array_end(j->s);
    csource_array(j->s, "uint32_t", 4, "text_starts");
    for (size_t id = 0; id < n; id++) {
        if (id % TEXTS_A_START == 0)
            csource_whole(j->s, at);
        at += text_of(j->vocab, id).n;
    }
    csource_array_end(j->s);
    csource_array(j->s, "uint8_t", 1, "text_bytes");
    for (size_t id = 0; id < n; id++)
        for (uint32_t i = 0; i < text_of(j->vocab, id).n; i++)
            csource_whole(j->s, text_of(j->vocab, id).data[i]);
    csource_array_end(j->s);
}

/* ---- the two files --------------------------------------------------------------------------- */

static const char *after(const char *text, const char *mark)
{
    return strstr(text, mark) + strlen(mark);
}

/* A piece of runtime.c or runtime.h, without what the model has no use for. */
static void put_runtime(struct csource *s, const struct dims *d, const char *text, size_t n)
{
    const struct csource_part parts[] = {
        {"RUNTIME_WINDOW", d->window > 0}, {"RUNTIME_EMBED_NORM", d->embed_norm}, {NULL, false}};
    csource_settled(s, text, n, parts);
}

/* The scale of the embedding's norm: none. */
static int put_ones(const struct job *j)
{
    const float one = 1;
    int rc = 0;
    csource_array(j->s, "float", sizeof one, "embed_norm");
    for (int c = 0; c < j->model->dims.D && rc == 0; c++)
        rc = put_floats(j, &one, 1);
    csource_array_end(j->s);
    return rc;
}

static int put_source(const struct job *j, const char *header)
{
    const char *name = strrchr(header, '/');
    const char *body = after(embedded_runtime_c, "#include \"export/runtime.h\"\n");
    const char *model = strstr(body, "/* @model */\n");
    csource_print(j->s, "/* Written by export (FlashLM Bolt " BOLT_VERSION "). */\n");
    csource_print(j->s, "#include \"%s\"\n", name ? name + 1 : header);
    put_runtime(j->s, &j->model->dims, body, (size_t)(model - body));
    for (int l = 0; l < j->model->dims.L; l++)
        if (put_block(j, l))
            return -1;
    put_block_table(j);
    if (j->model->dims.embed_norm && put_ones(j))
        return -1;
    if (put_vector(j, "final_norm", j->model->final_norm, (size_t)j->model->dims.D) ||
        put_embedding(j))
        return -1;
    put_texts(j);
    body = after(model, "/* @end */\n");
    put_runtime(j->s, &j->model->dims, body, strlen(body));
    return 0;
}

static void put_define(struct csource *s, const char *name, uint64_t value, const char *comment)
{
    say(s, "#define RUNTIME_");
    csource_print(s, "%s %" PRIu64, name, value);
    csource_print(s, *comment ? " /* %s */\n" : "%s\n", comment);
}

/* What a person who finds the file wants to know. */
static void put_heading(struct csource *s, const struct job *j)
{
    static const char text[] =
        "/* A language model in C: this header and the .c file beside it, written by export "
        "(FlashLM\n"
        " * Bolt " BOLT_VERSION "), are all of it. C99, freestanding: no library, no allocation.\n"
        " *\n"
        " *     static struct runtime story;\n"
        " *     uint16_t token = RUNTIME_END;\n"
        " *     runtime_reset(&story);\n"
        " *     while ((token = runtime_step_argmax(&story, token)) != RUNTIME_END) {\n"
        " *         size_t n;\n"
        " *         const unsigned char *text = runtime_text(token, &n);\n"
        " *         write_out(text, n);\n"
        " *     }\n"
        " *\n"
        " * Compile with -std=c99 -ffp-contract=off and without -ffast-math: products and sums "
        "must be\n"
        " * rounded one by one, in round-to-nearest mode and with subnormal numbers (a "
        "processor's\n"
        " * flush-to-zero off). Then the logits are those of the exact arithmetic, to the bit, on "
        "every\n"
        " * machine.\n"
        " *\n"
        " * RUNTIME_NO_LOGITS, defined for both files, leaves out the array of logits, and with "
        "it\n"
        " * runtime_step, runtime_argmax, runtime_sample and runtime_seed.\n"
        " *\n"
        " * A call needs less than %d bytes of stack.\n"
        " */\n";
    char line[sizeof text + 16];
    snprintf(line, sizeof line, text,
             STACK_BYTES + (j->model->dims.window > 0 ? STACK_ATTENTION : 0));
    say(s, line);
    csource_print(s, "/* Vocabulary %016" PRIx64 ". */\n", j->options->vocab_fingerprint);
}

static void put_attention_defines(struct csource *s, const struct dims *d)
{
    put_define(s, "RING_ROWS", ring_rows(d),
               "values kept: (taps - 1) * dilation + 1 or window, a block");
    put_define(s, "HEADS", (uint64_t)d->heads, "of attention");
    put_define(s, "KEY_WIDTH", (uint64_t)d->key_width, "of a head's queries and keys");
    put_define(s, "WINDOW", (uint64_t)d->window, "tokens that attention sees");
    put_define(s, "KEY_ROWS", key_rows(d, d->L), "keys kept: window, a block with attention");
}

static void put_header(struct csource *s, const struct job *j, const struct to_c_sizes *sizes)
{
    const struct dims *d = &j->model->dims;
    const char *begin = strstr(embedded_runtime_h, "#ifndef RUNTIME_H");
    const char *model = strstr(begin, "/* @model */\n");
    const char *end = after(model, "/* @end */\n");
    put_heading(s, j);
    put_runtime(s, d, begin, (size_t)(model - begin));
    put_define(s, "VOCAB", (uint64_t)d->V, "tokens");
    put_define(s, "WIDTH", (uint64_t)d->D, "of the residual stream");
    put_define(s, "HIDDEN", (uint64_t)d->H, "width inside a feed-forward part");
    put_define(s, "TAPS", (uint64_t)d->K, "of a convolution");
    put_define(s, "BLOCKS", (uint64_t)d->L, "");
    if (d->window == 0)
        put_define(s, "RING_ROWS", ring_rows(d),
                   "sum over the blocks of (taps - 1) * dilation + 1");
    else
        put_attention_defines(s, d);
    put_define(s, "EMBED", 8 * number_bytes(j->options->embed),
               "bits of a number of the embedding");
    put_define(s, "FLASH_BYTES", sizes->flash_bytes, "constant data; code and pointers come to it");
    say(s, "#ifndef RUNTIME_NO_LOGITS\n");
    put_define(s, "RAM_BYTES", sizes->ram_bytes, "exactly sizeof(struct)");
    csource_print(s, "#else\n");
    put_define(s, "RAM_BYTES", sizes->ram_bytes_no_logits, "exactly sizeof(struct)");
    csource_print(s, "#endif\n");
    put_runtime(s, d, end, strlen(end));
}

int to_c(const struct model *m, const struct vocab *v, const struct to_c_options *o,
         const char *path, struct to_c_sizes *sizes, struct file_set *files, struct err *e)
{
    struct csource source = {0}, header = {0};
    struct job job = {&source, m, v, o, path};
    char *header_path = csource_header(path, e);
    int rc = -1;
    *sizes = (struct to_c_sizes){0};
    if (!header_path || count_ram(&m->dims, path, sizes, e))
        goto out;
    if (csource_open(&source, path, o->name, e) || csource_open(&header, header_path, o->name, e))
        goto out;
    if (put_source(&job, header_path))
        goto out;
    sizes->flash_bytes = source.n_bytes;
    put_header(&header, &job, sizes);
    rc = csource_close(&source, files) || csource_close(&header, files) ? -1 : 0;
out:
    csource_abort(&source);
    csource_abort(&header);
    free(header_path);
    return rc;
}
