/* Stories out of text and tables: separators, encodings, damage and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/reading.h"
#include "support/scratch.h"

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

static void test_format_given(void **state)
{
    (void)state;
    const struct corpus_options text = {.format = CORPUS_TEXT};
    reading_expect(&text, "[{\"story\":\"One\"}]", 17, "[{\"story\":\"One\"}]", 18);
    reading_expect(&text, "a\0b", 3, "a\0b", 4);
}

static void test_limits(void **state)
{
    (void)state;
    const struct corpus_options small = {.max_story_bytes = 8};
    reading_expect(&small, "12345678<|endoftext|>", 21, "12345678", 9);
    reading_refuse(&small, "123456789<|endoftext|>", 22, "longer than 8 bytes");
    reading_refuse(&small, "12345678901234567890123456789", 29, "longer than 8 bytes");
    reading_refuse(&small, "123456789", 9, "longer than 8 bytes");
    EXPECT("12345678<|endoftext|>", "12345678\0");
}

static void test_not_text(void **state)
{
    (void)state;
    REFUSE("", "is empty");
    REFUSE("PK\0\1garbage", "neither text nor an archive");
    REFUSE("PAR1\x15\0garbage", "is Parquet: 'scripts/parquet-stories FILE' writes its stories");
    EXPECT("PAR1 is a text.", "PAR1 is a text.\0");
    REFUSE("A\0B", "neither text nor an archive");
    EXPECT("<|endoftext|>A\0B", "\0A\0B\0"); /* the mark tells that it is text */
    EXPECT("<|endoftext|>n,story\n1,a\n", "\0n,story\n1,a\n\0");
    assert_int_equal(reading_read(scratch_dir(), &(struct corpus_options){0}), -1);
    assert_non_null(strstr(reading.err.text, "is a directory"));
    assert_int_equal(reading_read("/nonexistent", &(struct corpus_options){0}), -1);
    assert_non_null(strstr(reading.err.text, "/nonexistent: cannot open"));
}

static void test_caller_stops(void **state)
{
    (void)state;
    reading.stop_at = 2;
    scratch_write(reading_path, "a<|endoftext|>b<|endoftext|>c", 29);
    assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), -1);
    assert_string_equal(reading.err.text, "stopped");
    scratch_write(reading_path, "[{\"story\":\"a\"},{\"story\":\"b\"}]", 29);
    assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), -1);
    assert_string_equal(reading.err.text, "stopped");
    reading.stop_at = 0;
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
            scratch_write(reading_path, content, n);
            assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), 0);
            assert_int_equal(reading.n_stories, STORIES + 2);
        }
    free(content);
}

static void test_separators(void **state)
{
    (void)state;
    EXPECT_WITH({.separator = "</s>"}, "One.\n</s>\nTwo.<|endoftext|>Three.</s>",
                "One.\n\0\nTwo.\0Three.\0");
    EXPECT_WITH({.separator = "line"}, "emma\nolivia\r\n\n \nava", "emma\0olivia\0ava\0");
    EXPECT_WITH({.separator = "line"}, "emma\rolivia\r\rava\r", "emma\0olivia\0ava\0");
    EXPECT_WITH({.separator = "blank-line"}, "One.\nMore.\n\nTwo.\n \t\r\n\nThree.\n",
                "One.\nMore.\0Two.\0Three.\n\0");
    EXPECT_WITH({.separator = "blank-line"}, "\r\n\r\nOne.\r\n\r\nTwo.<|endoftext|>\n\nThree.",
                "One.\0Two.\0Three.\0");
    EXPECT_WITH({.separator = "blank-line"}, "One.\rMore.\r \rTwo.\r\r", "One.\rMore.\0Two.\0");
    EXPECT_WITH({.separator = "<|endoftext|>"}, "One.<|endoftext|>Two.", "One.\0Two.\0");
    EXPECT_WITH({.separator = "ab"}, "aababab", "a\0\0\0");
    EXPECT_WITH({.separator = "\n\n"}, "One.\n\n\nTwo.", "One.\0\nTwo.\0");
    EXPECT("One.\n</s>\nTwo.\n</s>\n", "One.\n</s>\nTwo.\n</s>\n\0");
}

