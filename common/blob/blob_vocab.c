#include "blob/blob_vocab.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "blob/blob_layout.h"
#include "text/merges.h"

/* Bytes of one side of a merge; the numbers of n_merges merges and all bytes fit in. */
static size_t side_bytes(uint32_t n_merges)
{
    return n_merges <= BLOB_MAX_SHORT_MERGES ? 2 : 4;
}

static uint64_t table_bytes(uint32_t n_tokens, uint32_t n_merges)
{
    return BLOB_VOCAB_HEAD + 2 * (uint64_t)n_merges * side_bytes(n_merges) +
           BLOB_VOCAB_LENGTH * (uint64_t)n_tokens;
}

/* ---- reading ---- */

/* Rules 15 and 16. */
static int read_head(struct vocab *v, uint32_t version, const unsigned char *section, size_t n,
                     int V, const char *path, struct err *e)
{
    if (n < BLOB_VOCAB_HEAD)
        return err_set(e, "%s: vocabulary too short (found %zu bytes)", path, n);
    uint32_t kind = le_get16(section + BLOB_VOCAB_KIND);
    uint32_t pretokens = le_get16(section + BLOB_VOCAB_PRETOKENS);
    uint32_t normalize = le_get16(section + BLOB_VOCAB_NORMALIZE);
    uint32_t lines = le_get16(section + BLOB_VOCAB_LINES);
    uint32_t n_tokens = le_get32(section + BLOB_VOCAB_N_TOKENS);
    uint32_t n_merges = le_get32(section + BLOB_VOCAB_N_MERGES);
    if (kind > VOCAB_GPT2 || normalize > VOCAB_NORM_NFKC ||
        lines > (version < 3 ? VOCAB_LINES_KEPT : VOCAB_LINES_LF) ||
        pretokens > (version < 4 ? VOCAB_WORDS : VOCAB_SENTENCES))
        return err_set(e,
                       "%s: unknown kind of vocabulary (kind %" PRIu32 ", normalisation %" PRIu32
                       ", lines %" PRIu32 ", pre-tokens %" PRIu32 ")",
                       path, kind, normalize, lines, pretokens);
    if (n_tokens != (uint32_t)V || n_merges > VOCAB_MAX_MERGES)
        return err_set(e,
                       "%s: vocabulary of %" PRIu32 " tokens and %" PRIu32
                       " merges (expected %d tokens, at most %d merges)",
                       path, n_tokens, n_merges, V, (int)VOCAB_MAX_MERGES);
    uint64_t tables = table_bytes(n_tokens, n_merges);
    if (tables > n || le_get64(section + BLOB_VOCAB_N_BYTES) != n - tables)
        return err_set(e, "%s: tables of the vocabulary do not fit its section", path);
    *v = (struct vocab){.kind = (enum vocab_kind)kind,
                        .form = {(enum vocab_normalize)normalize, (enum vocab_lines)lines},
                        .pretokens = (enum vocab_pretokens)pretokens,
                        .n_tokens = n_tokens,
                        .tokens = calloc(n_tokens, sizeof *v->tokens),
                        .n_merges = n_merges,
                        .merges = calloc((size_t)n_merges + 1, sizeof *v->merges),
                        .sides = calloc((size_t)n_merges + 1, sizeof *v->sides)};
    if (!v->tokens || !v->merges || !v->sides)
        return err_memory(e, "%s: out of memory", path);
    return 0;
}

/* Length of what a number stands for: a byte, or the result of a merge whose lengths are known. */
static uint32_t number_length(const struct vocab *v, uint32_t number)
{
    return number < 256 ? 1 : v->merges[number - 256].left.n + v->merges[number - 256].right.n;
}

