/* csource.h - writes C source: text, names of a model's own, arrays of numbers. */
#ifndef CSOURCE_H
#define CSOURCE_H

#include "os/file_set.h"

enum { CSOURCE_MAX_NAME = 64 };

/* True for 1 to CSOURCE_MAX_NAME letters, digits and underscores that may begin every name of a
 * model: no digit or underscore first, no keyword of C or C++, no type of runtime.c. */
bool csource_is_name(const char *name);

/* The header's path for a source path: "x.h" for "x.c". Returns a copy the caller frees; NULL with
 * a message if the path does not end in ".c", has no name before it or a character that cannot
 * stand in an #include. */
char *csource_header(const char *path, struct err *e);

/* A name for a source path: its last part without ".c", what cannot stand in a name of C made an
 * underscore. Returns a copy the caller frees; NULL with a message if that is no name. */
char *csource_name(const char *path, struct err *e);

/* A file of C. After a failed write all calls do nothing, and csource_close fails. */
struct csource {
    struct file_out out;
    struct err *e;    /* gets the first failure */
    const char *name; /* of the model */
    bool failed;
    size_t column;    /* of the array's line being written; 0 at its beginning */
    uint64_t n_bytes; /* of all arrays so far */
    size_t item_bytes;
};

/* A file that appears with the set of csource_close. The name and e must live as long. */
MUST_USE int csource_open(struct csource *s, const char *path, const char *name, struct err *e);

/* At most 1023 bytes. */
void csource_print(struct csource *s, const char *format, ...) PRINTF_LIKE(2, 3);

/* Text as it stands, but for its identifiers that are runtime or RUNTIME, or begin so before an
 * underscore: these words become the model's name, in capitals for the latter. */
void csource_text(struct csource *s, const char *text, size_t n);

struct csource_part {
    const char *name;
    bool defined;
};

/* Text as csource_text, in which the conditionals of the parts, up to one without a name, are
 * settled: of "#ifdef NAME", lines, "#else", lines, "#endif" only the lines of the one branch stay.
 * Settled conditionals do not stand in one another; all others stay as they are. */
void csource_settled(struct csource *s, const char *text, size_t n,
                     const struct csource_part *parts);

/* static const TYPE LABEL[] = { items };  item_bytes counts for n_bytes. */
void csource_array(struct csource *s, const char *type, size_t item_bytes, const char *label);
void csource_whole(struct csource *s, int64_t value);
void csource_word(struct csource *s, uint32_t value); /* hexadecimal */
void csource_float(struct csource *s, float value);
void csource_array_end(struct csource *s);

/* A finite float as a hexadecimal constant of C99, which keeps every bit; returns buf. */
const char *csource_float_text(char buf[32], float value);

/* The file is whole: hands it to the set. */
MUST_USE int csource_close(struct csource *s, struct file_set *set);
void csource_abort(struct csource *s);

#endif
