#include "export/tokenizer_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/bytechar.h"
#include "text/bytemap.h"

/* ---- text ------------------------------------------------------------------------------------ */

/* Bytes in GPT-2's alphabet, each at most two bytes of UTF-8. */
struct spelling {
    char text[2 * VOCAB_MAX_TOKEN_BYTES];
    size_t n;
};

static void spell(struct spelling *s, struct vocab_bytes bytes)
{
    s->n = 0;
    for (uint32_t i = 0; i < bytes.n; i++) {
        uint32_t code = bytechar_code(bytes.data[i]);
        if (code >= 0x80)
            s->text[s->n++] = (char)(0xc0 | code >> 6);
        s->text[s->n++] = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
    }
}

static json_t *spelt(struct vocab_bytes bytes)
{
    struct spelling s;
    spell(&s, bytes);
    return json_stringn(s.text, s.n);
}

/* ---- how text becomes tokens ----------------------------------------------------------------- */

/* Characters of Unicode's White_Space, as a class of a regular expression takes them. */
#define WHITE_SPACE        \
    "\\t\\n\\x{0B}\\f\\r " \
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"

static json_t *replace(const char *pattern, const char *content)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "Regex", pattern,
                     "content", content);
}

/* normalize.h, step by step. */
static json_t *normalizer(struct vocab_form form)
{
    json_t *steps = json_array();
    int rc = 0;
    if (form.normalize != VOCAB_NORM_NONE)
        rc |= json_array_append_new(
            steps, json_pack("{s:s}", "type", form.normalize == VOCAB_NORM_NFC ? "NFC" : "NFKC"));
    if (form.lines == VOCAB_LINES_LF) {
        rc |= json_array_append_new(steps, replace("\\r\\n?", "\n"));
        rc |= json_array_append_new(steps, replace("^\\x{FEFF}+", ""));
        rc |= json_array_append_new(steps, replace("\\A[" WHITE_SPACE "\\x{FEFF}]+", ""));
    }
    rc |= json_array_append_new(
        steps, json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", 1, "strip_right", 1));
    if (rc)
        json_decref(steps);
    return rc ? NULL : json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", steps);
}

/* As a pre-tokenizer it cuts words if they are wanted; a decoder does not ask. */
static json_t *byte_level(bool words)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 0, "use_regex", words);
}

/* The sentences of pretok.h. The pattern takes all of a text, so that no way to split by it leaves
 * anything out. */
#define MARKS ".!?\u2026\u3002\uff01\uff1f"
static json_t *pre_tokenizer(enum vocab_pretokens pretokens)
{
    static const char sentence[] =
        "\\n+|[^\\n" MARKS "]*[" MARKS "][^\\s\\p{L}\\p{N}]*|[^\\n" MARKS "]+";
    if (pretokens == VOCAB_WORDS)
        return byte_level(true);
    return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence", "pretokenizers",
                     "type", "Split", "pattern", "Regex", sentence, "behavior", "Isolated",
                     "invert", 0, byte_level(false));
}

/* EOS stands before every text. */
static json_t *template(void)
{
    const char *eos = vocab_special_names[VOCAB_EOS];
    return json_pack("{s:s, s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}], s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}, "
                     "{s:{s:s, s:i}}],"
                     " s:{s:{s:s, s:[i], s:[s]}}}",
                     "type", "TemplateProcessing", "single", "SpecialToken", "id", eos, "type_id",
                     0, "Sequence", "id", "A", "type_id", 0, "pair", "SpecialToken", "id", eos,
                     "type_id", 0, "Sequence", "id", "A", "type_id", 0, "Sequence", "id", "B",
                     "type_id", 0, "special_tokens", eos, "id", eos, "ids", VOCAB_EOS, "tokens",
                     eos);
}

static json_t *added_tokens(void)
{
    json_t *list = json_array();
    for (int id = 0; id < VOCAB_N_SPECIAL; id++)
        if (json_array_append_new(list, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id,
                                                  "content", vocab_special_names[id], "single_word",
                                                  0, "lstrip", 0, "rstrip", 0, "normalized", 0,
                                                  "special", 1))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* ---- the model ------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    return bytemap_compare(*(const struct vocab_bytes *)a, *(const struct vocab_bytes *)b);
}

static int add_token(json_t *table, struct vocab_bytes bytes, size_t id)
{
    struct spelling s;
    spell(&s, bytes);
    return json_object_setn_new(table, s.text, s.n, json_integer((json_int_t)id));
}

