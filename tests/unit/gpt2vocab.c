/* Vocabularies from GPT-2's files: a miniature pair of them written here, and the real ones of
 * $GPT2_DIR, whose ids are known (from Hugging Face's tokenizers). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prep/gpt2vocab.h"
#include "support/counted.h"
#include "support/scratch.h"
#include "support/toygpt2.h"
#include "text/bytechar.h"
#include "text/tokenizer.h"

/* ---- miniature files --------------------------------------------------------------------------
 */

static char vocab_path[4096];
static char merges_path[4096];

static void write_vocab(const char *more)
{
    static char json[TOYGPT2_VOCAB_BYTES];
    scratch_write(vocab_path, json, toygpt2_vocab(json, more));
}

static void write_merges(const char *text)
{
    scratch_write(merges_path, text, strlen(text));
}

static void write_good(void)
{
    write_vocab(toygpt2_merged);
    write_merges(toygpt2_merges);
}

static int setup(void **state)
{
    if (scratch_setup(state))
        return -1;
    snprintf(vocab_path, sizeof vocab_path, "%s", scratch_path("vocab.json"));
    snprintf(merges_path, sizeof merges_path, "%s", scratch_path("merges.txt"));
    return 0;
}

static bool is(struct vocab_bytes b, const char *text)
{
    return b.n == strlen(text) && !memcmp(b.data, text, b.n);
}

/* Against the list of printable characters in GPT-2's own encoder.py. */
static void test_alphabet(void **state)
{
    (void)state;
    uint32_t next = 256;
    for (int b = 0; b < 256; b++) {
        bool shown = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
        uint32_t code = shown ? (uint32_t)b : next++;
        assert_int_equal(bytechar_code((unsigned char)b), code);
        assert_int_equal(bytechar_byte(code), b);
        if (!shown)
            assert_int_equal(bytechar_byte((uint32_t)b), BYTECHAR_NONE);
    }
    assert_int_equal(bytechar_byte(next), BYTECHAR_NONE);
    assert_int_equal(bytechar_byte(UINT32_MAX), BYTECHAR_NONE);
}

static void test_reads_both_forms(void **state)
{
    (void)state;
    struct err e;
    uint64_t fingerprint = 0;
    static const char *const forms[] = {"", "#version: 0.2\n"};
    for (int form = 0; form < 4; form++) {
        char text[256];
        snprintf(text, sizeof text, "%s%s", forms[form % 2], toygpt2_merges);
        if (form >= 2)
            text[strlen(text) - 1] = '\0'; /* the last line without its end */
        write_vocab(toygpt2_merged);
        write_merges(text);
        struct vocab v;
        if (gpt2vocab_load(&v, vocab_path, merges_path, &e))
            fail_msg("%s", e.text);
        assert_int_equal(v.kind, VOCAB_GPT2);
        assert_int_equal(v.n_tokens, 4 + 261);
        assert_int_equal(v.n_merges, 4);
        for (int b = 0; b < 256; b++)
            assert_true(v.tokens[4 + b].bytes.n == 1 && v.tokens[4 + b].bytes.data[0] == b);
        assert_true(is(v.tokens[4 + 260].bytes, " ab"));
        assert_true(is(v.merges[2].left, "#") && is(v.merges[2].right, "#"));
        assert_true(form == 0 || vocab_fingerprint(&v) == fingerprint);
        fingerprint = vocab_fingerprint(&v);
        vocab_release(&v);
    }
}

#define SPACE TOYGPT2_SPACE
#define BOM "\xef\xbb\xbf"

