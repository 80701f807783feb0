#include "format/ckpt_config.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/jsondoc.h"
#include "os/file.h"

/* Hyperparameters that are also known from the shapes. */
static const struct {
    const char *key;
    size_t offset;
} sizes[] = {
    {"vocab_size", offsetof(struct dims, V)},        {"hidden_size", offsetof(struct dims, D)},
    {"num_hidden_layers", offsetof(struct dims, L)}, {"conv_kernel", offsetof(struct dims, K)},
    {"intermediate_size", offsetof(struct dims, H)},
};

/* config.json in the folder of path, which the caller frees. */
static char *config_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash + 1 - path) : 0;
    char *name;
    return asprintf(&name, "%.*sconfig.json", n, path) < 0 ? NULL : name;
}

static int check_kind(const json_t *config, const char *name, struct err *e)
{
    const json_t *type = json_object_get(config, "model_type");
    const json_t *tied = json_object_get(config, "tie_word_embeddings");
    const json_t *eps = json_object_get(config, "norm_eps");
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "bolt") != 0))
        return err_set(e, "%s: a model of another kind (found model_type '%.40s', expected 'bolt')",
                       name, json_is_string(type) ? json_string_value(type) : "no string");
    if (tied && !json_is_true(tied))
        return err_set(e, "%s: tie_word_embeddings is not true: a head of its own is not computed",
                       name);
    if (eps && fabs(json_number_value(eps) - (double)DIMS_NORM_EPS) > 1e-12)
        return err_set(e, "%s: another norm_eps (found %g, expected %g)", name,
                       json_number_value(eps), (double)DIMS_NORM_EPS);
    return 0;
}

static int check_sizes(const json_t *config, const struct dims *d, const char *name, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        const json_t *value = json_object_get(config, sizes[i].key);
        int wanted = *(const int *)((const char *)d + sizes[i].offset);
        if (value && (!json_is_integer(value) || json_integer_value(value) != wanted))
            return err_set(e, "%s: %s is not what the shapes of the weights tell (expected %d)",
                           name, sizes[i].key, wanted);
    }
    return 0;
}

/* A whole number that an int holds; false for anything else. */
static bool get_int(const json_t *value, int *out)
{
    json_int_t n = json_integer_value(value);
    *out = (int)n;
    return json_is_integer(value) && n > 0 && n <= INT32_MAX;
}

/* Whether a value is there and not null. */
static bool is_told(const json_t *value)
{
    return value && !json_is_null(value);
}

/* What models other than v4's have in addition: without these keys, all convolutions and no norm.
 */
static int read_mixers(const json_t *config, struct dims *d, const char *name, struct err *e)
{
    static const char *const keys[] = {"heads", "key_width", "window"};
    int *const values[] = {&d->heads, &d->key_width, &d->window};
    const json_t *mixers = json_object_get(config, "mixers");
    const json_t *embed_norm = json_object_get(config, "embed_norm");
    bool attention = false;
    if (is_told(mixers) && (!json_is_array(mixers) || json_array_size(mixers) != (size_t)d->L))
        return err_set(e, "%s: mixers is not a list of names, one for each of the %d blocks", name,
                       d->L);
    for (int l = 0; l < d->L && is_told(mixers); l++) {
        const char *mixer = json_string_value(json_array_get(mixers, (size_t)l));
        int m = 0;
        while (m < DIMS_N_MIXERS && (!mixer || strcmp(mixer, dims_mixer_names[m]) != 0))
            m++;
        if (m == DIMS_N_MIXERS)
            return err_set(e, "%s: mixers has an unknown one (found %.40s)", name,
                           mixer ? mixer : "no string");
        d->mixer[l] = (enum dims_mixer)m;
        attention |= m == DIMS_ATTENTION;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys) && attention; i++)
        if (!get_int(json_object_get(config, keys[i]), values[i]))
            return err_set(e, "%s: %s is not a valid number", name, keys[i]);
    if (is_told(embed_norm) && !json_is_boolean(embed_norm))
        return err_set(e, "%s: embed_norm is neither true nor false", name);
    d->embed_norm = json_is_true(embed_norm);
    return 0;
}

static int read_values(const json_t *config, struct dims *d, bool *ternary, const char *name,
                       struct err *e)
{
    const json_t *dilation = json_object_get(config, "conv_dilation");
    const json_t *rounded = json_object_get(config, "ternary_weights");
    const json_t *length = json_object_get(config, "seq_len");
    if (!dilation || !rounded)
        return err_set(e, "%s: lacks '%s', which neither weights nor their metadata tell", name,
                       dilation ? "ternary_weights" : "conv_dilation");
    if (!json_is_array(dilation) || json_array_size(dilation) != (size_t)d->L)
        return err_set(e,
                       "%s: conv_dilation is not a list of numbers, one for each of the %d blocks",
                       name, d->L);
    for (int l = 0; l < d->L; l++)
        if (!get_int(json_array_get(dilation, (size_t)l), &d->dilation[l]))
            return err_set(e, "%s: conv_dilation has an invalid number", name);
    if (!json_is_boolean(rounded))
        return err_set(e, "%s: ternary_weights is neither true nor false", name);
    *ternary = json_is_true(rounded);
    if (is_told(length) && !get_int(length, &d->T))
        return err_set(e, "%s: seq_len is not a valid number", name);
    if (read_mixers(config, d, name, e))
        return -1;
    struct err fault;
    return dims_check(d, &fault) ? err_at(e, name, &fault) : 0;
}

static int read_file(const char *name, const struct file_map *map, struct dims *d, bool *ternary,
                     struct err *e)
{
    json_t *config = jsondoc_read(map->data, map->size, e);
    if (!config)
        return err_at(e, name, e);
    int rc = !json_is_object(config)           ? err_set(e, "%s: not a JSON object", name)
             : check_kind(config, name, e)     ? -1
             : check_sizes(config, d, name, e) ? -1
                                               : read_values(config, d, ternary, name, e);
    json_decref(config);
    return rc;
}

int ckpt_config_read(const char *path, struct dims *d, bool *ternary, struct err *e)
{
    struct file_map map;
    char *name = config_of(path);
    if (!name)
        return err_memory(e, "%s: out of memory", path);
    int rc = access(name, F_OK) == 0
                 ? file_map(&map, name, e)
                 : err_set(e,
                           "%s: its metadata lack 'dilation', and there is no %s to tell it and "
                           "whether the weights are rounded (of FlashLM v4: conv_dilation of ones, "
                           "ternary_weights false)",
                           path, name);
    if (rc == 0) {
        rc = read_file(name, &map, d, ternary, e);
        file_unmap(&map);
    }
    free(name);
    return rc;
}