/* Rule 17: the sides of all merges, and the lengths of the strings they stand for. */
static int read_sides(struct vocab *v, const unsigned char *p, size_t *n_bytes, const char *path,
                      struct err *e)
{
    bool is_short = side_bytes(v->n_merges) == 2;
    *n_bytes = 0;
    for (uint32_t i = 0; i < v->n_merges; i++) {
        uint32_t left = is_short ? le_get16(p + 4 * (size_t)i) : le_get32(p + 8 * (size_t)i);
        uint32_t right =
            is_short ? le_get16(p + 4 * (size_t)i + 2) : le_get32(p + 8 * (size_t)i + 4);
        if (left >= 256 + i || right >= 256 + i)
            return err_set(e,
                           "%s: merge %" PRIu32 " joins what is neither a byte nor an earlier "
                           "merge's result (found %" PRIu32 " and %" PRIu32
                           ", expected less than %" PRIu32 ")",
                           path, i, left, right, 256 + i);
        v->sides[i] = (struct vocab_sides){left, right};
        v->merges[i].left.n = number_length(v, left);
        v->merges[i].right.n = number_length(v, right);
        uint32_t length = v->merges[i].left.n + v->merges[i].right.n;
        if (length > VOCAB_MAX_TOKEN_BYTES)
            return err_set(e,
                           "%s: merge %" PRIu32 " makes a token of %" PRIu32 " bytes (at most %d)",
                           path, i, length, VOCAB_MAX_TOKEN_BYTES);
        *n_bytes += length;
    }
    if (*n_bytes > BLOB_MAX_MERGED_BYTES)
        return err_set(e, "%s: the merges make %zu bytes (at most %d)", path, *n_bytes,
                       BLOB_MAX_MERGED_BYTES);
    return 0;
}

static unsigned char *put_number(unsigned char *at, const struct vocab *v, uint32_t number)
{
    if (number < 256) {
        *at = (unsigned char)number;
        return at + 1;
    }
    size_t n = number_length(v, number);
    memcpy(at, v->merges[number - 256].left.data, n);
    return at + n;
}

/* The strings of the merges, each where it is joined. */
static int join_merges(struct vocab *v, size_t n_bytes, const char *path, struct err *e)
{
    unsigned char *at = v->merge_storage = malloc(n_bytes + 1);
    if (!at)
        return err_memory(e, "%s: out of memory for %zu bytes of merges", path, n_bytes);
    for (uint32_t i = 0; i < v->n_merges; i++) {
        v->merges[i].left.data = at;
        v->merges[i].right.data = put_number(at, v, v->sides[i].left);
        at = put_number(at + v->merges[i].left.n, v, v->sides[i].right);
    }
    return 0;
}

/* Points the tokens to their bytes; false if the lengths do not add up to them. */
static bool read_tokens(struct vocab *v, const unsigned char *lengths, const unsigned char *end)
{
    const unsigned char *at = lengths + BLOB_VOCAB_LENGTH * (size_t)v->n_tokens;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        uint32_t n = le_get16(lengths + BLOB_VOCAB_LENGTH * (size_t)i);
        if (n > (size_t)(end - at))
            return false;
        v->tokens[i] = (struct vocab_token){.bytes = {at, n},
                                            .type = i < VOCAB_N_SPECIAL ? VOCAB_SPECIAL
                                                    : n == 1            ? VOCAB_BYTE
                                                                        : VOCAB_MERGED};
        at += n;
    }
    return at == end;
}

int blob_vocab_read(struct blob *b, const unsigned char *section, size_t n, const char *path,
                    struct err *e)
{
    size_t n_bytes;
    struct vocab *v = &b->vocab;
    if (read_head(v, b->version, section, n, b->dims.V, path, e) ||
        read_sides(v, section + BLOB_VOCAB_HEAD, &n_bytes, path, e) ||
        join_merges(v, n_bytes, path, e))
        return -1;
    size_t lengths = (size_t)table_bytes(0, v->n_merges);
    if (!read_tokens(v, section + lengths, section + n))
        return err_set(e, "%s: strings of the vocabulary do not fit its section", path);
    b->tokenizer = tokenizer_new_checked(v, path, e);
    if (!b->tokenizer)
        return -1;
    uint64_t expected = le_get64(section + BLOB_VOCAB_FINGERPRINT);
    b->vocab_fingerprint = vocab_fingerprint(v);
    if (b->vocab_fingerprint != expected)
        return err_set(e,
                       "%s: wrong fingerprint of the vocabulary (found %016" PRIx64
                       ", expected %016" PRIx64 ")",
                       path, b->vocab_fingerprint, expected);
    return 0;
}

