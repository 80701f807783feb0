/* Every format with each of its bytes changed and cut at every length. A reader refuses it, or
 * reads what the whole file says; a format with a hash never reads anything else. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/le.h"
#include "blob/blob_layout.h"
#include "format/ckpt.h"
#include "format/shard.h"
#include "format/vocabdb.h"
#include "prep/gpt2vocab.h"
#include "torture/torture.h"

/* Reads a file; *content is a hash of all that it says. */
typedef int reader(const char *path, uint64_t *content, struct err *e);

/* Order matters: the hash of the hashes. */
static void mix(uint64_t *content, const void *data, size_t n)
{
    uint64_t pair[2] = {*content, hash64(data, n)};
    *content = hash64(pair, sizeof pair);
}

static int read_shard(const char *path, uint64_t *content, struct err *e)
{
    struct shard s;
    if (shard_open(&s, path, e))
        return -1;
    uint64_t counts[] = {s.n_tokens, s.n_stories,  s.n_chars,          s.n_bytes,
                         s.n_unk,    s.vocab_size, s.vocab_fingerprint};
    mix(content, counts, sizeof counts);
    mix(content, s.tokens, s.n_tokens * sizeof *s.tokens);
    mix(content, s.stories, (s.n_stories + 1) * sizeof *s.stories);
    shard_close(&s);
    return 0;
}

static void mix_safetensors(uint64_t *content, const struct safetensors *s)
{
    for (size_t i = 0; i < s->n_meta; i++) {
        mix(content, s->meta[i].key, strlen(s->meta[i].key));
        mix(content, s->meta[i].value, strlen(s->meta[i].value));
    }
    for (size_t i = 0; i < s->n_tensors; i++) {
        const struct st_tensor *t = &s->tensors[i];
        mix(content, t->name, strlen(t->name));
        mix(content, t->shape, (size_t)t->rank * sizeof *t->shape);
        mix(content, t->data, t->n_bytes);
    }
}

static int read_checkpoint(const char *path, uint64_t *content, struct err *e)
{
    struct ckpt c;
    if (ckpt_open(&c, path, e))
        return -1;
    mix_safetensors(content, &c.file);
    ckpt_close(&c);
    return 0;
}

static int read_blob(const char *path, uint64_t *content, struct err *e)
{
    struct file_map m;
    struct blob b;
    if (file_map(&m, path, e))
        return -1;
    int rc = blob_read(&b, m.data, m.size, path, e);
    if (rc == 0) {
        uint64_t prints[] = {b.fingerprint, b.vocab_fingerprint};
        mix(content, prints, sizeof prints);
        mix(content, m.data + BLOB_HEADER_BYTES, m.size - BLOB_HEADER_BYTES);
    }
    blob_release(&b);
    file_unmap(&m);
    return rc;
}

static int mix_vocab(uint64_t *content, struct vocab *v)
{
    uint64_t print = vocab_fingerprint(v);
    mix(content, &print, sizeof print);
    vocab_release(v);
    return 0;
}

static int read_vocabdb(const char *path, uint64_t *content, struct err *e)
{
    struct vocab v;
    return vocabdb_load(&v, path, e) ? -1 : mix_vocab(content, &v);
}

static int read_gpt2_vocab(const char *path, uint64_t *content, struct err *e)
{
    struct vocab v;
    return gpt2vocab_load(&v, path, "in/merges.txt", e) ? -1 : mix_vocab(content, &v);
}

static int read_gpt2_merges(const char *path, uint64_t *content, struct err *e)
{
    struct vocab v;
    return gpt2vocab_load(&v, "in/vocab.json", path, e) ? -1 : mix_vocab(content, &v);
}

static size_t all_of_it(const unsigned char *data)
{
    (void)data;
    return SIZE_MAX;
}

static size_t header_of_shard(const unsigned char *data)
{
    (void)data;
    return 128;
}

static size_t header_of_safetensors(const unsigned char *data)
{
    return 8 + le_get64(data);
}

static size_t header_of_blob(const unsigned char *data)
{
    return BLOB_HEADER_BYTES + le_get32(data + BLOB_AT_N_SECTIONS) * BLOB_ENTRY_SIZE;
}

static size_t header_of_sqlite(const unsigned char *data)
{
    (void)data;
    return 100;
}

