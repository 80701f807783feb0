#include "corpus/gunzip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>

enum { BLOCK = 1 << 17, MAGIC = 3 };

struct gunzip {
    struct source source;
    struct source *from;
    const char *name;
    z_stream z;
    bool in_member;          /* else between two members, or before the first */
    bool ended;              /* nothing but zeros may follow, or nothing is left */
    uint64_t n_read;         /* bytes that came from the source */
    const unsigned char *in; /* what is left of the source's last block */
    size_t n_in;
    unsigned char out[BLOCK];
};

bool gunzip_probe(const char *data, size_t n)
{
    return n >= MAGIC && data[0] == '\x1f' && data[1] == '\x8b' && data[2] == Z_DEFLATED;
}

static int fail(const struct gunzip *g, const char *fault, struct err *e)
{
    return err_set(e, "%s: cannot read: %s at byte %" PRIu64, g->name, fault, g->n_read - g->n_in);
}

/* Makes sure that some input is at hand; *any is false at the end of the source. */
static int refill(struct gunzip *g, bool *any, struct err *e)
{
    if (!g->n_in) {
        const char *data;
        if (source_next(g->from, &data, &g->n_in, e))
            return -1;
        g->in = (const unsigned char *)data;
        g->n_read += g->n_in;
    }
    *any = g->n_in > 0;
    return 0;
}

/* Inflates what can be had now: *n bytes, perhaps 0 with more to come. */
static int inflate_some(struct gunzip *g, size_t *n, struct err *e)
{
    uInt offered = (uInt)MIN(g->n_in, (size_t)1 << 30);
    g->z.next_in = (Bytef *)(uintptr_t)g->in;
    g->z.avail_in = offered;
    g->z.next_out = g->out;
    g->z.avail_out = BLOCK;
    int code = inflate(&g->z, Z_NO_FLUSH);
    g->in += offered - g->z.avail_in;
    g->n_in -= offered - g->z.avail_in;
    if (code == Z_STREAM_END)
        g->in_member = false;
    else if (code == Z_MEM_ERROR)
        return err_memory(e, "%s: out of memory", g->name);
    else if (code != Z_OK && code != Z_BUF_ERROR)
        return fail(g, "damaged gzip data", e);
    *n = BLOCK - g->z.avail_out;
    return 0;
}

/* What follows a member: another one, which inflate checks, or zeros to the end. */
static int begin_member(struct gunzip *g, struct err *e)
{
    for (;;) {
        bool any;
        if (refill(g, &any, e))
            return -1;
        if (!any)
            return 0;
        if (g->in[0]) {
            if (g->in[0] != 0x1f || g->ended)
                return fail(g, "damaged gzip data: something else follows it", e);
            inflateReset(&g->z);
            g->in_member = true;
            return 0;
        }
        for (g->ended = true; g->n_in && !g->in[0]; g->n_in--)
            g->in++;
    }
}

static int next(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct gunzip *g = (struct gunzip *)source;
    *data = (const char *)g->out;
    *n = 0;
    while (!*n) {
        bool any = true;
        if (!g->in_member) {
            if (begin_member(g, e))
                return -1;
            if (!g->in_member)
                return 0;
        }
        if (refill(g, &any, e))
            return -1;
        if (!any)
            return fail(g, "truncated gzip data", e);
        if (inflate_some(g, n, e))
            return -1;
    }
    return 0;
}

struct source *gunzip_open(struct source *from, const char *name, struct err *e)
{
    struct gunzip *g = calloc(1, sizeof *g);
    if (!g || inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK) { /* 16: gzip's frame, checked */
        free(g);
        err_memory(e, "%s: out of memory", name);
        return NULL;
    }
    g->source.next = next;
    g->from = from;
    g->name = name;
    return &g->source;
}

void gunzip_close(struct source *source)
{
    struct gunzip *g = (struct gunzip *)source;
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}
