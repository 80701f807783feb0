/* Stories out of JSON: every shape that holds them, and what the error says of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus/reader.h"
#include "support/reading.h"
#include "support/scratch.h"

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
    reading_expect(&field, "[{\"text\":\"t\",\"story\":1}]", 24, "t", 2);
}

/* As invalid after the parser as before it: bytes as they are, and 0xff for half a surrogate pair.
 */
static void test_broken_text_in_json(void **state)
{
    (void)state;
    EXPECT_WITH({.invalid = CORPUS_REPLACE}, "[{\"story\":\"a\"},{\"story\":\"\xff\"}]",
                "a\0\xff\0");
    EXPECT_WITH({.invalid = CORPUS_REPLACE}, "[{\"story\":\"\xe2\x82 \xc3\xa9\xc0z\"}]",
                "\xe2\x82 \xc3\xa9\xc0z\0");
    EXPECT_WITH({.invalid = CORPUS_REPLACE}, "{\"story\":\"\\ud800\\ud83d\\ude00\\udc00\\n\"}\n",
                "\xff\xf0\x9f\x98\x80\xff\n\0");
    EXPECT_WITH({.invalid = CORPUS_REPLACE}, "{\"story\":\"\\\\ud800\\ud800\\\"\"}\n",
                "\\ud800\xff\"\0");
    EXPECT_WITH({.invalid = CORPUS_REPLACE}, "{\"story\":\"\\ud800\\u0041\"}\n", "\xff\x41\0");
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
    reading_refuse(&json, "Once", 4, "wrong JSON");
    const struct corpus_options lines = {.format = CORPUS_JSONL};
    reading_refuse(&lines, "Once", 4, "wrong JSON");
}

/* Values need neither lines nor an array. */
static void test_streams_of_values(void **state)
{
    (void)state;
    EXPECT("{\n  \"story\": \"One\"\n}\n{\n  \"story\": \"Two\"\n}\n", "One\0Two\0");
    EXPECT("{\"story\":\"One\"}{\"story\":\"Two\"}", "One\0Two\0");
    EXPECT("[{\"story\":\"One\"}]\n[{\"story\":\"Two\"}]", "One\0Two\0");
    EXPECT("{\"story\":\"One\"} [\"Two\"] \"Three\"", "One\0Two\0Three\0");
    /* files joined with their byte-order marks; one within a string is for the normal form */
    EXPECT("{\"story\":\"One\"}\n\xef\xbb\xbf{\"story\":\"\xef\xbb\xbfTwo\"}\n",
           "One\0\xef\xbb\xbfTwo\0");
}

static void test_strings(void **state)
{
    (void)state;
    EXPECT("[\"One.\",\"Two.\"]", "One.\0Two.\0");
    EXPECT("\"One.\"\n\n\"T\\u0077o.\"\n", "One.\0Two.\0");
    EXPECT("\"One.\"", "One.\0");
    EXPECT("[null,{\"story\":\"One.\"},\"Two.\"]", "\0One.\0Two.\0");
    EXPECT("null\nnull\n\"One.\"\nNaN\n\"Two.\"\n", "\0\0One.\0\0Two.\0");
    EXPECT("\"One.\"\rnull\r\"Two.\"", "One.\0\0Two.\0");
    EXPECT(" null \n{\"story\":\"One.\"}\n", "\0One.\0");
    EXPECT("[NaN,\"One.\"]", "\0One.\0");
    EXPECT("null\n", "null\n\0");
    EXPECT("null and void\n\"One.\"\n", "null and void\n\"One.\"\n\0");
    EXPECT("\"One.\"\nnullify\n", "\"One.\"\nnullify\n\0");
    /* speech is no JSON */
    EXPECT("\"Hello,\" said Tom.\n", "\"Hello,\" said Tom.\n\0");
    EXPECT("\"Hello.\"\nTom went home.\n", "\"Hello.\"\nTom went home.\n\0");
    REFUSE("\"Hello.\"\n\"Hi,\" said Tom.\n", "wrong JSON after record 2 (line 2)");
}

/* Wherever what the probe sees ends in a null. */
static void test_null_that_is_cut(void **state)
{
    (void)state;
    const struct corpus_options o = {0};
    for (size_t seen = 0; seen < 6; seen++) {
        size_t n = READER_HEAD - strlen("\"\"\n") - seen;
        char *story = calloc(n + 2, 1), *text;
        memset(story, 'a', n);
        assert_true(asprintf(&text, "\"%s\"\nnull\n", story) > 0);
        reading_expect(&o, text, strlen(text), story, n + 2);
        free(text);
        free(story);
    }
}

