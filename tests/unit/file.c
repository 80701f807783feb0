/* Files: maps, and output that appears whole or not at all, whatever goes wrong on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"
#include "os/file_set.h"

static char folder[64];
static char target[128];
static struct err e;

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/file-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(target, sizeof target, "%s/out.bin", folder);
    e.text[0] = '\0';
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static size_t count_entries(void)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(d));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_holds(const char *path, const char *text)
{
    struct file_map m;
    assert_int_equal(file_map(&m, path, &e), 0);
    assert_int_equal(m.size, strlen(text));
    assert_memory_equal(m.data, text, m.size);
    file_unmap(&m);
}

static void assert_says(const char *part)
{
    if (!strstr(e.text, part))
        fail_msg("'%s' does not contain '%s'", e.text, part);
    assert_null(strchr(e.text, '\n'));
}

static void test_map_refuses_what_is_no_file(void **state)
{
    (void)state;
    struct file_map m;
    char path[160];
    snprintf(path, sizeof path, "%s/missing", folder);
    assert_int_equal(file_map(&m, path, &e), -1);
    assert_says("missing: cannot open: No such file");
    assert_null(m.data);
    assert_int_equal(file_map(&m, folder, &e), -1);
    assert_says("is a directory");
    assert_says(folder);
    assert_int_equal(file_map(&m, "/dev/null", &e), -1);
    assert_says("not a regular file");
    assert_int_equal(mkfifo(target, 0600), 0);
    assert_int_equal(file_map(&m, target, &e), -1); /* does not wait for a writer */
    assert_says("not a regular file");
}

static void test_map_of_an_empty_file(void **state)
{
    (void)state;
    struct file_map m;
    put(target, "");
    assert_int_equal(file_map(&m, target, &e), 0);
    assert_int_equal(m.size, 0);
    file_unmap(&m);
    file_unmap(&m);
}

static void test_commit_shows_the_whole_file(void **state)
{
    (void)state;
    enum { N = 700000 }; /* over the buffer more than once */
    unsigned char *want = malloc(N);
    assert_non_null(want);
    for (size_t i = 0; i < N; i++)
        want[i] = (unsigned char)(i * 31 + i / 251);
    struct file_out o;
    assert_int_equal(file_out_open(&o, target, &e), 0);
    size_t at = 0;
    for (size_t piece = 1; at < N; piece = piece * 3 + 1) { /* 1, 4, 13, … 300,000 */
        size_t n = MIN(piece % 300001, N - at);
        assert_int_equal(file_out_write(&o, want + at, n, &e), 0);
        at += n;
        assert_int_equal(o.position, at);
    }
    assert_int_equal(access(target, F_OK), -1); /* not before the commit */
    assert_int_equal(file_out_commit(&o, &e), 0);
    assert_int_equal(count_entries(), 1);
    struct file_map m;
    assert_int_equal(file_map(&m, target, &e), 0);
    assert_int_equal(m.size, N);
    assert_memory_equal(m.data, want, N);
    file_unmap(&m);
    free(want);
    file_out_abort(&o); /* safe after a commit */
}

