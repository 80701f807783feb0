#include "format/jsondoc.h"

#include <jansson.h>
#include <stdlib.h>

static _Thread_local bool starved;
static _Thread_local _Alignas(16) char reserve[1 << 15];
static _Thread_local size_t reserve_used;

static void *take(size_t n)
{
    void *p = malloc(n);
    if (p)
        return p;
    starved = true;
    n = ALIGN_UP(n, 16);
    if (n > sizeof reserve - reserve_used)
        return NULL;
    reserve_used += n;
    return reserve + reserve_used - n;
}

static void give_back(void *p)
{
    if ((uintptr_t)p - (uintptr_t)reserve >= sizeof reserve)
        free(p);
}

json_t *jsondoc_read(const void *text, size_t n, struct err *e)
{
    json_set_alloc_funcs(take, give_back);
    starved = false;
    reserve_used = 0;
    json_error_t fault;
    json_t *doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, &fault);
    if (starved) {
        json_decref(doc);
        err_memory(e, "out of memory");
        return NULL;
    }
    if (!doc)
        err_set(e, "not valid JSON: line %d: %s", fault.line, fault.text);
    return doc;
}
