/* Prompts and lines: which stories they ask for, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "sample/prompts.h"

static void expect(struct prompts *p, const char *text, uint64_t stream)
{
    struct prompt next;
    assert_true(prompts_next(p, &next));
    assert_int_equal(next.n, strlen(text));
    assert_memory_equal(next.text, text, next.n);
    assert_int_equal(next.stream, stream);
}

static void expect_none(struct prompts *p)
{
    struct prompt next;
    assert_false(prompts_next(p, &next));
}

/* Writes into the pipe and lets the prompts read it. */
static void arrives(struct prompts *p, int fd, const char *bytes, size_t n)
{
    struct err e;
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    assert_int_equal(prompts_read(p, &e), 0);
}

static void ends(struct prompts *p, int fd)
{
    struct err e;
    close(fd);
    assert_true(prompts_open(p));
    assert_int_equal(prompts_read(p, &e), 0);
    assert_false(prompts_open(p));
}

static void test_given_prompts_come_count_times(void **context)
{
    (void)context;
    static const char *const items[] = {"one", "", "two"};
    struct prompts p;
    prompts_init(&p, items, 3, STDIN_FILENO, 2); /* the descriptor is left alone */
    assert_false(prompts_open(&p));
    assert_int_equal(prompts_waiting(&p), 6);
    expect(&p, "one", 0);
    assert_int_equal(prompts_waiting(&p), 5);
    expect(&p, "one", 1);
    expect(&p, "", 0);
    expect(&p, "", 1);
    expect(&p, "two", 0);
    expect(&p, "two", 1);
    assert_int_equal(prompts_waiting(&p), 0);
    expect_none(&p);
    prompts_release(&p);
}

static void test_without_any_there_is_an_empty_one(void **context)
{
    (void)context;
    struct prompts p;
    prompts_init(&p, NULL, 0, -1, 3);
    assert_int_equal(prompts_waiting(&p), 3);
    for (uint64_t i = 0; i < 3; i++)
        expect(&p, "", i);
    expect_none(&p);
    prompts_release(&p);
}

static void test_a_byte_order_mark_is_no_text(void **context)
{
    (void)context;
    struct prompts p;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    prompts_init(&p, NULL, 0, fd[0], 1);
    arrives(&p, fd[1], "\xef\xbb", 2);
    expect_none(&p);
    arrives(&p, fd[1], "\xbfone\n\xef\xbb\xbf two\n", 13);
    expect(&p, "one", 0);
    expect(&p, "\xef\xbb\xbf two", 0); /* in the middle it is a character like others */
    ends(&p, fd[1]);
    expect_none(&p);
    prompts_release(&p);
    close(fd[0]);
}

static void test_a_count_beyond_all_numbers_is_many(void **context)
{
    (void)context;
    static const char *const items[] = {"a", "b", "c"};
    struct prompts p;
    prompts_init(&p, items, 3, -1, UINT64_MAX / 2);
    assert_true(prompts_waiting(&p) > 1000000);
    expect(&p, "a", 0);
    assert_true(prompts_waiting(&p) > 1000000);
    prompts_release(&p);
}

static void test_lines_come_as_they_arrive(void **context)
{
    (void)context;
    int fd[2];
    struct prompts p;
    assert_int_equal(pipe(fd), 0);
    prompts_init(&p, NULL, 0, fd[0], 2);
    expect_none(&p);
    arrives(&p, fd[1], "fir", 3);
    expect_none(&p);
    assert_int_equal(prompts_waiting(&p), 0);
    arrives(&p, fd[1], "st\n \t\r\n\nsecond\nthi", 18);
    expect(&p, "first", 0);
    expect(&p, "first", 1);
    expect(&p, "second", 0);
    assert_int_equal(prompts_waiting(&p), 1);
    expect(&p, "second", 1);
    expect_none(&p);
    assert_int_equal(prompts_waiting(&p), 0);
    arrives(&p, fd[1], "rd", 2);
    expect_none(&p);
    ends(&p, fd[1]); /* the last line has no end */
    expect(&p, "third", 0);
    expect(&p, "third", 1);
    expect_none(&p);
    assert_int_equal(prompts_waiting(&p), 0);
    prompts_release(&p);
    close(fd[0]);
}

static void test_line_ends_of_any_system(void **context)
{
    (void)context;
    int fd[2];
    struct prompts p;
    assert_int_equal(pipe(fd), 0);
    prompts_init(&p, NULL, 0, fd[0], 1);
    arrives(&p, fd[1], "one\r", 4); /* the line is there before its line feed */
    expect(&p, "one", 0);
    expect_none(&p);
    arrives(&p, fd[1], "\ntwo\rthree\nfo", 13);
    expect(&p, "two", 0);
    expect(&p, "three", 0);
    expect_none(&p);
    arrives(&p, fd[1], "ur\r\n", 4);
    expect(&p, "four", 0);
    expect_none(&p);
    ends(&p, fd[1]);
    expect_none(&p);
    assert_int_equal(prompts_waiting(&p), 0);
    prompts_release(&p);
    close(fd[0]);
}

static void test_only_blank_lines_are_as_none(void **context)
{
    (void)context;
    int fd[2];
    struct prompts p;
    assert_int_equal(pipe(fd), 0);
    prompts_init(&p, NULL, 0, fd[0], 1);
    arrives(&p, fd[1], "\n  \n\t", 5);
    expect_none(&p);
    ends(&p, fd[1]);
    expect(&p, "", 0);
    expect_none(&p);
    prompts_release(&p);
    close(fd[0]);
}

static void test_a_line_longer_than_a_read_stays_whole(void **context)
{
    (void)context;
    enum { N = 50000, PIECE = 10000 };
    static char line[5 * N + 1];
    int fd[2];
    struct prompts p;
    struct prompt next;
    assert_int_equal(pipe(fd), 0);
    prompts_init(&p, NULL, 0, fd[0], 1);
    for (size_t i = 0; i < sizeof line - 1; i++)
        line[i] = i % 7 == 3 ? '\0' : (char)('a' + i % 26);
    line[sizeof line - 1] = '\n';
    arrives(&p, fd[1], "short\n", 6);
    for (size_t i = 0; i < sizeof line; i += PIECE)
        arrives(&p, fd[1], line + i, MIN((size_t)PIECE, sizeof line - i));
    expect(&p, "short", 0);
    assert_true(prompts_next(&p, &next));
    assert_int_equal(next.n, sizeof line - 1);
    assert_memory_equal(next.text, line, next.n);
    ends(&p, fd[1]);
    expect_none(&p);
    prompts_release(&p);
    close(fd[0]);
}

static void test_what_cannot_be_read_is_an_error(void **context)
{
    (void)context;
    struct err e;
    struct prompts p;
    prompts_init(&p, NULL, 0, 999, 1);
    assert_int_equal(prompts_read(&p, &e), -1);
    assert_string_equal(e.text, "standard input: Bad file descriptor");
    prompts_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_prompts_come_count_times),
        cmocka_unit_test(test_without_any_there_is_an_empty_one),
        cmocka_unit_test(test_a_byte_order_mark_is_no_text),
        cmocka_unit_test(test_a_count_beyond_all_numbers_is_many),
        cmocka_unit_test(test_lines_come_as_they_arrive),
        cmocka_unit_test(test_line_ends_of_any_system),
        cmocka_unit_test(test_only_blank_lines_are_as_none),
        cmocka_unit_test(test_a_line_longer_than_a_read_stays_whole),
        cmocka_unit_test(test_what_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