/* What editors and other systems do to the files changes nothing. */
static void test_reads_edited_files(void **state)
{
    (void)state;
    static const char *const merges[] = {
        BOM "a b\n" SPACE " a\n# #\n" SPACE " ab\n",
        BOM "#version: 0.2\n"
            "a b\n" SPACE " a\n# #\n" SPACE " ab",
        "a b\n" SPACE " a\n# #\n" SPACE " ab\n\n",
        "a b\n" SPACE " a\n# #\n" SPACE " ab\n\n\n\n",
        "a b\r\n" SPACE " a\r\n# #\r\n" SPACE " ab\r\n",
        BOM "#version: 0.2\r\na b\r\n" SPACE " a\r\n# #\r\n" SPACE " ab\r\n\r\n",
    };
    struct vocab good;
    struct err e;
    write_good();
    assert_int_equal(gpt2vocab_load(&good, vocab_path, merges_path, &e), 0);
    size_t n;
    char *json = (char *)scratch_read(vocab_path, &n);
    char *marked = malloc(n + 5);
    memcpy(marked, BOM, 3);
    memcpy(marked + 3, json, n);
    memcpy(marked + 3 + n, "\r\n", 2);
    for (size_t i = 0; i < ARRAY_LEN(merges); i++) {
        struct vocab v;
        write_merges(merges[i]);
        scratch_write(vocab_path, i % 2 ? marked : json, i % 2 ? n + 5 : n);
        if (gpt2vocab_load(&v, vocab_path, merges_path, &e))
            fail_msg("%s", e.text);
        assert_true(vocab_fingerprint(&v) == vocab_fingerprint(&good));
        vocab_release(&v);
    }
    free(json);
    free(marked);
    vocab_release(&good);
}

static void expect_error(const char *path, const char *message)
{
    struct vocab v;
    struct err e = {.text = ""};
    assert_int_equal(gpt2vocab_load(&v, vocab_path, merges_path, &e), -1);
    if (strstr(e.text, path) != e.text || !strstr(e.text, message))
        fail_msg("\"%s\" does not say \"%s: %s\"", e.text, path, message);
    assert_null(v.tokens);
}

static void test_refuses_bad_vocab(void **state)
{
    (void)state;
    static const struct {
        const char *more, *message;
    } bad[] = {
        {", \"ab\": 257, \"" SPACE "a\": 257", "id 257 is given twice"},
        {", \"ab\": 258", "bad id of token \"ab\" (expected 0 to 257)"},
        {", \"ab\": -1", "bad id of token \"ab\""},
        {", \"ab\": 257.0", "bad id of token \"ab\""},
        {", \"ab\": \"257\"", "bad id of token \"ab\""},
        {", \"a b\": 257", "token \"a b\" has a character that stands for no byte"},
        {", \"a\xe2\x80\x9c\": 257", "has a character that stands for no byte"},
        {", \"\": 257", "token 257 has a bad length (found 0 bytes"},
        {", \"a\": 257", "not valid JSON"}, /* a name given twice */
        {",", "not valid JSON"},
    };
    write_good();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_vocab(bad[i].more);
        expect_error(vocab_path, bad[i].message);
    }
    scratch_write(vocab_path, "[1, 2]", 6);
    expect_error(vocab_path, "not a JSON object");
    scratch_write(vocab_path, "{}", 2);
    expect_error(vocab_path, "not a JSON object");
    scratch_write(vocab_path, "", 0);
    expect_error(vocab_path, "not valid JSON");
    scratch_write(vocab_path, "{\"a\": 0}", 8);
    expect_error(vocab_path, "no token for byte 0");
    remove(vocab_path);
    expect_error(vocab_path, "No such file");
}

static void test_refuses_bad_merges(void **state)
{
    (void)state;
    static const struct {
        const char *merges, *message;
    } bad[] = {
        {"", "no merges"},
        {"#version: 0.2\n", "no merges"},
        {"a b\nab\n", "line 2 is not a merge of two tokens"},
        {"a b\n\n# #\n", "line 2 is not a merge of two tokens"},
        {"a b\n \n", "line 2 is not a merge of two tokens"},
        {"a \n", "line 1 is not a merge of two tokens"},
        {" b\n", "line 1 is not a merge of two tokens"},
        {"a b c\n", "line 1 is not a merge of two tokens"},
        {"a b\n#version: 0.2\n", "line 2 merges what is not a token"},
        {"a \xff\n", "line 1 is not a merge of two tokens"},
        {"a \xc1\xa1\n", "line 1 is not a merge of two tokens"}, /* an over-long "a" */
        {"a b\nb a\n", "line 2 merges what is not a token"},
        {"a b\na bb\n", "line 2 merges what is not a token"},
        {"a b\na b\n", "merge 1 repeats merge 0"},
        {SPACE " ab\na b\n",
         "right part of merge 0 is neither a byte nor an earlier merge's result"},
    };
    write_good();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_merges(bad[i].merges);
        expect_error(merges_path, bad[i].message);
    }
    remove(merges_path);
    expect_error(merges_path, "No such file");
}