/* ---- writing ---- */

static size_t string_bytes(const struct vocab *v)
{
    size_t n = 0;
    for (uint32_t i = 0; i < v->n_tokens; i++)
        n += v->tokens[i].bytes.n;
    return n;
}

uint32_t blob_vocab_version(const struct vocab *v)
{
    if (v->pretokens != VOCAB_WORDS)
        return 4;
    return v->form.lines == VOCAB_LINES_KEPT ? BLOB_OLDEST : 3;
}

size_t blob_vocab_bytes(const struct vocab *v)
{
    return (size_t)table_bytes(v->n_tokens, v->n_merges) + string_bytes(v);
}

/* Writes the sides of all merges. numbers: room for those of m's symbols. */
static void put_sides(unsigned char *p, const struct merges *m, uint32_t n_merges,
                      uint32_t *numbers)
{
    uint32_t n_known = 256;
    for (uint32_t b = 0; b < 256; b++)
        numbers[b] = b;
    for (uint32_t i = 0; i < n_merges; i++) {
        const struct merges_pair *pair = &m->pairs[i];
        if (side_bytes(n_merges) == 2) {
            le_put16(p + 4 * (size_t)i, (uint16_t)numbers[pair->left]);
            le_put16(p + 4 * (size_t)i + 2, (uint16_t)numbers[pair->right]);
        } else {
            le_put32(p + 8 * (size_t)i, numbers[pair->left]);
            le_put32(p + 8 * (size_t)i + 4, numbers[pair->right]);
        }
        if (pair->result == n_known) /* symbols are numbered as they are made */
            numbers[n_known++] = 256 + i;
    }
}

static int put_merges(unsigned char *p, const struct vocab *v, const char *path, struct err *e)
{
    struct merges m;
    uint64_t n_bytes = 0;
    if (vocab_check_merges(v, &m, path, e))
        return -1;
    for (uint32_t i = 0; i < v->n_merges; i++)
        n_bytes += v->merges[i].left.n + v->merges[i].right.n;
    uint32_t *numbers = malloc(m.n_symbols * sizeof *numbers);
    int rc = 0;
    if (n_bytes > BLOB_MAX_MERGED_BYTES)
        rc = err_set(e, "%s: the merges make %" PRIu64 " bytes (at most %d)", path, n_bytes,
                     BLOB_MAX_MERGED_BYTES);
    else if (!numbers)
        rc = err_memory(e, "%s: out of memory for %" PRIu32 " merges", path, v->n_merges);
    else
        put_sides(p, &m, v->n_merges, numbers);
    free(numbers);
    merges_release(&m);
    return rc;
}

int blob_vocab_put(unsigned char *p, const struct vocab *v, const char *path, struct err *e)
{
    if (put_merges(p + BLOB_VOCAB_HEAD, v, path, e))
        return -1;
    le_put16(p + BLOB_VOCAB_KIND, (uint16_t)v->kind);
    le_put16(p + BLOB_VOCAB_PRETOKENS, (uint16_t)v->pretokens);
    le_put16(p + BLOB_VOCAB_NORMALIZE, (uint16_t)v->form.normalize);
    le_put16(p + BLOB_VOCAB_LINES, (uint16_t)v->form.lines);
    le_put32(p + BLOB_VOCAB_N_TOKENS, v->n_tokens);
    le_put32(p + BLOB_VOCAB_N_MERGES, v->n_merges);
    le_put64(p + BLOB_VOCAB_N_BYTES, string_bytes(v));
    le_put64(p + BLOB_VOCAB_FINGERPRINT, vocab_fingerprint(v));
    unsigned char *length = p + table_bytes(0, v->n_merges);
    unsigned char *at = p + table_bytes(v->n_tokens, v->n_merges);
    for (uint32_t i = 0; i < v->n_tokens; i++, length += BLOB_VOCAB_LENGTH) {
        le_put16(length, (uint16_t)v->tokens[i].bytes.n);
        memcpy(at, v->tokens[i].bytes.data, v->tokens[i].bytes.n);
        at += v->tokens[i].bytes.n;
    }
    return 0;
}
