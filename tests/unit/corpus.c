/* Stories out of files: every packing of every form gives the same stories, and damaged files give
 * an error that names them, never a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus/corpus.h"
#include "support/scratch.h"

static char path[256];

struct got { /* all stories, each followed by a zero byte */
    char text[1 << 18];
    size_t n, n_stories;
    size_t stop_at; /* fail at this story; 0 never */
};

static int on_story(void *context, const char *text, size_t n, struct err *e)
{
    struct got *g = context;
    if (g->stop_at && g->n_stories + 1 == g->stop_at)
        return err_set(e, "stopped");
    assert_true(g->n + n + 1 < sizeof g->text);
    if (n)
        memcpy(g->text + g->n, text, n);
    g->n += n;
    g->text[g->n++] = '\0';
    g->n_stories++;
    return 0;
}

static int make_folder(void **state)
{
    if (scratch_setup(state))
        return -1;
    snprintf(path, sizeof path, "%s", scratch_path("in"));
    return 0;
}

static size_t read_file(char *data, size_t most)
{
    size_t n;
    unsigned char *all = scratch_read(path, &n);
    assert_true(n <= most);
    memcpy(data, all, n);
    free(all);
    return n;
}

static struct got got;
static struct err err;

static struct corpus_counts counts;
static char warnings[1024]; /* each on a line */

static void on_warning(void *context, const char *sentence)
{
    (void)context;
    size_t n = strlen(warnings);
    snprintf(warnings + n, sizeof warnings - n, "%s\n", sentence);
}

static int read_path(const char *from, const struct corpus_options *o)
{
    const struct corpus_hooks hooks = {on_story, NULL, on_warning, &got};
    got.n = got.n_stories = 0;
    err.text[0] = warnings[0] = '\0';
    counts = (struct corpus_counts){0};
    return corpus_read(from, o, &hooks, &counts, &err);
}

static int read_stories(const struct corpus_options *o)
{
    return read_path(path, o);
}

/* The content, read with options o, is exactly these stories (each ended by a zero byte). */
static void expect_with(const struct corpus_options *o, const void *data, size_t n,
                        const char *stories, size_t n_stories_bytes)
{
    scratch_write(path, data, n);
    if (read_stories(o))
        fail_msg("%s", err.text);
    assert_int_equal(got.n, n_stories_bytes);
    assert_memory_equal(got.text, stories, got.n);
}

#define EXPECT(content, stories)                                                    \
    expect_with(&(struct corpus_options){0}, content, sizeof(content) - 1, stories, \
                sizeof(stories) - 1)

static void refuse_with(const struct corpus_options *o, const void *data, size_t n,
                        const char *message)
{
    scratch_write(path, data, n);
    assert_int_equal(read_stories(o), -1);
    if (strncmp(err.text, path, strlen(path)) != 0 || !strstr(err.text, message))
        fail_msg("\"%s\" does not name %s or \"%s\"", err.text, path, message);
    assert_null(strchr(err.text, '\n'));
}

/* The same where invalid characters are replaced, however many. */
#define EXPECT_INVALID(content, stories)                                                           \
    expect_with(&(struct corpus_options){.invalid = CORPUS_REPLACE}, content, sizeof(content) - 1, \
                stories, sizeof(stories) - 1)

#define REFUSE(content, message) \
    refuse_with(&(struct corpus_options){0}, content, sizeof(content) - 1, message)

static void test_text(void **state)
{
    (void)state;
    EXPECT("One\n<|endoftext|>\nTwo\n<|endoftext|>\n", "One\n\0\nTwo\n\0");
    EXPECT("One\n<|endoftext|>\nTwo", "One\n\0\nTwo\0");
    EXPECT("One\r\n<|endoftext|>\r\nTwo\r\n<|endoftext|>\r\n", "One\r\n\0\r\nTwo\r\n\0");
    EXPECT("One<|endoftext|>Two<|endoftext|>", "One\0Two\0");
    EXPECT("<|endoftext|><|endoftext|>", "\0\0");
    EXPECT("no mark at all", "no mark at all\0");
    EXPECT("\xef\xbb\xbfOne<|endoftext|>", "One\0");
    EXPECT("[a] <|endo <|endoftext|", "[a] <|endo <|endoftext|\0");
    EXPECT(" \n\t\r\n", "");
    EXPECT("\xef\xbb\xbf", "");
}

