#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_PATHS = 4, MAX_PATH = 512 };

static char folder[] = "/tmp/bolt-test-XXXXXX";

int scratch_setup(void **state)
{
    (void)state;
    memset(folder + sizeof folder - 7, 'X', 6); /* there may have been one before */
    return mkdtemp(folder) ? 0 : -1;
}

/* Calls visit for every entry of the folder; returns their number. */
static size_t each_entry(void (*visit)(const char *path))
{
    size_t n = 0;
    DIR *d = opendir(folder);
    if (!d)
        return 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        n++;
        if (visit)
            visit(scratch_path(entry->d_name));
    }
    closedir(d);
    return n;
}

static void delete (const char *path)
{
    unlink(path);
}

int scratch_teardown(void **state)
{
    (void)state;
    each_entry(delete);
    return rmdir(folder);
}

const char *scratch_dir(void)
{
    return folder;
}

const char *scratch_path(const char *name)
{
    static char paths[N_PATHS][MAX_PATH];
    static unsigned next;
    char *path = paths[next++ % N_PATHS];
    snprintf(path, MAX_PATH, "%s/%s", folder, name);
    return path;
}

void scratch_write(const char *path, const void *data, size_t n)
{
    unlink(path); /* some file systems flush a file that is cut and written again */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

unsigned char *scratch_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    assert_true(size >= 0);
    rewind(f);
    unsigned char *data = malloc((size_t)size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, f), size);
    fclose(f);
    *n = (size_t)size;
    return data;
}

size_t scratch_count(void)
{
    return each_entry(NULL);
}
