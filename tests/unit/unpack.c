/* Every packing gives the same stories, all of a file is read, and damaged files give an error that
 * names them, never a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <archive.h>
#include <stdio.h>
#include <string.h>

#include "corpus/ahead.h"
#include "support/reading.h"
#include "support/scratch.h"

static const int filters[] = {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2,
                              ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD};
static const char text_form[] = "One\n<|endoftext|>\nTwo<|endoftext|>";
static const char expected[] = "One\n\0\nTwo";

static void expect_two(void)
{
    for (int ahead = 0; ahead < 2; ahead++) {
        if (reading_read(reading_path, &(struct corpus_options){.ahead = ahead}))
            fail_msg("%s", reading.err.text);
        assert_int_equal(reading.n, sizeof expected);
        assert_memory_equal(reading.text, expected, sizeof expected);
    }
}

static void test_packings(void **state)
{
    (void)state;
    const struct reading_member one[] = {
        {"folder/", NULL, 0}, {"empty", NULL, 0}, {"a.txt", text_form, sizeof text_form - 1}};
    const struct reading_member two[] = {{"b", "One\n", 4},
                                         {"a.json", "[{\"story\":\"\\nTwo\"}]", 19}};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        reading_pack(READING_RAW, filters[i], one + 2, 1);
        expect_two();
        reading_pack(READING_TAR, filters[i], one, 3);
        expect_two();
        reading_pack(READING_TAR, filters[i], two, 2);
        expect_two();
    }
    reading_pack(READING_ZIP, ARCHIVE_FILTER_NONE, one, 3);
    expect_two();
    reading_pack(READING_ZIP, ARCHIVE_FILTER_NONE, two, 2);
    expect_two();
}

static void test_compressed_members(void **state)
{
    (void)state;
    const struct reading_member plain = {"a.txt", text_form, sizeof text_form - 1};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        char packed[4096];
        reading_pack(READING_RAW, filters[i], &plain, 1);
        struct reading_member inner = {"a.txt.packed", packed, reading_load(packed, sizeof packed)};
        reading_pack(READING_TAR, ARCHIVE_FILTER_GZIP, &inner, 1);
        expect_two();
        if (i > 0) {
            inner.n -= 5;
            reading_pack(READING_ZIP, ARCHIVE_FILTER_NONE, &inner, 1);
            assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), -1);
            assert_non_null(strstr(reading.err.text, "in: a.txt.packed: "));
        }
    }
}

/* A source of numbered blocks of many sizes, and then an end or an error. */
struct numbers {
    struct source source;
    uint32_t n, at, bytes; /* blocks, of which so many were given */
    bool fails;
    uint32_t block[60000];
};

static int next_number(struct source *source, const char **data, size_t *n, struct err *e)
{
    struct numbers *s = (struct numbers *)source;
    if (s->at == s->n) {
        *n = 0;
        return s->fails ? err_set(e, "numbers: failed") : 0;
    }
    size_t count = s->at % 7 ? 1 + s->at % 1000 : ARRAY_LEN(s->block);
    for (size_t i = 0; i < count; i++)
        s->block[i] = s->bytes++;
    s->at++;
    *data = (const char *)s->block;
    *n = count * sizeof *s->block;
    return 0;
}

/* Adds up what comes, at most *most blocks. */
static int count_numbers(void *context, struct source *in, struct err *e)
{
    uint32_t *left = context, wanted = 0;
    for (size_t n = 1; n && *left; --*left) {
        const char *data;
        if (source_next(in, &data, &n, e))
            return -1;
        for (size_t i = 0; i < n; i += sizeof wanted) {
            uint32_t number;
            memcpy(&number, data + i, sizeof number);
            if (number != wanted++)
                return err_set(e, "found %u, expected %u", number, wanted - 1);
        }
    }
    return *left ? (int)wanted : 7;
}

static void test_reading_ahead(void **state)
{
    (void)state;
    static struct numbers s;
    for (uint32_t n = 0; n < 60; n = 3 * n + 1)
        for (int fails = 0; fails < 2; fails++) {
            uint32_t left = UINT32_MAX, few = 1;
            s = (struct numbers){.source = {next_number}, .n = n, .fails = fails};
            int rc = ahead_run(&s.source, count_numbers, &left, &reading.err);
            assert_int_equal(rc, fails ? -1 : (int)s.bytes);
            assert_int_equal(s.at, n);
            if (fails)
                assert_string_equal(reading.err.text, "numbers: failed");
            s.at = s.bytes = 0; /* who uses it may end before it */
            rc = ahead_run(&s.source, count_numbers, &few, &reading.err);
            assert_int_equal(rc, n ? 7 : fails ? -1 : 7);
        }
}

