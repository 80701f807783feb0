/* cmdline.h - how a tool's command line says what to read: the rows of the option table that all
 * tools which read stories share, and what they mean together. */
#ifndef CORPUS_CMDLINE_H
#define CORPUS_CMDLINE_H

#include "corpus/corpus.h"

struct cmdline { /* zero-initialise: the defaults */
    int format, invalid;
    const char *field, *separator, *encoding;
    bool skip_missing;
    long long max_bytes;
};

/* The rows that fill `given`, a struct cmdline. For a file that includes cli/cli.h. */
#define CMDLINE_ROWS(given)                                                                       \
    CLI_CHOICE(0, "format", &(given).format, corpus_format_names, "FORM",                         \
               "form of the text: auto, text, json, jsonl, csv or tsv (default auto: detected "   \
               "from content)"),                                                                  \
        CLI_TEXT(0, "field", &(given).field, "NAME",                                              \
                 "field of a JSON object, a.b for one within another, or column of a table that " \
                 "holds the story (default story)"),                                              \
        CLI_FLAG(0, "skip-missing", &(given).skip_missing,                                        \
                 "skip records that lack the field, and count them"),                             \
        CLI_TEXT(0, "separator", &(given).separator, "TEXT",                                      \
                 "what ends a story besides <|endoftext|>: a text, or line or blank-line"),       \
        CLI_TEXT(0, "encoding", &(given).encoding, "NAME",                                        \
                 "encoding of text without a byte-order mark, by its name in iconv (default "     \
                 "UTF-8)"),                                                                       \
        CLI_CHOICE(                                                                               \
            0, "invalid", &(given).invalid, corpus_invalid_names, "HOW",                          \
            "text with more than 1 % invalid characters: refuse (default) or replace them"),      \
        CLI_INT(0, "max-bytes", &(given).max_bytes, 1, 9e15, "N",                                 \
                "most bytes that a file may unpack to (default 10^12)")

/* Errors are wrong usage. */
MUST_USE int cmdline_options(const struct cmdline *given, struct corpus_options *o, struct err *e);

#endif
