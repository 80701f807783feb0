#include "format/vocabjson.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "format/jsondoc.h"
#include "os/file.h"
#include "text/bytechar.h"
#include "text/bytemap.h"

struct reader {
    const char *path;
    json_t *document;
    json_t *model;
    struct vocab_form form;
    enum vocab_pretokens pretokens;
    unsigned char *storage, *at; /* bytes of all names */
    struct entry {
        json_int_t id;
        struct vocab_bytes bytes;
    } * tokens;
    size_t n_tokens;
    struct vocab_merge *merges;
    size_t n_merges;
};

static const char *type_of(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type ? type : "no type";
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* ---- how text becomes words ------------------------------------------------------------------ */

/* The steps that export writes for line ends (normalize.h), and sentences (pretok.h). */
#define WHITE_SPACE        \
    "\\t\\n\\x{0B}\\f\\r " \
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define MARKS ".!?\u2026\u3002\uff01\uff1f"
static const struct {
    const char *pattern, *content;
} line_steps[] = {
    {"\\r\\n?", "\n"},
    {"^\\x{FEFF}+", ""},
    {"\\A[" WHITE_SPACE "\\x{FEFF}]+", ""},
};
static const char sentence[] =
    "\\n+|[^\\n" MARKS "]*[" MARKS "][^\\s\\p{L}\\p{N}]*|[^\\n" MARKS "]+";

static bool is_regex(const json_t *step, const char *pattern)
{
    const char *found =
        json_string_value(json_object_get(json_object_get(step, "pattern"), "Regex"));
    return found && strcmp(found, pattern) == 0;
}

static bool is_line_step(const json_t *step, size_t i)
{
    const char *content = json_string_value(json_object_get(step, "content"));
    return strcmp(type_of(step), "Replace") == 0 && is_regex(step, line_steps[i].pattern) &&
           content && strcmp(content, line_steps[i].content) == 0;
}

/* The step of the normalizer that is next, or NULL. */
static const json_t *step_of(const json_t *normalizer, size_t i)
{
    if (strcmp(type_of(normalizer), "Sequence") == 0)
        return json_array_get(json_object_get(normalizer, "normalizers"), i);
    return i == 0 && !json_is_null(normalizer) ? normalizer : NULL;
}

static int read_normalizer(struct reader *r, struct err *e)
{
    const json_t *normalizer = json_object_get(r->document, "normalizer");
    size_t i = 0;
    const json_t *step = step_of(normalizer, 0);
    const char *type = type_of(step);
    bool nfkc = strcmp(type, "NFKC") == 0;
    if (nfkc || strcmp(type, "NFC") == 0) {
        r->form.normalize = nfkc ? VOCAB_NORM_NFKC : VOCAB_NORM_NFC;
        step = step_of(normalizer, ++i);
    }
    if (step && is_line_step(step, 0)) {
        r->form.lines = VOCAB_LINES_LF;
        for (size_t k = 0; k < ARRAY_LEN(line_steps); k++, step = step_of(normalizer, ++i))
            if (!step || !is_line_step(step, k))
                return err_set(e, "%s: its normalizer replaces what is not replaced here", r->path);
    }
    if (step && strcmp(type_of(step), "Strip") == 0 && is_true(step, "strip_left") &&
        is_true(step, "strip_right"))
        step = step_of(normalizer, ++i);
    if (step)
        return err_set(e,
                       "%s: its normalizer does what is not done here (found %.40s, expected NFC "
                       "or NFKC and Strip, or none)",
                       r->path, type_of(step));
    return 0;
}

static bool is_byte_level(const json_t *part, bool words)
{
    const json_t *regex = json_object_get(part, "use_regex");
    return strcmp(type_of(part), "ByteLevel") == 0 && !is_true(part, "add_prefix_space") &&
           (!regex || json_is_true(regex)) == words;
}

static int read_pre_tokenizer(struct reader *r, struct err *e)
{
    const json_t *cut = json_object_get(r->document, "pre_tokenizer");
    const json_t *parts = json_object_get(cut, "pretokenizers");
    const json_t *split = json_array_get(parts, 0);
    const char *behavior = json_string_value(json_object_get(split, "behavior"));
    bool sentences = json_array_size(parts) == 2 && strcmp(type_of(split), "Split") == 0 &&
                     is_regex(split, sentence) && behavior && strcmp(behavior, "Isolated") == 0 &&
                     !is_true(split, "invert") && is_byte_level(json_array_get(parts, 1), false);
    if (json_array_size(parts) == 1)
        cut = split;
    r->pretokens = sentences ? VOCAB_SENTENCES : VOCAB_WORDS;
    if (sentences || is_byte_level(cut, true))
        return 0;
    return err_set(e,
                   "%s: its pre-tokenizer does not cut words as GPT-2 does (found %.40s, expected "
                   "ByteLevel without add_prefix_space)",
                   r->path, type_of(cut));
}

/* ---- the model ------------------------------------------------------------------------------- */

static int check_model(struct reader *r, struct err *e)
{
    static const char *const none[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    r->model = json_object_get(r->document, "model");
    const json_t *type = json_object_get(r->model, "type");
    if (json_object_get(r->document, "id_to_base"))
        return err_set(e, "%s: a tokenizer.json of FlashLM v4; scripts/import-v4 converts it",
                       r->path);
    if (!json_is_object(r->model))
        return err_set(e, "%s: not a tokenizer.json of Hugging Face's tokenizers: it has no model",
                       r->path);
    if (type && strcmp(type_of(r->model), "BPE") != 0)
        return err_set(e, "%s: its model is of another kind (found %.40s, expected BPE)", r->path,
                       type_of(r->model));
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        const char *text = json_string_value(json_object_get(r->model, none[i]));
        if (text && *text)
            return err_set(e, "%s: its model is not byte-level BPE: it has a %s", r->path, none[i]);
    }
    if (is_true(r->model, "byte_fallback"))
        return err_set(e, "%s: its model is not byte-level BPE: it has byte_fallback", r->path);
    if (is_true(r->model, "ignore_merges"))
        return err_set(e, "%s: its model takes words that no merge makes (ignore_merges)", r->path);
    if (json_number_value(json_object_get(r->model, "dropout")) > 0)
        return err_set(e, "%s: its model has dropout: it cuts a text in other ways each time",
                       r->path);
    return 0;
}

/* Whether a name is that of an added token. */
static bool is_added(const struct reader *r, const char *name)
{
    size_t i;
    json_t *token;
    json_array_foreach(json_object_get(r->document, "added_tokens"), i, token)
    {
        const char *content = json_string_value(json_object_get(token, "content"));
        if (content && strcmp(content, name) == 0)
            return true;
    }
    return false;
}

/* Added tokens of text are found before the merges, whether or not the model has them too. */
static int check_added(const struct reader *r, struct err *e)
{
    size_t i;
    json_t *token;
    json_array_foreach(json_object_get(r->document, "added_tokens"), i, token)
    {
        const char *content = json_string_value(json_object_get(token, "content"));
        if (!is_true(token, "special"))
            return err_set(e, "%s: has an added token of text, \"%.60s\"", r->path,
                           content ? content : "");
    }
    return 0;
}

/* Appends the bytes that the name stands for to the storage. False if a character stands for none,
 * or there are none. */
static bool read_name(struct reader *r, const char *name, size_t n, struct vocab_bytes *bytes)
{
    ptrdiff_t n_bytes = bytechar_decode(name, n, r->at);
    if (n_bytes < 0)
        return false;
    *bytes = (struct vocab_bytes){r->at, (uint32_t)n_bytes};
    r->at += n_bytes;
    return n_bytes > 0;
}

static int by_id(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int read_tokens(struct reader *r, struct err *e)
{
    const char *name;
    json_t *value;
    json_t *table = json_object_get(r->model, "vocab");
    r->tokens = calloc(json_object_size(table) + 1, sizeof *r->tokens);
    if (!r->tokens)
        return err_memory(e, "%s: out of memory", r->path);
    json_object_foreach(table, name, value)
    {
        if (is_added(r, name))
            continue;
        struct entry *t = &r->tokens[r->n_tokens++];
        if (!json_is_integer(value))
            return err_set(e, "%s: token \"%.60s\" has no valid id", r->path, name);
        t->id = json_integer_value(value);
        if (!read_name(r, name, strlen(name), &t->bytes))
            return err_set(e,
                           "%s: not byte-level: token \"%.60s\" has a character that stands for "
                           "no byte",
                           r->path, name);
    }
    qsort(r->tokens, r->n_tokens, sizeof *r->tokens, by_id);
    for (size_t i = 1; i < r->n_tokens; i++)
        if (r->tokens[i].id == r->tokens[i - 1].id)
            return err_set(e, "%s: id %lld is given twice", r->path, (long long)r->tokens[i].id);
    return 0;
}

/* ["left", "right"], or "left right" in files of older versions. */
static bool read_merge(struct reader *r, const json_t *pair, struct vocab_merge *m)
{
    const char *text = json_string_value(pair);
    const char *space = text ? strchr(text, ' ') : NULL;
    if (space)
        return read_name(r, text, (size_t)(space - text), &m->left) &&
               read_name(r, space + 1, strlen(space + 1), &m->right);
    const char *left = json_string_value(json_array_get(pair, 0));
    const char *right = json_string_value(json_array_get(pair, 1));
    return json_array_size(pair) == 2 && left && right &&
           read_name(r, left, strlen(left), &m->left) &&
           read_name(r, right, strlen(right), &m->right);
}

static int read_merges(struct reader *r, struct err *e)
{
    size_t i;
    json_t *pair;
    json_t *list = json_object_get(r->model, "merges");
    if (json_array_size(list) > VOCAB_MAX_MERGES)
        return err_set(e, "%s: too many merges (found %zu, expected at most %d)", r->path,
                       json_array_size(list), VOCAB_MAX_MERGES);
    r->merges = calloc(json_array_size(list) + 1, sizeof *r->merges);
    if (!r->merges)
        return err_memory(e, "%s: out of memory", r->path);
    json_array_foreach(list, i, pair)
    {
        if (!read_merge(r, pair, &r->merges[i]))
            return err_set(e, "%s: merge %zu does not join two tokens", r->path, i);
    }
    r->n_merges = json_array_size(list);
    return 0;
}

/* ---- the vocabulary -------------------------------------------------------------------------- */

/* Whether the tokens from number n on are what a vocabulary of GPT-2's does not keep: they stand in
 * the order of their bytes, too many for that to be chance, and not bytes alone, which end other
 * vocabularies in that order too. */
static bool rest_is_unkept(const struct reader *r, size_t n)
{
    enum { ENOUGH = 16 };
    bool merged = false;
    for (size_t i = n; i < r->n_tokens; i++) {
        merged |= r->tokens[i].bytes.n > 1;
        if (i > n && bytemap_compare(r->tokens[i - 1].bytes, r->tokens[i].bytes) >= 0)
            return false;
    }
    return merged && r->n_tokens - n >= ENOUGH;
}

/* How many tokens of text are kept; -1 for what cannot be. */
static int count_kept(const struct reader *r, uint32_t size, bool exact, size_t *n, struct err *e)
{
    *n = size ? size - VOCAB_N_SPECIAL : r->n_tokens;
    if (*n > r->n_tokens)
        return err_set(e, "%s: has too few tokens (found %zu, expected %u)", r->path,
                       r->n_tokens + VOCAB_N_SPECIAL, size);
    if (*n > VOCAB_MAX_TOKENS - VOCAB_N_SPECIAL)
        return err_set(e, "%s: too many tokens (found %zu, expected at most %d)", r->path,
                       *n + VOCAB_N_SPECIAL, VOCAB_MAX_TOKENS);
    if (exact && *n < r->n_tokens && !rest_is_unkept(r, *n))
        return err_set(e, "%s: has too many tokens (found %zu, expected %u)", r->path,
                       r->n_tokens + VOCAB_N_SPECIAL, size);
    return 0;
}

/* Fills v, which takes over merges and bytes. */
static int make(struct vocab *v, struct reader *r, uint32_t size, bool exact, struct err *e)
{
    size_t n;
    if (count_kept(r, size, exact, &n, e))
        return -1;
    struct vocab_token *tokens = calloc(VOCAB_N_SPECIAL + n, sizeof *tokens);
    if (!tokens)
        return err_memory(e, "%s: out of memory", r->path);
    for (size_t i = 0; i < VOCAB_N_SPECIAL; i++) {
        const char *name = vocab_special_names[i];
        tokens[i].bytes = (struct vocab_bytes){(const void *)name, (uint32_t)strlen(name)};
        tokens[i].type = VOCAB_SPECIAL;
    }
    for (size_t i = 0; i < n; i++) {
        struct vocab_token *t = &tokens[VOCAB_N_SPECIAL + i];
        t->bytes = r->tokens[i].bytes;
        t->type = t->bytes.n == 1 ? VOCAB_BYTE : VOCAB_MERGED;
    }
    *v = (struct vocab){.kind = n < r->n_tokens ? VOCAB_GPT2 : VOCAB_BPE,
                        .form = r->form,
                        .pretokens = r->pretokens,
                        .n_tokens = VOCAB_N_SPECIAL + (uint32_t)n,
                        .tokens = tokens,
                        .n_merges = (uint32_t)r->n_merges,
                        .merges = r->merges,
                        .storage = r->storage};
    r->merges = NULL;
    r->storage = NULL;
    if (vocab_check(v, r->path, e) == 0)
        return 0;
    vocab_release(v);
    return -1;
}

static int read_document(struct reader *r, const struct file_map *map, struct err *e)
{
    r->document = jsondoc_read(map->data, map->size, e);
    if (!r->document)
        return err_at(e, r->path, e);
    r->storage = r->at = malloc(map->size + 1); /* a name has no fewer bytes than it stands for */
    if (!r->storage)
        return err_memory(e, "%s: out of memory", r->path);
    return check_model(r, e) || read_normalizer(r, e) || read_pre_tokenizer(r, e) ||
                   check_added(r, e) || read_tokens(r, e) || read_merges(r, e)
               ? -1
               : 0;
}

int vocabjson_load(struct vocab *v, const char *path, uint32_t size, bool exact, struct err *e)
{
    struct file_map map;
    struct reader r = {.path = path};
    if (file_map(&map, path, e))
        return -1;
    int rc = read_document(&r, &map, e);
    if (rc == 0)
        rc = make(v, &r, size, exact, e);
    json_decref(r.document);
    free(r.storage);
    free(r.tokens);
    free(r.merges);
    file_unmap(&map);
    return rc;
}