/* A file that is another one is called by its name. */
static void test_names_other_files(void **state)
{
    (void)state;
    static const char vocab[] = "{\"a\": 0, \"model\": 1, \"{\": 2}";
    static const char tokenizer[] = "{\n  \"version\": \"1.0\",\n  \"added_tokens\": [],\n  "
                                    "\"model\" : {\n    \"type\": \"BPE\"}}";
    static const char marked[] = BOM "{\"model\":{\"vocab\":{\"a\": 0}}}";
    static const struct {
        const char *content, *as_vocab, *as_merges;
    } files[] = {
        {tokenizer, "this is a tokenizer.json: GPT-2's vocab.json and merges.txt are needed",
         "this is a tokenizer.json: GPT-2's vocab.json and merges.txt are needed"},
        {marked, "this is a tokenizer.json", "this is a tokenizer.json"},
        {vocab, "no token for byte 0", "this is a file of JSON such as vocab.json"},
        {BOM "{\"a\": 0}", "no token for byte 0", "this is a file of JSON"},
        {"{\"n_layer\": 12, \"activation\": \"gelu\"}", "bad id of token",
         "this is a file of JSON"},
        {toygpt2_merges, "this is a merges.txt", NULL},
        {"#version: 0.2\na b\n", "this is a merges.txt", NULL},
        {BOM "a b\n", "this is a merges.txt", NULL},
        {"<!DOCTYPE html>\n<p>", "this is a web page", "this is a web page"},
        {"\n<HTML lang=en>", "this is a web page", "this is a web page"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
         "this is a pointer of Git LFS", "this is a pointer of Git LFS"},
        {"\xff\xfe{", "this is text in UTF-16", "this is text in UTF-16"},
        {"\x1f\x8b\x08", "this is compressed", "this is compressed"},
        {"PK\x03\x04", "this is a zip archive", "this is a zip archive"},
        {"SQLite format 3", "this is a vocab.db: give it as --vocab", "this is a vocab.db"},
        {"Hello, this is text.\n", "not valid JSON", "line 1 is not a merge of two tokens"},
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        write_good();
        scratch_write(vocab_path, files[i].content, strlen(files[i].content));
        expect_error(vocab_path, files[i].as_vocab);
        write_good();
        write_merges(files[i].content);
        if (files[i].as_merges)
            expect_error(merges_path, files[i].as_merges);
    }
}

/* Cut anywhere, the files are refused or, cut between lines, read; never more. */
static void test_truncated(void **state)
{
    (void)state;
    write_good();
    size_t n;
    unsigned char *whole = scratch_read(vocab_path, &n);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 50) {
        scratch_write(vocab_path, whole, cut);
        expect_error(vocab_path, "not valid JSON");
    }
    free(whole);
}

/* ---- keeping the most frequent --------------------------------------------------------------- */

static struct pretoken word(const char *text, uint64_t count, uint64_t head)
{
    return (struct pretoken){(const unsigned char *)text, (uint32_t)strlen(text), count, head};
}

/* In the head: " a" 4, "c" 4, "x" 3, "ab" 1, "q" 1. "##" is not in it, however frequent later. */
static const char *const NAMES[] = {"abq", " ac", "x", "##"};
static void make_words(struct pretoken items[4])
{
    static const uint64_t counts[][2] = {{1, 1}, {40, 4}, {50, 3}, {9, 0}};
    for (int i = 0; i < 4; i++)
        items[i] = word(NAMES[i], counts[i][0], counts[i][1]);
}

