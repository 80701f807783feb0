#include "format/shard.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/le.h"
#include "text/vocab.h"

/* Positions in the header; SHARD.md has the table. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_HEADER_BYTES = 12,
    AT_FILE_BYTES = 16,
    AT_TOKENS_AT = 24,
    AT_STORIES_AT = 32,
    AT_N_TOKENS = 40, /* the content, as fingerprinted, begins here */
    AT_N_STORIES = 48,
    AT_N_CHARS = 56,
    AT_N_BYTES = 64,
    AT_N_UNK = 72,
    AT_VOCAB_FINGERPRINT = 80,
    AT_VOCAB_SIZE = 88,
    AT_ZERO_A = 92,
    AT_PAYLOAD_HASH = 96,
    AT_ZERO_B = 104, /* and ends here */
    AT_HEADER_CHECK = 120,
    HEADER_BYTES = 128,
    SECTION_ALIGN = 64
};

static const unsigned char shard_magic[8] = {'B', 'O', 'L', 'T', 'S', 'H', 'R', 'D'};

/* Sizes and positions of the two sections; -1 when the counts do not fit in a file. */
static int layout(uint64_t n_tokens, uint64_t n_stories, uint64_t *stories_at, uint64_t *file_bytes)
{
    const uint64_t most = UINT64_C(1) << 48; /* no sum below can overflow */
    if (n_tokens > most || n_stories > most)
        return -1;
    *stories_at = ALIGN_UP(HEADER_BYTES + 2 * n_tokens, SECTION_ALIGN);
    *file_bytes = *stories_at + 8 * (n_stories + 1);
    return 0;
}

/* The header of a shard with these counts, which layout has passed. */
static void make_header(unsigned char header[HEADER_BYTES], const struct shard *s,
                        uint64_t payload_hash)
{
    uint64_t stories_at = 0, file_bytes = 0;
    (void)layout(s->n_tokens, s->n_stories, &stories_at, &file_bytes);
    memset(header, 0, HEADER_BYTES);
    memcpy(header + AT_MAGIC, shard_magic, sizeof shard_magic);
    le_put32(header + AT_VERSION, SHARD_VERSION);
    le_put32(header + AT_HEADER_BYTES, HEADER_BYTES);
    le_put64(header + AT_FILE_BYTES, file_bytes);
    le_put64(header + AT_TOKENS_AT, HEADER_BYTES);
    le_put64(header + AT_STORIES_AT, stories_at);
    le_put64(header + AT_N_TOKENS, s->n_tokens);
    le_put64(header + AT_N_STORIES, s->n_stories);
    le_put64(header + AT_N_CHARS, s->n_chars);
    le_put64(header + AT_N_BYTES, s->n_bytes);
    le_put64(header + AT_N_UNK, s->n_unk);
    le_put64(header + AT_VOCAB_FINGERPRINT, s->vocab_fingerprint);
    le_put32(header + AT_VOCAB_SIZE, s->vocab_size);
    le_put64(header + AT_PAYLOAD_HASH, payload_hash);
    le_put64(header + AT_HEADER_CHECK, hash64(header, AT_HEADER_CHECK));
}