/* A file has any block borders, and separators fall on them. */
static void test_separators_at_borders(void **state)
{
    (void)state;
    enum { BLOCK = 1 << 17 };
    static const struct {
        const char *separator, *tail;
        size_t n_stories;
    } cases[] = {{"</s>", "A</s>B<|endoftext|>C</s>D", 4},
                 {"|", "A<|endoftext|>B|C", 3}, /* what begins first comes first */
                 {"#<|endoftext|><|endoftext|>", "A#<|endoftext|><|endoftext|>B#C", 2},
                 {"line", "A\nB\n\nC<|endoftext|>\nD", 4},
                 {"line", "A\rB\r\n\r\nC<|endoftext|>\rD", 4},
                 {"blank-line", "A\n\n\nB\n \nC\nc\n\nD<|endoftext|>\n\n\n", 4},
                 {"blank-line", "A\r\r\rB\r\n \r\nC\r\nc\r\rD<|endoftext|>\r\n\r\r", 4}};
    static char text[BLOCK + 64];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t shift = 0; shift < 40; shift++) {
            const struct corpus_options o = {.separator = cases[i].separator};
            memset(text, 'x', sizeof text);
            memcpy(text + BLOCK - shift, cases[i].tail, strlen(cases[i].tail));
            scratch_write(reading_path, text, BLOCK - shift + strlen(cases[i].tail));
            assert_int_equal(reading_read(reading_path, &o), 0);
            assert_int_equal(reading.n_stories, cases[i].n_stories);
        }
}

/* What looks like the end of a story and is none is told, and so is a long text without any. */
static void test_warnings_of_marks(void **state)
{
    (void)state;
    static const char *const marked[] = {
        "<|startoftext|>A.<|endoftext|><|startoftext|>B.<|endoftext|>\nC.",
        "A.</s>\n<|endoftext|>\nB. </s><|endoftext|>", "[EOS] A.<|endoftext|>[EOS]B.",
        "A. [/INST]<|endoftext|>B. [/INST]", "{\"story\":\"<s>A.\"} {\"story\":\"<s>B.\"}"};
    static const char *const plain[] = {
        "A [b]<|endoftext|>[b]<|endoftext|>C<|endoftext|>D.", "<a b>One.<|endoftext|><a b>Two.",
        "1 < 2<|endoftext|>3 > 2", "[<|endoftext|>]", "<>A.<|endoftext|><>B."};
    for (size_t i = 0; i < ARRAY_LEN(marked); i++) {
        scratch_write(reading_path, marked[i], strlen(marked[i]));
        assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), 0);
        assert_non_null(strstr(reading.warnings, "--separator '"));
    }
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        scratch_write(reading_path, plain[i], strlen(plain[i]));
        assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), 0);
        assert_string_equal(reading.warnings, "");
    }
    static char text[1 << 16];
    memset(text, 'x', sizeof text);
    scratch_write(reading_path, text, sizeof text);
    assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), 0);
    assert_non_null(strstr(reading.warnings, "65.5 kB of text without <|endoftext|> in it"));
    scratch_write(reading_path, text, sizeof text - 1);
    assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), 0);
    assert_string_equal(reading.warnings, "");
}

static void test_encodings(void **state)
{
    (void)state;
    EXPECT("\xff\xfe"
           "A\0\xe9\0<\0|\0e\0n\0d\0o\0f\0t\0e\0x\0t\0|\0>\0B\0",
           "A\xc3\xa9\0B\0");
    EXPECT("\xfe\xff\0A\xd8\x3d\xde\0", "A\xf0\x9f\x98\x80\0");
    EXPECT("\xff\xfe\0\0A\0\0\0\0\xf6\x01\0", "A\xf0\x9f\x98\x80\0");
    EXPECT("\0\0\xfe\xff\0\0\0A", "A\0");
    EXPECT("\xff\xfe{\0\"\0s\0t\0o\0r\0y\0\"\0:\0\"\0A\0\"\0}\0", "A\0"); /* JSON, too */
    EXPECT_WITH({.encoding = "latin1"}, "caf\xe9", "caf\xc3\xa9\0");
    const struct corpus_options alias = {.encoding = "utf8", .invalid = CORPUS_REPLACE};
    reading_expect(&alias, "A\xe2\x82.", 4, "A\xe2\x82.", 5); /* one character, to be replaced */
    EXPECT_WITH({.encoding = "KOI8-R"}, "\xeb\xcf\xd4", "\xd0\x9a\xd0\xbe\xd1\x82\0");
    EXPECT_WITH({.encoding = "GB18030"}, "\xd6\xd0\xb9\xfa", "\xe4\xb8\xad\xe5\x9b\xbd\0");
    EXPECT_WITH({.encoding = "UTF-16LE"}, "A\0B\0", "AB\0");
    EXPECT_WITH({.encoding = "latin1"},
                "\xef\xbb\xbf"
                "caf\xc3\xa9",
                "caf\xc3\xa9\0"); /* a mark tells better */
    EXPECT_WITH({.encoding = "utf-8"}, "caf\xc3\xa9", "caf\xc3\xa9\0");
    REFUSE("A\0 \0s\0t\0o\0r\0y\0.\0",
           "looks like UTF-16LE without a byte-order mark: read it with");
    REFUSE("\0A\0 \0s\0t\0o\0r\0y\0.", "looks like UTF-16BE");
    REFUSE("A\0\0\0 \0\0\0B\0\0\0.\0\0\0", "looks like UTF-32LE");
    REFUSE_WITH({.encoding = "latin1"}, "A\0B", "is neither text nor an archive");
    REFUSE_WITH({.encoding = "SHIFT_JIS"}, "\xff\xff\xff A.", "are invalid as SHIFT_JIS");
}

