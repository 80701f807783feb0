#include "prep/gpt2vocab.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/jsondoc.h"
#include "os/file.h"
#include "prep/gpt2kind.h"
#include "prep/vocabbuild.h"
#include "text/bytechar.h"
#include "text/bytemap.h"

/* The two files under way. */
struct loader {
    struct file_map vocab_file;
    struct file_map merges_file;
    json_t *json;
    unsigned char *storage; /* bytes of all tokens and merges */
    unsigned char *at;
    struct vocab_token *tokens; /* [n_tokens], index = GPT-2's id */
    uint32_t n_tokens;
    struct vocab_merge *merges;
    uint32_t n_merges;
    struct bytemap by_bytes; /* of all tokens */
};

/* Appends the bytes that the name stands for to the storage. False if a character stands for none.
 */
static bool read_name(struct loader *l, const char *name, size_t n, struct vocab_bytes *bytes)
{
    ptrdiff_t n_bytes = bytechar_decode(name, n, l->at);
    if (n_bytes < 0)
        return false;
    *bytes = (struct vocab_bytes){l->at, (uint32_t)n_bytes};
    l->at += n_bytes;
    return true;
}

static int parse_json(struct loader *l, const char *path, struct err *e)
{
    if (file_map(&l->vocab_file, path, e))
        return -1;
    const struct file_map *f = &l->vocab_file;
    if (f->size == 0)
        return err_set(e, "%s: not valid JSON: the file is empty", path);
    size_t mark = gpt2kind_mark(f->data, f->size);
    const char *kind = gpt2kind_of(f->data, f->size);
    l->json = jsondoc_read(f->data + mark, f->size - mark, e);
    if (!l->json && e->code == ERR_DATA && kind && f->data[mark] != '{')
        return err_set(e, "%s: not a vocab.json of GPT-2: this is %s", path, kind);
    if (!l->json)
        return err_at(e, path, e);
    if (json_is_object(json_object_get(l->json, "model")))
        return err_set(e, "%s: not a vocab.json of GPT-2: this is %s", path, kind);
    size_t n = json_object_size(l->json);
    if (!json_is_object(l->json) || n == 0 || n > VOCAB_MAX_TOKENS - VOCAB_N_SPECIAL)
        return err_set(e, "%s: not a JSON object of 1 to %d tokens", path,
                       VOCAB_MAX_TOKENS - VOCAB_N_SPECIAL);
    l->n_tokens = (uint32_t)n;
    return 0;
}

static int read_tokens(struct loader *l, const char *path, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach(l->json, name, value)
    {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= (json_int_t)l->n_tokens)
            return err_set(e, "%s: bad id of token \"%.80s\" (expected 0 to %u): no vocab.json?",
                           path, name, l->n_tokens - 1);
        struct vocab_token *t = &l->tokens[id];
        if (t->bytes.n)
            return err_set(e, "%s: id %d is given twice", path, (int)id);
        if (!read_name(l, name, strlen(name), &t->bytes))
            return err_set(e, "%s: token \"%.80s\" has a character that stands for no byte", path,
                           name);
        if (t->bytes.n < 1 || t->bytes.n > VOCAB_MAX_TOKEN_BYTES)
            return err_set(e, "%s: token %d has a bad length (found %u bytes, expected 1 to %d)",
                           path, (int)id, t->bytes.n, VOCAB_MAX_TOKEN_BYTES);
        (void)bytemap_add(&l->by_bytes, t->bytes, (uint32_t)id);
    }
    for (int b = 0; b < 256; b++) {
        unsigned char byte = (unsigned char)b;
        if (bytemap_get(&l->by_bytes, (struct vocab_bytes){&byte, 1}) == BYTEMAP_NONE)
            return err_set(e, "%s: no token for byte %d", path, b);
    }
    return 0;
}

