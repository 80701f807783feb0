#include "export/csource.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 100 };

/* Of C and C++, and what runtime.c calls types of its own. */
static const char *const taken[] = {
    "alignas",   "alignof",      "and",           "asm",          "auto",       "bitand",
    "bitor",     "bool",         "break",         "case",         "catch",      "char",
    "class",     "compl",        "concept",       "const",        "const_cast", "constexpr",
    "continue",  "decltype",     "default",       "delete",       "do",         "double",
    "else",      "enum",         "explicit",      "export",       "extern",     "false",
    "float",     "for",          "friend",        "goto",         "if",         "inline",
    "int",       "long",         "mutable",       "namespace",    "new",        "noexcept",
    "not",       "nullptr",      "operator",      "or",           "private",    "protected",
    "public",    "register",     "requires",      "restrict",     "return",     "short",
    "signed",    "sizeof",       "static",        "struct",       "switch",     "template",
    "this",      "thread_local", "throw",         "true",         "try",        "typedef",
    "typeid",    "typename",     "union",         "unsigned",     "using",      "virtual",
    "void",      "volatile",     "wchar_t",       "while",        "xor",        "typeof",
    "nullptr_t", "static_cast",  "static_assert", "dynamic_cast", "co_await",   "co_return",
    "co_yield",  "block",        "likeliest",     "number",       "ternary",    "weight",
};

/* Not isalnum: the names of C do not depend on the locale. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '_';
}

bool csource_is_name(const char *name)
{
    size_t n = strlen(name);
    if (n > CSOURCE_MAX_NAME || !is_letter(name[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_word(name[i]))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            return false;
    return true;
}

/* The last part of a path that ends in ".c" with something before it, or NULL. */
static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    return n > 2 && strcmp(name + n - 2, ".c") == 0 ? name : NULL;
}

char *csource_header(const char *path, struct err *e)
{
    const char *name = last_part(path);
    char *header = NULL;
    if (!name)
        err_usage(e, "%s: the name of C source must end in .c", path);
    for (const char *p = name; p && *p; p++)
        if ((unsigned char)*p < ' ' || *p == '"' || *p == '\\' || *p == 127) {
            err_usage(e, "%s: a name with this character cannot be included in C", path);
            name = NULL;
            break;
        }
    if (name && !(header = strdup(path)))
        err_memory(e, "%s: out of memory", path);
    if (header)
        header[strlen(header) - 1] = 'h';
    return header;
}

char *csource_name(const char *path, struct err *e)
{
    const char *from = last_part(path);
    char *name = from ? strdup(from) : NULL;
    if (!name) {
        if (from)
            err_memory(e, "%s: out of memory", path);
        else
            err_usage(e, "%s: the name of C source must end in .c", path);
        return NULL;
    }
    name[strlen(name) - 2] = '\0';
    for (char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
            *p = '_';
    if (csource_is_name(name))
        return name;
    err_set(e, "%s: '%s' cannot begin names of C", path, name);
    free(name);
    return NULL;
}

int csource_open(struct csource *s, const char *path, const char *name, struct err *e)
{
    *s = (struct csource){.e = e, .name = name};
    return file_out_open(&s->out, path, e);
}

static void put(struct csource *s, const char *text, size_t n)
{
    if (!s->failed && file_out_write(&s->out, text, n, s->e))
        s->failed = true;
}

void csource_print(struct csource *s, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof text);
    put(s, text, (size_t)n);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void put_name(struct csource *s, bool capitals)
{
    char name[CSOURCE_MAX_NAME];
    size_t n = MIN(strlen(s->name), sizeof name);
    for (size_t i = 0; i < n; i++)
        name[i] = (char)(capitals && s->name[i] >= 'a' && s->name[i] <= 'z' ? s->name[i] - 'a' + 'A'
                                                                            : s->name[i]);
    put(s, name, n);
}

void csource_text(struct csource *s, const char *text, size_t n)
{
    static const char word[] = "runtime";
    static const char capital[] = "RUNTIME";
    const size_t length = sizeof word - 1;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && !is_word(text[end]); end++)
            ;
        put(s, text + i, end - i);
        i = end;
        while (end < n && is_word(text[end]))
            end++;
        bool lower = end - i >= length && memcmp(text + i, word, length) == 0;
        bool upper = end - i >= length && memcmp(text + i, capital, length) == 0;
        if ((lower || upper) && (end - i == length || text[i + length] == '_')) {
            put_name(s, upper);
            i += length;
        }
        put(s, text + i, end - i);
    }
}