static void test_empty_archive(void **state)
{
    (void)state;
    const struct reading_member empty = {"empty", NULL, 0};
    reading_pack(READING_TAR, ARCHIVE_FILTER_GZIP, &empty, 1);
    assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), -1);
    assert_non_null(strstr(reading.err.text, "is empty"));
    reading_pack(READING_RAW, ARCHIVE_FILTER_XZ, &empty, 1);
    assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), -1);
    assert_non_null(strstr(reading.err.text, "is empty"));
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
    const struct reading_member member = {"a.txt", text, long_text(text, sizeof text)};
    for (size_t i = 1; i < ARRAY_LEN(filters); i++)
        for (enum reading_packing p = READING_TAR; p <= READING_RAW;
             p += READING_RAW - READING_TAR) {
            reading_pack(p, filters[i], &member, 1);
            size_t n = reading_load(packed, sizeof packed);
            for (size_t cut = 1; cut < n; cut++) {
                scratch_write(reading_path, packed, cut);
                int code =
                    reading_read(reading_path, &(struct corpus_options){.ahead = cut % 16 == 0});
                /* too little to be known as packed, or only the packing's own end missing */
                if (code == 0 && cut >= 16 && cut + 32 < n)
                    fail_msg("filter %zu, packing %d: cut to %zu of %zu unnoticed", i, (int)p, cut,
                             n);
                if (code)
                    assert_int_equal(strncmp(reading.err.text, reading_path, strlen(reading_path)),
                                     0);
            }
        }
}

