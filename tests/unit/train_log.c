/* The log of a run. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/file.h"
#include "support/toyrun.h"
#include "train/log.h"

static void write_reports(const char *dir, uint64_t from, uint64_t to, uint64_t last)
{
    struct err e;
    struct log l = {0};
    assert_int_equal(log_open(&l, dir, true, &e), 0);
    assert_int_equal(log_cut(&l, last, &e), 0);
    for (uint64_t step = from; step <= to; step += 5) {
        struct log_report r = {.step = step, .val_loss = NAN, .zero_share = NAN};
        assert_int_equal(log_write(&l, &r, &e), 0);
    }
    log_close(&l);
}

static void test_log_has_each_step_once(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(file_make_dirs(toyrun_path("log"), &e), 0);
    write_reports(toyrun_path("log"), 5, 30, 0);
    FILE *f = fopen(toyrun_path("log/log.jsonl"), "a");
    fputs("{\"step\":35,\"tok", f); /* torn by a crash */
    fclose(f);
    write_reports(toyrun_path("log"), 25, 40, 20); /* resumed from a checkpoint at 20 */
    f = fopen(toyrun_path("log/log.jsonl"), "r");
    char line[1024];
    uint64_t expected = 5;
    while (fgets(line, sizeof line, f)) {
        unsigned long long step;
        assert_int_equal(sscanf(line, "{\"step\":%llu,", &step), 1);
        assert_int_equal(step, expected);
        expected += 5;
    }
    fclose(f);
    assert_int_equal(expected, 45);
}

/* A remark of somebody's, say: what comes after it is not lost. */
static void test_log_with_a_strange_line(void **state)
{
    (void)state;
    struct err e;
    struct stat had, kept;
    assert_int_equal(file_make_dirs(toyrun_path("strange"), &e), 0);
    write_reports(toyrun_path("strange"), 5, 10, 0);
    FILE *f = fopen(toyrun_path("strange/log.jsonl"), "a");
    fputs("# a remark\n{\"step\":15}\n", f);
    fclose(f);
    assert_int_equal(stat(toyrun_path("strange/log.jsonl"), &had), 0);
    write_reports(toyrun_path("strange"), 20, 20, 15);
    assert_int_equal(stat(toyrun_path("strange/log-1.jsonl"), &kept), 0);
    assert_int_equal(kept.st_size, had.st_size);
    write_reports(toyrun_path("strange"), 20, 20, 15); /* is whole now: no second copy */
    assert_int_not_equal(access(toyrun_path("strange/log-2.jsonl"), F_OK), 0);
}

static void report(struct log *l, uint64_t step, int wanted, struct err *e)
{
    struct log_report r = {.step = step, .val_loss = NAN, .zero_share = NAN};
    assert_int_equal(log_write(l, &r, e), wanted);
}

/* Removed or moved away, as by a program that rotates logs. */
static void test_log_that_is_taken_away(void **state)
{
    (void)state;
    struct err e;
    struct log l = {0}, other = {0};
    char line[256];
    char *dir = strdup(toyrun_path("taken"));
    char *path = strdup(toyrun_path("taken/log.jsonl"));
    char *aside = strdup(toyrun_path("taken/log.jsonl.1"));
    assert_int_equal(file_make_dirs(dir, &e), 0);
    assert_int_equal(log_open(&l, dir, true, &e), 0);
    report(&l, 1, 0, &e);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(log_check_ours(&l, &e), 0);
    report(&l, 2, 0, &e);
    assert_int_equal(log_open(&other, dir, true, &e), -1); /* the folder is held again */
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (int step = 1; step <= 2; step++) {
        assert_non_null(fgets(line, sizeof line, f));
        assert_int_equal(strtol(line + strlen("{\"step\":"), NULL, 10), step);
    }
    fclose(f);
    assert_int_equal(rename(aside, path), 0); /* as by another run */
    report(&l, 3, -1, &e);
    assert_non_null(strstr(e.text, "another file has taken the place of this run's"));
    assert_int_equal(log_check_ours(&l, &e), 0); /* nobody holds it */
    int fd = open(path, O_RDONLY);
    assert_true(file_hold(fd, FILE_SHARED)); /* who asks */
    assert_int_equal(log_check_ours(&l, &e), 0);
    assert_true(file_hold(fd, FILE_ALONE));
    assert_int_equal(log_check_ours(&l, &e), -1);
    assert_non_null(strstr(e.text, "log.jsonl: is another run's now"));
    close(fd);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(dir), 0);
    report(&l, 4, 0, &e);
    log_close(&l);
    f = fopen(path, "r");
    for (int step = 1; step <= 4; step++) {
        assert_non_null(fgets(line, sizeof line, f));
        assert_int_equal(strtol(line + strlen("{\"step\":"), NULL, 10), step);
    }
    fclose(f);
    free(dir);
    free(path);
    free(aside);
}

/* train --status holds the file while it asks; a run that begins at that moment is not refused. */
static void test_who_only_asks_is_waited_for(void **state)
{
    (void)state;
    struct err e;
    struct log l = {0};
    int ends[2];
    char held;
    const char *dir = toyrun_path("asked");
    assert_int_equal(file_make_dirs(dir, &e), 0);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct timespec moment = {.tv_nsec = 30000000};
        int fd = open(toyrun_path("asked/log.jsonl"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        held = (char)file_hold(fd, FILE_SHARED);
        (void)!write(ends[1], &held, 1);
        nanosleep(&moment, NULL);
        _exit(0);
    }
    assert_int_equal(read(ends[0], &held, 1), 1);
    assert_true(held);
    assert_int_equal(log_open(&l, dir, true, &e), 0);
    log_close(&l);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_has_each_step_once),
        cmocka_unit_test(test_log_with_a_strange_line),
        cmocka_unit_test(test_log_that_is_taken_away),
        cmocka_unit_test(test_who_only_asks_is_waited_for),
    };
    return cmocka_run_group_tests(tests, toyrun_setup, toyrun_teardown);
}
