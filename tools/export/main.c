#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "export/info.h"
#include "export/output.h"
#include "export/to_onnx.h"
#include "export/verify.h"
#include "format/kind.h"
#include "format/vocabdb.h"

enum { MAX_OUTPUTS = 16 };

static const char *vocab;
static const char *text;
static const char *info;
static const struct cpu_level *cpu;
static int format;
static bool format_given;
static int embed;
static int threads;
static struct output_options chosen;
static const char *const receivers[] = {"transformersjs", NULL};
static int receiver;
static const char *format_names[MAX_OUTPUTS + 1];
static char format_help[1024];

static const struct cli_option options[] = {
    CLI_TEXT('o', "output", &chosen.path, "FILE", "write this file"),
    CLI_TEXT(0, "vocab", &vocab, "DB",
             "vocabulary database the checkpoint was trained with; needed for every format but "
             "safetensors and onnx"),
    CLI_CHOICE(0, "format", &format, format_names, "FORM", format_help, .given = &format_given),
    CLI_CHOICE(
        0, "embed", &embed, number_type_names, "TYPE",
        "storage of the embedding in a bolt file (default f16) or C source (default as in the bolt "
        "file it is made from, else q8)",
        .given = &chosen.embed_given),
    CLI_TEXT(0, "name", &chosen.name, "NAME",
             "what names in C source begin with (default: as the file is called)"),
    CLI_CHOICE(0, "weights", &chosen.weights, to_onnx_weight_names, "TYPE",
               "storage of the linear weights in a graph of ONNX (default f32)",
               .given = &chosen.weights_given),
    CLI_CHOICE(0, "for", &receiver, receivers, "PROGRAM",
               "write a graph of ONNX into a folder that this program opens",
               .given = &chosen.transformersjs),
    CLI_TEXT(0, "verify", &text, "TEXT",
             "score this text with checkpoint and output, and compare the losses"),
    CLI_TEXT(0, "info", &info, "FILE", "describe a model, checkpoint, shard or vocabulary instead"),
    CLI_HEADING("Machine"),
    CLI_THREADS(&threads,
                "worker threads of --verify (default: the processors this process may use)"),
    CLI_CPU(&cpu),
};

static const struct cli_tool tool = {
    .name = "export",
    .synopsis = "[options] CHECKPOINT -o FILE | --info FILE",
    .summary = "Packs a trained checkpoint into one small file, two bits a ternary weight.",
    .epilog = "CHECKPOINT is a file made by train, or its directory: best.safetensors there,\n"
              "else the newest good step. All formats but bolt take a bolt file too, and\n"
              "tokenizer.json a vocabulary database alone.\n\n"
              "  export checkpoints -o model.bolt --vocab data/vocab.db\n"
              "  export checkpoints -o model.bolt --vocab data/vocab.db --verify valid.txt\n"
              "  export checkpoints -o weights.safetensors\n"
              "  export model.bolt -o model.c\n"
              "  export --info model.bolt\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .has_json = true,
};

/* --format's names and help come from the table of outputs. */
static void describe_formats(void)
{
    size_t n = 0;
    for (size_t i = 0; i < MAX_OUTPUTS && output_table[i]; i++) {
        format_names[i] = output_table[i]->name;
        n += (size_t)snprintf(format_help + n, sizeof format_help - n, "%s%s: %s", i ? "; " : "",
                              output_table[i]->name, output_table[i]->help);
    }
    snprintf(format_help + n, sizeof format_help - n,
             " (default by the ending of FILE, as in x.%s; %s without one)", output_table[1]->name,
             output_table[0]->name);
}

