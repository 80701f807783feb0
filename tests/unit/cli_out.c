/* What the tools print: JSON, text made safe for terminals, numbers for people, progress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/cli.h"
#include "os/clock.h"

#define BAD "\xEF\xBF\xBD" /* U+FFFD */

static char *memory;
static size_t n_memory;

static FILE *open_memory(void)
{
    free(memory);
    memory = NULL;
    FILE *f = open_memstream(&memory, &n_memory);
    assert_non_null(f);
    return f;
}

static void test_json_is_one_line(void **state)
{
    (void)state;
    FILE *f = open_memory();
    struct cli_json j;
    cli_json_begin(&j, f);
    cli_json_text(&j, "text", "plain");
    cli_json_int(&j, "int", INT64_MIN);
    cli_json_uint(&j, "uint", UINT64_MAX);
    cli_json_bool(&j, "yes", true);
    cli_json_bool(&j, "no", false);
    cli_json_object(&j, "empty");
    cli_json_object_end(&j);
    cli_json_array(&j, "list");
    cli_json_item_uint(&j, 1);
    cli_json_item_uint(&j, 2);
    cli_json_item_real(&j, 0.25);
    cli_json_object(&j, NULL);
    cli_json_real(&j, "k", 2.5);
    cli_json_object_end(&j);
    cli_json_array(&j, NULL);
    cli_json_array_end(&j);
    cli_json_array_end(&j);
    cli_json_real(&j, "last", -0.0);
    cli_json_end(&j);
    fclose(f);
    assert_string_equal(memory, "{\"text\":\"plain\",\"int\":-9223372036854775808,"
                                "\"uint\":18446744073709551615,\"yes\":true,\"no\":false,"
                                "\"empty\":{},\"list\":[1,2,0.25,{\"k\":2.5},[]],\"last\":0}\n");
}

static void test_json_strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t n;
        const char *want;
    } cases[] = {
        {"", 0, ""},
        {"a\"b\\c/d", 7, "a\\\"b\\\\c/d"},
        {"\b\f\n\r\t", 5, "\\b\\f\\n\\r\\t"},
        {"\0\1\x1f\x7f", 4, "\\u0000\\u0001\\u001f\\u007f"},
        {"\xc2\x80\xc2\x9f\xc2\xa0", 6, "\\u0080\\u009f\xc2\xa0"},
        {"é€😀", 9, "é€😀"},
        {"a\xff"
         "b",
         3, "a" BAD "b"},
        {"\xe2\x82", 2, BAD},
        {"\xf0\x9f\x98", 3, BAD},
        {"\xe2\x82x", 3, BAD "x"},
        {"\xc0\x80", 2, BAD BAD},                 /* overlong */
        {"\xed\xa0\x80", 3, BAD BAD BAD},         /* surrogate */
        {"\xf4\x90\x80\x80", 4, BAD BAD BAD BAD}, /* beyond U+10FFFF */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[128];
        FILE *f = open_memory();
        struct cli_json j;
        cli_json_begin(&j, f);
        cli_json_bytes(&j, "k", cases[i].value, cases[i].n);
        cli_json_end(&j);
        fclose(f);
        snprintf(want, sizeof want, "{\"k\":\"%s\"}\n", cases[i].want);
        assert_string_equal(memory, want);
    }
}

/* Any bytes at all give JSON that a strict reader takes, as a key too. */
static void test_json_of_any_bytes_is_valid(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 3000; round++) {
        char bytes[24];
        size_t n = (size_t)round % sizeof bytes;
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525u + 1013904223u;
            /* lead and continuation bytes more often than chance has them */
            bytes[i] = (char)(seed >> 24 | (seed >> 20 & 1 ? 0x80 : 0));
        }
        FILE *f = open_memory();
        struct cli_json j;
        cli_json_begin(&j, f);
        cli_json_bytes(&j, "bytes", bytes, n);
        cli_json_end(&j);
        fclose(f);
        json_error_t error;
        json_t *value = json_loadb(memory, n_memory, JSON_ALLOW_NUL, &error);
        if (!value)
            fail_msg("%s: %s", error.text, memory);
        json_decref(value);
    }
}