/* One invalid character in a hundred is a slip, more are another encoding: over the whole file, and
 * over the first MiB of it and of each member. */
static void test_invalid(void **state)
{
    (void)state;
    enum { N = 1 << 21 };
    static char text[N], told[N];
    memset(text, 'a', 200);
    text[50] = text[150] = '\xe9';
    memcpy(told, text, 200);
    reading_expect(&(struct corpus_options){0}, text, 200, told, 201);
    assert_non_null(strstr(reading.warnings, ": 2 invalid characters were replaced by U+FFFD"));
    text[151] = '\xe9';
    reading_refuse(
        &(struct corpus_options){0}, text, 200,
        "1.5 % of its characters are invalid as UTF-8: name its encoding with --encoding");
    told[151] = '\xe9';
    reading_expect(&(struct corpus_options){.invalid = CORPUS_REPLACE}, text, 200, told, 201);
    assert_non_null(strstr(reading.warnings, ": 3 invalid characters"));
    REFUSE("[\"caf\xe9\"]", "25.0 % of its characters are invalid");
    REFUSE("[\"\\ud800.\"]", "50.0 % of its characters are invalid");
    /* less than one percent in all, but two in the first MiB, which is not waited out */
    memset(text, 'a', N);
    for (size_t i = 0; i < N; i += 40)
        memcpy(text + i, i < N / 4 ? "\xe9<|endoftext|>" : "e<|endoftext|>", 14);
    reading_refuse(&(struct corpus_options){0}, text, N,
                   "% of its characters are invalid as UTF-8");
    assert_true(reading.n_stories < N / 40 * 3 / 4);
}

static void test_marks_of_byte_order(void **state)
{
    (void)state;
    /* That of the file says how it is encoded; what becomes of others is for the form of the text.
     */
    EXPECT("\xef\xbb\xbfOne.\n<|endoftext|>\n\xef\xbb\xbfTwo.\n", "One.\n\0\n\xef\xbb\xbfTwo.\n\0");
    EXPECT("One.\xef\xbb\xbfTwo.\xef\xbb\xbe\n", "One.\xef\xbb\xbfTwo.\xef\xbb\xbe\n\0");
    EXPECT("\xef\xbb\xbf[\"One.\",\"\\ufeffTwo.\"]", "One.\0\xef\xbb\xbfTwo.\0");
    EXPECT("\xef\xbb\xbfid,story\n1,\"One.\"\n", "One.\0");
}

/* NULs in place of text are a hole, wherever it lies and in whatever blocks it comes. */
static void test_holes(void **state)
{
    (void)state;
    enum { BLOCK = 1 << 17, N = BLOCK + 1000 };
    static char text[N];
    static const size_t places[] = {0, 1, 5000, 65000, BLOCK - 300, BLOCK, N - 512};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        char message[64];
        memset(text, 'x', N);
        memset(text + places[i], 0, 512);
        snprintf(message, sizeof message, "a run of NUL bytes from byte %zu of", places[i]);
        scratch_write(reading_path, text, N);
        assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), -1);
        if (places[i] == 1)
            assert_non_null(strstr(reading.err.text, "is neither text nor an archive"));
        else
            assert_non_null(strstr(reading.err.text, message));
        text[places[i] + 256] = 'x'; /* two short ones are none, but early ones are no text */
        scratch_write(reading_path, text, N);
        assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}),
                         places[i] < 4096 ? -1 : 0);
    }
    memset(text, 0, 20000);
    reading_refuse(&(struct corpus_options){0}, text, 20000, "a run of NUL bytes from byte 0");
    reading_refuse(&(struct corpus_options){.format = CORPUS_TEXT}, text, 20000, "from byte 0");
    memcpy(text, "{\"story\":\"A.\"}", 14);
    reading_refuse(&(struct corpus_options){.format = CORPUS_JSON}, text, 20000, "from byte 14");
}