/* What GPT-2's merges and bytes make and the vocabulary does not keep. */
static int add_others(json_t *table, const struct vocab *v)
{
    static unsigned char bytes[256];
    size_t n_all = 256 + (size_t)v->n_merges, n = 0;
    struct vocab_bytes *all = calloc(n_all, sizeof *all);
    unsigned char *joined = calloc(n_all, VOCAB_MAX_TOKEN_BYTES);
    int rc = all && joined ? 0 : -1;
    for (size_t i = 0; i < 256 && rc == 0; i++) {
        bytes[i] = (unsigned char)i;
        all[n++] = (struct vocab_bytes){&bytes[i], 1};
    }
    for (uint32_t i = 0; i < v->n_merges && rc == 0; i++) {
        const struct vocab_merge *m = &v->merges[i];
        unsigned char *at = joined + (size_t)i * VOCAB_MAX_TOKEN_BYTES;
        memcpy(at, m->left.data, m->left.n);
        memcpy(at + m->left.n, m->right.data, m->right.n);
        all[n++] = (struct vocab_bytes){at, m->left.n + m->right.n};
    }
    if (rc == 0)
        qsort(all, n, sizeof *all, by_bytes);
    size_t id = v->n_tokens;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct spelling s;
        spell(&s, all[i]);
        if (!json_object_getn(table, s.text, s.n))
            rc = add_token(table, all[i], id++);
    }
    free(joined);
    free(all);
    return rc;
}

static json_t *vocabulary(const struct vocab *v, const char *path, struct err *e)
{
    json_t *table = json_object();
    int rc = table ? 0 : -1;
    for (size_t id = 0; id < v->n_tokens && rc == 0; id++)
        rc = id < VOCAB_N_SPECIAL
                 ? json_object_set_new(table, vocab_special_names[id], json_integer((json_int_t)id))
                 : add_token(table, v->tokens[id].bytes, id);
    if (rc == 0 && v->kind == VOCAB_GPT2)
        rc = add_others(table, v);
    if (rc)
        err_memory(e, "%s: out of memory", path);
    for (size_t id = 0; id < VOCAB_N_SPECIAL && rc == 0; id++)
        if (json_integer_value(json_object_get(table, vocab_special_names[id])) != (json_int_t)id)
            rc = err_set(e, "%s: not written: a token of text is spelt %s, as a special one is",
                         path, vocab_special_names[id]);
    if (rc)
        json_decref(table);
    return rc ? NULL : table;
}

static json_t *merges(const struct vocab *v)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < v->n_merges && list; i++)
        if (json_array_append_new(
                list, json_pack("[o, o]", spelt(v->merges[i].left), spelt(v->merges[i].right)))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static json_t *model(const struct vocab *v, const char *path, struct err *e)
{
    json_t *table = vocabulary(v, path, e);
    if (!table)
        return NULL;
    json_t *m = json_pack(
        "{s:s, s:n, s:s, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token",
        vocab_special_names[VOCAB_UNK], "continuing_subword_prefix", "end_of_word_suffix",
        "fuse_unk", 0, "byte_fallback", 0, "ignore_merges", 0, "vocab", table, "merges", merges(v));
    if (!m)
        err_memory(e, "%s: out of memory", path);
    return m;
}

/* ---- the file -------------------------------------------------------------------------------- */

struct sink {
    struct file_out *out;
    struct err *e;
    int rc;
};

static int write_part(const char *text, size_t n, void *context)
{
    struct sink *s = context;
    s->rc = file_out_write(s->out, text, n, s->e);
    return s->rc;
}

int tokenizer_json_write(const char *path, const struct vocab *v, struct file_set *files,
                         struct err *e)
{
    struct file_out out = {0};
    json_t *bpe = model(v, path, e);
    if (!bpe)
        return -1;
    json_t *all =
        json_pack("{s:s, s:n, s:n, s:o, s:o, s:o, s:o, s:o, s:o}", "version", "1.0", "truncation",
                  "padding", "added_tokens", added_tokens(), "normalizer", normalizer(v->form),
                  "pre_tokenizer", pre_tokenizer(v->pretokens), "post_processor", template(),
                  "decoder", byte_level(true), "model", bpe);
    struct sink sink = {&out, e, 0};
    int rc = -1;
    if (!all)
        err_memory(e, "%s: out of memory", path);
    else if (file_out_open(&out, path, e) == 0 &&
             json_dump_callback(all, write_part, &sink, JSON_COMPACT)) {
        if (sink.rc == 0)
            err_memory(e, "%s: out of memory", path);
    } else if (out.path) {
        rc = file_out_write(&out, "\n", 1, e) ? -1 : file_set_take(files, &out, e);
    }
    file_out_abort(&out);
    json_decref(all);
    return rc;
}
