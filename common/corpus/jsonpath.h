/* jsonpath.h - finds the field of stories, "a.b.c", among the events of a JSON parser.
 *
 * A record is an object. The path leads from it through objects, and through arrays of objects,
 * each of whose elements it then leads through; a name that has a dot itself is found as well. The
 * names of fields are kept along the way, for a message that there is no such field. */
#ifndef JSONPATH_H
#define JSONPATH_H

#include "base/base.h"

enum { JSONPATH_DEPTH = 64, JSONPATH_NAMES = 200 };

/* What a value is to the path. */
enum jsonpath_role {
    JSONPATH_OTHER, /* nothing */
    JSONPATH_STEP,  /* on the way to the field: an object or an array of objects is expected */
    JSONPATH_FIELD  /* the field itself: a string is expected */
};

struct jsonpath {
    const char *field;
    int depth;                        /* open brackets of the record, itself included; 0 outside */
    int live;                         /* how many of them, from the outermost, are on the way */
    enum jsonpath_role role;          /* of the value of the key that came last */
    const char *rest[JSONPATH_DEPTH]; /* what of the field each bracket on the way leads to */
    bool is_array[JSONPATH_DEPTH], has_elements[JSONPATH_DEPTH];
    uint64_t n_found_before[JSONPATH_DEPTH]; /* n_found at its beginning */
    const char *next;                        /* rest for the value of the key that came last */
    uint64_t n_found;                        /* fields of this record */
    char outer[64];                          /* the last key of the record itself */
    size_t n_outer;
    char names[JSONPATH_NAMES]; /* of fields, in quotes */
    size_t n_names;
};

/* A record begins, with its bracket. */
void jsonpath_begin(struct jsonpath *p, const char *field);

void jsonpath_key(struct jsonpath *p, const char *key, size_t n);

/* The role of the value that comes now, a scalar or a bracket. After this a bracket is opened; a
 * scalar is done. */
enum jsonpath_role jsonpath_value(struct jsonpath *p);
void jsonpath_open(struct jsonpath *p, enum jsonpath_role role, bool is_array);

/* A bracket is closed; true if it was an object on the way that has not led to the field. */
bool jsonpath_close(struct jsonpath *p);

/* The field was found. False if the object has it a second time. */
bool jsonpath_found(struct jsonpath *p);

#endif