static void test_keeps_the_most_frequent(void **state)
{
    (void)state;
    struct pretoken items[4];
    struct pretokens words = {items, 4, 12};
    struct vocab v;
    struct err e;
    double coverage;
    write_good();
    make_words(items);
    assert_int_equal(gpt2vocab_build(&v, &words, 8, false,
                                     (struct vocab_form){VOCAB_NORM_NFKC, VOCAB_LINES_LF},
                                     vocab_path, merges_path, &coverage, &e),
                     0);
    assert_int_equal(vocab_check(&v, "v", &e), 0);
    assert_int_equal(v.kind, VOCAB_GPT2);
    assert_int_equal(v.form.normalize, VOCAB_NORM_NFKC);
    assert_int_equal(v.form.lines, VOCAB_LINES_LF);
    assert_int_equal(v.n_tokens, 8);
    assert_int_equal(v.n_merges, 4); /* all of them: they make the pieces */
    static const char *const kept[] = {"x", " a", "c", "ab"};
    static const uint64_t counts[] = {50, 40, 40, 1};
    for (int i = 0; i < 4; i++) {
        assert_true(is(v.tokens[4 + i].bytes, kept[i]));
        assert_int_equal(v.tokens[4 + i].count, counts[i]);
    }
    assert_int_equal(v.tokens[VOCAB_UNK].count, 1 + 9); /* q, ## */
    assert_int_equal(v.tokens[VOCAB_EOS].count, 12);
    assert_true(coverage == 131.0 / 141.0);
    vocab_release(&v);
}

