#include "cli/cli_private.h"

#include <math.h>
#include <string.h>

enum { HELP_COLUMN = 28 }; /* where the texts of options begin */

static const double int_limit = 9.2e18; /* a bound beyond it is "none" for a long long */

static void print_bound(char *buf, size_t size, double v)
{
    snprintf(buf, size, v == floor(v) && fabs(v) < 1e15 ? "%.0f" : "%.10g", v);
}

const char *cli_range_text(char buf[96], const struct cli_option *o)
{
    char low[40];
    char high[40];
    bool has_low = o->min > -int_limit;
    bool has_high = o->max < int_limit;
    print_bound(low, sizeof low, o->min);
    print_bound(high, sizeof high, o->max);
    if (has_low && has_high)
        snprintf(buf, 96, "%s to %s", low, high);
    else if (has_low)
        snprintf(buf, 96, "at least %s", low);
    else if (has_high)
        snprintf(buf, 96, "at most %s", high);
    else
        *buf = '\0';
    return buf;
}

const char *cli_choice(const struct cli_option *o, int i)
{
    return o->n_choices && i >= o->n_choices ? NULL : o->choices[i];
}

static size_t columns(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

/* Prints words from `text`, the cursor standing in column `at`, broken at CLI_WIDTH; later lines
 * begin in column `indent`. A newline in text is kept. Returns the column reached. */
static size_t wrap(FILE *out, const char *text, size_t at, size_t indent)
{
    while (*text) {
        if (*text == '\n') {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
            text++;
            continue;
        }
        size_t spaces = strspn(text, " ");
        size_t word = strcspn(text + spaces, " \n");
        size_t width = columns(text + spaces, word);
        if (at + spaces + width > CLI_WIDTH && at > indent) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else {
            fprintf(out, "%*s", (int)spaces, "");
            at += spaces;
        }
        fwrite(text + spaces, 1, word, out);
        at += width;
        text += spaces + word;
    }
    return at;
}

/* "1 to 1024", "one of none, nfc, nfkc": what may be given; nothing when the text has said it. */
static void describe_values(char *buf, size_t size, const struct cli_option *o)
{
    char range[96];
    bool said = true;
    *buf = '\0';
    if (o->type == CLI_TYPE_INT || o->type == CLI_TYPE_REAL || o->type == CLI_TYPE_THREADS)
        snprintf(buf, size, "%s", cli_range_text(range, o));
    if (o->type != CLI_TYPE_CHOICE)
        return;
    size_t n = (size_t)snprintf(buf, size, "one of");
    for (int i = 0; cli_choice(o, i) && n < size; i++) {
        n += (size_t)snprintf(buf + n, size - n, "%s %s", i ? "," : "", o->choices[i]);
        said = said && o->help && strstr(o->help, o->choices[i]);
    }
    if (said)
        *buf = '\0';
}

/* The text of an option and its values, which join a bracket at the end: "(default 5; 1 to 9)". */
static void print_text(FILE *out, const struct cli_option *o)
{
    char values[256];
    char text[1024];
    const char *help = o->help ? o->help : "";
    size_t n = strlen(help);
    bool bracket = n > 0 && help[n - 1] == ')';
    describe_values(values, sizeof values, o);
    if (*values)
        snprintf(text, sizeof text, "%.*s%s%s)", (int)(n - bracket), help, bracket ? "; " : " (",
                 values);
    wrap(out, *values ? text : help, HELP_COLUMN, HELP_COLUMN);
}

static void print_option(FILE *out, const struct cli_option *o)
{
    char left[128];
    const char *value = o->value ? o->value : "VALUE";
    int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "      --%s", o->name);
    size_t used = (size_t)n;
    if (o->type != CLI_TYPE_FLAG && used < sizeof left)
        snprintf(left + used, sizeof left - used, o->type == CLI_TYPE_OPT_TEXT ? " [%s]" : " %s",
                 value);
    size_t at = columns(left, strlen(left));
    fputs(left, out);
    if (at + 2 > HELP_COLUMN) {
        putc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", (int)(HELP_COLUMN - at), "");
    print_text(out, o);
    putc('\n', out);
}

/* In its examples, lines that begin with spaces, the program has the name it was called by. */
static void print_epilog(const struct cli_tool *tool, FILE *out)
{
    char text[2048];
    size_t n = 0, length = strlen(tool->name);
    bool example = false;
    for (const char *p = tool->epilog; *p && n + CLI_WIDTH < sizeof text; p++) {
        bool begins = p == tool->epilog || p[-1] == '\n';
        if (begins)
            example = *p == ' ';
        if (example && !begins && p[-1] == ' ' && strncmp(p, tool->name, length) == 0 &&
            p[length] == ' ') {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", cli_tool_name);
            p += length;
        }
        text[n++] = *p;
    }
    text[n] = '\0';
    putc('\n', out);
    wrap(out, text, 0, 0);
    putc('\n', out);
}

void cli_help(const struct cli_tool *tool, const struct cli_option *all, size_t n, FILE *out)
{
    fputs("Usage: ", out);
    size_t at = 7 + wrap(out, cli_tool_name, 0, 0);
    putc(' ', out);
    wrap(out, tool->synopsis, at + 1, at + 1);
    fputs("\n\n", out);
    wrap(out, tool->summary, 0, 0);
    putc('\n', out);
    if (n > 0 && all[0].type != CLI_TYPE_HEADING)
        fputs("\nOptions:\n", out);
    for (size_t i = 0; i < n; i++) {
        if (all[i].type == CLI_TYPE_HEADING)
            fprintf(out, "\n%s:\n", all[i].name);
        else
            print_option(out, &all[i]);
    }
    if (tool->epilog)
        print_epilog(tool, out);
}
