/* The part of the library that needs an operating system: models out of files. */
#include "bolt/bolt_source.h"

#include "os/file.h"
#include "os/pages.h"

static int open_map(struct bolt_source *s, struct err *e)
{
    struct file_map map;
    if (file_map_plain(&map, s->name, e))
        return -1;
    s->data = map.data;
    s->n_bytes = map.size;
    return 0;
}

static void close_map(struct bolt_source *s)
{
    struct file_map map = {s->data, s->n_bytes};
    file_unmap_plain(&map);
}

int bolt_open_file(const char *path, const struct bolt_model_options *options,
                   struct bolt_model **model, char *message, size_t message_size)
{
    if (model)
        *model = NULL;
    if (!path || !model)
        return bolt_source_refuse(message, message_size, BOLT_ERROR_ARGUMENT,
                                  "no path or no model given");
    struct bolt_source s = {
        .name = path, .memory = &pages_memory, .open = open_map, .close = close_map};
    return bolt_source_open(&s, options, model, message, message_size);
}
