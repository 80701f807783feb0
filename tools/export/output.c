#include "export/output.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const struct output *const output_table[] = {
    &output_bolt, &output_safetensors, &output_c, &output_tokenizer,
    &output_hf,   &output_onnx,        NULL};

const struct output *output_of(const char *path)
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
    return output_table[0];
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
