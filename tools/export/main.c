#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "export/csource.h"
#include "export/info.h"
#include "export/to.h"
#include "export/to_c.h"
#include "export/verify.h"
#include "format/blob_file.h"

enum { FORMAT_BOLT, FORMAT_SAFETENSORS, FORMAT_C };
static const char *const format_names[] = {"bolt", "safetensors", "c", NULL};

static const char *output;
static const char *vocab;
static const char *text;
static const char *info;
static const char *name;
static const struct cpu_level *cpu;
static int format = FORMAT_BOLT;
static int embed = NUMBER_F16;
static int threads;
static bool embed_given;

static const struct cli_option options[] = {
    CLI_TEXT('o', "output", &output, "FILE", "write this file"),
    CLI_TEXT(
        0, "vocab", &vocab, "DB",
        "vocabulary database the checkpoint was trained with; needed for the formats bolt and c"),
    CLI_CHOICE(
        0, "format", &format, format_names, "FORM",
        "bolt: a self-contained file for sample and eval; safetensors: dequantised weights for "
        "other "
        "programs; c: a C source and header for firmware, of a checkpoint or a bolt file (default "
        "bolt)"),
    CLI_CHOICE(
        0, "embed", &embed, number_type_names, "TYPE",
        "storage of the embedding in a bolt file (default f16) or C source (default as in the bolt "
        "file it is made from, else q8)",
        .given = &embed_given),
    CLI_TEXT(0, "name", &name, "NAME",
             "what names in C source begin with (default: as the file is called)"),
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
              "else the newest good step. The format c takes a bolt file too.\n\n"
              "  export checkpoints -o model.bolt --vocab data/vocab.db\n"
              "  export checkpoints -o model.bolt --vocab data/vocab.db --verify valid.txt\n"
              "  export checkpoints -o weights.safetensors --format safetensors\n"
              "  export model.bolt -o model.c --format c\n"
              "  export --info model.bolt\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .has_json = true,
};

static void check_c_usage(void)
{
    struct err e;
    if (format != FORMAT_C && name)
        cli_usage("--name is for the format c");
    if (format != FORMAT_C)
        return;
    if (text)
        cli_usage("--verify reads bolt and safetensors files, not C source");
    if (name && !csource_is_name(name))
        cli_usage("--name: '%s' cannot begin names of C", name);
    char *header = to_c_header(output, &e);
    if (!header)
        cli_usage("%s", e.text);
    free(header);
    char *derived = name ? NULL : to_c_name(output, &e);
    if (!name && !derived)
        cli_usage("%s; choose others with --name NAME", e.text);
    free(derived);
}

static void check_usage(size_t n_operands)
{
    if (info) {
        if (n_operands || output || text || vocab)
            cli_usage("--info stands alone");
        return;
    }
    if (n_operands != 1)
        cli_usage(n_operands ? "more than one CHECKPOINT given" : "no CHECKPOINT given");
    if (!output)
        cli_usage("no output file given (-o FILE)");
    if (format == FORMAT_BOLT && !vocab)
        cli_usage("the format bolt holds the vocabulary: name its database with --vocab DB");
    if (format == FORMAT_SAFETENSORS && embed_given)
        cli_usage("--embed is for the formats bolt and c");
    check_c_usage();
    if (text && !vocab)
        cli_usage("--verify needs the vocabulary: name its database with --vocab DB");
    if (text && strcmp(output, "-") == 0)
        cli_usage("--verify reads the output back, so it cannot be standard output");
    if (cli.json && strcmp(output, "-") == 0)
        cli_usage("--json and the model cannot both go to standard output");
}

static void open_checkpoint(struct ckpt *c, const char *operand, char **path)
{
    struct err e;
    if (load_find(operand, path, &e))
        cli_die("%s", e.text);
    if (strcmp(operand, *path) != 0)
        cli_say("checkpoint: %s\n", *path);
    if (blob_probe_file(*path))
        cli_die("%s: is a model blob already, expected a checkpoint", *path);
    if (ckpt_open(c, *path, &e))
        cli_die("%s", e.text);
}

/* An output that replaces what it is made from would lose it. */
static void check_output(const char *written, const char *input)
{
    struct stat in, out;
    if (input && stat(input, &in) == 0 && stat(written, &out) == 0 && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino && S_ISREG(out.st_mode))
        cli_die("%s: is the input %s itself; choose another output", written, input);
}

/* What was done, for the report at the end. */
struct outcome {
    uint64_t fingerprint; /* of a blob */
    struct verify_result verify;
    double limit; /* of the relative difference */
    bool equal;   /* true without --verify */
};

static void write_output(const struct to_source *s, struct outcome *o)
{
    struct err e;
    int rc = format == FORMAT_BOLT
                 ? to_bolt(s, (enum number_type)embed, output, &o->fingerprint, &e)
                 : to_safetensors(s, output, &e);
    if (rc)
        cli_die("%s", e.text);
    cli_say("wrote %s\n", output);
}

static void verify_output(const struct to_source *s, struct outcome *o)
{
    struct err e;
    o->limit = verify_limit(format == FORMAT_BOLT ? (enum number_type)embed : NUMBER_F32);
    if (verify_run(s->ckpt, output, vocab, text, s->kern, threads, &o->verify, &e))
        cli_die("%s", e.text);
    o->equal = o->verify.difference <= o->limit;
}