/* One line "left right". */
static int read_merge(struct loader *l, const char *line, size_t n, size_t number, const char *path,
                      struct err *e)
{
    const char *space = memchr(line, ' ', n);
    size_t left_n = space ? (size_t)(space - line) : 0;
    struct vocab_merge m;
    if (!space || !left_n || left_n + 1 == n || !read_name(l, line, left_n, &m.left) ||
        !read_name(l, space + 1, n - left_n - 1, &m.right))
        return err_set(e, "%s: line %zu is not a merge of two tokens", path, number);
    struct vocab_bytes joined = {m.left.data, m.left.n + m.right.n};
    if (bytemap_get(&l->by_bytes, m.left) == BYTEMAP_NONE ||
        bytemap_get(&l->by_bytes, m.right) == BYTEMAP_NONE ||
        bytemap_get(&l->by_bytes, joined) == BYTEMAP_NONE)
        return err_set(e, "%s: line %zu merges what is not a token of the vocabulary given with it",
                       path, number);
    if (l->n_merges == VOCAB_MAX_TOKENS)
        return err_set(e, "%s: too many merges (more than %d)", path, VOCAB_MAX_TOKENS);
    l->merges[l->n_merges++] = m;
    return 0;
}

/* Without the blank lines at the end. */
static size_t trimmed(const char *text, size_t n)
{
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    return n;
}

static int read_merges(struct loader *l, const char *path, struct err *e)
{
    const char *text = (const char *)l->merges_file.data;
    size_t n = trimmed(text, l->merges_file.size);
    static const char version[] = "#version";
    size_t number = 1;
    for (size_t at = gpt2kind_mark(text, n); at < n; number++) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        const char *line = text + at;
        at += length + 1;
        if (length && line[length - 1] == '\r')
            length--;
        if (number == 1 && length >= strlen(version) && !memcmp(line, version, strlen(version)))
            continue;
        if (read_merge(l, line, length, number, path, e)) {
            const char *kind = gpt2kind_of(text, n);
            return !kind || !strcmp(kind, "a merges.txt")
                       ? -1
                       : err_set(e, "%s: not a merges.txt of GPT-2: this is %s", path, kind);
        }
    }
    if (!l->n_merges)
        return err_set(e, "%s: no merges", path);
    return 0;
}

static int load(struct loader *l, struct vocab *v, const char *vocab_path, const char *merges_path,
                struct err *e)
{
    const uint64_t none[VOCAB_N_SPECIAL] = {0};
    if (parse_json(l, vocab_path, e) || file_map(&l->merges_file, merges_path, e))
        return -1;
    l->at = l->storage = malloc(l->vocab_file.size + l->merges_file.size + 1);
    l->tokens = calloc(l->n_tokens, sizeof *l->tokens);
    l->merges = calloc(VOCAB_MAX_TOKENS, sizeof *l->merges);
    if (!l->storage || !l->tokens || !l->merges ||
        bytemap_init(&l->by_bytes, l->n_tokens, l->tokens, sizeof *l->tokens))
        return err_memory(e, "%s: out of memory for %u tokens", vocab_path, l->n_tokens);
    if (read_tokens(l, vocab_path, e) || read_merges(l, merges_path, e) ||
        vocabbuild_make(v, none, l->tokens, l->n_tokens, l->merges, l->n_merges, e))
        return -1;
    v->kind = VOCAB_GPT2;
    return vocab_check(v, merges_path, e); /* the tokens are sound by now: what is left is merges */
}

int gpt2vocab_load(struct vocab *v, const char *vocab_path, const char *merges_path, struct err *e)
{
    struct loader l = {0};
    *v = (struct vocab){0};
    int rc = load(&l, v, vocab_path, merges_path, e);
    if (rc)
        vocab_release(v);
    json_decref(l.json);
    file_unmap(&l.vocab_file);
    file_unmap(&l.merges_file);
    free(l.storage);
    free(l.tokens);
    free(l.merges);
    bytemap_release(&l.by_bytes);
    return rc;
}

/* The base tokens that the head of the corpus has, the most frequent first, with their counts
 * there. */
static uint32_t list_met(struct vocab_token *tokens, const struct vocab *base, const uint64_t *head)
{
    uint32_t n = 0;
    for (uint32_t id = VOCAB_N_SPECIAL; id < base->n_tokens; id++) {
        if (!head[id])
            continue;
        tokens[n] = base->tokens[id];
        tokens[n++].count = head[id];
    }
    vocabbuild_sort(tokens, n);
    return n;
}

