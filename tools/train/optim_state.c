#include "train/optim_state.h"

#include <stdlib.h>
#include <string.h>

static size_t n_arrays_of(const struct optim_tensor *t)
{
    size_t n = 0;
    while (n < OPTIM_MAX_ARRAYS && t->rule->arrays[n])
        n++;
    return n;
}

/* Appends all arrays of one name. */
static void append(struct ckpt_array *out, size_t *n, const struct optim *o, const char *name)
{
    for (size_t i = 0; i < o->n_tensors; i++) {
        const struct optim_tensor *t = &o->tensors[i];
        for (size_t a = 0; a < n_arrays_of(t); a++)
            if (strcmp(t->rule->arrays[a], name) == 0)
                out[(*n)++] = (struct ckpt_array){name, i, t->state[a]};
    }
}

static bool has_name(const struct ckpt_array *arrays, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(arrays[i].name, name) == 0)
            return true;
    return false;
}

struct ckpt_optim *optim_state(const struct optim *o, struct err *e)
{
    const struct optim_kind *kind = o->settings.kind;
    size_t n_numbers = optim_n_settings(kind);
    size_t n_arrays = 0;
    for (size_t i = 0; i < o->n_tensors; i++)
        n_arrays += n_arrays_of(&o->tensors[i]);
    struct whole {
        struct ckpt_optim optim;
        struct ckpt_number numbers[OPTIM_MAX_SETTINGS];
        struct ckpt_array arrays[];
    } *m = malloc(sizeof *m + n_arrays * sizeof *m->arrays);
    if (!m) {
        err_memory(e, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < n_numbers; i++)
        m->numbers[i] = (struct ckpt_number){optim_setting(kind, i)->key, o->settings.values[i]};
    n_arrays = 0;
    for (size_t i = 0; i < o->n_tensors; i++)
        for (size_t a = 0; a < n_arrays_of(&o->tensors[i]); a++) {
            const char *name = o->tensors[i].rule->arrays[a];
            if (!has_name(m->arrays, n_arrays, name))
                append(m->arrays, &n_arrays, o, name);
        }
    m->optim = (struct ckpt_optim){m->numbers, n_numbers, m->arrays, n_arrays};
    return &m->optim;
}

int optim_state_settings(struct optim_settings *s, const struct ckpt *c, const char *path,
                         struct err *e)
{
    const char *name = c->state.settings.optimiser;
    const struct optim_kind *kind = optim_find(name);
    if (!kind)
        return err_set(e, "%s: of an optimiser that is not known here ('%s')", path, name);
    *s = optim_defaults(kind);
    for (size_t i = 0; i < optim_n_settings(kind); i++) {
        const struct optim_setting *q = optim_setting(kind, i);
        struct err fault;
        if (ckpt_read_number(c, q->key, &s->values[i], &fault) ||
            optim_check(q, s->values[i], &fault))
            return err_set(e, "%s: %s", path, fault.text);
    }
    return 0;
}

int optim_state_read(struct optim *o, const struct ckpt *c, const char *path, struct err *e)
{
    struct err fault;
    for (size_t i = 0; i < o->n_tensors; i++) {
        struct optim_tensor *t = &o->tensors[i];
        for (size_t a = 0; a < n_arrays_of(t); a++)
            if (ckpt_read_array(c, t->rule->arrays[a], i, t->state[a], &fault))
                return err_set(e, "%s: %s", path, fault.text);
    }
    return 0;
}
