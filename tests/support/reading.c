#include "support/reading.h"

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

#include "support/scratch.h"

char reading_path[256];
struct reading reading;

int reading_setup(void **state)
{
    if (scratch_setup(state))
        return -1;
    snprintf(reading_path, sizeof reading_path, "%s", scratch_path("in"));
    return 0;
}

static int on_story(void *context, const char *text, size_t n, struct err *e)
{
    struct reading *r = context;
    if (r->stop_at && r->n_stories + 1 == r->stop_at)
        return err_set(e, "stopped");
    assert_true(r->n + n + 1 < sizeof r->text);
    if (n)
        memcpy(r->text + r->n, text, n);
    r->n += n;
    r->text[r->n++] = '\0';
    r->n_stories++;
    return 0;
}

static void on_warning(void *context, const char *sentence)
{
    struct reading *r = context;
    size_t n = strlen(r->warnings);
    snprintf(r->warnings + n, sizeof r->warnings - n, "%s\n", sentence);
}

int reading_read(const char *path, const struct corpus_options *o)
{
    const struct corpus_hooks hooks = {on_story, NULL, on_warning, &reading};
    reading.n = reading.n_stories = 0;
    reading.err.text[0] = reading.warnings[0] = '\0';
    reading.counts = (struct corpus_counts){0};
    return corpus_read(path, o, &hooks, &reading.counts, &reading.err);
}

void reading_expect(const struct corpus_options *o, const void *content, size_t n,
                    const char *stories, size_t n_stories_bytes)
{
    scratch_write(reading_path, content, n);
    if (reading_read(reading_path, o))
        fail_msg("%s", reading.err.text);
    assert_int_equal(reading.n, n_stories_bytes);
    assert_memory_equal(reading.text, stories, reading.n);
}

void reading_refuse(const struct corpus_options *o, const void *content, size_t n,
                    const char *message)
{
    const char *text = reading.err.text;
    scratch_write(reading_path, content, n);
    assert_int_equal(reading_read(reading_path, o), -1);
    if (strncmp(text, reading_path, strlen(reading_path)) != 0 || !strstr(text, message))
        fail_msg("\"%s\" does not name %s or \"%s\"", text, reading_path, message);
    assert_null(strchr(text, '\n'));
}

size_t reading_load(char *data, size_t most)
{
    size_t n;
    unsigned char *all = scratch_read(reading_path, &n);
    assert_true(n <= most);
    memcpy(data, all, n);
    free(all);
    return n;
}

void reading_pack(enum reading_packing packing, int filter, const struct reading_member *members,
                  size_t n)
{
    struct archive *a = archive_write_new();
    assert_non_null(a);
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    int code = packing == READING_TAR   ? archive_write_set_format_pax_restricted(a)
               : packing == READING_ZIP ? archive_write_set_format_zip(a)
                                        : archive_write_set_format_raw(a);
    assert_int_equal(code, ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(a, 1);
    assert_int_equal(archive_write_open_filename(a, reading_path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        bool is_folder = members[i].name[strlen(members[i].name) - 1] == '/';
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
