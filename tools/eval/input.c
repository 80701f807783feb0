#include "eval/input.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "os/file.h"

static int add(struct eval_inputs *all, const char *path, bool is_folder, const char *part,
               struct err *e)
{
    if (array_reserve(&all->items, &all->capacity, all->n + 1, sizeof *all->items))
        return err_memory(e, "out of memory for %zu results", all->n + 1);
    struct eval_input *in = &all->items[all->n++];
    *in = (struct eval_input){.path = path, .is_folder = is_folder};
    snprintf(in->part, sizeof in->part, "%s", part);
    return 0;
}

int eval_input_add(struct eval_inputs *all, const char *path, struct err *e)
{
    struct shardlist list;
    const char *parts[SHARDLIST_MAX_PARTS];
    if (!file_is_folder(path))
        return add(all, path, false, "", e);
    if (shardlist_read(&list, path, e))
        return -1;
    size_t n = shardlist_parts(&list, parts), before = all->n;
    int rc = n ? 0 : add(all, path, true, "", e);
    for (size_t i = 0; i < n && rc == 0; i++) {
        bool has_valid = false;
        for (size_t k = 0; k < list.n; k++)
            has_valid |=
                list.items[k].split == SHARDLIST_VALID && strcmp(list.items[k].part, parts[i]) == 0;
        if (has_valid)
            rc = add(all, path, true, parts[i], e);
    }
    if (rc == 0 && all->n == before)
        rc = err_set(e, "%s: no story for validation in it", path);
    shardlist_release(&list);
    return rc;
}