/* What begins like JSON and cannot be used is named, never read as one story of text. */
static void test_shapes_of_no_use(void **state)
{
    (void)state;
    REFUSE("[[\"One.\"],[\"Two.\"]]", "record 1 (line 1) is not usable JSON (found arrays in an");
    REFUSE("{'story': 'One.'}\n", "strings in single quotes, as Python prints them");
    REFUSE("{\"story\": 'One.'}\n", "strings in single quotes");
    REFUSE("[{'story': 'One.'}]", "wrong JSON");
    REFUSE("{\"story\":{\"0\":\"One.\",\"1\":\"Two.\"}}",
           "(found an object; of a pandas table, orient=\"records\"");
    REFUSE("{\"data\":[{\"story\":\"One.\"}]}",
           "has no field \"story\" (found \"data\", \"data.story\")");
    REFUSE("{\"data\":{\"story\":\"One.\"}}\n",
           "(found \"data\", \"data.story\"): name another with --field");
    REFUSE("{}", "has no field \"story\" (found none)");
    REFUSE("[[Category:Tales]]", "(found arrays in an array");
    REFUSE("[\"Hello\" he said]", "wrong JSON");
    REFUSE("[null, 3]", "record 2 (line 1) is not usable JSON (found a number");
    EXPECT_WITH({.format = CORPUS_TEXT}, "{'story': 'One.'}", "{'story': 'One.'}\0");
    EXPECT_WITH({.format = CORPUS_TEXT}, "[[a]]", "[[a]]\0");
    EXPECT("[x] {y} [1, 2]", "[x] {y} [1, 2]\0");
}

static void test_field_within(void **state)
{
    (void)state;
    static const char wrapped[] = "{\"n\":{\"story\":1},\"data\":[{\"story\":\"One.\",\"x\":{"
                                  "\"story\":2}},{\"story\":null}]}";
    EXPECT_WITH({.field = "data.story"}, wrapped, "One.\0\0");
    EXPECT_WITH({.field = "a.b.c"}, "{\"a\":{\"c\":1,\"b\":{\"c\":\"One.\"}}}", "One.\0");
    EXPECT_WITH({.field = "a.b"}, "{\"a.b\":\"One.\"}", "One.\0"); /* a name with a dot */
    EXPECT_WITH({.field = "a.b"}, "{\"a\":[]}\n{\"a\":{\"b\":\"One.\"}}", "One.\0");
    EXPECT_WITH({.field = "a"}, "{\"b\":{\"a\":\"No.\"},\"a\":\"One.\"}", "One.\0");
    REFUSE_WITH({.field = "a.b"}, "{\"a\":\"One.\"}", "has no field \"a.b\" (found \"a\")");
    REFUSE_WITH({.field = "a.b"}, "{\"a\":[\"One.\"]}", "has no field \"a.b\" (found \"a\")");
    REFUSE_WITH({.field = "a.b"}, "{\"a\":[{\"b\":\"One.\"},{\"c\":1}]}",
                "has no field \"a.b\" (found \"a\", \"a.b\", \"a.c\")");
    REFUSE_WITH({.field = "data"}, wrapped, "field \"data\" is not a string (found an array)");
}

/* Other fields may hold what they like. */
static void test_other_fields(void **state)
{
    (void)state;
    EXPECT("{\"a\":NaN,\"story\":\"A.\"}\n{\"a\":-Infinity,\"story\":\"B.\"}", "A.\0B.\0");
    EXPECT("[{\"a\":[Infinity,-1,NaN],\"story\":\"A NaN is -Infinity.\"}]",
           "A NaN is -Infinity.\0");
    EXPECT("{\"a\":18446744073709551611,\"b\":1e400,\"story\":\"A.\"}", "A.\0");
    EXPECT("{\"a\":-123456789012345678901234567890.5e-999,\"story\":\"A.\"}", "A.\0");
    EXPECT("{\"a\":\"\\ud800 \xff\",\"story\":\"A.\"}", "A.\0"); /* invalid text, too */
    EXPECT("{\"\\u0061\":{\"b\":[[[]]]},\"\":null,\"story\":\"A.\"}", "A.\0");
    REFUSE("{\"a\":nan,\"story\":\"A.\"}", "wrong JSON");
    REFUSE("{\"a\":NaNa,\"story\":\"A.\"}", "wrong JSON");
    EXPECT("{\"story\":NaN}\n{\"story\":\"A.\"}", "\0A.\0"); /* pandas' null */
}