static const struct output *check_usage(size_t n_operands)
{
    struct err e;
    if (n_operands != 1)
        cli_usage(n_operands ? "more than one CHECKPOINT given" : "no CHECKPOINT given");
    if (!chosen.path)
        cli_usage("no output file given (-o FILE)");
    chosen.embed = (enum number_type)embed;
    const struct output *out = format_given ? output_table[format] : output_of(chosen.path, &e);
    if (!out)
        cli_fail(&e);
    if (chosen.embed_given && !out->takes_embed)
        cli_usage("--embed is not for the format %s", out->name);
    if (chosen.name && !out->takes_name)
        cli_usage("--name is not for the format %s", out->name);
    if (chosen.weights_given && !out->takes_weights)
        cli_usage("--weights is not for the format %s", out->name);
    if (chosen.transformersjs && !out->takes_weights)
        cli_usage("--for is not for the format %s", out->name);
    if (text && !out->reads_back)
        cli_usage("--verify cannot read the format %s", out->name);
    if (out->check && out->check(&chosen, &e))
        cli_fail(&e);
    if (text && !vocab)
        cli_usage("--verify needs the vocabulary: name its database with --vocab DB");
    if (text && strcmp(chosen.path, "-") == 0)
        cli_usage("--verify reads the output back, so it cannot be standard output");
    if (cli.json && strcmp(chosen.path, "-") == 0)
        cli_usage("--json and the model cannot both go to standard output");
    return out;
}

/* ---- the source ------------------------------------------------------------------------------ */

/* What output_source points into. */
struct input {
    struct load_source file;
    struct model model; /* of a checkpoint, packed */
    struct vocab vocab; /* of a checkpoint, if named, or the operand itself */
};

static void open_vocab(struct input *in, struct output_source *s, const char *operand)
{
    struct err e;
    if (vocab)
        cli_usage("%s: is a vocabulary itself, so --vocab has no use", operand);
    if (vocabdb_load(&in->vocab, operand, &e))
        cli_fail(&e);
    *s = (struct output_source){
        .path = operand, .vocab = &in->vocab, .vocab_fingerprint = vocab_fingerprint(&in->vocab)};
}

static bool is_vocab(const char *path)
{
    struct err ignored;
    enum kind kind;
    return kind_of_file(path, &kind, NULL, &ignored) == 0 && kind == KIND_VOCAB;
}

static void open_input(struct input *in, struct output_source *s, const char *operand,
                       const struct output *out, const struct kern *k)
{
    struct err e;
    *in = (struct input){0};
    if (out->vocab_alone && is_vocab(operand)) {
        open_vocab(in, s, operand);
        return;
    }
    if (load_source_open(&in->file, operand, &e))
        cli_fail(&e);
    const char *path = in->file.path;
    bool needs_vocab = out->needs_vocab || chosen.transformersjs;
    if (in->file.is_ckpt && needs_vocab && !vocab)
        cli_usage("%s: a checkpoint holds no vocabulary; name its database with --vocab DB", path);
    if (strcmp(operand, path) != 0)
        cli_say("checkpoint: %s\n", path);
    if (!in->file.is_ckpt) {
        struct modelfile *b = &in->file.blob;
        *s = (struct output_source){path, NULL, &b->model, b->vocab, b->vocab_fingerprint};
        if (vocab && load_check_vocab(b, path, vocab, &e))
            cli_fail(&e);
        return;
    }
    struct ckpt *c = &in->file.ckpt;
    *s = (struct output_source){path, c, &in->model, NULL, c->state.prints.vocab};
    if (vocab) {
        if (load_vocab(&in->vocab, c, path, vocab, &e))
            cli_fail(&e);
        s->vocab = &in->vocab;
        s->vocab_fingerprint = vocab_fingerprint(&in->vocab);
        if (c->state.prints.vocab == 0)
            cli_say("export: " LOAD_ASSUMED "\n", path, vocab);
    }
    if (load_model(&in->model, c, path, k, &e))
        cli_fail(&e);
}