static void test_json(void **state)
{
    (void)state;
    EXPECT("[{\"story\":\"One\"},{\"story\":\"Two\"}]", "One\0Two\0");
    EXPECT("\n [ {\"a\":[1,{\"b\":\"]}\"}], \"story\" : \"a \\\"q\\\" "
           "{[\\\\\"}\n,\t{\"story\":\"\"} ] \n",
           "a \"q\" {[\\\0\0");
    EXPECT("[{\"story\":\"\\u00e9\\n\\ud83d\\ude00\"}]", "\xc3\xa9\n\xf0\x9f\x98\x80\0");
    EXPECT("[]", "");
    EXPECT("\xef\xbb\xbf[{\"story\":\"x\"}]", "x\0");
    EXPECT("{\"story\":\"One\"}\n\n{\"story\":\"Two\"}\r\n", "One\0Two\0");
    EXPECT("{\"story\":\"One\"}\n{\"story\":\"Two\"}", "One\0Two\0");
    const struct corpus_options field = {.field = "text"};
    expect_with(&field, "[{\"text\":\"t\",\"story\":1}]", 24, "t", 2);
}

/* As invalid after the parser as before it: bytes as they are, and 0xff for half a surrogate pair.
 */
static void test_broken_text_in_json(void **state)
{
    (void)state;
    EXPECT_INVALID("[{\"story\":\"a\"},{\"story\":\"\xff\"}]", "a\0\xff\0");
    EXPECT_INVALID("[{\"story\":\"\xe2\x82 \xc3\xa9\xc0z\"}]", "\xe2\x82 \xc3\xa9\xc0z\0");
    EXPECT_INVALID("{\"story\":\"\\ud800\\ud83d\\ude00\\udc00\\n\"}\n",
                   "\xff\xf0\x9f\x98\x80\xff\n\0");
    EXPECT_INVALID("{\"story\":\"\\\\ud800\\ud800\\\"\"}\n", "\\ud800\xff\"\0");
    EXPECT_INVALID("{\"story\":\"\\ud800\\u0041\"}\n", "\xff\x41\0");
}

static void test_wrong_json(void **state)
{
    (void)state;
    REFUSE("[{\"story\":\"One\"}", "it ends early, in record 1 (line 1)");
    REFUSE("[{\"story\":\"One\"},", "it ends early, in record 1");
    REFUSE("[{\"story\":\"On", "it ends early, in record 1");
    REFUSE("[{\"story\":\"One\"},\n]", "after record 1 (line 2): a comma before a bracket");
    REFUSE("[{\"story\":\"One\",}]", "after record 1 (line 1): a comma before a bracket");
    REFUSE("[{\"story\":\"One\"} {\"story\":\"Two\"}]", "wrong JSON after record 1");
    REFUSE("[{\"story\":\"One\"}] x", "wrong JSON after record 1");
    REFUSE("{\"story\":\"One\"},\n{\"story\":\"Two\"}", "a comma between two values");
    REFUSE("[{\"story\":\"One\"}, 7]", "record 2 (line 1) is not usable JSON (found a number");
    REFUSE("[{\"story\" \"One\"}]", "wrong JSON after record 1");
    REFUSE("[{\"story\":\"a\"},{\"story\":\"\xff\" x}]", "wrong JSON after record 2");
    REFUSE("[{\"tale\":\"One\"}]", "record 1 (line 1) has no field \"story\" (found \"tale\")");
    REFUSE("[{\"story\":7}]", "field \"story\" is not a string (found a number)");
    REFUSE("[{\"story\":true}]", "field \"story\" is not a string (found true)");
    REFUSE("[{\"story\":[\"One\"]}]", "field \"story\" is not a string (found an array)");
    REFUSE("{\"story\":\"One\"}\n\n{\"story\":\n", "it ends early, in record 2 (line 4)");
    REFUSE("{\"story\":\"One\"}\n[1]\n", "record 2 (line 2) is not usable JSON (found a number");
    REFUSE("{\"story\":\"One\"}\n{\"tale\":1}\n", "record 2 (line 2) has no field \"story\"");
    REFUSE("{\"story\":\"One\",\"story\":\"Two\"}", "has the field \"story\" twice");
    const struct corpus_options json = {.format = CORPUS_JSON};
    refuse_with(&json, "Once", 4, "wrong JSON");
    const struct corpus_options lines = {.format = CORPUS_JSONL};
    refuse_with(&lines, "Once", 4, "wrong JSON");
}

