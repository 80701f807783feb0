/* A C source and its header, for firmware. */
#include "export/output.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "export/csource.h"
#include "export/textfile.h"
#include "export/to_c.h"

static int check(const struct output_options *o, struct err *e)
{
    if (o->name && !csource_is_name(o->name))
        return err_usage(e, "--name: '%s' cannot begin names of C", o->name);
    char *header = csource_header(o->path, e);
    if (!header)
        return -1;
    free(header);
    char *derived = o->name ? NULL : csource_name(o->path, e);
    struct err fault = *e;
    if (o->name || derived) {
        free(derived);
        return 0;
    }
    return fault.code == ERR_MEMORY
               ? -1
               : err_usage(e, "%s; choose others with --name NAME", fault.text);
}

static int report(struct output_report *r, const struct to_c_options *o, const char *header,
                  const struct to_c_sizes *sizes, struct err *e)
{
    char flash[32], ram[32], ram_no_logits[32];
    snprintf(r->summary, sizeof r->summary,
             "%s bytes of constant data, %s bytes of RAM, %s without logits",
             cli_count_text(flash, sizes->flash_bytes), cli_count_text(ram, sizes->ram_bytes),
             cli_count_text(ram_no_logits, sizes->ram_bytes_no_logits));
    if (output_text(r, "header", header, e) || output_text(r, "name", o->name, e) ||
        output_text(r, "embed", number_type_names[o->embed], e))
        return -1;
    output_count(r, "flash_bytes", sizes->flash_bytes);
    output_count(r, "ram_bytes", sizes->ram_bytes);
    output_count(r, "ram_bytes_no_logits", sizes->ram_bytes_no_logits);
    return 0;
}

/* How the embedding is stored by default: as it is in a blob, else as small as possible. */
static enum number_type embed_of(const struct output_source *s, const struct output_options *o)
{
    return o->embed_given ? o->embed : s->ckpt ? NUMBER_Q8 : s->model->embed.type;
}

static int write_files(const struct output_source *s, const struct output_options *o,
                       struct file_set *files, struct output_report *r, struct err *e)
{
    struct to_c_sizes sizes;
    char *header = csource_header(o->path, e);
    char *name = !header ? NULL : o->name ? strdup(o->name) : csource_name(o->path, e);
    struct to_c_options options = {
        .name = name, .embed = embed_of(s, o), .vocab_fingerprint = s->vocab_fingerprint};
    int rc = -1;
    if (header && !name && o->name)
        err_memory(e, "%s: out of memory", o->path);
    else if (name && textfile_check(header, "written by export (FlashLM", e) == 0 &&
             to_c(s->model, s->vocab, &options, o->path, &sizes, files, e) == 0)
        rc = report(r, &options, header, &sizes, e);
    r->embed = options.embed;
    free(name);
    free(header);
    return rc;
}

const struct output output_c = {
    .name = "c",
    .suffix = ".c",
    .help = "a C source and header for firmware",
    .needs_vocab = true,
    .takes_embed = true,
    .takes_name = true,
    .check = check,
    .write = write_files,
};