static void test_tables(void **state)
{
    (void)state;
    EXPECT("id,story,n\n1,\"Tom said \"\"Hi\"\".\n\nThe end.\",2\n2,Sue ran,3\r\n",
           "Tom said \"Hi\".\n\nThe end.\0Sue ran\0");
    EXPECT("id\tstory\n1\tA, b.\n2\t\"C\td.\"\n", "A, b.\0C\td.\0");
    EXPECT("story\n\"One.\"\n\"Two.\"", "One.\0Two.\0");
    EXPECT(",story\n0,One.<|endoftext|>Two.\n1,\n", "One.\0Two.\0\0");
    EXPECT("\"story\",\"id\"\n\"One.\",1\n", "One.\0");
    EXPECT("\xef\xbb\xbfstory,id\nOne.,1\n", "One.\0");
    EXPECT("story,id\r\"On\re.\n\",1\r\rTwo.,2\r", "On\re.\n\0Two.\0");
    EXPECT("story,id\r\nOne.,1\nTwo.,2\n\r\n\"Th\ree\",3", "One.\0Two.\0Th\ree\0");
    EXPECT_WITH({.field = "text"}, "text,story\nOne.,Two.\n", "One.\0");
    EXPECT_WITH({.format = CORPUS_CSV}, "a b,story\nx,One.\n", "One.\0");
    EXPECT_WITH({.format = CORPUS_TSV}, "story\nOne, two.\n", "One, two.\0");
    EXPECT_WITH({.skip_missing = true}, "id,story\n1,One.\n2\n3,Two.\n", "One.\0Two.\0");
    assert_int_equal(reading.counts.n_missing, 1);
    EXPECT("article id,story\nx,One.\n", "One.\0");
    EXPECT("t\xc3\xadtulo,story\nx,One.\n", "One.\0");
    /* no tables */
    EXPECT("Love, story\nLife, glory\n", "Love, story\nLife, glory\n\0");
    EXPECT("Once, there was\na cat, it ran\n", "Once, there was\na cat, it ran\n\0");
    EXPECT("story\nOne.\n", "story\nOne.\n\0");
    EXPECT("Prologue\n\"Hello.\"\n", "Prologue\n\"Hello.\"\n\0");
    EXPECT("a,b\n1\n", "a,b\n1\n\0");
}

static void test_wrong_tables(void **state)
{
    (void)state;
    REFUSE("text\n\"One.\"\n", "the table has no column \"story\" (found \"text\")");
    REFUSE("id,text\n1,One.\n", "no column \"story\" (found \"id\", \"text\"): name another with");
    REFUSE("id,story\n1,One\n2,Two, three\n", "row 3 of the table has 3 cells, expected 2");
    REFUSE("id,story\n1,Once, there\n", "row 2 of the table has 3 cells, expected 2");
    REFUSE("id,story\n1,One\n2\n", "row 3 of the table has no field \"story\"");
    REFUSE("id,story\n1,\"One\n2,Two\n", "row 2");
    REFUSE("id,story\n1,One\n2,Tw\"o\n", "wrong table in row 3: a quote within a cell");
    REFUSE("id,story\n1,One\n2,Two\rand two\n", "row 3 of the table ends in another way");
    REFUSE("story,id\rOne,1\rTwo,2\nThree,3\r", "row 3 of the table ends in another way");
    REFUSE("id,n,story\r\n1,a\rb,One\r\n", "row 2 of the table ends in another way");
    const struct corpus_options small = {.max_story_bytes = 8, .format = CORPUS_CSV};
    reading_refuse(&small, "story,a\n\"a long enough cell", 26, "longer than 8 bytes");
    EXPECT("id,story\n", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_format_given),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_not_text),
        cmocka_unit_test(test_caller_stops),
        cmocka_unit_test(test_block_borders),
        cmocka_unit_test(test_separators),
        cmocka_unit_test(test_separators_at_borders),
        cmocka_unit_test(test_warnings_of_marks),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_marks_of_byte_order),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_wrong_tables),
    };
    return cmocka_run_group_tests(tests, reading_setup, scratch_teardown);
}