static void test_format_given(void **state)
{
    (void)state;
    const struct corpus_options text = {.format = CORPUS_TEXT};
    expect_with(&text, "[{\"story\":\"One\"}]", 17, "[{\"story\":\"One\"}]", 18);
    expect_with(&text, "a\0b", 3, "a\0b", 4);
}

static void test_limits(void **state)
{
    (void)state;
    const struct corpus_options small = {.max_story_bytes = 8};
    expect_with(&small, "12345678<|endoftext|>", 21, "12345678", 9);
    refuse_with(&small, "123456789<|endoftext|>", 22, "longer than 8 bytes");
    refuse_with(&small, "12345678901234567890123456789", 29, "longer than 8 bytes");
    refuse_with(&small, "123456789", 9, "longer than 8 bytes");
    EXPECT("12345678<|endoftext|>", "12345678\0");
}

static void test_not_text(void **state)
{
    (void)state;
    REFUSE("", "is empty");
    REFUSE("PK\0\1garbage", "neither text nor an archive");
    assert_int_equal(read_path(scratch_dir(), &(struct corpus_options){0}), -1);
    assert_non_null(strstr(err.text, "is a directory"));
    assert_int_equal(read_path("/nonexistent", &(struct corpus_options){0}), -1);
    assert_non_null(strstr(err.text, "/nonexistent: cannot open"));
}

static void test_caller_stops(void **state)
{
    (void)state;
    got.stop_at = 2;
    scratch_write(path, "a<|endoftext|>b<|endoftext|>c", 29);
    assert_int_equal(read_stories(&(struct corpus_options){0}), -1);
    assert_string_equal(err.text, "stopped");
    scratch_write(path, "[{\"story\":\"a\"},{\"story\":\"b\"}]", 29);
    assert_int_equal(read_stories(&(struct corpus_options){0}), -1);
    assert_string_equal(err.text, "stopped");
    got.stop_at = 0;
}

/* --- packings --- */

enum packing { TAR, ZIP, RAW };

struct member {
    const char *name;
    const char *data;
    size_t n;
};

/* Writes members as an archive with a filter around it; a member whose name ends in '/' is a
 * folder. */
static void pack(enum packing packing, int filter, const struct member *members, size_t n)
{
    struct archive *a = archive_write_new();
    assert_non_null(a);
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    int code = packing == TAR   ? archive_write_set_format_pax_restricted(a)
               : packing == ZIP ? archive_write_set_format_zip(a)
                                : archive_write_set_format_raw(a);
    assert_int_equal(code, ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(a, 1);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        bool is_folder = strchr(members[i].name, '/');
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, members[i].name);
        archive_entry_set_filetype(entry, is_folder ? AE_IFDIR : AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)members[i].n);
        assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
        if (members[i].n)
            assert_int_equal(archive_write_data(a, members[i].data, members[i].n), members[i].n);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

static const int filters[] = {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2,
                              ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD};
static const char text_form[] = "One\n<|endoftext|>\nTwo<|endoftext|>";
static const char expected[] = "One\n\0\nTwo";