static void report_json(const char *path, const struct outcome *o)
{
    struct cli_json j = {0};
    char hex[17];
    cli_json_begin(&j, stdout);
    cli_json_text(&j, "checkpoint", path);
    cli_json_text(&j, "output", output);
    cli_json_text(&j, "format", format_names[format]);
    if (format == FORMAT_BOLT) {
        snprintf(hex, sizeof hex, "%016" PRIx64, o->fingerprint);
        cli_json_text(&j, "embed", number_type_names[embed]);
        cli_json_text(&j, "fingerprint", hex);
    }
    if (text) {
        cli_json_real(&j, "checkpoint_loss", o->verify.checkpoint_loss);
        cli_json_real(&j, "output_loss", o->verify.export_loss);
        cli_json_real(&j, "difference", o->verify.difference);
        cli_json_real(&j, "limit", o->limit);
        cli_json_uint(&j, "n_tokens", o->verify.n_tokens);
        cli_json_bool(&j, "equal", o->equal);
    }
    cli_json_end(&j);
}

static void report_verify(const struct outcome *o)
{
    printf("checkpoint loss    %.9f nats per token\n", o->verify.checkpoint_loss);
    printf("output loss        %.9f nats per token\n", o->verify.export_loss);
    printf("difference         %.3g relative (limit %g)\n", o->verify.difference, o->limit);
}

static void run_export(const char *operand, const struct kern *k)
{
    struct ckpt c;
    char *path;
    struct outcome outcome = {.equal = true};
    open_checkpoint(&c, operand, &path);
    check_output(output, path);
    check_output(output, vocab);
    check_output(output, text);
    struct to_source source = {path, &c, k, vocab};
    write_output(&source, &outcome);
    if (text)
        verify_output(&source, &outcome);
    if (cli.json)
        report_json(path, &outcome);
    else if (text)
        report_verify(&outcome);
    ckpt_close(&c);
    free(path);
    if (!outcome.equal)
        cli_die("%s: its loss differs from the checkpoint's by more than the limit", output);
}

/* ---- C source -------------------------------------------------------------------------------- */

static void report_c(const char *path, const char *header, const struct to_c_options *o,
                     const struct to_c_sizes *sizes)
{
    struct cli_json j = {0};
    char flash[32], ram[32], ram_no_logits[32];
    if (!cli.json) {
        cli_say("wrote %s and %s: %s bytes of constant data, %s bytes of RAM, %s without logits\n",
                output, header, cli_count_text(flash, sizes->flash_bytes),
                cli_count_text(ram, sizes->ram_bytes),
                cli_count_text(ram_no_logits, sizes->ram_bytes_no_logits));
        return;
    }
    cli_json_begin(&j, stdout);
    cli_json_text(&j, "model", path);
    cli_json_text(&j, "output", output);
    cli_json_text(&j, "header", header);
    cli_json_text(&j, "format", format_names[format]);
    cli_json_text(&j, "name", o->name);
    cli_json_text(&j, "embed", number_type_names[o->embed]);
    cli_json_uint(&j, "flash_bytes", sizes->flash_bytes);
    cli_json_uint(&j, "ram_bytes", sizes->ram_bytes);
    cli_json_uint(&j, "ram_bytes_no_logits", sizes->ram_bytes_no_logits);
    cli_json_end(&j);
}

/* How the embedding is stored if nobody says: as it is in a blob, else as small as it gets. */
static enum number_type embed_of_c(const struct modelfile *b)
{
    if (embed_given)
        return (enum number_type)embed;
    return b->blob.data ? b->model.embed.type : NUMBER_Q8;
}

static void run_export_c(const char *operand, const struct kern *k)
{
    struct err e;
    struct modelfile b;
    struct to_c_sizes sizes;
    char *path;
    if (load_find(operand, &path, &e))
        cli_die("%s", e.text);
    if (strcmp(operand, path) != 0)
        cli_say("checkpoint: %s\n", path);
    char *header = to_c_header(output, &e);
    char *derived = name ? NULL : to_c_name(output, &e);
    if (!header || (!name && !derived))
        cli_die("%s", e.text);
    check_output(output, path);
    check_output(output, vocab);
    check_output(header, path);
    check_output(header, vocab);
    if (load_open(&b, path, vocab, k, &e))
        cli_die("%s", e.text);
    struct to_c_options o = {.name = name ? name : derived,
                             .embed = embed_of_c(&b),
                             .vocab_fingerprint = b.vocab_fingerprint};
    if (to_c(&b.model, b.vocab, &o, output, &sizes, &e))
        cli_die("%s", e.text);
    report_c(path, header, &o, &sizes);
    load_close(&b);
    free(derived);
    free(header);
    free(path);
}

int main(int argc, char **argv)
{
    size_t n;
    struct err e;
    struct kern kern;
    char **operands = cli_parse(&tool, argc, argv, &n);
    check_usage(n);
    kern_init(&kern, cpu);
    if (!info && format == FORMAT_C)
        run_export_c(operands[0], &kern);
    else if (!info)
        run_export(operands[0], &kern);
    else if (info_print(info, &kern, &e))
        cli_die("%s", e.text);
    return cli_finish();
}
