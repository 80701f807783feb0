#include "export/output.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct output *const output_table[] = {
    &output_bolt, &output_safetensors, &output_c, &output_tokenizer,
    &output_hf,   &output_onnx,        NULL};

/* What follows the last dot of the name may name a format; a number does not. */
static bool has_ending(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return dot && dot > name && isalpha((unsigned char)dot[1]);
}

static const struct output *refuse(const char *path, struct err *e)
{
    char endings[128] = "";
    size_t n = 0;
    for (size_t i = 0; output_table[i]; i++)
        if (output_table[i]->suffix && n < sizeof endings)
            n += (size_t)snprintf(endings + n, sizeof endings - n, "%s%s", n ? ", " : "",
                                  output_table[i]->suffix);
    err_usage(e, "%s: its ending is none of a format (%s); say which with --format", path, endings);
    return NULL;
}

const struct output *output_of(const char *path, struct err *e)
{
    size_t n = strlen(path);
    for (size_t i = 0; output_table[i]; i++) {
        const char *suffix = output_table[i]->suffix;
        if (!suffix)
            continue;
        size_t n_suffix = strlen(suffix) + (*suffix == '.'); /* something stands before a dot */
        if (n >= n_suffix && strcmp(path + n - strlen(suffix), suffix) == 0)
            return output_table[i];
    }
    return has_ending(path) ? refuse(path, e) : output_table[0];
}

static struct output_fact *add(struct output_report *r, const char *key)
{
    assert(r->n_facts < ARRAY_LEN(r->facts));
    struct output_fact *f = &r->facts[r->n_facts++];
    *f = (struct output_fact){.key = key};
    return f;
}

int output_text(struct output_report *r, const char *key, const char *text, struct err *e)
{
    char *copy = strdup(text);
    if (!copy)
        return err_memory(e, "out of memory for a report");
    add(r, key)->text = copy;
    return 0;
}

void output_count(struct output_report *r, const char *key, uint64_t number)
{
    add(r, key)->number = number;
}

void output_report_release(struct output_report *r)
{
    for (size_t i = 0; i < r->n_facts; i++)
        free(r->facts[i].text);
    r->n_facts = 0;
}