static void expect_two(void)
{
    if (read_stories(&(struct corpus_options){0}))
        fail_msg("%s", err.text);
    assert_int_equal(got.n, sizeof expected);
    assert_memory_equal(got.text, expected, sizeof expected);
}

static void test_packings(void **state)
{
    (void)state;
    const struct member one[] = {
        {"folder/", NULL, 0}, {"empty", NULL, 0}, {"a.txt", text_form, sizeof text_form - 1}};
    const struct member two[] = {{"b", "One\n", 4}, {"a.json", "[{\"story\":\"\\nTwo\"}]", 19}};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        pack(RAW, filters[i], one + 2, 1);
        expect_two();
        pack(TAR, filters[i], one, 3);
        expect_two();
        pack(TAR, filters[i], two, 2);
        expect_two();
    }
    pack(ZIP, ARCHIVE_FILTER_NONE, one, 3);
    expect_two();
    pack(ZIP, ARCHIVE_FILTER_NONE, two, 2);
    expect_two();
}

static void test_compressed_members(void **state)
{
    (void)state;
    const struct member plain = {"a.txt", text_form, sizeof text_form - 1};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        char packed[4096];
        pack(RAW, filters[i], &plain, 1);
        struct member inner = {"a.txt.packed", packed, read_file(packed, sizeof packed)};
        pack(TAR, ARCHIVE_FILTER_GZIP, &inner, 1);
        expect_two();
        if (i > 0) {
            inner.n -= 5;
            pack(ZIP, ARCHIVE_FILTER_NONE, &inner, 1);
            assert_int_equal(read_stories(&(struct corpus_options){0}), -1);
            assert_non_null(strstr(err.text, "in: a.txt.packed: "));
        }
    }
}

static void test_empty_archive(void **state)
{
    (void)state;
    const struct member empty = {"empty", NULL, 0};
    pack(TAR, ARCHIVE_FILTER_GZIP, &empty, 1);
    assert_int_equal(read_stories(&(struct corpus_options){0}), -1);
    assert_non_null(strstr(err.text, "is empty"));
    pack(RAW, ARCHIVE_FILTER_XZ, &empty, 1);
    assert_int_equal(read_stories(&(struct corpus_options){0}), -1);
    assert_non_null(strstr(err.text, "is empty"));
}

/* Long enough that the packed form has many blocks, varied enough that it is not tiny. */
static size_t long_text(char *text, size_t most)
{
    size_t n = 0;
    uint32_t x = 1;
    while (n + 40 < most) {
        x = x * 1664525 + 1013904223;
        n += (size_t)snprintf(text + n, 40, "%u %u\n%s", x >> 7, x >> 20,
                              x % 7 ? "" : "<|endoftext|>\n");
    }
    return n;
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    static char text[1500], packed[8192];
    const struct member member = {"a.txt", text, long_text(text, sizeof text)};
    for (size_t i = 1; i < ARRAY_LEN(filters); i++)
        for (enum packing p = TAR; p <= RAW; p += RAW - TAR) {
            pack(p, filters[i], &member, 1);
            size_t n = read_file(packed, sizeof packed);
            for (size_t cut = 1; cut < n; cut++) {
                scratch_write(path, packed, cut);
                int code = read_stories(&(struct corpus_options){0});
                /* too little to be known as packed, or only the packing's own end missing */
                if (code == 0 && cut >= 16 && cut + 32 < n)
                    fail_msg("filter %zu, packing %d: cut to %zu of %zu unnoticed", i, (int)p, cut,
                             n);
                if (code)
                    assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
            }
        }
}