static void test_flipped_bytes(void **state)
{
    (void)state;
    static char text[1500], packed[8192], good[2000];
    const struct reading_member member = {"a.txt", text, long_text(text, sizeof text)};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        for (enum reading_packing p = READING_TAR; p <= READING_RAW; p++) {
            if (p == READING_ZIP && i > 0)
                continue;
            reading_pack(p, filters[i], &member, 1);
            size_t n = reading_load(packed, sizeof packed);
            assert_int_equal(reading_read(reading_path, &(struct corpus_options){0}), 0);
            size_t n_good = reading.n;
            memcpy(good, reading.text, n_good);
            for (size_t at = 0; at < n; at++) {
                packed[at] ^= (char)(1 << (at % 8));
                scratch_write(reading_path, packed, n);
                /* either way: no crash, no hang */
                if (reading_read(reading_path, &(struct corpus_options){0}))
                    assert_int_equal(strncmp(reading.err.text, reading_path, strlen(reading_path)),
                                     0);
                else if (filters[i] == ARCHIVE_FILTER_GZIP || filters[i] == ARCHIVE_FILTER_BZIP2 ||
                         filters[i] == ARCHIVE_FILTER_XZ) { /* these have checksums */
                    if (at >= 4) { /* else it is not even packed any more */
                        assert_int_equal(reading.n, n_good);
                        assert_memory_equal(reading.text, good, n_good);
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
    const struct reading_member first = {"a", "One\n<|endo", 10},
                                second = {"b", "ftext|>\nTwo", 11};
    reading_pack(READING_RAW, ARCHIVE_FILTER_GZIP, &first, 1);
    size_t n = reading_load(packed, sizeof packed), n_first = n;
    reading_pack(READING_RAW, ARCHIVE_FILTER_GZIP, &second, 1);
    n += reading_load(packed + n, sizeof packed - n);
    scratch_write(reading_path, packed, n);
    expect_two();
    memset(packed + n, 0, 1000);
    scratch_write(reading_path, packed, n + 1000);
    expect_two();
    reading_refuse(&(struct corpus_options){0}, packed, n - 1, "truncated gzip data");
    reading_refuse(&(struct corpus_options){0}, packed, n_first + 2, "truncated gzip data");
    packed[n - 8] ^= 1; /* the second checksum */
    reading_refuse(&(struct corpus_options){0}, packed, n, "damaged gzip data");
}

/* ---- all of a file is read, or it is refused ------------------------------------------------- */

static size_t n_packed;
static char packed_bytes[1 << 16];

/* Appends a packing of one member to the file that is being made. */
static void join(enum reading_packing packing, int filter, const char *text)
{
    const struct reading_member member = {"a.txt", text, strlen(text)};
    reading_pack(packing, filter, &member, 1);
    n_packed += reading_load(packed_bytes + n_packed, sizeof packed_bytes - n_packed);
}

static void join_bytes(const char *bytes, size_t n)
{
    memcpy(packed_bytes + n_packed, bytes, n);
    n_packed += n;
}

static void expect_joined(const char *stories, size_t n)
{
    reading_expect(&(struct corpus_options){0}, packed_bytes, n_packed, stories, n);
    n_packed = 0;
}

static void refuse_joined(const char *message)
{
    reading_refuse(&(struct corpus_options){0}, packed_bytes, n_packed, message);
    n_packed = 0;
}

static void test_one_after_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        join(READING_TAR, filters[i], "One");
        join(READING_TAR, filters[i], "Two");
        expect_joined("One\0Two", 8);
        if (i == 0)
            continue;
        for (int k = 0; k < 3; k++)
            join(READING_RAW, filters[i], k ? "e" : "On");
        expect_joined("Onee", 5);
    }
    join(READING_ZIP, ARCHIVE_FILTER_NONE, "One");
    size_t n = n_packed;
    char message[64];
    snprintf(message, sizeof message, "the zip archive begins only at byte %zu", n);
    join(READING_ZIP, ARCHIVE_FILTER_NONE, "Two");
    refuse_joined(message);
    join(READING_ZIP, ARCHIVE_FILTER_NONE, "One");
    join(READING_TAR, ARCHIVE_FILTER_NONE, "Two");
    snprintf(message, sizeof message, "follows the zip archive, at byte %zu", n);
    refuse_joined(message);
}

/* Zeros may follow, from one to more than any block. */
static void test_zeros_after_the_end(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 3, 511, 512, 5000, 40000};
    static char zeros[40000];
    for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
        join(READING_TAR, ARCHIVE_FILTER_NONE, "One");
        join_bytes(zeros, counts[c] / 512 * 512);
        expect_joined("One", 4);
        for (enum reading_packing p = READING_TAR; p <= READING_RAW; p++) {
            join(p, p == READING_ZIP ? ARCHIVE_FILTER_NONE : ARCHIVE_FILTER_GZIP, "One");
            join_bytes(zeros, counts[c]);
            expect_joined("One", 4);
        }
        for (enum reading_packing p = READING_TAR; p <= READING_RAW; p += READING_RAW) {
            join(p, ARCHIVE_FILTER_BZIP2, "One");
            join_bytes(zeros, counts[c]);
            expect_joined("One", 4);
            join(p, ARCHIVE_FILTER_ZSTD, "One");
            join_bytes(zeros, counts[c]);
            expect_joined("One", 4);
        }
        join(READING_RAW, ARCHIVE_FILTER_XZ, "One");
        join_bytes(zeros, counts[c] / 4 * 4); /* padding of that format comes in fours */
        expect_joined("One", 4);
    }
}

static void test_something_after_the_end(void **state)
{
    (void)state;
    static const char *const tails[] = {"x", "Two.<|endoftext|>\n", "BZh9", "\x1f\x8b",
                                        ("\xfd" /* which would take the 7 for a digit of its own */
                                         "7zXZ")};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        for (size_t t = 0; t < ARRAY_LEN(tails); t++)
            for (enum reading_packing p = READING_TAR; p <= READING_RAW; p++) {
                if ((p == READING_RAW && i == 0) || (p == READING_ZIP && i > 0))
                    continue;
                join(p, filters[i], "One");
                join_bytes(tails[t], strlen(tails[t]));
                refuse_joined("");
                assert_non_null(strstr(reading.err.text, "byte "));
            }
    /* within a packing, too */
    join(READING_TAR, ARCHIVE_FILTER_NONE, "One");
    join_bytes("x", 1);
    const struct reading_member inner = {"in.tar", packed_bytes, n_packed};
    static char copy[1 << 15];
    memcpy(copy, packed_bytes, n_packed);
    const struct reading_member outer = {"in.tar", copy, inner.n};
    reading_pack(READING_ZIP, ARCHIVE_FILTER_NONE, &outer, 1);
    n_packed = reading_load(packed_bytes, sizeof packed_bytes);
    refuse_joined("in: in.tar: cannot read: ");
}

