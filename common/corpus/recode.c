#include "corpus/recode.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 1 << 17,
    CARRY = 64 /* bytes: no character is longer */
};

struct recode {
    struct source source;
    struct source *from;
    const char *name;
    iconv_t cd;
    size_t unit;    /* bytes that are passed over where they are invalid */
    const char *in; /* what is left of the source's last block */
    size_t n_in;
    char carry[CARRY]; /* the start of a character that goes on in the next block */
    size_t n_carry;
    bool ended;
    char out[BLOCK];
};

bool recode_knows(const char *encoding)
{
    iconv_t cd = iconv_open("UTF-8", encoding);
    if (cd == (iconv_t)-1)
        return false;
    iconv_close(cd);
    return true;
}

const char *recode_mark(const char *data, size_t n, size_t *n_mark)
{
    static const struct {
        const char *encoding, *mark;
        size_t n;
    } marks[] = {{"UTF-8", "\xef\xbb\xbf", 3},
                 {"UTF-32LE", "\xff\xfe\0\0", 4}, /* before UTF-16, whose mark it begins with */
                 {"UTF-32BE", "\0\0\xfe\xff", 4},
                 {"UTF-16LE", "\xff\xfe", 2},
                 {"UTF-16BE", "\xfe\xff", 2}};
    *n_mark = 0;
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (n >= marks[i].n && !memcmp(data, marks[i].mark, marks[i].n)) {
            *n_mark = marks[i].n;
            return marks[i].encoding;
        }
    return NULL;
}

const char *recode_guess(const char *data, size_t n)
{
    size_t zeros[4] = {0}, quarter = n / 4;
    for (size_t i = 0; i < 4 * quarter; i++)
        zeros[i % 4] += !data[i];
    if (quarter < 2)
        return NULL;
    size_t most = quarter - quarter / 8, few = quarter / 8; /* of the characters are Latin */
    size_t few_wide = MAX(quarter / 4, (size_t)3);
    if (zeros[1] >= most && zeros[2] >= most && zeros[3] >= most && zeros[0] <= few)
        return "UTF-32LE";
    if (zeros[0] >= most && zeros[1] >= most && zeros[2] >= most && zeros[3] <= few)
        return "UTF-32BE";
    if (zeros[1] + zeros[3] > few_wide && zeros[0] + zeros[2] == 0)
        return "UTF-16LE"; /* spaces and line ends alone are many */
    if (zeros[0] + zeros[2] > few_wide && zeros[1] + zeros[3] == 0)
        return "UTF-16BE";
    return NULL;
}

/* Converts what is in *in; EINVAL means that a character is not complete. */
static int convert(struct recode *r, const char **in, size_t *n_in, char **out, size_t *n_out)
{
    char *from = (char *)(uintptr_t)*in; /* iconv's prototype lacks the const */
    size_t code = iconv(r->cd, &from, n_in, out, n_out);
    *in = from;
    return code == (size_t)-1 ? errno : 0;
}

/* An invalid unit becomes one invalid byte; true if there was room for it. */
static bool replace(struct recode *r, const char **in, size_t *n_in, char **out, size_t *n_out)
{
    if (!*n_out)
        return false;
    size_t step = MIN(r->unit, *n_in);
    *in += step;
    *n_in -= step;
    *(*out)++ = '\xff';
    --*n_out;
    return true;
}

static int refill(struct recode *r, struct err *e)
{
    if (r->n_in || r->ended)
        return 0;
    if (source_next(r->from, &r->in, &r->n_in, e))
        return -1;
    r->ended = !r->n_in;
    return 0;
}

/* Completes the character in the carry, a byte at a time. */
static int convert_carry(struct recode *r, char **out, size_t *n_out, struct err *e)
{
    while (r->n_carry) {
        const char *in = r->carry;
        size_t n_in = r->n_carry;
        int fault = convert(r, &in, &n_in, out, n_out);
        bool invalid = fault == EILSEQ || (fault == EINVAL && (r->ended || n_in == CARRY));
        bool full = fault == E2BIG || (invalid && !replace(r, &in, &n_in, out, n_out));
        r->n_carry = n_in;
        memmove(r->carry, in, n_in);
        if (full)
            return 0;
        if (fault != EINVAL || invalid)
            continue;
        if (refill(r, e))
            return -1;
        if (r->n_in) {
            r->carry[r->n_carry++] = *r->in++;
            r->n_in--;
        }
    }
    return 0;
}

static int convert_block(struct recode *r, char **out, size_t *n_out)
{
    while (r->n_in) {
        int fault = convert(r, &r->in, &r->n_in, out, n_out);
        if (fault == EILSEQ) {
            if (!replace(r, &r->in, &r->n_in, out, n_out))
                return 0;
        } else if (fault == EINVAL && r->n_in < CARRY) {
            memcpy(r->carry, r->in, r->n_in);
            r->n_carry = r->n_in;
            r->n_in = 0;
        } else if (fault) {
            return fault;
        }
    }
    return 0;
}

static int next(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct recode *r = (struct recode *)source;
    char *out = r->out;
    size_t n_out = BLOCK;
    *data = r->out;
    while (n_out == BLOCK) {
        if (refill(r, e) || convert_carry(r, &out, &n_out, e))
            return -1;
        if (r->n_carry)
            continue;   /* out of room: handed on first */
        if (r->ended) { /* an encoding with shifts may still owe something */
            iconv(r->cd, NULL, NULL, &out, &n_out);
            break;
        }
        int fault = convert_block(r, &out, &n_out);
        if (fault && fault != E2BIG) {
            errno = fault;
            return err_errno(e, "%s: cannot convert", r->name);
        }
    }
    *n = BLOCK - n_out;
    return 0;
}

struct source *recode_open(struct source *from, const char *encoding, const char *name,
                           struct err *e)
{
    struct recode *r = calloc(1, sizeof *r);
    if (!r) {
        err_memory(e, "%s: out of memory", name);
        return NULL;
    }
    bool wide = !strncasecmp(encoding, "UTF-16", 6) || !strncasecmp(encoding, "UCS-2", 5);
    bool wider = !strncasecmp(encoding, "UTF-32", 6) || !strncasecmp(encoding, "UCS-4", 5);
    *r = (struct recode){.source = {next},
                         .from = from,
                         .name = name,
                         .unit = wider  ? 4
                                 : wide ? 2
                                        : 1};
    r->cd = iconv_open("UTF-8", encoding);
    if (r->cd == (iconv_t)-1) {
        free(r);
        err_set(e, "%s: iconv does not know the encoding '%s'", name, encoding);
        return NULL;
    }
    return &r->source;
}

void recode_close(struct source *source)
{
    struct recode *r = (struct recode *)source;
    if (!r)
        return;
    iconv_close(r->cd);
    free(r);
}