static void test_flipped_bytes(void **state)
{
    (void)state;
    static char text[1500], packed[8192], good[2000];
    const struct member member = {"a.txt", text, long_text(text, sizeof text)};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        for (enum packing p = TAR; p <= RAW; p++) {
            if (p == ZIP && i > 0)
                continue;
            pack(p, filters[i], &member, 1);
            size_t n = read_file(packed, sizeof packed);
            assert_int_equal(read_stories(&(struct corpus_options){0}), 0);
            size_t n_good = got.n;
            memcpy(good, got.text, n_good);
            for (size_t at = 0; at < n; at++) {
                packed[at] ^= (char)(1 << (at % 8));
                scratch_write(path, packed, n);
                /* either way: no crash, no hang */
                if (read_stories(&(struct corpus_options){0}))
                    assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
                else if (filters[i] == ARCHIVE_FILTER_GZIP || filters[i] == ARCHIVE_FILTER_BZIP2 ||
                         filters[i] == ARCHIVE_FILTER_XZ) { /* these have checksums */
                    if (at >= 4) { /* else it is not even packed any more */
                        assert_int_equal(got.n, n_good);
                        assert_memory_equal(got.text, good, n_good);
                    }
                }
                packed[at] ^= (char)(1 << (at % 8));
            }
        }
}

static void test_gzip_members(void **state)
{
    (void)state;
    char packed[4096];
    const struct member first = {"a", "One\n<|endo", 10}, second = {"b", "ftext|>\nTwo", 11};
    pack(RAW, ARCHIVE_FILTER_GZIP, &first, 1);
    size_t n = read_file(packed, sizeof packed), n_first = n;
    pack(RAW, ARCHIVE_FILTER_GZIP, &second, 1);
    n += read_file(packed + n, sizeof packed - n);
    scratch_write(path, packed, n);
    expect_two();
    memset(packed + n, 0, 1000);
    scratch_write(path, packed, n + 1000);
    expect_two();
    refuse_with(&(struct corpus_options){0}, packed, n - 1, "truncated gzip data");
    refuse_with(&(struct corpus_options){0}, packed, n_first + 2, "truncated gzip data");
    packed[n - 8] ^= 1; /* the second checksum */
    refuse_with(&(struct corpus_options){0}, packed, n, "damaged gzip data");
}

/* Blocks end anywhere in a mark, an element or a line: the same stories as with all in one block.
 */
static void test_block_borders(void **state)
{
    (void)state;
    enum { BLOCK = 1 << 17, STORIES = 40 };
    char *content = malloc(2 * BLOCK);
    assert_non_null(content);
    for (int form = 0; form < 3; form++)
        for (size_t shift = 0; shift < 48; shift++) {
            static const char *const begins[] = {"", "[", ""};
            static const char *const stories[] = {"Aé\n<|endoftext|>\n", "{\"story\":\"Aé\\n\"},",
                                                  "{\"story\":\"Aé\\n\"}\n"};
            static const char *const ends[] = {"B<|endoftext|>", "{\"story\":\"B\"}]",
                                               "{\"story\":\"B\"}"};
            size_t n = 0;
            n += (size_t)sprintf(content, "%s%s", begins[form], stories[form]);
            memset(content + n, ' ', BLOCK - n - shift);
            if (form == 2)
                content[BLOCK - shift - 1] = '\n';
            n = BLOCK - shift;
            for (int i = 0; i < STORIES; i++)
                n += (size_t)sprintf(content + n, "%s", stories[form]);
            n += (size_t)sprintf(content + n, "%s", ends[form]);
            scratch_write(path, content, n);
            assert_int_equal(read_stories(&(struct corpus_options){0}), 0);
            assert_int_equal(got.n_stories, STORIES + 2);
        }
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_broken_text_in_json),
        cmocka_unit_test(test_wrong_json),
        cmocka_unit_test(test_format_given),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_not_text),
        cmocka_unit_test(test_caller_stops),
        cmocka_unit_test(test_packings),
        cmocka_unit_test(test_compressed_members),
        cmocka_unit_test(test_empty_archive),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_gzip_members),
        cmocka_unit_test(test_block_borders),
    };
    return cmocka_run_group_tests(tests, make_folder, scratch_teardown);
}