/* A second stream with a damaged header, or cut within it, is no end. */
static void test_damaged_second_stream(void **state)
{
    (void)state;
    for (size_t i = 1; i < ARRAY_LEN(filters); i++) {
        join(READING_RAW, filters[i], "One");
        size_t first = n_packed;
        join(READING_RAW, filters[i], "Two");
        size_t all = n_packed;
        packed_bytes[first] ^= 1;
        refuse_joined("");
        packed_bytes[first] ^= 1;
        for (n_packed = first + 1; n_packed < all; n_packed++) {
            size_t n = n_packed;
            refuse_joined("");
            n_packed = n;
        }
        n_packed = 0;
    }
}

static void test_tar_without_end_mark(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) { /* plain, and compressed after it was cut */
        join(READING_TAR, ARCHIVE_FILTER_NONE, "One");
        n_packed = 1024; /* header and data */
        if (i) {
            static char cut[1024];
            memcpy(cut, packed_bytes, sizeof cut);
            const struct reading_member member = {"cut.tar", cut, sizeof cut};
            reading_pack(READING_RAW, ARCHIVE_FILTER_XZ, &member, 1);
            n_packed = reading_load(packed_bytes, sizeof packed_bytes);
        }
        expect_joined("One", 4);
        assert_non_null(strstr(reading.warnings, "the tar archive has no end mark"));
    }
    join(READING_TAR, ARCHIVE_FILTER_NONE, "One");
    n_packed = 1536; /* one block of the end mark */
    expect_joined("One", 4);
    assert_string_equal(reading.warnings, "");
}

/* ---- archives within archives, and what is in them besides ----------------------------------- */

/* Packs reading_path's file as the member of an archive. */
static void wrap(enum reading_packing packing, int filter, const char *name)
{
    static char inner[1 << 16];
    const struct reading_member member = {name, inner, reading_load(inner, sizeof inner)};
    reading_pack(packing, filter, &member, 1);
}

static void test_nested(void **state)
{
    (void)state;
    const struct reading_member two[] = {{"b", "One\n", 4},
                                         {"a.json", "[{\"story\":\"\\nTwo\"}]", 19}};
    const struct corpus_options o = {0};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        for (enum reading_packing inner = READING_TAR; inner <= READING_ZIP; inner++) {
            reading_pack(inner, inner == READING_ZIP ? ARCHIVE_FILTER_NONE : filters[i], two, 2);
            wrap(READING_TAR, filters[i], "part1");
            expect_two();
            reading_pack(inner, ARCHIVE_FILTER_NONE, two, 2);
            wrap(READING_ZIP, ARCHIVE_FILTER_NONE, "part1");
            expect_two();
            wrap(READING_TAR, filters[i], "part0");
            assert_int_equal(reading_read(reading_path, &o), -1);
            assert_non_null(
                strstr(reading.err.text, "in: part0: part1: is an archive within archives"));
        }
    reading_pack(READING_RAW, ARCHIVE_FILTER_GZIP, two, 1);
    wrap(READING_RAW, ARCHIVE_FILTER_XZ, "x");
    wrap(READING_RAW, ARCHIVE_FILTER_BZIP2, "x");
    wrap(READING_RAW, ARCHIVE_FILTER_ZSTD, "x");
    assert_int_equal(reading_read(reading_path, &o), 0);
    assert_int_equal(reading.n, 5);
    wrap(READING_RAW, ARCHIVE_FILTER_GZIP, "x");
    assert_int_equal(reading_read(reading_path, &o), -1);
    assert_non_null(strstr(reading.err.text, "compressed more than 4 times"));
    for (size_t i = 2; i < 4; i++) { /* what libarchive undoes itself */
        reading_pack(READING_RAW, filters[i], two, 1);
        wrap(READING_RAW, filters[i], "x");
        assert_int_equal(reading_read(reading_path, &o), -1);
        assert_non_null(strstr(reading.err.text, "is compressed twice in the same way"));
    }
}

