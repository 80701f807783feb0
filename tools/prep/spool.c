#include "prep/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/le.h"
#include "os/file.h"

enum { FRAME_BYTES = 1 << 18, NUMBER_BYTES = 10, LENGTH_BYTES = 8 };

int spool_init(struct spool *s, const char *folder, struct err *e)
{
    *s = (struct spool){.fd = file_unnamed(folder), .folder = folder};
    if (s->fd < 0)
        return err_errno(e, "%s: cannot make a temporary file", folder);
    s->n = LENGTH_BYTES;
    return 0;
}

void spool_release(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd); /* a temporary file: an error does not matter */
    free(s->frame);
    *s = (struct spool){.fd = -1};
}

static int write_all(struct spool *s, const unsigned char *data, size_t n_bytes, struct err *e)
{
    for (size_t done = 0; done < n_bytes;) {
        ssize_t n = write(s->fd, data + done, n_bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, "%s: cannot write a temporary file", s->folder);
        done += (size_t)n;
    }
    return 0;
}

static int write_frame(struct spool *s, struct err *e)
{
    if (s->n == LENGTH_BYTES)
        return 0;
    le_put64(s->frame, s->n - LENGTH_BYTES);
    int rc = write_all(s, s->frame, s->n, e);
    s->n = LENGTH_BYTES;
    return rc;
}

static unsigned char *put_bytes(unsigned char *p, const void *data, size_t n)
{
    memcpy(p, data, n);
    return p + n;
}

static unsigned char *put_long(unsigned char *p, uint64_t value)
{
    const uint16_t halves[] = {(uint16_t)(SPOOL_LONG + (value >> 16)), (uint16_t)value};
    const uint16_t mark = SPOOL_LONGEST;
    if (value >> 16 < SPOOL_LONGEST - SPOOL_LONG)
        return put_bytes(p, halves, sizeof halves);
    return put_bytes(put_bytes(p, &mark, sizeof mark), &value, sizeof value);
}

uint64_t spool_get_long(const unsigned char **p)
{
    uint16_t halves[2];
    uint64_t value;
    memcpy(halves, *p, sizeof halves);
    *p += sizeof *halves;
    if (halves[0] < SPOOL_LONGEST) {
        *p += sizeof *halves;
        return (uint64_t)(halves[0] - SPOOL_LONG) << 16 | halves[1];
    }
    memcpy(&value, *p, sizeof value);
    *p += sizeof value;
    return value;
}

static unsigned char *put(unsigned char *p, uint64_t value)
{
    uint16_t first = (uint16_t)value;
    return value < SPOOL_LONG ? put_bytes(p, &first, sizeof first) : put_long(p, value);
}

int spool_add(struct spool *s, uint64_t n_chars, uint64_t n_bytes, const uint32_t *words,
              size_t n_words, struct err *e)
{
    size_t most = (n_words + 3) * NUMBER_BYTES;
    if (array_reserve(&s->frame, &s->capacity, MAX(s->n + most, (size_t)2 * FRAME_BYTES), 1))
        return err_memory(e, "out of memory for a story of %zu words", n_words);
    unsigned char *p = s->frame + s->n;
    p = put(p, n_chars);
    p = put(p, n_bytes);
    p = put(p, n_words);
    for (size_t i = 0; i < n_words; i++)
        p = put(p, words[i]);
    s->n = (size_t)(p - s->frame);
    s->n_stories++;
    return s->n < FRAME_BYTES ? 0 : write_frame(s, e);
}

int spool_cut(struct spool *s, struct err *e)
{
    static const unsigned char mark[LENGTH_BYTES] = {0}; /* a frame of no bytes */
    return write_frame(s, e) || write_all(s, mark, sizeof mark, e) ? -1 : 0;
}

int spool_rewind(struct spool *s, struct err *e)
{
    s->n_read = 0;
    if (write_frame(s, e))
        return -1;
    if (lseek(s->fd, 0, SEEK_SET) < 0)
        return err_errno(e, "%s: cannot rewind a temporary file", s->folder);
    return 0;
}

/* Reads n bytes; *got is less only at the end of the file. */
static int read_fully(struct spool *s, unsigned char *data, size_t n, size_t *got, struct err *e)
{
    for (*got = 0; *got < n;) {
        ssize_t more = read(s->fd, data + *got, n - *got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return err_errno(e, "%s: cannot read a temporary file", s->folder);
        if (!more)
            return 0;
        *got += (size_t)more;
    }
    return 0;
}

int spool_read(struct spool *s, struct spool_frame *f, struct err *e)
{
    unsigned char head[LENGTH_BYTES];
    size_t got;
    f->n = 0;
    if (read_fully(s, head, sizeof head, &got, e))
        return -1;
    size_t n = got == sizeof head ? le_get64(head) : 0;
    if (!got || (got == sizeof head && !n)) /* the end, or a cut */
        return 0;
    if (array_reserve(&f->data, &f->capacity, n, 1))
        return err_memory(e, "out of memory for %zu bytes of stories", n);
    if (read_fully(s, f->data, n, &got, e))
        return -1;
    if (!n || got != n)
        return err_set(e, "%s: a temporary file was cut short", s->folder);
    f->n = n;
    s->n_read++;
    return 0;
}
