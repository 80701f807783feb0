#include "corpus/split.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "corpus/jsonrepair.h"

static const size_t FLAGS = JSON_ALLOW_NUL | JSON_DECODE_ANY;

/* Parses an element; *repaired tells that its text holds marks of jsonrepair.h. */
static int parse(struct split *s, const char *text, size_t n, const char *kind, json_t **object,
                 bool *repaired, struct err *e)
{
    json_error_t fault;
    *repaired = false;
    *object = json_loadb(text, n, FLAGS, &fault);
    if (*object)
        return 0;
    char *sound;
    size_t n_sound;
    if (jsonrepair_hide(text, n, &sound, &n_sound, e))
        return -1;
    *repaired = n_sound != n || memcmp(sound, text, n) != 0;
    if (*repaired)
        *object = json_loadb(sound, n_sound, FLAGS, &fault);
    free(sound);
    return *object ? 0
                   : err_set(e, "%s: %s %" PRIu64 ": wrong JSON: %s", s->name, kind, s->n_done,
                             fault.text);
}

/* The story of a string value, its faults as they were. */
static int tell(struct split *s, const json_t *value, bool repaired, struct err *e)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    if (!repaired)
        return s->story(s->context, text, n, e);
    char *copy = malloc(MAX(n, 1));
    if (!copy)
        return err_memory(e, "out of memory");
    memcpy(copy, text, n);
    int code = s->story(s->context, copy, jsonrepair_show(copy, n), e);
    free(copy);
    return code;
}

int jsonstory_take(struct split *s, const char *text, size_t n, const char *kind, struct err *e)
{
    json_t *object;
    bool repaired;
    uint64_t number = ++s->n_done;
    if (parse(s, text, n, kind, &object, &repaired, e))
        return -1;
    int code;
    const json_t *value = json_object_get(object, s->field);
    if (!json_is_object(object))
        code = err_set(e, "%s: %s %" PRIu64 " is not a JSON object", s->name, kind, number);
    else if (!value)
        code =
            err_set(e, "%s: %s %" PRIu64 " has no field \"%s\"", s->name, kind, number, s->field);
    else if (!json_is_string(value))
        code = err_set(e, "%s: %s %" PRIu64 ": field \"%s\" is not a string", s->name, kind, number,
                       s->field);
    else
        code = tell(s, value, repaired, e);
    json_decref(object);
    return code;
}
