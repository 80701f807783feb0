#include "kern/buffers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N_AREAS = 10, CANARY = 1024 /* bytes watched on either side */ };
static const size_t AREA_BYTES = (size_t)4 << 20;
static const unsigned char KNOWN = 0xA5;

struct area {
    unsigned char *first;  /* page after the lower guard */
    unsigned char *before; /* copy of the window */
    unsigned char *at;     /* the operand */
    size_t bytes;
    bool output;
};

static struct area areas[N_AREAS];
static size_t n_taken;
static enum buffers_place placing;

int buffers_init(struct err *e)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < N_AREAS; i++) {
        size_t size = AREA_BYTES + 2 * page;
        unsigned char *map =
            mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED)
            return err_errno(e, "cannot map %zu bytes", size);
        if (mprotect(map + page, AREA_BYTES, PROT_READ | PROT_WRITE))
            return err_errno(e, "cannot open %zu bytes between guard pages", AREA_BYTES);
        areas[i].first = map + page;
        areas[i].before = malloc(AREA_BYTES);
        if (!areas[i].before)
            return err_memory(e, "out of memory");
    }
    return 0;
}

void buffers_reset(enum buffers_place place)
{
    n_taken = 0;
    placing = place;
}

/* Bytes of the window before and after the operand. */
static size_t room_before(const struct area *a)
{
    return MIN((size_t)(a->at - a->first), (size_t)CANARY);
}

static size_t room_after(const struct area *a)
{
    return MIN((size_t)(a->first + AREA_BYTES - (a->at + a->bytes)), (size_t)CANARY);
}

static void *take(size_t bytes, bool output)
{
    assert(n_taken < N_AREAS && bytes + 2 * CANARY <= AREA_BYTES);
    struct area *a = &areas[n_taken++];
    a->bytes = bytes;
    a->output = output;
    switch (placing) {
    case BUFFERS_BEFORE_GUARD:
        a->at = a->first + AREA_BYTES - bytes;
        break;
    case BUFFERS_AFTER_GUARD:
        a->at = a->first;
        break;
    default: /* each operand off a 64-byte line by another number of floats */
        a->at = a->first + CANARY + sizeof(float) * (1 + (n_taken * 5) % 15);
        break;
    }
    memset(a->at - room_before(a), KNOWN, room_before(a));
    memset(a->at + bytes, KNOWN, room_after(a));
    return a->at;
}

void *buffers_input(size_t bytes)
{
    return take(bytes, false);
}

void *buffers_output(size_t bytes)
{
    return take(bytes, true);
}

void buffers_seal(void)
{
    for (size_t i = 0; i < n_taken; i++)
        memcpy(areas[i].before, areas[i].at, areas[i].bytes);
}

const void *buffers_before(const void *operand)
{
    for (size_t i = 0; i < n_taken; i++)
        if (areas[i].at == operand)
            return areas[i].before;
    abort(); /* not an operand */
}

static bool all_known(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != KNOWN)
            return false;
    return true;
}

const char *buffers_damage(void)
{
    static char text[80];
    for (size_t i = 0; i < n_taken; i++) {
        const struct area *a = &areas[i];
        const char *fault = NULL;
        if (!all_known(a->at - room_before(a), room_before(a)))
            fault = "bytes before it were written";
        else if (!all_known(a->at + a->bytes, room_after(a)))
            fault = "bytes after it were written";
        else if (!a->output && memcmp(a->before, a->at, a->bytes) != 0)
            fault = "an input was changed";
        if (fault) {
            snprintf(text, sizeof text, "operand %zu: %s", i + 1, fault);
            return text;
        }
    }
    return NULL;
}
