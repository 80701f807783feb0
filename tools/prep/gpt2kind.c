#include "prep/gpt2kind.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *begin;
    size_t n;
    const char *kind;
} beginnings[] = {
    {"\xff\xfe", 2, "text in UTF-16 (expected UTF-8)"},
    {"\xfe\xff", 2, "text in UTF-16 (expected UTF-8)"},
    {"\x1f\x8b", 2, "compressed: unpack it first"},
    {"BZh", 3, "compressed: unpack it first"},
    {"\xfd"
     "7zXZ",
     5, "compressed: unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, "compressed: unpack it first"},
    {"PK\x03\x04", 4, "a zip archive: unpack it first"},
    {"SQLite format 3", 15, "a vocab.db: give it as --vocab"},
    {"version https://git-lfs", 23, "a pointer of Git LFS, not the file itself"},
    {"#version", 8, "a merges.txt"},
};

size_t gpt2kind_mark(const void *data, size_t n)
{
    return n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static size_t skip_spaces(const char *text, size_t n, size_t at)
{
    while (at < n && isspace((unsigned char)text[at]))
        at++;
    return at;
}

/* A tokenizer.json has an object "model"; in a vocab.json that is a token with a number. */
static bool has_model(const char *text, size_t n)
{
    static const char key[] = "\"model\"";
    const char *end = text + n;
    for (const char *p = text; (p = memmem(p, (size_t)(end - p), key, strlen(key)));) {
        p += strlen(key);
        size_t rest = (size_t)(end - p);
        size_t colon = skip_spaces(p, rest, 0);
        if (colon == rest || p[colon] != ':')
            continue;
        size_t value = skip_spaces(p, rest, colon + 1);
        if (value < rest && p[value] == '{')
            return true;
    }
    return false;
}

/* Two words, as in every line of a merges.txt. */
static bool is_pair(const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);
    size_t length = end ? (size_t)(end - text) : n;
    const char *space = memchr(text, ' ', length);
    return space && space > text && space + 1 < text + length &&
           !memchr(space + 1, ' ', length - (size_t)(space + 1 - text));
}

const char *gpt2kind_of(const void *data, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
        if (n >= beginnings[i].n && !memcmp(data, beginnings[i].begin, beginnings[i].n))
            return beginnings[i].kind;
    size_t at = skip_spaces(data, n, gpt2kind_mark(data, n));
    const char *text = (const char *)data + at;
    n -= at;
    if (n >= 5 && (!strncasecmp(text, "<!doc", 5) || !strncasecmp(text, "<html", 5)))
        return "a web page";
    if (n && text[0] == '{')
        return has_model(text, n) ? "a tokenizer.json: GPT-2's vocab.json and merges.txt are needed"
                                  : "a file of JSON such as vocab.json";
    return n && is_pair(text, n) ? "a merges.txt" : NULL;
}
