#include "prep/partlist.h"

#include <stdlib.h>
#include <string.h>

/* Splits NAME=FILE; the name's part is made if `adds`, else must be there. */
static int split(struct partlist *l, const char *option, const char *text, bool adds, size_t *part,
                 const char **file, struct err *e)
{
    const char *equals = strchr(text, '=');
    char name[SHARDLIST_PART_BYTES] = "";
    if (equals && equals - text < SHARDLIST_PART_BYTES)
        memcpy(name, text, (size_t)(equals - text));
    if (!shardlist_is_part(name) || !equals[1])
        return err_usage(e,
                         "--%s: expected NAME=FILE, found '%s' (a name is a letter, then letters, "
                         "digits, - and _, at most 32)",
                         option, text);
    *file = equals + 1;
    for (*part = 0; *part < l->n; ++*part)
        if (strcmp(l->names[*part], name) == 0)
            return 0;
    if (!adds)
        return err_usage(e, "--%s %s: no --part has this name", option, text);
    if (l->n == SHARDLIST_MAX_PARTS)
        return err_usage(e, "--part: more than %d parts", SHARDLIST_MAX_PARTS);
    l->names[l->n] = strdup(name);
    return l->names[l->n++] ? 0 : err_memory(e, "out of memory");
}

/* The files of a list, sorted by part. */
static int gather(struct partlist *l, const char *option, const struct cli_list *list, bool adds,
                  const char ***files, size_t **parts, size_t *n, struct err *e)
{
    size_t *of = calloc(list->n + 1, sizeof *of);
    const char **paths = calloc(list->n + 1, sizeof *paths);
    *files = calloc(list->n + 1, sizeof **files);
    *parts = calloc(list->n + 1, sizeof **parts);
    int rc = of && paths && *files && *parts ? 0 : err_memory(e, "out of memory");
    for (size_t i = 0; i < list->n && rc == 0; i++)
        rc = split(l, option, list->items[i], adds, &of[i], &paths[i], e);
    for (size_t part = 0; part < l->n && rc == 0; part++)
        for (size_t i = 0; i < list->n; i++)
            if (of[i] == part) {
                (*parts)[*n] = part;
                (*files)[(*n)++] = paths[i];
            }
    free(of);
    free(paths);
    return rc;
}

int partlist_parse(struct partlist *l, const struct cli_list *parts, const struct cli_list *valid,
                   struct err *e)
{
    *l = (struct partlist){0};
    return gather(l, "part", parts, true, &l->inputs, &l->input_part, &l->n_inputs, e) ||
                   gather(l, "valid", valid, false, &l->valid, &l->valid_part, &l->n_valid, e)
               ? -1
               : 0;
}