/* Gives the n tokens kept their counts in the whole corpus, and the order of these. */
static int recount(struct vocab_token *tokens, uint32_t n, const struct vocab *base,
                   const uint64_t *counts, struct err *e)
{
    struct bytemap kept;
    if (bytemap_init(&kept, n, tokens, sizeof *tokens))
        return err_memory(e, "out of memory for %u tokens", n);
    for (uint32_t i = 0; i < n; i++)
        (void)bytemap_add(&kept, tokens[i].bytes, i);
    for (uint32_t id = VOCAB_N_SPECIAL; id < base->n_tokens; id++) {
        uint32_t i = bytemap_get(&kept, base->tokens[id].bytes);
        if (i != BYTEMAP_NONE)
            tokens[i].count = counts[id];
    }
    bytemap_release(&kept);
    vocabbuild_sort(tokens, n);
    return 0;
}

static double share_kept(const struct vocab *base, const uint64_t *counts,
                         const struct vocab_token *kept, uint32_t n, uint64_t *n_unknown)
{
    uint64_t all = 0;
    uint64_t in = 0;
    for (uint32_t id = VOCAB_N_SPECIAL; id < base->n_tokens; id++)
        all += counts[id];
    for (uint32_t i = 0; i < n; i++)
        in += kept[i].count;
    *n_unknown = all - in;
    return all ? (double)in / (double)all : 0.0;
}

/* Fills v with the `wanted` most frequent tokens of base, or with all there are if `fewer`. */
static int choose(struct vocab *v, const struct vocab *base, const struct pretokens *words,
                  uint32_t wanted, bool fewer, double *coverage, struct err *e)
{
    uint64_t *counts = calloc(base->n_tokens, sizeof *counts);
    uint64_t *head = calloc(base->n_tokens, sizeof *head);
    struct vocab_token *tokens = calloc(base->n_tokens, sizeof *tokens);
    int rc = 0;
    if (!counts || !head || !tokens)
        rc = err_memory(e, "out of memory for %u tokens", base->n_tokens);
    if (!rc)
        rc = vocabbuild_count(base, words, counts, head, e);
    uint32_t n = rc ? 0 : list_met(tokens, base, head);
    if (!rc && n < wanted && !(fewer && n)) {
        char first[32] = "";
        if (words->n_stories > GPT2VOCAB_HEAD_STORIES)
            snprintf(first, sizeof first, "first %d ", GPT2VOCAB_HEAD_STORIES);
        rc = err_set(e,
                     "the %sstories have too few distinct pieces for a vocabulary of %u tokens: "
                     "the largest that works is %u",
                     first, wanted + VOCAB_N_SPECIAL, n + VOCAB_N_SPECIAL);
    }
    n = MIN(n, wanted);
    if (!rc)
        rc = recount(tokens, n, base, counts, e);
    if (!rc) {
        *coverage = share_kept(base, counts, tokens, n, &counts[VOCAB_UNK]);
        rc = vocabbuild_make(v, counts, tokens, n, base->merges, base->n_merges, e);
    }
    free(counts);
    free(head);
    free(tokens);
    return rc;
}

int gpt2vocab_build(struct vocab *v, const struct pretokens *words, uint32_t vocab_size, bool fewer,
                    struct vocab_form form, const char *vocab_path, const char *merges_path,
                    double *coverage, struct err *e)
{
    *v = (struct vocab){0};
    if (vocab_size <= VOCAB_N_SPECIAL || vocab_size > VOCAB_MAX_TOKENS)
        return err_set(e, "bad vocabulary size (found %u, expected %d to %d)", vocab_size,
                       VOCAB_N_SPECIAL + 1, VOCAB_MAX_TOKENS);
    struct vocab base;
    if (gpt2vocab_load(&base, vocab_path, merges_path, e))
        return -1;
    double share;
    int rc = choose(v, &base, words, vocab_size - VOCAB_N_SPECIAL, fewer,
                    coverage ? coverage : &share, e);
    v->kind = VOCAB_GPT2;
    v->form = form;
    vocab_release(&base);
    return rc;
}