/* All levels count: a stream in an archive in a stream costs three times its size and more. */
static void test_limit_of_size(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, 'x', sizeof text);
    const struct reading_member member = {"a", text, sizeof text};
    for (size_t i = 1; i < ARRAY_LEN(filters); i++) {
        reading_pack(READING_RAW, filters[i], &member, 1);
        assert_int_equal(reading_read(reading_path, &(struct corpus_options){.max_bytes = 20000}),
                         0);
        assert_int_equal(reading_read(reading_path, &(struct corpus_options){.max_bytes = 19999}),
                         -1);
        assert_non_null(strstr(reading.err.text, "unpacks to more than 19999 bytes (--max-bytes"));
        wrap(READING_TAR, filters[i], "inner");
        assert_int_equal(reading_read(reading_path, &(struct corpus_options){.max_bytes = 20000}),
                         -1);
        assert_int_equal(reading_read(reading_path, &(struct corpus_options){.max_bytes = 60000}),
                         0);
    }
    reading_pack(READING_ZIP, ARCHIVE_FILTER_NONE, &member, 1);
    assert_int_equal(reading_read(reading_path, &(struct corpus_options){.max_bytes = 19999}), -1);
}

static void test_litter(void **state)
{
    (void)state;
    static const char apple[] = "\0\5\26\7\0\2\0\0Mac OS X        \0\2";
    static const char store[] = "\0\0\0\1Bud1\0\0";
    const struct reading_member members[] = {{"._a.txt", apple, sizeof apple},
                                             {"a.txt", "One\n", 4},
                                             {"__MACOSX/._a.txt", apple, sizeof apple},
                                             {"in/__MACOSX/x", store, sizeof store},
                                             {"in/.DS_Store", store, sizeof store},
                                             {"Thumbs.db", "\xd0\xcf\x11\xe0\0", 5},
                                             {"in/desktop.ini", "[.ShellClassInfo]", 17},
                                             {"._b.txt", "\nTwo", 4}};
    for (enum reading_packing p = READING_TAR; p <= READING_ZIP; p++) {
        reading_pack(p, ARCHIVE_FILTER_NONE, members, ARRAY_LEN(members));
        expect_two(); /* text is text, whatever its name */
        assert_int_equal(reading.counts.n_passed_over, 6);
    }
    reading_refuse(&(struct corpus_options){0}, apple, sizeof apple,
                   "is neither text nor an archive");
}

/* A zip archive's directory that ends early, or lies, hides nothing. */
static void test_zip_directory(void **state)
{
    (void)state;
    const struct reading_member members[] = {{"a", "One\n", 4}, {"b", "\nTwo", 4}, {"c", "x", 1}};
    char zip[4096];
    reading_pack(READING_ZIP, ARCHIVE_FILTER_NONE, members, 3);
    size_t n = reading_load(zip, sizeof zip);
    char *second = memmem(zip, n, "PK\1\2", 4);
    second = memmem(second + 4, n - (size_t)(second + 4 - zip), "PK\1\2", 4);
    second[2] = 9;
    reading_refuse(&(struct corpus_options){0}, zip, n, "central directory");
    second[2] = 1;
    char *end = zip + n - 22;
    assert_memory_equal(end, "PK\5\6", 4);
    end[8] = end[10] = 2;
    reading_refuse(&(struct corpus_options){0}, zip, n, "(found 3 entries, expected 2)");
    end[8] = end[10] = 3;
    end[16] ^= 1;
    reading_refuse(&(struct corpus_options){0}, zip, n, "zip archive");
    end[16] ^= 1;
    end[20] = 1;
    reading_refuse(&(struct corpus_options){0}, zip, n, "the zip archive is truncated");
    end[20] = 0;
    for (size_t cut = 4; cut < n; cut++)
        reading_refuse(&(struct corpus_options){0}, zip, cut, "");
    reading_expect(&(struct corpus_options){0}, zip, n, "One\n\0\nTwo\0x", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packings),
        cmocka_unit_test(test_compressed_members),
        cmocka_unit_test(test_reading_ahead),
        cmocka_unit_test(test_empty_archive),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_gzip_members),
        cmocka_unit_test(test_one_after_another),
        cmocka_unit_test(test_zeros_after_the_end),
        cmocka_unit_test(test_something_after_the_end),
        cmocka_unit_test(test_damaged_second_stream),
        cmocka_unit_test(test_tar_without_end_mark),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_limit_of_size),
        cmocka_unit_test(test_litter),
        cmocka_unit_test(test_zip_directory),
    };
    return cmocka_run_group_tests(tests, reading_setup, scratch_teardown);
}