static const struct format {
    const char *name;
    const char *path;
    reader *read;
    size_t (*header_bytes)(const unsigned char *data);
    bool is_hashed; /* whatever it holds, none of it is read if it was changed */
} formats[] = {
    {"shard", "in/data/valid.shard", read_shard, header_of_shard, true},
    {"checkpoint", "in/run/step-000000008.safetensors", read_checkpoint, header_of_safetensors,
     true},
    {"weights", "start/export-st/m.safetensors", read_checkpoint, header_of_safetensors, true},
    {"blob", "in/m.bolt", read_blob, header_of_blob, true},
    {"vocab.db", "in/data/vocab.db", read_vocabdb, header_of_sqlite, true},
    {"vocab.json", "in/vocab.json", read_gpt2_vocab, all_of_it, false},
    {"merges.txt", "in/merges.txt", read_gpt2_merges, all_of_it, false},
};

/* What became of the damaged files. */
struct row {
    unsigned long n, refused, same, other, silent;
};

struct patient {
    const struct format *format;
    unsigned char *data;
    size_t n;
    int fd; /* "damaged", which holds data */
    uint64_t content;
};

static void patient_open(struct patient *p, const struct format *f)
{
    struct file_map m;
    struct err e;
    *p = (struct patient){.format = f, .fd = open("damaged", O_RDWR | O_CREAT | O_TRUNC, 0666)};
    if (file_map(&m, f->path, &e) || f->read(f->path, &p->content, &e))
        torture_stop("%s", e.text);
    p->n = m.size;
    p->data = malloc(p->n);
    if (!p->data || p->fd < 0 || pwrite(p->fd, m.data, p->n, 0) != (ssize_t)p->n)
        torture_stop("cannot write a file");
    memcpy(p->data, m.data, p->n);
    file_unmap(&m);
}

static void patient_close(struct patient *p)
{
    close(p->fd);
    free(p->data);
}

/* Reads the file as it now is, and counts. */
static void examine(const struct patient *p, struct row *row)
{
    uint64_t content = 0;
    struct err e = {.text = ""};
    row->n++;
    if (p->format->read("damaged", &content, &e) == 0) {
        row->same += content == p->content;
        row->other += content != p->content;
    } else {
        row->refused++;
        if (e.text[0] == '\0' || strchr(e.text, '\n')) {
            if (row->silent++ == 0)
                torture_loss("%s: not one line: '%s'", p->format->name, e.text);
        }
    }
}

static void put(const struct patient *p, size_t at, unsigned char byte)
{
    if (pwrite(p->fd, &byte, 1, (off_t)at) != 1)
        torture_stop("cannot write a file");
}

static void flip(const struct patient *p, size_t at, int bit, struct row *row)
{
    put(p, at, p->data[at] ^ (unsigned char)(1 << bit));
    examine(p, row);
    put(p, at, p->data[at]);
}

static void tell(struct torture *t, const struct patient *p, const char *what, const struct row *r)
{
    unsigned long n_losses = r->silent + (p->format->is_hashed ? r->other : 0);
    printf("damage  %-12s %-14s %7lu files %7lu refused %6lu read the same %6lu read another %3lu "
           "losses\n",
           p->format->name, what, r->n, r->refused, r->same, r->other, n_losses);
    fflush(stdout);
    torture_row(t, n_losses);
}

/* Short: one bit of every byte of the header and 200 others; else every bit of both. */
static void flips(struct torture *t, const struct patient *p)
{
    enum { SAMPLE = 200 };
    struct row header = {0}, rest = {0};
    size_t n_header = MIN(p->format->header_bytes(p->data), p->n);
    for (size_t at = 0; at < n_header; at++)
        for (int bit = 0; bit < 8; bit++)
            if (!t->is_short || bit == (int)(at % 8))
                flip(p, at, bit, &header);
    tell(t, p, "header's bits", &header);
    if (n_header == p->n)
        return;
    for (size_t at = n_header; !t->is_short && at < p->n; at++)
        for (int bit = 0; bit < 8; bit++)
            flip(p, at, bit, &rest);
    for (int i = 0; t->is_short && i < SAMPLE; i++)
        flip(p, n_header + rng_below(&t->rng, p->n - n_header), (int)rng_below(&t->rng, 8), &rest);
    tell(t, p, "other bits", &rest);
}

/* Short: 200 of the lengths; else all. */
static void cuts(struct torture *t, const struct patient *p)
{
    enum { SAMPLE = 200 };
    struct row row = {0};
    size_t n = t->is_short && p->n > SAMPLE ? SAMPLE : p->n;
    for (size_t i = 1; i <= n; i++) {
        /* from long to short, as what is cut off is gone */
        if (ftruncate(p->fd, (off_t)(p->n - i * p->n / n)))
            torture_stop("cannot cut a file");
        examine(p, &row);
    }
    tell(t, p, "cut", &row);
}

void damage_run(struct torture *t)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct patient p;
        patient_open(&p, &formats[i]);
        flips(t, &p);
        cuts(t, &p);
        patient_close(&p);
    }
}