static void test_json_numbers_return_exactly(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *want;
    } cases[] = {{0.1, "0.1"},  {1e300, "1e+300"},  {1.0 / 3, "0.3333333333333333"},
                 {5, "5"},      {4e-3, "0.004"},    {123456789, "123456789"},
                 {NAN, "null"}, {INFINITY, "null"}, {-INFINITY, "null"},
                 {100, "100"},  {5e-324, "5e-324"}, {DBL_MAX, "1.7976931348623157e+308"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[64];
        FILE *f = open_memory();
        struct cli_json j;
        cli_json_begin(&j, f);
        cli_json_real(&j, "k", cases[i].value);
        cli_json_end(&j);
        fclose(f);
        snprintf(want, sizeof want, "{\"k\":%s}\n", cases[i].want);
        assert_string_equal(memory, want);
        if (isfinite(cases[i].value))
            assert_true(strtod(memory + 5, NULL) == cases[i].value);
    }
}

static void write_pieces(const char *text, size_t n, size_t cut, bool terminal)
{
    FILE *f = open_memory();
    struct cli_utf8 u = {.terminal = terminal};
    cli_utf8_write(&u, f, text, cut);
    cli_utf8_write(&u, f, text + cut, n - cut);
    cli_utf8_flush(&u, f);
    cli_utf8_flush(&u, f); /* nothing is left */
    fclose(f);
}

static void test_text_is_whole_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain, *terminal;
    } cases[] = {
        {"Once\tupon\n", "Once\tupon\n", "Once\tupon\n"},
        {"é€😀", "é€😀", "é€😀"},
        {"\033[31mred\a\r\x7f", "\033[31mred\a\r\x7f", BAD "[31mred" BAD BAD BAD},
        {"\xc2\x9b"
         "31m",
         "\xc2\x9b"
         "31m",
         BAD "31m"},
        {"\xc2\xa0", "\xc2\xa0", "\xc2\xa0"},
        {"a\xe2\x82", "a" BAD, "a" BAD},
        {"a\xe2\x82"
         "b",
         "a" BAD "b", "a" BAD "b"},
        {"\xf0\x9f\xe2\x82\xac", BAD "€", BAD "€"},
        {"\x80\xff\xc1", BAD BAD BAD, BAD BAD BAD},
        {"\xed\xa0\x80", BAD BAD BAD, BAD BAD BAD},
        {"\xf0\x80\x80\x80", BAD BAD BAD BAD, BAD BAD BAD BAD},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].text);
        for (size_t cut = 0; cut <= n; cut++) {
            write_pieces(cases[i].text, n, cut, false);
            assert_string_equal(memory, cases[i].plain);
            write_pieces(cases[i].text, n, cut, true);
            assert_string_equal(memory, cases[i].terminal);
        }
    }
}

static void test_half_a_character_waits(void **state)
{
    (void)state;
    static const char text[] = "\xf0\x9f\x98\x80"; /* U+1F600 */
    FILE *f = open_memory();
    struct cli_utf8 u = {0};
    for (size_t i = 0; i < 4; i++) {
        fflush(f);
        assert_int_equal(n_memory, 0);
        cli_utf8_write(&u, f, text + i, 1);
    }
    fclose(f);
    assert_string_equal(memory, text);
}

