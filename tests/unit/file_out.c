/* Outputs under a system that fails or kills: nothing is left behind, nothing good is lost. The
 * functions of the system that file_out.c calls are defined here, so that each can fail, kill the
 * process or be written down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/ckpt.h"
#include "os/file.h"
#include "os/file_set.h"
#include "support/scratch.h"
#include "support/toy.h"

static struct err e;

/* ---- a system to order ----------------------------------------------------------------------- */

static bool no_tmpfile;     /* as NFS and older kernels are */
static bool kill_at_rename; /* between the temporary's name and its place */
static bool term_at_rename; /* SIGTERM before it */
static int fsync_fault;     /* errno, or 0 */
static int folder_fault;    /* the same, of a folder */
static int link_fault;      /* which call fails, from 1; 0 none */
static bool no_links;       /* as FAT is, but for files without a name */
static int rename_fault;    /* which call fails, from 1; 0 none */
static bool rename_fails;   /* and all after it */
static int read_fault;      /* errno of the read that read_good does not count; 0 none */
static int read_good;       /* reads before it */
static int n_interruptions; /* of the next calls of flock, by a signal */
static int rename_kill;     /* at which call the process is killed, from 1; 0 none */
static char events[4096];   /* what was called, in order; NULL-terminated */

static void note(const char *what, const char *path)
{
    size_t n = strlen(events);
    const char *slash = strrchr(path, '/');
    snprintf(events + n, sizeof events - n, "%s %s\n", what, slash ? slash + 1 : path);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, unsigned) : 0;
    va_end(list);
    if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    if (link_fault > 0 && --link_fault == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (no_links && !(flags & AT_SYMLINK_FOLLOW)) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int fsync(int fd)
{
    struct stat st;
    bool is_folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    int fault = is_folder && folder_fault ? folder_fault : fsync_fault;
    note("fsync", is_folder ? "folder" : "file");
    errno = fault;
    return fault ? -1 : (int)syscall(SYS_fsync, fd);
}

int flock(int fd, int how)
{
    if (n_interruptions > 0) {
        n_interruptions--;
        errno = EINTR;
        return -1;
    }
    if (no_tmpfile && (how & LOCK_EX) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        errno = EBADF;
        return -1;
    }
    return (int)syscall(SYS_flock, fd, how);
}

ssize_t read(int fd, void *data, size_t n)
{
    if (read_fault && read_good-- == 0) {
        errno = read_fault;
        read_fault = 0;
        return -1;
    }
    return syscall(SYS_read, fd, data, n);
}

int rename(const char *from, const char *to)
{
    if (term_at_rename)
        raise(SIGTERM);
    if (kill_at_rename || (rename_kill > 0 && --rename_kill == 0))
        raise(SIGKILL);
    if (rename_fault > 0 && --rename_fault == 0) {
        rename_fault = rename_fails;
        errno = EIO;
        return -1;
    }
    note("rename", to);
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    note("unlink", path);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static int reset(void **state)
{
    (void)state;
    no_tmpfile = false;
    kill_at_rename = term_at_rename = no_links = rename_fails = false;
    n_interruptions = read_fault = 0;
    fsync_fault = folder_fault = link_fault = rename_fault = rename_kill = 0;
    events[0] = '\0';
    return 0;
}

/* ---- kills ----------------------------------------------------------------------------------- */

/* A process that opens the output, writes, perhaps commits, and is killed: at the rename, or where
 * it stands. */
static void killed_writer(bool commit)
{
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct file_out o;
        kill_at_rename = true;
        if (file_out_open(&o, scratch_path("out"), &e) || file_out_write(&o, "half", 4, &e) ||
            file_out_sync(&o, &e) || (commit && file_out_commit(&o, &e)))
            _exit(1);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void write_good(void)
{
    struct file_out o;
    assert_int_equal(file_out_open(&o, scratch_path("out"), &e), 0);
    assert_int_equal(file_out_write(&o, "good", 4, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0);
}

static void expect_good_alone(size_t n_entries)
{
    size_t n;
    unsigned char *text = scratch_read(scratch_path("out"), &n);
    assert_int_equal(n, 4);
    assert_memory_equal(text, "good", 4);
    assert_int_equal(scratch_count(), n_entries);
    free(text);
}

static void test_killed_without_a_name(void **state)
{
    (void)state;
    size_t before = scratch_count();
    killed_writer(false);
    assert_int_equal(scratch_count(), before); /* this needs O_TMPFILE, which tmpfs and ext4 have */
}

static void test_killed_with_a_name(void **state)
{
    (void)state;
    size_t before = scratch_count();
    no_tmpfile = true;
    killed_writer(false);
    killed_writer(false); /* removes the first one's */
    assert_int_equal(scratch_count(), before + 1);
    write_good();
    expect_good_alone(before + 1);
    assert_int_equal(remove(scratch_path("out")), 0);
}

static void test_killed_between_name_and_place(void **state)
{
    (void)state;
    size_t before = scratch_count();
    write_good();
    killed_writer(true);
    expect_good_alone(before + 2);
    write_good();
    expect_good_alone(before + 1);
    assert_int_equal(remove(scratch_path("out")), 0);
}

/* Temporaries of a living process, of other files and of other programs stay. */
static void test_nothing_else_is_removed(void **state)
{
    (void)state;
    struct file_out o;
    static const char *const others[] = {
        ".other.abc123.bolt.tmp", ".out.config.tmp",      ".out.abc123.bolt.tmp.old",
        ".out.abc12.bolt.tmp",    ".out.abc12z.bolt.tmp", "out.abc123.bolt.tmp",
    };
    size_t before = scratch_count();
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        scratch_write(scratch_path(others[i]), "x", 1);
    no_tmpfile = true;
    assert_int_equal(file_out_open(&o, scratch_path("out"), &e), 0);
    write_good();
    assert_int_equal(scratch_count(), before + ARRAY_LEN(others) + 2);
    assert_int_equal(file_out_commit(&o, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(remove(scratch_path(others[i])), 0);
    assert_int_equal(remove(scratch_path("out")), 0);
    assert_int_equal(scratch_count(), before);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void test_failing_sync(void **state)
{
    (void)state;
    struct file_out o;
    write_good();
    size_t before = scratch_count();
    fsync_fault = EIO;
    assert_int_equal(file_out_open(&o, scratch_path("out"), &e), 0);
    assert_int_equal(file_out_write(&o, "half", 4, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), -1);
    assert_non_null(strstr(e.text, "Input/output error"));
    expect_good_alone(before);
    assert_int_equal(remove(scratch_path("out")), 0);
}

static void test_reserved_room(void **state)
{
    (void)state;
    struct file_out o;
    size_t n;
    assert_int_equal(file_out_open(&o, scratch_path("out"), &e), 0);
    assert_int_equal(file_out_reserve(&o, 100000, &e), 0);
    struct stat st;
    assert_int_equal(fstat(o.fd, &st), 0);
    assert_true(st.st_blocks * 512 >= 100000);
    assert_int_equal(file_out_write(&o, "good", 4, &e), 0);
    assert_int_equal(file_out_commit(&o, &e), 0); /* what was not needed is given back */
    unsigned char *text = scratch_read(scratch_path("out"), &n);
    assert_int_equal(n, 4);
    free(text);
    assert_int_equal(file_out_open(&o, scratch_path("out"), &e), 0);
    assert_int_equal(file_out_reserve(&o, (uint64_t)1 << 62, &e), -1); /* more than any disk has */
    assert_true(errno == ENOSPC || errno == EFBIG);
    assert_non_null(strstr(e.text, "out: cannot reserve"));
    file_out_abort(&o);
    assert_int_equal(remove(scratch_path("out")), 0);
}

/* A new folder, and its name in the one before, are on the disk. */
static void test_new_folders_are_synced(void **state)
{
    (void)state;
    assert_int_equal(file_make_dirs(scratch_path("f/g"), &e), 0);
    assert_string_equal(events, "fsync folder\nfsync folder\n");
    assert_int_equal(file_make_dirs(scratch_path("f/g"), &e), 0);
    assert_string_equal(events, "fsync folder\nfsync folder\n");
    assert_int_equal(rmdir(scratch_path("f/g")), 0);
    folder_fault = EIO;
    assert_int_equal(file_make_dirs(scratch_path("f/g"), &e), -1);
    assert_non_null(strstr(e.text, "f/g: cannot sync the folder it is in"));
    assert_int_equal(rmdir(scratch_path("f/g")), 0);
    assert_int_equal(rmdir(scratch_path("f")), 0);
}

/* A signal is no reason to think that nobody holds a folder. */
static void test_holding_is_not_interrupted(void **state)
{
    (void)state;
    int first = open(scratch_dir(), O_RDONLY), second = open(scratch_dir(), O_RDONLY);
    assert_true(file_hold(first, FILE_ALONE));
    n_interruptions = 2;
    assert_false(file_hold(second, FILE_SHARED));
    close(first);
    close(second);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* All files of a set are on disk before the first has its place, and their folder is synced once.
 */
static void test_a_set_is_synced_and_then_placed(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    struct file_set set = {0};
    for (int fault = 0; fault < 2; fault++) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            struct file_out o;
            assert_int_equal(file_out_open(&o, scratch_path(names[i]), &e), 0);
            assert_int_equal(file_out_write(&o, "text", 4, &e), 0);
            assert_int_equal(file_set_take(&set, &o, &e), 0);
        }
        fsync_fault = fault ? EIO : 0;
        events[0] = '\0';
        assert_int_equal(file_set_commit(&set, &e), fault ? -1 : 0);
        assert_string_equal(events, fault ? "fsync file\n"
                                          : "fsync file\nfsync file\nfsync file\nrename a\n"
                                            "rename b\nrename c\nfsync folder\n");
    }
    assert_int_equal(scratch_count(), 3);
}

static void take_three(struct file_set *set, const char *text)
{
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct file_out o;
        assert_int_equal(file_out_open(&o, scratch_path(names[i]), &e), 0);
        assert_int_equal(file_out_write(&o, text, strlen(text), &e), 0);
        assert_int_equal(file_set_take(set, &o, &e), 0);
    }
}

/* How many of them have this text. */
static int count_three(const char *text)
{
    static const char *const names[] = {"a", "b", "c"};
    int n_same = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n;
        if (access(scratch_path(names[i]), F_OK) != 0)
            continue;
        char *found = (char *)scratch_read(scratch_path(names[i]), &n);
        n_same += n == strlen(text) && memcmp(found, text, n) == 0;
        free(found);
    }
    return n_same;
}

static volatile sig_atomic_t n_new; /* when the signal came */

static void on_term(int number)
{
    (void)number;
    n_new = count_three("new");
}

/* What ends a program does not come between the files of a set. */
static void test_a_signal_waits_for_a_set(void **state)
{
    (void)state;
    struct file_set set = {0};
    take_three(&set, "old");
    assert_int_equal(file_set_commit(&set, &e), 0);
    signal(SIGTERM, on_term);
    n_new = -1;
    take_three(&set, "new");
    term_at_rename = true;
    assert_int_equal(file_set_commit(&set, &e), 0);
    signal(SIGTERM, SIG_DFL);
    assert_int_equal(n_new, 3);
}

/* A folder that has no room for another name: the files that stood there stay. */
static void test_no_room_for_a_name(void **state)
{
    (void)state;
    struct file_set set = {0};
    take_three(&set, "old");
    assert_int_equal(file_set_commit(&set, &e), 0);
    take_three(&set, "new");
    link_fault = 2;
    int rc = file_set_commit(&set, &e);
    if (link_fault == 0) { /* else a file system without files that have no name */
        assert_int_equal(rc, -1);
        assert_non_null(strstr(e.text, "b: cannot create: No space left"));
        assert_int_equal(count_three("old"), 3);
    }
    link_fault = 0;
    assert_int_equal(scratch_count(), 3);
}

/* Three old files to be replaced by new ones; what comes of it. */
static int replace_three(bool last_completes)
{
    struct file_set set = {0};
    int fault = rename_fault, kill = rename_kill;
    rename_fault = rename_kill = 0;
    take_three(&set, "old");
    assert_int_equal(file_set_commit(&set, &e), 0);
    take_three(&set, "new");
    rename_fault = fault;
    rename_kill = kill;
    set.last_completes = last_completes;
    int rc = file_set_commit(&set, &e);
    rename_fault = 0;
    folder_fault = 0;
    return rc;
}

/* Whichever rename fails, or the last fsync: the old files stand as they stood. */
static void test_a_set_that_breaks_is_put_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        bool last_completes = i & 1;
        int call = 1 + i / 4, n_renames = 3 + last_completes;
        no_tmpfile = i & 2;
        rename_fault = call <= n_renames ? call : 0;
        int rc = replace_three(last_completes);
        assert_int_equal(rc, call <= n_renames ? -1 : 0);
        assert_int_equal(count_three(rc ? "old" : "new"), 3);
        assert_int_equal(scratch_count(), 3);
    }
}

static void test_a_set_that_is_not_settled_is_put_back(void **state)
{
    (void)state;
    struct file_set set = {0};
    take_three(&set, "old");
    assert_int_equal(file_set_commit(&set, &e), 0);
    take_three(&set, "new");
    folder_fault = EIO;
    assert_int_equal(file_set_commit(&set, &e), -1);
    assert_int_equal(count_three("old"), 3);
    assert_int_equal(scratch_count(), 3);
}

/* What could not be kept is not there twice: no part of the new set stays. */
static void test_a_set_that_breaks_without_links(void **state)
{
    (void)state;
    no_links = true;
    rename_fault = 3;
    assert_int_equal(replace_three(false), -1);
    assert_int_equal(count_three("new"), 0);
    assert_int_equal(count_three("old"), 1);
    assert_int_equal(scratch_count(), 1);
    assert_int_equal(replace_three(true), 0);
    assert_int_equal(count_three("new"), 3);
    assert_int_equal(scratch_count(), 3);
}

/* No room for the names under which old files are kept: nothing has changed. */
static void test_no_room_to_keep(void **state)
{
    (void)state;
    struct file_set set = {0};
    no_tmpfile = true; /* then links are for nothing else */
    take_three(&set, "old");
    assert_int_equal(file_set_commit(&set, &e), 0);
    take_three(&set, "new");
    link_fault = 2;
    assert_int_equal(file_set_commit(&set, &e), -1);
    assert_non_null(strstr(e.text, "b: cannot keep what it replaces: No space left"));
    assert_int_equal(count_three("old"), 3);
    assert_int_equal(scratch_count(), 3);
}

/* A disk that takes no rename any more: what could not be put back is where the message says. */
static void test_a_set_that_cannot_be_put_back(void **state)
{
    (void)state;
    rename_fault = 2;
    rename_fails = true;
    assert_int_equal(replace_three(false), -1);
    rename_fails = false;
    const char *at = strstr(e.text, "a: cannot be put back, and is now ");
    assert_non_null(at);
    char path[512];
    size_t n;
    assert_int_equal(sscanf(at, "a: cannot be put back, and is now %511[^:]", path), 1);
    unsigned char *text = scratch_read(path, &n);
    assert_int_equal(n, 3);
    assert_memory_equal(text, "old", 3);
    free(text);
    assert_int_equal(remove(path), 0);
    assert_int_equal(count_three("old"), 2);
    assert_int_equal(scratch_count(), 3);
}

/* Killed between two renames: old and new ones are mixed, and then the last one is missing. */
static void test_a_set_that_is_killed_is_no_whole(void **state)
{
    (void)state;
    for (int call = 1; call <= 5; call++) {
        fflush(stdout);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            rename_kill = call;
            _exit(replace_three(true));
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(call == 5 ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                              : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        int n_old = count_three("old"), n_now = count_three("new");
        bool complete = access(scratch_path("c"), F_OK) == 0;
        assert_int_equal(complete, n_old == 3 || n_now == 3);
        assert_true(n_old + n_now == 2 + complete);
    }
    struct file_set set = {0}; /* and the next writer leaves nothing of it */
    take_three(&set, "new");
    assert_int_equal(file_set_commit(&set, &e), 0);
    assert_int_equal(scratch_count(), 3);
}

/* The new checkpoint and its name are on the disk before the older one goes. */
static void test_checkpoints_are_synced_before_older_ones_go(void **state)
{
    (void)state;
    struct dims d = toy_dims(11, 6, 7, 3, 2, "1,4");
    float *params = toy_params(&d, 1);
    struct ckpt_state s = {.settings = {.precision = "f32", .isa = "c"}, .progress = {.step = 1}};
    struct ckpt_optim none = {0};
    for (int i = 1; i <= 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "step-%09d.safetensors", i);
        events[0] = '\0';
        assert_int_equal(ckpt_save(scratch_path(name), &d, params, &none, &s, &e), 0);
        assert_int_equal(ckpt_prune(scratch_dir(), (uint64_t)i, 1, &e), 0);
    }
    assert_string_equal(events, "fsync file\nrename step-000000002.safetensors\nfsync folder\n"
                                "unlink step-000000001.safetensors\n");
    assert_int_equal(remove(scratch_path("step-000000002.safetensors")), 0);
    free(params);
}

/* Of two checkpoints, what the newest one on a disk that fails so gives. */
static int open_newest_of_two(int fault, int good, char **path, char **skipped)
{
    struct ckpt c;
    read_fault = fault;
    read_good = good;
    int rc = ckpt_open_newest(&c, scratch_dir(), path, skipped, &e);
    read_fault = 0;
    if (*path)
        ckpt_close(&c);
    return rc;
}

/* A bad sector of the newest one is damage like any other: the one before is taken. What may pass
 * is an error. */
static void test_a_bad_sector_is_damage(void **state)
{
    (void)state;
    const char *first = "step-000000001.safetensors", *second = "step-000000002.safetensors";
    struct dims d = toy_dims(11, 6, 7, 3, 2, "1,4");
    float *params = toy_params(&d, 1);
    struct ckpt_state s = {.settings = {.precision = "f32", .isa = "c"}, .progress = {.step = 1}};
    struct ckpt_optim none = {0};
    char *path, *skipped;
    assert_int_equal(ckpt_save(scratch_path(first), &d, params, &none, &s, &e), 0);
    assert_int_equal(ckpt_save(scratch_path(second), &d, params, &none, &s, &e), 0);
    for (int good = 0; good < 2; good++) { /* its first read, or its second */
        assert_int_equal(open_newest_of_two(EIO, good, &path, &skipped), 0);
        assert_string_equal(path, scratch_path(first));
        assert_non_null(strstr(skipped, "step-000000002.safetensors: damaged: cannot read from"));
        assert_non_null(strstr(skipped, "Input/output error"));
        free(path);
        free(skipped);
    }
    assert_int_equal(open_newest_of_two(EINTR, 0, &path, &skipped), 0);
    assert_string_equal(path, scratch_path(second));
    assert_null(skipped);
    free(path);
    assert_int_equal(open_newest_of_two(ESTALE, 0, &path, &skipped), -1);
    assert_non_null(strstr(e.text, "step-000000002.safetensors: cannot read"));
    assert_null(path);
    assert_int_equal(remove(scratch_path(first)), 0);
    assert_int_equal(remove(scratch_path(second)), 0);
    free(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_killed_without_a_name, reset),
        cmocka_unit_test_setup(test_killed_with_a_name, reset),
        cmocka_unit_test_setup(test_killed_between_name_and_place, reset),
        cmocka_unit_test_setup(test_nothing_else_is_removed, reset),
        cmocka_unit_test_setup(test_failing_sync, reset),
        cmocka_unit_test_setup(test_reserved_room, reset),
        cmocka_unit_test_setup(test_new_folders_are_synced, reset),
        cmocka_unit_test_setup(test_holding_is_not_interrupted, reset),
        cmocka_unit_test_setup(test_a_set_is_synced_and_then_placed, reset),
        cmocka_unit_test_setup(test_a_signal_waits_for_a_set, reset),
        cmocka_unit_test_setup(test_no_room_for_a_name, reset),
        cmocka_unit_test_setup(test_a_set_that_breaks_is_put_back, reset),
        cmocka_unit_test_setup(test_a_set_that_is_not_settled_is_put_back, reset),
        cmocka_unit_test_setup(test_a_set_that_breaks_without_links, reset),
        cmocka_unit_test_setup(test_no_room_to_keep, reset),
        cmocka_unit_test_setup(test_a_set_that_cannot_be_put_back, reset),
        cmocka_unit_test_setup(test_a_set_that_is_killed_is_no_whole, reset),
        cmocka_unit_test_setup(test_checkpoints_are_synced_before_older_ones_go, reset),
        cmocka_unit_test_setup(test_a_bad_sector_is_damage, reset),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