/* ---- conditionals ---------------------------------------------------------------------------- */

static bool begins(const char *line, size_t n, const char *with)
{
    size_t length = strlen(with);
    return n >= length && memcmp(line, with, length) == 0;
}

/* The part whose #ifdef this line is; NULL of any other line. */
static const struct csource_part *part_of(const char *line, size_t n,
                                          const struct csource_part *parts)
{
    for (; parts->name; parts++) {
        char directive[64];
        snprintf(directive, sizeof directive, "#ifdef %s\n", parts->name);
        if (begins(line, n, directive))
            return parts;
    }
    return NULL;
}

void csource_settled(struct csource *s, const char *text, size_t n,
                     const struct csource_part *parts)
{
    const struct csource_part *part = NULL; /* whose lines these are */
    bool stays = true;
    size_t depth = 0; /* of other conditionals among them */
    for (size_t i = 0, end; i < n; i = end) {
        const char *line = text + i;
        const char *newline = memchr(line, '\n', n - i);
        size_t length = newline ? (size_t)(newline - line) + 1 : n - i;
        end = i + length;
        if (!part) {
            part = part_of(line, length, parts);
            stays = !part || part->defined;
            if (!part)
                csource_text(s, line, length);
        } else if (depth == 0 && begins(line, length, "#else")) {
            stays = !stays;
        } else if (depth == 0 && begins(line, length, "#endif")) {
            part = NULL;
        } else {
            depth += begins(line, length, "#if");
            depth -= begins(line, length, "#endif");
            if (stays)
                csource_text(s, line, length);
        }
    }
}

/* ---- arrays ---------------------------------------------------------------------------------- */

void csource_array(struct csource *s, const char *type, size_t item_bytes, const char *label)
{
    s->column = 0;
    s->item_bytes = item_bytes;
    csource_print(s, "static const %s %s[] = {", type, label);
}

static void put_item(struct csource *s, const char *text)
{
    size_t n = strlen(text);
    if (s->column == 0 || s->column + n + 2 > LINE) {
        put(s, "\n   ", 4);
        s->column = 4;
    }
    put(s, " ", 1);
    put(s, text, n);
    put(s, ",", 1);
    s->column += n + 2;
    s->n_bytes += s->item_bytes;
}

void csource_whole(struct csource *s, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    put_item(s, text);
}

void csource_word(struct csource *s, uint32_t value)
{
    char text[16];
    snprintf(text, sizeof text, "0x%" PRIx32, value);
    put_item(s, text);
}

/* Not printf's %a, which libraries normalise differently. */
const char *csource_float_text(char buf[32], float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 23 & 0xff);
    uint32_t fraction = (bits & 0x7fffff) << 1;
    int n_digits = 6;
    while (n_digits > 0 && (fraction & 15) == 0) {
        fraction >>= 4;
        n_digits--;
    }
    int n = snprintf(buf, 32, "%s0x%d", bits >> 31 ? "-" : "", exponent > 0);
    if (n_digits > 0)
        n += snprintf(buf + n, (size_t)(32 - n), ".%0*" PRIx32, n_digits, fraction);
    if (exponent == 0)
        exponent = n_digits > 0 ? 1 : 127; /* subnormal; zero */
    snprintf(buf + n, (size_t)(32 - n), "p%+df", exponent - 127);
    return buf;
}

void csource_float(struct csource *s, float value)
{
    char text[32];
    put_item(s, csource_float_text(text, value));
}

void csource_array_end(struct csource *s)
{
    put(s, "\n};\n", 4);
}

/* ---- the end --------------------------------------------------------------------------------- */

int csource_close(struct csource *s, struct file_set *set)
{
    if (!s->failed)
        return file_set_take(set, &s->out, s->e);
    csource_abort(s);
    return -1;
}

void csource_abort(struct csource *s)
{
    file_out_abort(&s->out);
}
