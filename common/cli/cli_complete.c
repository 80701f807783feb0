#include "cli/cli_private.h"

#include <string.h>

/* A help text as a field of a line. */
static void put_line_of(FILE *out, const char *text)
{
    for (; *text; text++)
        putc(*text == '\n' || *text == '\t' ? ' ' : *text, out);
}

static void put_choices(FILE *out, const struct cli_option *o)
{
    if (o->type == CLI_TYPE_CPU) {
        fputs("auto", out);
        for (const struct cpu_level *l = CPU_C; l; l = cpu_next(l))
            fprintf(out, " %s", l->name);
    }
    for (int i = 0; o->type == CLI_TYPE_CHOICE && cli_choice(o, i); i++)
        fprintf(out, "%s%s", i ? " " : "", cli_choice(o, i));
}

void cli_list_options(const struct cli_option *all, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct cli_option *o = &all[i];
        if (o->type == CLI_TYPE_HEADING)
            continue;
        const char *value = o->type == CLI_TYPE_FLAG ? "" : o->value ? o->value : "VALUE";
        fprintf(out, "--%s\t", o->name);
        if (o->letter)
            fprintf(out, "-%c", o->letter);
        fprintf(out, "\t%s%s\t", o->type == CLI_TYPE_OPT_TEXT ? "?" : "", value);
        put_choices(out, o);
        putc('\t', out);
        put_line_of(out, o->help ? o->help : "");
        putc('\n', out);
    }
}