static void test_numbers_for_people(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(cli_count_text(buf, 0), "0");
    assert_string_equal(cli_count_text(buf, 999), "999");
    assert_string_equal(cli_count_text(buf, 1000), "1,000");
    assert_string_equal(cli_count_text(buf, 4364736), "4,364,736");
    assert_string_equal(cli_count_text(buf, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(cli_bytes_text(buf, 0), "0 B");
    assert_string_equal(cli_bytes_text(buf, 999), "999 B");
    assert_string_equal(cli_bytes_text(buf, 1000), "1.0 kB");
    assert_string_equal(cli_bytes_text(buf, 999949), "999.9 kB");
    assert_string_equal(cli_bytes_text(buf, 999950), "1.0 MB");
    assert_string_equal(cli_bytes_text(buf, 19100000), "19.1 MB");
    assert_string_equal(cli_bytes_text(buf, UINT64_MAX), "18.4 EB");
    assert_string_equal(cli_duration_text(buf, 0), "0.0s");
    assert_string_equal(cli_duration_text(buf, 12.34), "12.3s");
    assert_string_equal(cli_duration_text(buf, 59.94), "59.9s");
    assert_string_equal(cli_duration_text(buf, 59.96), "1m00s");
    assert_string_equal(cli_duration_text(buf, 185), "3m05s");
    assert_string_equal(cli_duration_text(buf, 3599.4), "59m59s");
    assert_string_equal(cli_duration_text(buf, 3599.6), "1h00m");
    assert_string_equal(cli_duration_text(buf, 3725), "1h02m");
    assert_string_equal(cli_duration_text(buf, 360000), "100h00m");
    assert_string_equal(cli_duration_text(buf, -1), "?");
    assert_string_equal(cli_duration_text(buf, NAN), "?");
    assert_string_equal(cli_duration_text(buf, INFINITY), "?");
}

static void test_clock_runs_forward(void **state)
{
    (void)state;
    double before = clock_seconds();
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    double passed = clock_seconds() - before;
    assert_true(passed >= 0.02 && passed < 10);
}

/* The last line is moved on the clock instead of waited for: 5 s are long for a line that is
 * redrawn, and short for a log. */
static void show_progress(void)
{
    struct cli_progress p;
    cli_progress_start(&p, "prep");
    p.start -= 100 * 3600.0;
    double before = p.last -= 5;
    cli_progress_update(&p, 0.5, "12.3 MB/s\033]0;evil\a");
    if (p.terminal && !cli.quiet && p.last < before + 5)
        _exit(1);
    p.last += 1e6;
    cli_progress_update(&p, 0.75, "too soon");
    cli_warn("a warning between");
    p.last -= 1e6 + 5;
    cli_progress_update(&p, -1, "unknown share");
    cli_progress_end(&p);
}

/* Standard error of show_progress, on a terminal or in a file. */
static void run_progress(bool terminal, bool quiet, char *out, size_t size)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    int ends[2];
    assert_true(slave >= 0 && pipe(ends) == 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("TERM", "xterm", 1);
        dup2(terminal ? slave : ends[1], STDERR_FILENO);
        cli.quiet = quiet;
        show_progress();
        _exit(0);
    }
    close(ends[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child); /* little enough to fit the pipe */
    assert_int_equal(status, 0);
    close(slave);
    ssize_t n;
    size_t used =
        0; /* a terminal hands its bytes on in pieces, and in its own time; then it has none */
    while (used < size - 1 &&
           (n = read(terminal ? master : ends[0], out + used, size - 1 - used)) > 0)
        used += (size_t)n;
    out[used] = '\0';
    close(ends[0]);
    close(master);
}

static void test_progress_line(void **state)
{
    (void)state;
    char out[4096];
    run_progress(true, false, out, sizeof out);
    assert_non_null(strstr(out, "prep: 50.0%, ETA 100h00m, 12.3 MB/s" BAD "]0;evil" BAD));
    assert_null(strstr(out, "too soon"));
    assert_non_null(strstr(out, "\r\033[Kbolt: a warning between\r\n")); /* the line makes room */
    assert_non_null(strstr(out, "unknown share\r\033[K"));               /* and goes in the end */
    run_progress(false, false, out, sizeof out); /* no line so soon in a log */
    assert_string_equal(out, "bolt: a warning between\n");
    run_progress(true, true, out, sizeof out);
    assert_string_equal(out, "bolt: a warning between\r\n");
}

static int free_memory(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_one_line),
        cmocka_unit_test(test_json_strings_are_escaped),
        cmocka_unit_test(test_json_of_any_bytes_is_valid),
        cmocka_unit_test(test_json_numbers_return_exactly),
        cmocka_unit_test(test_text_is_whole_characters),
        cmocka_unit_test(test_half_a_character_waits),
        cmocka_unit_test(test_numbers_for_people),
        cmocka_unit_test(test_clock_runs_forward),
        cmocka_unit_test(test_progress_line),
    };
    return cmocka_run_group_tests(tests, NULL, free_memory);
}
