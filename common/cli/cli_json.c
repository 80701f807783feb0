#include "cli/cli.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static void put_string(FILE *out, const char *s, size_t n)
{
    static const char letters[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    putc('"', out);
    for (size_t i = 0; i < n;) {
        int32_t code;
        size_t length = utf8_decode(s + i, n - i, &code);
        const char *known = code > 0 && code < 0x80 ? strchr(letters, code) : NULL;
        if (code < 0)
            fputs(UTF8_REPLACEMENT, out);
        else if (known)
            fprintf(out, "\\%c", names[known - letters]);
        else if (code < 0x20 || (code >= 0x7F && code < 0xA0)) /* C1: harmless on a terminal */
            fprintf(out, "\\u%04x", (unsigned)code);
        else
            fwrite(s + i, 1, length, out);
        i += length;
    }
    putc('"', out);
}

/* The comma before a member, and its name. */
static void member(struct cli_json *j, const char *key)
{
    if (!j->first[j->depth])
        putc(',', j->out);
    j->first[j->depth] = false;
    if (key) {
        put_string(j->out, key, strlen(key));
        putc(':', j->out);
    }
}

static void open_level(struct cli_json *j, char bracket)
{
    assert(j->depth + 1 < (int)ARRAY_LEN(j->first));
    putc(bracket, j->out);
    j->first[++j->depth] = true;
}

static void close_level(struct cli_json *j, char bracket)
{
    assert(j->depth > 0);
    putc(bracket, j->out);
    j->depth--;
}

void cli_json_begin(struct cli_json *j, FILE *out)
{
    *j = (struct cli_json){.out = out};
    open_level(j, '{');
}

void cli_json_end(struct cli_json *j)
{
    close_level(j, '}');
    assert(j->depth == 0);
    putc('\n', j->out);
}

void cli_json_text(struct cli_json *j, const char *key, const char *value)
{
    cli_json_bytes(j, key, value, strlen(value));
}

void cli_json_bytes(struct cli_json *j, const char *key, const char *value, size_t n)
{
    member(j, key);
    put_string(j->out, value, n);
}

void cli_json_int(struct cli_json *j, const char *key, int64_t value)
{
    member(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void cli_json_uint(struct cli_json *j, const char *key, uint64_t value)
{
    member(j, key);
    fprintf(j->out, "%" PRIu64, value);
}

void cli_json_real(struct cli_json *j, const char *key, double value)
{
    member(j, key);
    if (!isfinite(value)) {
        fputs("null", j->out);
        return;
    }
    char text[40];
    if (value == trunc(value) && fabs(value) < 1e15) { /* 100 rather than 1e+02 */
        fprintf(j->out, "%.0f", value + 0.0);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, j->out);
}

void cli_json_bool(struct cli_json *j, const char *key, bool value)
{
    member(j, key);
    fputs(value ? "true" : "false", j->out);
}

void cli_json_object(struct cli_json *j, const char *key)
{
    member(j, key);
    open_level(j, '{');
}

void cli_json_object_end(struct cli_json *j)
{
    close_level(j, '}');
}

void cli_json_array(struct cli_json *j, const char *key)
{
    member(j, key);
    open_level(j, '[');
}

void cli_json_array_end(struct cli_json *j)
{
    close_level(j, ']');
}

void cli_json_item_uint(struct cli_json *j, uint64_t value)
{
    cli_json_uint(j, NULL, value);
}

void cli_json_item_real(struct cli_json *j, double value)
{
    cli_json_real(j, NULL, value);
}
