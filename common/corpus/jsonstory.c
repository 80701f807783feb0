#include "corpus/split.h"

#include <inttypes.h>
#include <jansson.h>

int jsonstory_take(struct split *s, const char *text, size_t n, const char *kind, struct err *e)
{
    json_error_t fault;
    uint64_t number = ++s->n_done;
    json_t *object = json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &fault);
    if (!object)
        return err_set(e, "%s: %s %" PRIu64 ": wrong JSON: %s", s->name, kind, number, fault.text);
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
        code = s->story(s->context, json_string_value(value), json_string_length(value), e);
    json_decref(object);
    return code;
}