static void close_input(struct input *in)
{
    vocab_release(&in->vocab);
    model_release(&in->model);
    load_source_close(&in->file);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* An output that replaces what it is made from would lose it. */
static void check_output(const char *written, const char *input)
{
    struct stat in, out;
    if (input && stat(input, &in) == 0 && stat(written, &out) == 0 && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino && S_ISREG(out.st_mode))
        cli_die("%s: is the input %s itself; choose another output", written, input);
}

/* "wrote a and b: SUMMARY", or of a folder how many files, for the caller to free. */
static char *sentence(const struct file_set *files, const char *summary)
{
    char *line = NULL;
    size_t size;
    FILE *f = open_memstream(&line, &size);
    if (!f)
        cli_die("out of memory");
    fputs("wrote ", f);
    if (files->n > 2)
        fprintf(f, "%zu files into %s", files->n, chosen.path);
    for (size_t i = 0; i < files->n && files->n <= 2; i++)
        fprintf(f, "%s%s", i ? " and " : "", files->out[i].path);
    fprintf(f, *summary ? ": %s\n" : "%s\n", summary);
    if (fclose(f) != 0)
        cli_die("out of memory");
    return line;
}

static void write_output(const struct output *out, const struct output_source *s,
                         struct output_report *r)
{
    struct err e;
    struct file_set files = {.last_completes = true}; /* config.json, the header */
    if (out->write(s, &chosen, &files, r, &e))
        cli_fail(&e);
    for (size_t i = 0; i < files.n; i++) {
        check_output(files.out[i].path, s->path);
        check_output(files.out[i].path, vocab);
        check_output(files.out[i].path, text);
    }
    char *wrote = sentence(&files, r->summary);
    if (file_set_commit(&files, &e))
        cli_fail(&e);
    cli_say("%s", wrote);
    free(wrote);
}

/* ---- reports --------------------------------------------------------------------------------- */

static void report_json(const struct output *out, const struct output_source *s,
                        const struct output_report *r, const struct verify_result *v)
{
    struct cli_json j = {0};
    cli_json_begin(&j, stdout);
    cli_json_text(&j, s->model ? "model" : "vocab", s->path);
    if (s->ckpt)
        cli_json_text(&j, "checkpoint", s->path);
    cli_json_text(&j, "output", chosen.path);
    cli_json_text(&j, "format", out->name);
    for (size_t i = 0; i < r->n_facts; i++) {
        const struct output_fact *f = &r->facts[i];
        if (f->text)
            cli_json_text(&j, f->key, f->text);
        else
            cli_json_uint(&j, f->key, f->number);
    }
    if (v) {
        cli_json_real(&j, "checkpoint_loss", v->checkpoint_loss);
        cli_json_real(&j, "output_loss", v->export_loss);
        cli_json_real(&j, "difference", v->difference);
        cli_json_real(&j, "limit", verify_limit(r->embed));
        cli_json_uint(&j, "n_tokens", v->n_tokens);
        cli_json_bool(&j, "equal", v->difference <= verify_limit(r->embed));
    }
    cli_json_end(&j);
}

static void report_verify(const struct verify_result *v, double limit)
{
    printf("checkpoint loss    %.9f nats per token\n", v->checkpoint_loss);
    printf("output loss        %.9f nats per token\n", v->export_loss);
    printf("difference         %.3g relative (limit %g)\n", v->difference, limit);
}

static void run_export(const struct output *out, const char *operand, const struct kern *k)
{
    struct err e;
    struct input in;
    struct output_source s;
    struct output_report r = {0};
    struct verify_result v = {0};
    struct verify_text stories = {0};
    open_input(&in, &s, operand, out, k);
    if (text && !s.ckpt)
        cli_usage("%s: is a model blob; --verify compares with a checkpoint", s.path);
    if (text && verify_read(&stories, text, s.vocab, threads, &e))
        cli_fail(&e); /* before a file that is good is replaced by one that nothing verifies */
    write_output(out, &s, &r);
    if (text && verify_run(s.ckpt, chosen.path, vocab, &stories, k, threads, &v, &e))
        cli_fail(&e);
    verify_release(&stories);
    if (cli.json)
        report_json(out, &s, &r, text ? &v : NULL);
    else if (text)
        report_verify(&v, verify_limit(r.embed));
    bool equal = !text || v.difference <= verify_limit(r.embed);
    output_report_release(&r);
    close_input(&in);
    if (!equal)
        cli_die("%s: its loss differs from the checkpoint's by more than the limit", chosen.path);
}

int main(int argc, char **argv)
{
    static const char *const of_info[] = {"cpu", NULL};
    size_t n;
    struct err e;
    struct kern kern;
    describe_formats();
    char **operands = cli_parse(&tool, argc, argv, &n);
    kern_init(&kern, cpu);
    if (!info) {
        run_export(check_usage(n), operands[0], &kern);
        return cli_finish();
    }
    if (n)
        cli_usage("--info takes no CHECKPOINT");
    cli_allow_only("info", of_info);
    if (info_print(info, &kern, &e))
        cli_fail(&e);
    return cli_finish();
}
