#include "corpus/gunzip.h"

#include <stdlib.h>
#include <zlib.h>

enum { BLOCK = 1 << 17, MAGIC = 3 };

struct gunzip {
    gunzip_source *source;
    void *context;
    z_stream z;
    enum { AT_START, PLAIN, BETWEEN, IN_MEMBER, BEHIND } place;
    const unsigned char *in; /* what is left of the source's last block */
    size_t n_in;
    unsigned char
        held[MAGIC]; /* first bytes of a member, which the source may hand out one by one */
    size_t n_held;
    const char *fault;
    unsigned char out[BLOCK];
};

bool gunzip_probe(const unsigned char *data, size_t n)
{
    return n >= MAGIC && data[0] == 0x1f && data[1] == 0x8b && data[2] == Z_DEFLATED;
}

struct gunzip *gunzip_new(gunzip_source *source, void *context)
{
    struct gunzip *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->source = source;
    g->context = context;
    if (inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK) { /* 16: gzip's frame, checked */
        free(g);
        return NULL;
    }
    return g;
}

void gunzip_free(struct gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}

void gunzip_restart(struct gunzip *g)
{
    g->place = AT_START;
    g->n_in = g->n_held = 0;
    g->fault = NULL;
    inflateReset(&g->z);
}

const char *gunzip_fault(const struct gunzip *g)
{
    return g->fault;
}

static long fail(struct gunzip *g, const char *fault)
{
    g->fault = fault;
    return -1;
}

/* Makes sure that some input is at hand; 0 at the end of the source. */
static long refill(struct gunzip *g)
{
    if (g->n_in)
        return 1;
    const void *data;
    long n = g->source(g->context, &data);
    if (n > 0) {
        g->in = data;
        g->n_in = (size_t)n;
    }
    return n;
}

/* Moves bytes to `held` until a magic would be complete, or the source ends. */
static long hold_magic(struct gunzip *g)
{
    while (g->n_held < MAGIC) {
        long n = refill(g);
        if (n <= 0)
            return n;
        g->held[g->n_held++] = *g->in++;
        g->n_in--;
    }
    return 1;
}

/* Inflates what can be had now; the length of the output, perhaps 0 with more to come. */
static long inflate_some(struct gunzip *g, const unsigned char *in, size_t n, size_t *used)
{
    g->z.next_in = (Bytef *)(uintptr_t)in;
    g->z.avail_in = (uInt)MIN(n, (size_t)1 << 30);
    g->z.next_out = g->out;
    g->z.avail_out = BLOCK;
    uInt offered = g->z.avail_in;
    int code = inflate(&g->z, Z_NO_FLUSH);
    *used = offered - g->z.avail_in;
    if (code == Z_STREAM_END)
        g->place = BETWEEN;
    else if (code != Z_OK && code != Z_BUF_ERROR)
        return fail(g, code == Z_MEM_ERROR ? "out of memory" : "damaged gzip data");
    return BLOCK - (long)g->z.avail_out;
}

static long read_member(struct gunzip *g, const void **data)
{
    *data = g->out;
    for (;;) {
        long n = refill(g);
        size_t used;
        if (n < 0)
            return n;
        if (n == 0)
            return fail(g, "truncated gzip data");
        n = inflate_some(g, g->in, g->n_in, &used);
        g->in += used;
        g->n_in -= used;
        if (n || g->place != IN_MEMBER)
            return n;
    }
}

/* The first bytes of the stream, or those behind a member: another one, zeros, or something else.
 */
static long begin_member(struct gunzip *g, const void **data)
{
    bool first = g->place == AT_START;
    long n = hold_magic(g);
    size_t n_held = g->n_held, used;
    if (n < 0)
        return n;
    *data = g->held;
    g->n_held = 0;
    if (gunzip_probe(g->held, n_held)) {
        inflateReset(&g->z);
        g->place = IN_MEMBER;
        return inflate_some(g, g->held, MAGIC, &used); /* a header's start: all is used */
    }
    if (first) {
        g->place = PLAIN;
        return (long)n_held;
    }
    for (size_t i = 0; i < n_held; i++)
        if (g->held[i])
            return fail(g, "damaged gzip data (something else follows it)");
    if (n == 0)
        g->place = BEHIND;
    return 0;
}

long gunzip_read(struct gunzip *g, const void **data)
{
    for (long n = 0;;) {
        if (g->place == BEHIND)
            return 0;
        if (g->place == PLAIN) {
            n = refill(g);
            *data = g->in;
            n = n > 0 ? (long)g->n_in : n;
            g->n_in = 0;
            return n;
        }
        if (g->place == IN_MEMBER)
            n = read_member(g, data);
        else
            n = begin_member(g, data);
        if (n || g->place == PLAIN)
            return n;
    }
}
