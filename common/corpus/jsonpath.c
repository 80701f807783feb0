#include "corpus/jsonpath.h"

#include <string.h>

void jsonpath_begin(struct jsonpath *p, const char *field)
{
    p->field = p->next = field;
    p->depth = p->live = 0;
    p->n_found = 0;
    p->n_names = p->n_outer = 0;
    p->names[0] = '\0';
    jsonpath_open(p, JSONPATH_STEP, false);
}

/* Adds a name that is not among them yet; when they are full, "..." tells so. */
static void add_name(struct jsonpath *p, const char *key, size_t n)
{
    char quoted[JSONPATH_NAMES];
    bool inner = p->depth > 1;
    size_t length = (inner ? p->n_outer + 1 : 0) + n + 2, at = 0;
    if (p->n_names + 8 >= JSONPATH_NAMES)
        return;
    if (p->n_names + length + 8 >= JSONPATH_NAMES) {
        memcpy(p->names + p->n_names, ", ...", 6);
        p->n_names = JSONPATH_NAMES;
        return;
    }
    quoted[at++] = '"';
    if (inner) {
        memcpy(quoted + at, p->outer, p->n_outer);
        at += p->n_outer;
        quoted[at++] = '.';
    }
    memcpy(quoted + at, key, n);
    at += n;
    quoted[at++] = '"';
    if (memmem(p->names, p->n_names, quoted, at))
        return;
    if (p->n_names) {
        memcpy(p->names + p->n_names, ", ", 2);
        p->n_names += 2;
    }
    memcpy(p->names + p->n_names, quoted, at);
    p->n_names += at;
    p->names[p->n_names] = '\0';
}

void jsonpath_key(struct jsonpath *p, const char *key, size_t n)
{
    if (p->depth == 1) {
        p->n_outer = MIN(n, sizeof p->outer);
        memcpy(p->outer, key, p->n_outer);
    }
    if (p->depth <= 3)
        add_name(p, key, n);
    p->role = JSONPATH_OTHER;
    if (p->depth != p->live)
        return;
    const char *rest = p->rest[p->live - 1];
    size_t length = strlen(rest);
    if (n > length || memcmp(key, rest, n) != 0)
        return;
    if (n == length)
        p->role = JSONPATH_FIELD;
    else if (rest[n] == '.') {
        p->role = JSONPATH_STEP;
        p->next = rest + n + 1;
    }
}

enum jsonpath_role jsonpath_value(struct jsonpath *p)
{
    enum jsonpath_role role = p->role;
    if (p->depth == p->live && p->is_array[p->live - 1]) {
        p->next = p->rest[p->live - 1];
        p->has_elements[p->live - 1] = true;
        return JSONPATH_STEP;
    }
    p->role = JSONPATH_OTHER;
    return role;
}

void jsonpath_open(struct jsonpath *p, enum jsonpath_role role, bool is_array)
{
    bool live = role == JSONPATH_STEP && p->depth == p->live && p->live < JSONPATH_DEPTH;
    if (live) {
        p->rest[p->live] = p->next;
        p->is_array[p->live] = is_array;
        p->has_elements[p->live] = false;
        p->n_found_before[p->live] = p->n_found;
        p->live++;
    }
    p->depth++;
    p->role = JSONPATH_OTHER;
}

bool jsonpath_close(struct jsonpath *p)
{
    bool live = p->depth == p->live;
    p->depth--;
    p->role = JSONPATH_OTHER;
    if (!live)
        return false;
    p->live--;
    if (p->n_found > p->n_found_before[p->live])
        return false;
    if (p->is_array[p->live] && p->has_elements[p->live])
        return false; /* of no use: the object that it stands in lacks the field */
    p->n_found++;     /* what it stands in lacks nothing more; an array may be empty */
    return !p->is_array[p->live];
}

bool jsonpath_found(struct jsonpath *p)
{
    return p->n_found++ == p->n_found_before[p->live - 1];
}