static void test_commit_replaces_and_abort_keeps(void **state)
{
    (void)state;
    struct file_out o;
    put(target, "old");
    assert_int_equal(file_out_open(&o, target, &e), 0);
    assert_int_equal(file_out_write(&o, "new!", 4, &e), 0);
    assert_holds(target, "old");
    file_out_abort(&o);
    file_out_abort(&o);
    assert_holds(target, "old");
    assert_int_equal(count_entries(), 1);
    assert_int_equal(file_out_open(&o, target, &e), 0);
    assert_int_equal(file_out_write(&o, "new!", 4, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0);
    assert_holds(target, "new!");
    assert_int_equal(count_entries(), 1);
    file_out_abort(&(struct file_out){0});
}

static void test_patched_in_place(void **state)
{
    (void)state;
    struct file_out o;
    assert_int_equal(file_out_open(&o, target, &e), 0);
    assert_int_equal(file_out_write(&o, "12345", 5, &e), 0);
    static const char zeros[4091];
    assert_int_equal(file_out_write(&o, zeros, sizeof zeros, &e), 0);
    assert_int_equal(o.position, 4096);
    assert_int_equal(file_out_write(&o, "end", 3, &e), 0);
    assert_int_equal(file_out_patch(&o, 3, "xyz", 3, &e), 0);
    assert_int_equal(file_out_patch(&o, 4097, "N", 1, &e), 0);
    assert_int_equal(file_out_patch(&o, 4098, "too far", 7, &e), -1);
    assert_says("beyond");
    assert_int_equal(o.position, 4099);
    assert_int_equal(file_out_write(&o, ".", 1, &e), 0); /* still at the end */
    assert_int_equal(file_out_commit(&o, &e), 0);
    struct file_map m;
    assert_int_equal(file_map(&m, target, &e), 0);
    assert_int_equal(m.size, 4100);
    assert_memory_equal(m.data, "123xyz\0\0", 8);
    for (size_t i = 6; i < 4096; i++)
        assert_int_equal(m.data[i], 0);
    assert_memory_equal(m.data + 4096, "eNd.", 4);
    file_unmap(&m);
}

static void test_mode_follows_umask(void **state)
{
    (void)state;
    mode_t before = umask(027);
    struct file_out o;
    assert_int_equal(file_out_open(&o, target, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0);
    umask(before);
    struct stat st;
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(st.st_size, 0);
}

static void test_long_name(void **state)
{
    (void)state;
    struct file_out o;
    /* a name of the greatest length still finds room for its temporary */
    char path[400];
    int n = snprintf(path, sizeof path, "%s/", folder);
    memset(path + n, 'n', 255);
    path[n + 255] = '\0';
    assert_int_equal(file_out_open(&o, path, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_relative_path(void **state)
{
    (void)state;
    char *before = getcwd(NULL, 0);
    assert_non_null(before);
    assert_int_equal(chdir(folder), 0);
    struct file_out o;
    assert_int_equal(file_out_open(&o, "out.bin", &e), 0);
    assert_int_equal(file_out_write(&o, "x", 1, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0);
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_holds(target, "x");
}

static void test_symbolic_link_is_followed(void **state)
{
    (void)state;
    char link[160];
    snprintf(link, sizeof link, "%s/link", folder);
    put(target, "old");
    assert_int_equal(symlink("out.bin", link), 0);
    struct file_out o;
    assert_int_equal(file_out_open(&o, link, &e), 0);
    assert_int_equal(file_out_write(&o, "new", 3, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0);
    assert_holds(target, "new");
    struct stat st;
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

static void test_impossible_paths(void **state)
{
    (void)state;
    struct file_out o;
    char path[5000];
    assert_int_equal(file_out_open(&o, folder, &e), -1);
    assert_says("is a directory");
    assert_int_equal(file_out_open(&o, "", &e), -1);
    snprintf(path, sizeof path, "%s/none/out", folder);
    assert_int_equal(file_out_open(&o, path, &e), -1);
    assert_says("none/out: cannot create: No such file");
    snprintf(path, sizeof path, "%s/none/", folder);
    assert_int_equal(file_out_open(&o, path, &e), -1);
    assert_says("no file name");
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(file_out_open(&o, path, &e), -1);
    file_out_abort(&o);
    assert_int_equal(count_entries(), 0);
}

/* Runs check in a child without root's rights, to whom permissions apply. */
static void as_nobody(int (*check)(void))
{
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(99);
        _exit(check());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int try_forbidden(void)
{
    struct file_out o;
    struct file_map m;
    if (file_out_open(&o, target, &e) != -1 || !strstr(e.text, "Permission denied"))
        return 1;
    char path[160];
    snprintf(path, sizeof path, "%s/secret", folder);
    if (file_map(&m, path, &e) != -1 || !strstr(e.text, "secret: cannot open: Permission denied"))
        return 2;
    snprintf(path, sizeof path, "%s/a/b", folder);
    if (file_make_dirs(path, &e) != -1 || !strstr(e.text, "/a: cannot create the directory: Perm"))
        return 3;
    return 0;
}

static void test_read_only_folder(void **state)
{
    (void)state;
    char path[160];
    snprintf(path, sizeof path, "%s/secret", folder);
    put(path, "x");
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    as_nobody(try_forbidden);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(count_entries(), 1);
}

static void test_full_disk(void **state)
{
    (void)state;
    static unsigned char block[300000];
    struct file_out o;
    assert_int_equal(file_out_open(&o, "/dev/full", &e), 0); /* small: found out at the end */
    assert_int_equal(file_out_write(&o, "abc", 3, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), -1);
    assert_string_equal(e.text, "/dev/full: cannot write: No space left on device");
    assert_int_equal(file_out_open(&o, "/dev/full", &e), 0); /* large: at once */
    assert_int_equal(file_out_write(&o, block, sizeof block, &e), -1);
    assert_says("/dev/full");
    assert_int_equal(file_out_patch(&o, 0, "x", 1, &e), -1);
    assert_says("stream");
    assert_int_equal(file_out_commit(&o, &e), -1);           /* even if the caller goes on */
    assert_int_equal(file_out_open(&o, "/dev/full", &e), 0); /* when the buffer is full */
    assert_int_equal(file_out_write(&o, block, 200000, &e), 0);
    assert_int_equal(file_out_write(&o, block, 200000, &e), -1);
    file_out_abort(&o);
    struct stat st;
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

/* A regular file that may not grow past a limit: the old file must live, the temporary must not. */
static int try_limited(void)
{
    static unsigned char block[300000];
    struct rlimit limit = {100000, 100000};
    signal(SIGXFSZ, SIG_IGN);
    struct file_out o;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || file_out_open(&o, target, &e) != 0)
        return 1;
    if (file_out_write(&o, block, sizeof block, &e) != -1 || !strstr(e.text, "File too large"))
        return 2;
    if (file_out_write(&o, "small", 5, &e) != 0) /* into the buffer */
        return 3;
    return file_out_commit(&o, &e) == -1 ? 0 : 4;
}

static void test_full_file(void **state)
{
    (void)state;
    put(target, "old");
    assert_int_equal(chmod(folder, 0777), 0);
    as_nobody(try_limited);
    assert_holds(target, "old");
    assert_int_equal(count_entries(), 1);
}

static void test_standard_output(void **state)
{
    (void)state;
    int kept = dup(STDOUT_FILENO);
    fflush(stdout);
    int fd = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    struct file_out o;
    int opened = file_out_open(&o, "-", &e);
    int written = file_out_write(&o, "hello", 5, &e);
    int patched = file_out_patch(&o, 0, "J", 1, &e);
    int committed = file_out_commit(&o, &e);
    ssize_t after = write(STDOUT_FILENO, "!", 1); /* commit leaves descriptor 1 open */
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(fd);
    assert_int_equal(opened, 0);
    assert_int_equal(written, 0);
    assert_int_equal(patched, -1);
    assert_int_equal(committed, 0);
    assert_int_equal(after, 1);
    assert_holds(target, "hello!");
}

static void test_cleanup_removes_all_temporaries(void **state)
{
    (void)state;
    enum { MANY = 256 };
    struct file_out o[MANY + 1];
    for (int i = 0; i < MANY; i++)
        assert_int_equal(file_out_open(&o[i], target, &e), 0);
    assert_int_equal(file_out_open(&o[MANY], target, &e), -1);
    assert_says("too many outputs");
    assert_int_equal(file_out_commit(&o[0], &e), 0);
    assert_int_equal(file_out_open(&o[0], target, &e), 0); /* its place is free again */
    file_out_cleanup();
    assert_int_equal(count_entries(), 1); /* the committed file stays */
    for (int i = 0; i < MANY; i++)
        file_out_abort(&o[i]);
    file_out_cleanup();
    assert_int_equal(count_entries(), 1);
}

static void test_directories(void **state)
{
    (void)state;
    char path[160];
    snprintf(path, sizeof path, "%s/a/bb/ccc/", folder);
    assert_false(file_is_folder(path));
    assert_int_equal(file_make_dirs(path, &e), 0);
    assert_true(file_is_folder(path));
    assert_int_equal(file_make_dirs(path, &e), 0); /* once more is fine */
    assert_int_equal(file_make_dirs("/", &e), 0);
    put(target, "");
    assert_false(file_is_folder(target));
    assert_int_equal(file_make_dirs(target, &e), -1);
    assert_says("not a directory");
    snprintf(path, sizeof path, "%s/below", target);
    assert_int_equal(file_make_dirs(path, &e), -1);
    assert_says("out.bin: exists and is not a directory");
    assert_int_equal(file_make_dirs("", &e), -1);
}

static void test_whole_stream(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    char *want = malloc(200001);
    assert_non_null(want);
    memset(want, 'a', 200000);
    want[200000] = '\0';
    put(target, want);
    int fd = open(target, O_RDONLY);
    assert_int_equal(file_read_fd(fd, "stream", 200000, &text, &n, &e), 0);
    assert_int_equal(n, 200000);
    assert_string_equal(text, want);
    free(text);
    assert_int_equal(file_read_fd(fd, "stream", 10, &text, &n, &e), 0); /* at its end */
    assert_int_equal(n, 0);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(file_read_fd(fd, "stream", 199999, &text, &n, &e), -1);
    assert_says("stream: too long");
    close(fd);
    assert_int_equal(file_read_fd(fd, "stream", 10, &text, &n, &e), -1);
    assert_says("stream: cannot read");
    free(want);
}

/* A file of a set, taken. */
static int take(struct file_set *set, const char *name, const char *text)
{
    struct file_out o;
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_out_open(&o, path, &e), 0);
    assert_int_equal(file_out_write(&o, text, strlen(text), &e), 0);
    return file_set_take(set, &o, &e);
}

static void assert_in_folder(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (text)
        assert_holds(path, text);
    else
        assert_int_not_equal(access(path, F_OK), 0);
}

/* What was kept from others stays so. */
static void test_permissions_stay(void **state)
{
    (void)state;
    struct file_out o;
    struct stat st;
    put(target, "old");
    assert_int_equal(chmod(target, 0640), 0);
    mode_t mask = umask(022);
    assert_int_equal(file_out_open(&o, target, &e), 0);
    assert_int_equal(file_out_write(&o, "new", 3, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0);
    umask(mask);
    assert_in_folder("out.bin", "new");
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void test_a_set_appears_together(void **state)
{
    (void)state;
    struct file_set set = {0};
    put(target, "old");
    assert_int_equal(take(&set, "out.bin", "new"), 0);
    assert_int_equal(take(&set, "b", "second"), 0);
    assert_in_folder("out.bin", "old");
    assert_in_folder("b", NULL);
    assert_int_equal(file_set_commit(&set, &e), 0);
    assert_in_folder("out.bin", "new");
    assert_in_folder("b", "second");
    assert_int_equal(count_entries(), 2);
    assert_int_equal(take(NULL, "b", "alone"), 0); /* without a set, at once */
    assert_in_folder("b", "alone");
}

static void test_an_aborted_set_leaves_nothing(void **state)
{
    (void)state;
    struct file_set set = {0};
    put(target, "old");
    assert_int_equal(take(&set, "out.bin", "new"), 0);
    assert_int_equal(take(&set, "b", "second"), 0);
    file_set_abort(&set);
    file_set_abort(&set);
    assert_in_folder("out.bin", "old");
    assert_int_equal(count_entries(), 1);
}

/* The second name becomes a folder after all was written: the one failure that comes this late. */
static void test_a_set_that_breaks_is_taken_away(void **state)
{
    (void)state;
    struct file_set set = {0};
    char path[160];
    assert_int_equal(take(&set, "a", "first"), 0);
    assert_int_equal(take(&set, "b", "second"), 0);
    assert_int_equal(take(&set, "c", "third"), 0);
    snprintf(path, sizeof path, "%s/b", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(file_set_commit(&set, &e), -1);
    assert_says("/b: cannot replace");
    assert_in_folder("a", NULL);
    assert_in_folder("c", NULL);
    assert_int_equal(count_entries(), 1);
}

static void test_a_set_takes_so_many(void **state)
{
    (void)state;
    struct file_set set = {0};
    char name[16];
    for (int i = 0; i < FILE_SET_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_int_equal(take(&set, name, "x"), 0);
    }
    assert_int_equal(take(&set, "more", "x"), -1);
    assert_says("more: more than 240 files");
    file_set_abort(&set);
    assert_int_equal(count_entries(), 0);
}

#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_map_refuses_what_is_no_file),
        WITH_FOLDER(test_map_of_an_empty_file),
        WITH_FOLDER(test_commit_shows_the_whole_file),
        WITH_FOLDER(test_commit_replaces_and_abort_keeps),
        WITH_FOLDER(test_patched_in_place),
        WITH_FOLDER(test_mode_follows_umask),
        WITH_FOLDER(test_long_name),
        WITH_FOLDER(test_relative_path),
        WITH_FOLDER(test_symbolic_link_is_followed),
        WITH_FOLDER(test_impossible_paths),
        WITH_FOLDER(test_read_only_folder),
        WITH_FOLDER(test_full_disk),
        WITH_FOLDER(test_full_file),
        WITH_FOLDER(test_standard_output),
        WITH_FOLDER(test_cleanup_removes_all_temporaries),
        WITH_FOLDER(test_directories),
        WITH_FOLDER(test_whole_stream),
        WITH_FOLDER(test_permissions_stay),
        WITH_FOLDER(test_a_set_appears_together),
        WITH_FOLDER(test_an_aborted_set_leaves_nothing),
        WITH_FOLDER(test_a_set_that_breaks_is_taken_away),
        WITH_FOLDER(test_a_set_takes_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