static void test_too_few_pieces(void **state)
{
    (void)state;
    struct pretoken items[4];
    struct pretokens words = {items, 4, 12};
    struct vocab v;
    struct err e;
    write_good();
    make_words(items);
    assert_int_equal(gpt2vocab_build(&v, &words, 9, false,
                                     (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                                     vocab_path, merges_path, NULL, &e),
                     0);
    vocab_release(&v);
    static const struct {
        uint32_t size;
        const char *message;
    } bad[] = {
        {10, "the stories have too few distinct pieces for a vocabulary of 10 tokens: the largest "
             "that works is 9"},
        {4, "bad vocabulary size (found 4, expected 5 to 65536)"},
        {65537, "bad vocabulary size (found 65537"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(gpt2vocab_build(&v, &words, bad[i].size, false,
                                         (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                                         vocab_path, merges_path, NULL, &e),
                         -1);
        if (!strstr(e.text, bad[i].message))
            fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].message);
        assert_null(v.tokens);
    }
    words.n_stories = GPT2VOCAB_HEAD_STORIES + 1;
    assert_int_equal(gpt2vocab_build(&v, &words, 10, false,
                                     (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                                     vocab_path, merges_path, NULL, &e),
                     -1);
    assert_non_null(strstr(e.text, "the first 50000 stories have too few"));
}

/* ---- GPT-2 itself ---------------------------------------------------------------------------- */

struct gpt2 {
    struct vocab vocab;
    struct tokenizer *tokenizer;
    struct token_buf ids;
    struct words words;
};

static bool load_gpt2(struct gpt2 *g)
{
    const char *dir = getenv("GPT2_DIR");
    struct err e;
    if (!dir)
        return false;
    snprintf(vocab_path, sizeof vocab_path, "%s/vocab.json", dir);
    snprintf(merges_path, sizeof merges_path, "%s/merges.txt", dir);
    if (gpt2vocab_load(&g->vocab, vocab_path, merges_path, &e))
        fail_msg("%s", e.text);
    assert_int_equal(g->vocab.n_tokens, 4 + 50257);
    assert_int_equal(g->vocab.n_merges, 50000);
    g->tokenizer = tokenizer_new(&g->vocab, &e);
    assert_non_null(g->tokenizer);
    return true;
}

static void release_gpt2(struct gpt2 *g)
{
    free(g->ids.ids);
    tokenizer_free(g->tokenizer);
    vocab_release(&g->vocab);
    words_release(&g->words);
}

static void expect_ids(struct gpt2 *g, const char *text, const int *ids, size_t n)
{
    struct err e;
    g->ids.n = 0;
    assert_int_equal(tokenizer_encode(g->tokenizer, NULL, text, strlen(text), &g->ids, &e), 0);
    assert_int_equal(g->ids.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(g->ids.ids[i] - 4, ids[i]);
}

#define EXPECT(text, ...)                            \
    expect_ids(&g, text, (const int[]){__VA_ARGS__}, \
               sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void test_known_ids(void **state)
{
    (void)state;
    struct gpt2 g = {0};
    if (!load_gpt2(&g))
        skip(); /* GPT2_DIR is not set */
    EXPECT("Once upon a time, there was a little girl named Lily.", 7454, 2402, 257, 640, 11, 612,
           373, 257, 1310, 2576, 3706, 20037, 13);
    EXPECT("She said, \"I don't know what we'll do!\"\n\nThe end.", 3347, 531, 11, 366, 40, 836,
           470, 760, 644, 356, 1183, 466, 2474, 198, 198, 464, 886, 13);
    EXPECT("caf\xc3\xa9 na\xc3\xafve \xe2\x80\x9cquotes\xe2\x80\x9d \xe2\x80\x94 \xf0\x9f\x98\x80 "
           "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
           66, 1878, 2634, 41492, 564, 250, 421, 6421, 447, 251, 851, 30325, 222, 10545, 245, 98,
           17312, 105, 45739, 252);
    EXPECT("  two  spaces\n\tand 12345 numbers???  ", 220, 734, 220, 9029, 198, 197, 392, 17031,
           2231, 3146, 28358, 220, 220);
    EXPECT("<|endoftext|>", 27, 91, 437, 1659, 5239, 91, 29); /* text, not the special */
    release_gpt2(&g);
}

static void add_story(void *context, const char *text, size_t n)
{
    struct gpt2 *g = context;
    struct err e;
    assert_int_equal(tokenizer_encode(g->tokenizer, NULL, text, n, &g->ids, &e), 0);
    counted_add(&g->words, text, n);
}

/* All ids of the validation stories, told by their number and a hash: h = 31 h + id. */
static void test_real_text(void **state)
{
    (void)state;
    struct gpt2 g = {0};
    if (!load_gpt2(&g) || !counted_tinystories(add_story, &g)) {
        release_gpt2(&g);
        skip(); /* GPT2_DIR or TINYSTORIES_DIR is not set */
    }
    uint64_t hash = 0;
    for (size_t i = 0; i < g.ids.n; i++)
        hash = hash * 31 + g.ids.ids[i] - 4;
    assert_int_equal(g.ids.n, 195420);
    assert_true(hash == UINT64_C(0x4ccf314a22017bc4));

    struct pretokens words = counted_all(&g.words, 1000);
    struct vocab v;
    struct err e;
    double coverage;
    assert_int_equal(gpt2vocab_build(&v, &words, 1000, false,
                                     (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF},
                                     vocab_path, merges_path, &coverage, &e),
                     0);
    uint64_t all = 0;
    for (uint32_t id = 0; id < v.n_tokens; id++)
        all += id == VOCAB_EOS ? 0 : v.tokens[id].count;
    assert_int_equal(all, 195420);
    assert_true(coverage > 0.8 && coverage < 1);
    assert_true(coverage == (double)(all - v.tokens[VOCAB_UNK].count) / (double)all);
    vocab_release(&v);
    release_gpt2(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alphabet),           cmocka_unit_test(test_reads_both_forms),
        cmocka_unit_test(test_reads_edited_files), cmocka_unit_test(test_names_other_files),
        cmocka_unit_test(test_refuses_bad_vocab),  cmocka_unit_test(test_refuses_bad_merges),
        cmocka_unit_test(test_truncated),          cmocka_unit_test(test_keeps_the_most_frequent),
        cmocka_unit_test(test_too_few_pieces),     cmocka_unit_test(test_known_ids),
        cmocka_unit_test(test_real_text),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