static uint64_t content_fingerprint(const unsigned char *header)
{
    return hash64(header + AT_N_TOKENS, AT_ZERO_B - AT_N_TOKENS);
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* LANES of them at a time, on the compilers' vector extensions. */
enum { LANES = 8, MOST_ROUNDS = 1 << 15 /* that a lane counts without overflow */ };
typedef uint16_t lanes __attribute__((vector_size(2 * LANES)));

static void add_lanes(struct shard_ids *sum, const uint16_t *ids, size_t n_rounds)
{
    lanes top = {0}, n_eos = {0}, n_unk = {0}, v;
    for (size_t i = 0; i < n_rounds; i++) {
        memcpy(&v, ids + LANES * i, sizeof v);
        lanes more = (lanes)(v > top);
        top = (v & more) | (top & ~more);
        n_eos -= (lanes)(v == VOCAB_EOS); /* true is -1 */
        n_unk -= (lanes)(v == VOCAB_UNK);
    }
    for (int k = 0; k < LANES; k++) {
        sum->top = MAX(sum->top, top[k]);
        sum->n_eos += n_eos[k];
        sum->n_unk += n_unk[k];
    }
}

struct shard_ids shard_ids(const uint16_t *ids, size_t n)
{
    struct shard_ids sum = {0};
    size_t i = 0;
    for (size_t rounds; (rounds = MIN((n - i) / LANES, (size_t)MOST_ROUNDS)); i += rounds * LANES)
        add_lanes(&sum, ids + i, rounds);
    for (; i < n; i++) {
        sum.top = MAX(sum.top, ids[i]);
        sum.n_eos += ids[i] == VOCAB_EOS;
        sum.n_unk += ids[i] == VOCAB_UNK;
    }
    return sum;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Rules 1 to 6: this is a header of a version we know, and it is whole. */
static int check_header(const unsigned char *h, size_t size, const char *path, struct err *e)
{
    if (size < HEADER_BYTES)
        return err_set(e, "%s: too short for a token shard (found %zu bytes, expected at least %d)",
                       path, size, HEADER_BYTES);
    if (memcmp(h + AT_MAGIC, shard_magic, sizeof shard_magic))
        return err_set(e, "%s: not a token shard", path);
    uint32_t version = le_get32(h + AT_VERSION);
    if (version != SHARD_VERSION)
        return err_set(e,
                       "%s: unknown version of the shard format (found %" PRIu32 ", expected %d)",
                       path, version, SHARD_VERSION);
    uint32_t header_bytes = le_get32(h + AT_HEADER_BYTES);
    if (header_bytes != HEADER_BYTES)
        return err_set(e, "%s: wrong size of the header (found %" PRIu32 ", expected %d)", path,
                       header_bytes, HEADER_BYTES);
    uint64_t check = le_get64(h + AT_HEADER_CHECK);
    uint64_t actual = hash64(h, AT_HEADER_CHECK);
    if (check != actual)
        return err_set(e, "%s: damaged header (check %016" PRIx64 ", expected %016" PRIx64 ")",
                       path, actual, check);
    if (le_get32(h + AT_ZERO_A) || le_get64(h + AT_ZERO_B) || le_get64(h + AT_ZERO_B + 8))
        return err_set(e, "%s: reserved bytes of the header are not zero", path);
    return 0;
}

/* Rules 7 to 10: counts, positions and the size of the file agree. */
static int check_sizes(struct shard *s, const char *path, struct err *e)
{
    const unsigned char *h = s->map.data;
    uint64_t file_bytes = le_get64(h + AT_FILE_BYTES);
    if (file_bytes != s->map.size)
        return err_set(e,
                       "%s: wrong size, perhaps truncated (found %zu bytes, expected %" PRIu64 ")",
                       path, s->map.size, file_bytes);
    s->vocab_size = le_get32(h + AT_VOCAB_SIZE);
    if (s->vocab_size < VOCAB_N_SPECIAL || s->vocab_size > VOCAB_MAX_TOKENS)
        return err_set(e, "%s: vocabulary size out of range (found %" PRIu32 ", expected %d to %d)",
                       path, s->vocab_size, VOCAB_N_SPECIAL, VOCAB_MAX_TOKENS);
    s->n_tokens = le_get64(h + AT_N_TOKENS);
    s->n_stories = le_get64(h + AT_N_STORIES);
    s->n_chars = le_get64(h + AT_N_CHARS);
    s->n_bytes = le_get64(h + AT_N_BYTES);
    s->n_unk = le_get64(h + AT_N_UNK);
    uint64_t stories_at, expected;
    if (layout(s->n_tokens, s->n_stories, &stories_at, &expected) || expected != file_bytes ||
        le_get64(h + AT_TOKENS_AT) != HEADER_BYTES || le_get64(h + AT_STORIES_AT) != stories_at)
        return err_set(e, "%s: counts and positions in the header do not fit the file", path);
    if (s->n_chars > s->n_bytes || s->n_bytes / 4 > s->n_chars)
        return err_set(e, "%s: impossible text size (%" PRIu64 " characters in %" PRIu64 " bytes)",
                       path, s->n_chars, s->n_bytes);
    s->tokens = (const uint16_t *)(const void *)(h + HEADER_BYTES);
    s->stories = (const uint64_t *)(const void *)(h + stories_at);
    s->vocab_fingerprint = le_get64(h + AT_VOCAB_FINGERPRINT);
    s->fingerprint = content_fingerprint(h);
    return 0;
}

/* Rules 11 and 12: the payload is what was written, with nothing hidden in the gap. */
static int check_payload(const struct shard *s, const char *path, struct err *e)
{
    const unsigned char *h = s->map.data;
    uint64_t actual = hash64(h + HEADER_BYTES, s->map.size - HEADER_BYTES);
    uint64_t expected = le_get64(h + AT_PAYLOAD_HASH);
    if (actual != expected)
        return err_set(e, "%s: damaged data (hash %016" PRIx64 ", expected %016" PRIx64 ")", path,
                       actual, expected);
    const unsigned char *gap = (const unsigned char *)(s->tokens + s->n_tokens);
    for (; gap < (const unsigned char *)s->stories; gap++)
        if (*gap)
            return err_set(e, "%s: bytes between the sections are not zero", path);
    return 0;
}

/* Rules 13 and 14: every story is a range of its own that ends with EOS, and all tokens are in one.
 */
static int check_stories(const struct shard *s, const char *path, struct err *e)
{
    if (s->stories[0] != 0)
        return err_set(e, "%s: the first story begins at token %" PRIu64 ", not 0", path,
                       s->stories[0]);
    if (s->stories[s->n_stories] != s->n_tokens)
        return err_set(e, "%s: the last story ends at token %" PRIu64 " of %" PRIu64, path,
                       s->stories[s->n_stories], s->n_tokens);
    for (uint64_t i = 0; i < s->n_stories; i++) {
        uint64_t end = s->stories[i + 1];
        if (end <= s->stories[i] || end > s->n_tokens)
            return err_set(e,
                           "%s: story %" PRIu64 " has the range of tokens %" PRIu64 " to %" PRIu64,
                           path, i, s->stories[i], end);
        if (s->tokens[end - 1] != VOCAB_EOS)
            return err_set(e, "%s: story %" PRIu64 " does not end with EOS (found token %u)", path,
                           i, (unsigned)s->tokens[end - 1]);
    }
    return 0;
}

/* Rules 15 to 17: ids in range, EOS nowhere but at the ends, as many UNK as stated. */
static int check_tokens(const struct shard *s, const char *path, struct err *e)
{
    struct shard_ids ids = shard_ids(s->tokens, s->n_tokens);
    if (ids.top >= s->vocab_size)
        return err_set(e, "%s: token out of range (found %u, expected below %" PRIu32 ")", path,
                       (unsigned)ids.top, s->vocab_size);
    if (ids.n_eos != s->n_stories)
        return err_set(e, "%s: EOS inside a story (found %" PRIu64 " EOS, expected %" PRIu64 ")",
                       path, ids.n_eos, s->n_stories);
    if (ids.n_unk != s->n_unk)
        return err_set(e, "%s: wrong count of UNK (found %" PRIu64 ", expected %" PRIu64 ")", path,
                       ids.n_unk, s->n_unk);
    return 0;
}

int shard_open(struct shard *s, const char *path, struct err *e)
{
    *s = (struct shard){0};
    if (file_map(&s->map, path, e))
        return -1;
    if (check_header(s->map.data, s->map.size, path, e) || check_sizes(s, path, e) ||
        check_payload(s, path, e) || check_stories(s, path, e) || check_tokens(s, path, e)) {
        shard_close(s);
        return -1;
    }
    return 0;
}

void shard_close(struct shard *s)
{
    file_unmap(&s->map);
    *s = (struct shard){0};
}

/* Story offsets go into the hash a block at a time, counted over all shards. */
static void hash_stories(struct hash_state *hash, const struct shard *shards, size_t n)
{
    enum { BLOCK = 512 };
    uint64_t block[BLOCK] = {0}; /* the first story begins at 0 */
    uint64_t base = 0;
    size_t used = 1;
    for (size_t k = 0; k < n; k++) {
        for (uint64_t i = 1; i <= shards[k].n_stories; i++) {
            if (used == BLOCK) {
                hash_update(hash, block, sizeof block);
                used = 0;
            }
            block[used++] = base + shards[k].stories[i];
        }
        base += shards[k].n_tokens;
    }
    hash_update(hash, block, used * sizeof *block);
}

int shard_join_fingerprint(const struct shard *shards, size_t n, uint64_t *fingerprint,
                           struct err *e)
{
    static const unsigned char zeros[SECTION_ALIGN];
    struct shard sum = {0};
    struct hash_state hash;
    uint64_t stories_at, file_bytes;
    if (hash_init(&hash))
        return err_memory(e, "out of memory for the fingerprint of %zu shards", n);
    for (size_t i = 0; i < n; i++) {
        hash_update(&hash, shards[i].tokens, shards[i].n_tokens * sizeof *shards[i].tokens);
        sum.n_tokens += shards[i].n_tokens;
        sum.n_stories += shards[i].n_stories;
        sum.n_chars += shards[i].n_chars;
        sum.n_bytes += shards[i].n_bytes;
        sum.n_unk += shards[i].n_unk;
        sum.vocab_size = shards[i].vocab_size;
        sum.vocab_fingerprint = shards[i].vocab_fingerprint;
    }
    if (layout(sum.n_tokens, sum.n_stories, &stories_at, &file_bytes)) {
        hash_release(&hash);
        return err_set(e, "%zu shards are too large together", n);
    }
    hash_update(&hash, zeros, stories_at - (HEADER_BYTES + 2 * sum.n_tokens));
    hash_stories(&hash, shards, n);
    unsigned char header[HEADER_BYTES];
    make_header(header, &sum, hash_digest(&hash));
    *fingerprint = content_fingerprint(header);
    hash_release(&hash);
    return 0;
}

bool shard_probe(const void *data, size_t n)
{
    return n >= sizeof shard_magic && !memcmp(data, shard_magic, sizeof shard_magic);
}

bool shard_probe_file(const char *path)
{
    struct err ignored;
    struct file_map map;
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false; /* opening a pipe and closing it again would break its writer */
    if (file_map(&map, path, &ignored))
        return false;
    bool yes = shard_probe(map.data, map.size);
    file_unmap(&map);
    return yes;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct shard_writer {
    struct file_out out;
    struct hash_state hash; /* of the payload so far */
    uint64_t *stories;      /* [n_stories + 1] */
    size_t capacity;
    struct shard sum;     /* of what was added: counts and vocabulary */
    uint64_t fingerprint; /* of the finished file */
};

static int put(struct shard_writer *w, const void *data, size_t n, struct err *e)
{
    hash_update(&w->hash, data, n);
    return file_out_write(&w->out, data, n, e);
}

struct shard_writer *shard_create(const char *path, uint32_t vocab_size, uint64_t vocab_fingerprint,
                                  struct err *e)
{
    static const unsigned char zeros[HEADER_BYTES]; /* its place is kept; the sums come last */
    struct shard_writer *w = calloc(1, sizeof *w);
    if (!w) {
        err_memory(e, "%s: out of memory", path);
        return NULL;
    }
    w->sum.vocab_size = vocab_size;
    w->sum.vocab_fingerprint = vocab_fingerprint;
    w->capacity = 1024;
    w->stories = calloc(w->capacity, sizeof *w->stories);
    if (!w->stories || hash_init(&w->hash)) {
        err_memory(e, "%s: out of memory", path);
        goto fail;
    }
    if (file_out_open(&w->out, path, e) || file_out_write(&w->out, zeros, sizeof zeros, e))
        goto fail;
    return w;
fail:
    shard_abort(w);
    return NULL;
}

int shard_add(struct shard_writer *w, const uint16_t *ids, size_t n, uint64_t n_chars,
              uint64_t n_bytes, struct err *e)
{
    static const uint16_t eos = VOCAB_EOS;
    struct shard_ids found = shard_ids(ids, n);
    if (found.n_eos || (n && found.top >= w->sum.vocab_size))
        return err_set(e, "%s: token %u does not belong in a story", w->out.path,
                       (unsigned)(found.n_eos ? VOCAB_EOS : found.top));
    w->sum.n_unk += found.n_unk;
    if (array_reserve(&w->stories, &w->capacity, w->sum.n_stories + 2, sizeof *w->stories))
        return err_memory(e, "%s: out of memory for %" PRIu64 " stories", w->out.path,
                          w->sum.n_stories);
    if (put(w, ids, n * sizeof *ids, e) || put(w, &eos, sizeof eos, e))
        return -1;
    w->sum.n_tokens += n + 1;
    w->sum.n_chars += n_chars;
    w->sum.n_bytes += n_bytes;
    w->stories[++w->sum.n_stories] = w->sum.n_tokens;
    return 0;
}

static int seal(struct shard_writer *w, struct err *e)
{
    static const unsigned char zeros[SECTION_ALIGN];
    unsigned char header[HEADER_BYTES];
    uint64_t stories_at, file_bytes;
    if (layout(w->sum.n_tokens, w->sum.n_stories, &stories_at, &file_bytes))
        return err_set(e, "%s: too large", w->out.path);
    if (put(w, zeros, stories_at - (HEADER_BYTES + 2 * w->sum.n_tokens), e) ||
        put(w, w->stories, (w->sum.n_stories + 1) * sizeof *w->stories, e))
        return -1;
    make_header(header, &w->sum, hash_digest(&w->hash));
    w->fingerprint = content_fingerprint(header);
    return file_out_patch(&w->out, 0, header, HEADER_BYTES, e);
}

int shard_finish(struct shard_writer *w, uint64_t *fingerprint, struct file_set *set, struct err *e)
{
    int rc = seal(w, e);
    if (fingerprint)
        *fingerprint = w->fingerprint;
    if (!rc)
        rc = file_set_take(set, &w->out, e);
    shard_abort(w); /* nothing is left to drop after a commit */
    return rc;
}

void shard_abort(struct shard_writer *w)
{
    if (!w)
        return;
    file_out_abort(&w->out);
    if (w->hash.state)
        hash_release(&w->hash);
    free(w->stories);
    free(w);
}