static void test_null_and_missing(void **state)
{
    (void)state;
    EXPECT("{\"story\":\"A.\"}\n{\"story\":null}\n{\"story\":\"B.\"}\n", "A.\0\0B.\0");
    REFUSE("{\"text\":\"A.\",\"id\":1}",
           "has no field \"story\" (found \"text\", \"id\"): name another");
    EXPECT_WITH({.skip_missing = true}, "{\"story\":\"A.\"}\n{\"id\":2}\n[{},{\"story\":\"B.\"}]",
                "A.\0B.\0");
    assert_int_equal(reading.counts.n_missing, 2);
    const struct corpus_options both = {.skip_missing = true, .field = "a.b"};
    static const char inner[] = "{\"a\":[{\"b\":\"A.\"},{}]}\n{\"a\":1}";
    reading_expect(&both, inner, sizeof inner - 1, "A.", 3);
    assert_int_equal(reading.counts.n_missing, 2);
    REFUSE_WITH({.skip_missing = true}, "{\"story\":7}", "is not a string");
}

/* The mark ends a story in a string as it does in text, and so does a separator of the user's; what
 * lays out text, a line, does not. */
static void test_marks_within(void **state)
{
    (void)state;
    EXPECT("{\"story\":\"A.<|endoftext|>\"}\n{\"story\":\"B.<|endoftext|>\\n\"}", "A.\0B.\0");
    EXPECT("[\"A.<|endoftext|>\\nB.\",\"<|endoftext|>C.\"]", "A.\0\nB.\0\0C.\0");
    EXPECT("[\"A.\\u003c|endoftext|>B.\"]", "A.\0B.\0");
    EXPECT_WITH({.separator = "</s>"}, "[\"A.</s>B.<|endoftext|>C.\"]", "A.\0B.\0C.\0");
    EXPECT_WITH({.separator = "line"}, "[\"A.\\nB.\"]", "A.\nB.\0");
    EXPECT_WITH({.separator = "blank-line"}, "[\"A.\\n\\nB.\"]", "A.\n\nB.\0");
}

static void test_large_values(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static char text[N];
    memset(text, '[', N);
    memcpy(text, "{\"a\":", 5);
    reading_refuse(&(struct corpus_options){0}, text, N, "brackets are open");
    memset(text, 'x', N);
    memcpy(text, "[{\"a\":\"", 7);
    reading_refuse(&(struct corpus_options){.max_story_bytes = N / 4}, text, N,
                   "a string is longer");
    memcpy(text + N - 20, "\",\"story\":\"short.\"}]", 20);
    reading_expect(&(struct corpus_options){0}, text, N, "short.", 7);
}

/* Every sequence that needs repair, and every bracket, cut by the end of a block. */
static void test_cut_sequences(void **state)
{
    (void)state;
    enum { BLOCK = 1 << 17 };
    static char text[BLOCK + 200];
    static const char tail[] =
        "{\"a\":-Infinity,\"b\":NaN,\"story\":\"\\ud83d\\ude00\\ud800\\n\\\"\xc3\xa9\"}";
    for (size_t shift = 0; shift < sizeof tail; shift++) {
        memset(text, ' ', sizeof text);
        memcpy(text, "{\"story\":\"A.\"}", 14);
        memcpy(text + BLOCK - shift, tail, sizeof tail - 1);
        reading_expect(&(struct corpus_options){.invalid = CORPUS_REPLACE}, text, sizeof text,
                       "A.\0\xf0\x9f\x98\x80\xff\n\"\xc3\xa9", 13);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_broken_text_in_json),
        cmocka_unit_test(test_wrong_json),
        cmocka_unit_test(test_streams_of_values),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_null_that_is_cut),
        cmocka_unit_test(test_shapes_of_no_use),
        cmocka_unit_test(test_field_within),
        cmocka_unit_test(test_other_fields),
        cmocka_unit_test(test_null_and_missing),
        cmocka_unit_test(test_marks_within),
        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_cut_sequences),
    };
    return cmocka_run_group_tests(tests, reading_setup, scratch_teardown);
}
