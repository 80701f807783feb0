#include "corpus/unzstd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { BLOCK = 1 << 17 };

struct unzstd {
    struct source source;
    struct source *from;
    const char *name;
    ZSTD_DStream *stream;
    bool in_frame; /* else between two, or before the first */
    bool ended;    /* nothing but zeros may follow */
    uint64_t n_read;
    ZSTD_inBuffer in; /* the source's last block */
    char out[BLOCK];
};

bool unzstd_probe(const char *data, size_t n)
{
    if (n < 4)
        return false;
    bool skipped = data[0] >= 0x50 && data[0] <= 0x5f && !memcmp(data + 1, "\x2a\x4d\x18", 3);
    return skipped || !memcmp(data, "\x28\xb5\x2f\xfd", 4);
}

static int fail(const struct unzstd *u, const char *fault, struct err *e)
{
    return err_set(e, "%s: cannot read: %s at byte %" PRIu64, u->name, fault,
                   u->n_read - (u->in.size - u->in.pos));
}

/* Makes sure that some input is at hand; *any is false at the end of the source. */
static int refill(struct unzstd *u, bool *any, struct err *e)
{
    if (u->in.pos == u->in.size) {
        const char *data;
        size_t n;
        if (source_next(u->from, &data, &n, e))
            return -1;
        u->in = (ZSTD_inBuffer){data, n, 0};
        u->n_read += n;
    }
    *any = u->in.size > 0;
    return 0;
}

/* What follows a frame: another one, which is checked as it is read, or zeros to the end. */
static int begin_frame(struct unzstd *u, struct err *e)
{
    for (;;) {
        bool any;
        if (refill(u, &any, e))
            return -1;
        if (!any)
            return 0;
        const char *in = u->in.src;
        if (in[u->in.pos]) {
            if (u->ended)
                return fail(u, "damaged zstd data: something else follows it", e);
            u->in_frame = true;
            return 0;
        }
        for (u->ended = true; u->in.pos < u->in.size && !in[u->in.pos];)
            u->in.pos++;
    }
}

static int decompress(struct unzstd *u, size_t *n, struct err *e)
{
    ZSTD_outBuffer out = {u->out, BLOCK, 0};
    size_t left = ZSTD_decompressStream(u->stream, &out, &u->in);
    if (ZSTD_isError(left)) {
        char fault[128];
        snprintf(fault, sizeof fault, "damaged zstd data (%s)", ZSTD_getErrorName(left));
        return fail(u, fault, e);
    }
    u->in_frame = left != 0;
    *n = out.pos;
    return 0;
}

static int next(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct unzstd *u = (struct unzstd *)source;
    *data = u->out;
    *n = 0;
    while (!*n) {
        bool any = true;
        if (!u->in_frame) {
            if (begin_frame(u, e))
                return -1;
            if (!u->in_frame)
                return 0;
        }
        if (refill(u, &any, e))
            return -1;
        if (decompress(u, n, e)) /* what is left to come out needs no input */
            return -1;
        if (!any && !*n && u->in_frame)
            return fail(u, "truncated zstd data", e);
    }
    return 0;
}

struct source *unzstd_open(struct source *from, const char *name, struct err *e)
{
    struct unzstd *u = calloc(1, sizeof *u);
    if (u)
        u->stream = ZSTD_createDStream();
    if (!u || !u->stream) {
        free(u);
        err_memory(e, "%s: out of memory", name);
        return NULL;
    }
    u->source.next = next;
    u->from = from;
    u->name = name;
    return &u->source;
}

void unzstd_close(struct source *source)
{
    struct unzstd *u = (struct unzstd *)source;
    if (!u)
        return;
    ZSTD_freeDStream(u->stream);
    free(u);
}
