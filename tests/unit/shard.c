/* Token shards: what is written is read back, and each reader rule of SHARD.md has a file that
 * breaks it. A broken file gets its hash and check put right again, so that the rule itself must
 * answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/le.h"
#include "format/shard.h"
#include "support/scratch.h"
#include "text/vocab.h"

enum { VOCAB_SIZE = 300, N_FILE = 256, HEADER = 128, STORIES_AT = 192 };

static char path[256];
static unsigned char
    good[N_FILE + 1]; /* the bytes of a shard of three stories; one byte to spare */

/* The example of SHARD.md: three stories, the second without tokens. */
static void write_example(uint64_t *fingerprint)
{
    static const uint16_t first[] = {4, 299, 7}, third[] = {1, 9};
    struct err e;
    struct shard_writer *w = shard_create(path, VOCAB_SIZE, UINT64_C(0x1122334455667788), &e);
    assert_non_null(w);
    assert_int_equal(shard_add(w, first, 3, 11, 12, &e), 0);
    assert_int_equal(shard_add(w, first, 0, 0, 0, &e), 0);
    assert_int_equal(shard_add(w, third, 2, 5, 5, &e), 0);
    assert_int_equal(shard_finish(w, fingerprint, NULL, &e), 0);
}

static int make_folder(void **state)
{
    size_t n;
    if (scratch_setup(state))
        return -1;
    snprintf(path, sizeof path, "%s", scratch_path("a.shard"));
    write_example(NULL);
    unsigned char *data = scratch_read(path, &n);
    memcpy(good, data, MIN(n, sizeof good));
    free(data);
    return n == 224 ? 0 : -1;
}

static int remove_folder(void **state)
{
    bool tidy = scratch_count() == 1; /* no temporary was left behind */
    return scratch_teardown(state) || !tidy ? -1 : 0;
}

static void put_right(unsigned char *data, size_t n)
{
    le_put64(data + 96, hash64(data + HEADER, n - HEADER));
    le_put64(data + 120, hash64(data, 120));
}

static void expect_refused(const unsigned char *data, size_t n, const char *message)
{
    struct shard s;
    struct err e = {.text = ""};
    scratch_write(path, data, n);
    assert_int_equal(shard_open(&s, path, &e), -1);
    assert_int_equal(strncmp(e.text, path, strlen(path)), 0);
    if (!strstr(e.text, message))
        fail_msg("\"%s\" does not contain \"%s\"", e.text, message);
    assert_null(s.map.data);
}

/* A copy of the good file with n bytes at `at` replaced, hashes put right. */
static void expect_rule(size_t at, const void *bytes, size_t n, const char *message)
{
    unsigned char data[224];
    memcpy(data, good, sizeof data);
    memcpy(data + at, bytes, n);
    put_right(data, sizeof data);
    expect_refused(data, sizeof data, message);
}

static void expect_rule64(size_t at, uint64_t value, const char *message)
{
    expect_rule(at, &value, sizeof value, message);
}

static void expect_rule32(size_t at, uint32_t value, const char *message)
{
    expect_rule(at, &value, sizeof value, message);
}

static void expect_rule16(size_t at, uint16_t value, const char *message)
{
    expect_rule(at, &value, sizeof value, message);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const uint16_t tokens[] = {4, 299, 7, 3, 3, 1, 9, 3};
    static const uint64_t stories[] = {0, 4, 5, 8};
    uint64_t fingerprint;
    struct shard s;
    struct err e;
    write_example(&fingerprint);
    assert_true(shard_probe_file(path));
    if (shard_open(&s, path, &e))
        fail_msg("%s", e.text);
    assert_int_equal(s.n_tokens, 8);
    assert_int_equal(s.n_stories, 3);
    assert_int_equal(s.n_chars, 16);
    assert_int_equal(s.n_bytes, 17);
    assert_int_equal(s.n_unk, 1);
    assert_int_equal(s.vocab_size, VOCAB_SIZE);
    assert_int_equal(s.vocab_fingerprint, UINT64_C(0x1122334455667788));
    assert_int_equal(s.fingerprint, fingerprint);
    assert_int_equal(s.fingerprint, UINT64_C(0x9c4fa5999cad9362)); /* as SHARD.md says */
    assert_memory_equal(s.tokens, tokens, sizeof tokens);
    assert_memory_equal(s.stories, stories, sizeof stories);
    assert_int_equal((uintptr_t)s.tokens % 64, 0);
    assert_int_equal((uintptr_t)s.stories % 64, 0);
    shard_close(&s);
}

static void test_empty_shard(void **state)
{
    (void)state;
    struct shard s;
    struct err e;
    struct shard_writer *w = shard_create(path, VOCAB_SIZE, 1, &e);
    assert_non_null(w);
    assert_int_equal(shard_finish(w, NULL, NULL, &e), 0);
    assert_int_equal(shard_open(&s, path, &e), 0);
    assert_int_equal(s.n_stories + s.n_tokens, 0);
    shard_close(&s);
}

static void test_many_stories(void **state)
{
    (void)state;
    struct shard s;
    struct err e;
    struct shard_writer *w = shard_create(path, VOCAB_SIZE, 1, &e);
    assert_non_null(w);
    uint16_t ids[64];
    for (uint16_t i = 0; i < 64; i++)
        ids[i] = (uint16_t)(4 + i);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(shard_add(w, ids, i % 64, i % 64, i % 64, &e), 0);
    assert_int_equal(shard_finish(w, NULL, NULL, &e), 0);
    assert_int_equal(shard_open(&s, path, &e), 0);
    assert_int_equal(s.n_stories, 5000);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(s.stories[i + 1] - s.stories[i], i % 64 + 1);
    shard_close(&s);
}

static void test_writer_refuses(void **state)
{
    (void)state;
    struct err e;
    static const uint16_t outside[] = {VOCAB_SIZE}, eos[] = {3};
    struct shard_writer *w = shard_create(path, VOCAB_SIZE, 1, &e);
    assert_non_null(w);
    assert_int_equal(shard_add(w, outside, 1, 1, 1, &e), -1);
    assert_int_equal(shard_add(w, eos, 1, 1, 1, &e), -1);
    shard_abort(w);
    assert_null(shard_create("/nonexistent/a.shard", VOCAB_SIZE, 1, &e));
    assert_non_null(strstr(e.text, "/nonexistent/a.shard"));
    shard_abort(NULL);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct err e = {.text = ""};
    struct shard_writer *w = shard_create("/dev/full", VOCAB_SIZE, 1, &e);
    int rc = w ? shard_finish(w, NULL, NULL, &e) : -1;
    assert_int_equal(rc, -1);
    assert_non_null(strstr(e.text, "/dev/full"));
}

static void test_rules_of_the_header(void **state)
{
    (void)state;
    expect_refused(good, 0, "too short");                                     /* rule 1 */
    expect_refused(good, HEADER - 1, "too short");                            /* rule 1 */
    expect_rule(0, "bOLT", 4, "not a token shard");                           /* rule 2 */
    expect_rule32(8, 2, "version of the shard format (found 2, expected 1)"); /* rule 3 */
    expect_rule32(12, 64, "size of the header (found 64, expected 128)");     /* rule 4 */
    unsigned char data[224];
    memcpy(data, good, sizeof data);
    data[60] ^= 1;
    expect_refused(data, sizeof data, "damaged header"); /* rule 5 */
    expect_rule32(92, 1, "reserved");                    /* rule 6 */
    expect_rule64(104, 1, "reserved");                   /* rule 6 */
    expect_rule64(112, 1, "reserved");                   /* rule 6 */
}

static void test_rules_of_the_sizes(void **state)
{
    (void)state;
    expect_refused(good, 223, "wrong size");              /* rule 7 */
    expect_refused(good, 225, "wrong size");              /* rule 7 */
    expect_rule64(16, 232, "wrong size");                 /* rule 7 */
    expect_rule32(88, 3, "vocabulary size out of range"); /* rule 8 */
    expect_rule32(88, 65537, "vocabulary size out of range");
    expect_rule64(24, 192, "do not fit");          /* rule 9 */
    expect_rule64(32, 128, "do not fit");          /* rule 9 */
    expect_rule64(40, 41, "do not fit");           /* rule 9 */
    expect_rule64(40, UINT64_MAX, "do not fit");   /* rule 9 */
    expect_rule64(48, 4, "do not fit");            /* rule 9 */
    expect_rule64(48, UINT64_MAX, "do not fit");   /* rule 9 */
    expect_rule64(56, 18, "impossible text size"); /* rule 10 */
    expect_rule64(64, 80, "impossible text size"); /* rule 10 */
}

static void test_rules_of_the_payload(void **state)
{
    (void)state;
    unsigned char data[224];
    for (size_t at = HEADER; at < sizeof data; at++) {
        memcpy(data, good, sizeof data);
        data[at] ^= 0x10;
        expect_refused(data, sizeof data, "damaged data"); /* rule 11 */
    }
    expect_rule(150, "x", 1, "between the sections");                         /* rule 12 */
    expect_rule64(STORIES_AT, 1, "first story begins at token 1");            /* rule 13 */
    expect_rule64(STORIES_AT + 24, 7, "last story ends at token 7 of 8");     /* rule 13 */
    expect_rule64(STORIES_AT + 8, 0, "story 0 has the range");                /* rule 13 */
    expect_rule64(STORIES_AT + 8, 6, "story 0 does not end with EOS");        /* rule 14 */
    expect_rule64(STORIES_AT + 8, UINT64_MAX, "story 0 has the range");       /* rule 13 */
    expect_rule16(HEADER + 14, 5, "story 2 does not end with EOS");           /* rule 14 */
    expect_rule16(HEADER + 2, 300, "token out of range (found 300");          /* rule 15 */
    expect_rule16(HEADER + 2, 3, "EOS inside a story");                       /* rule 16 */
    expect_rule16(HEADER + 2, 1, "wrong count of UNK (found 2, expected 1)"); /* rule 17 */
    expect_rule64(72, 2, "wrong count of UNK (found 1, expected 2)");         /* rule 17 */
}

static void test_truncated_anywhere(void **state)
{
    (void)state;
    for (size_t n = 0; n < 224; n++)
        expect_refused(good, n, n < HEADER ? "too short" : "wrong size");
}

/* Any byte of the header may be anything, with the check put right: no crash, whatever the answer.
 */
static void test_any_header_byte(void **state)
{
    (void)state;
    unsigned char data[224];
    size_t n_refused = 0;
    for (size_t at = 0; at < 120; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct shard s;
            struct err e;
            memcpy(data, good, sizeof data);
            data[at] ^= (unsigned char)(1u << bit);
            le_put64(data + 120, hash64(data, 120));
            scratch_write(path, data, sizeof data);
            if (shard_open(&s, path, &e))
                n_refused++;
            else
                shard_close(&s);
        }
    assert_true(n_refused >
                700); /* all but the vocabulary's fingerprint and size and the text sizes */
}

static void test_missing_and_probe(void **state)
{
    (void)state;
    struct shard s;
    struct err e;
    assert_int_equal(shard_open(&s, "/nonexistent", &e), -1);
    assert_non_null(strstr(e.text, "/nonexistent"));
    assert_int_equal(shard_open(&s, scratch_dir(), &e), -1);
    assert_false(shard_probe_file("/nonexistent"));
    assert_false(shard_probe_file(scratch_dir()));
    scratch_write(path, "BOLT", 4);
    assert_false(shard_probe_file(path));
}

/* Whoever opens a pipe and closes it again cuts its writer off. */
static void test_probe_leaves_pipes_alone(void **state)
{
    (void)state;
    char event[512];
    const char *pipe = scratch_path("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    int watch = inotify_init1(IN_NONBLOCK);
    assert_true(watch >= 0);
    assert_true(inotify_add_watch(watch, pipe, IN_OPEN) >= 0);
    assert_false(shard_probe_file(pipe));
    assert_int_equal(read(watch, event, sizeof event), -1);
    close(watch);
    unlink(pipe);
}

/* Ids are looked at many at a time; what is rare must be seen wherever it stands. */
static void test_sums_of_ids(void **state)
{
    (void)state;
    enum { MOST = 600000 }; /* more than a lane of 16 bits counts */
    uint16_t *ids = malloc(MOST * sizeof *ids);
    assert_non_null(ids);
    for (size_t n = 0; n < 40; n++)
        for (size_t at = 0; at < n; at++) {
            for (size_t i = 0; i < n; i++)
                ids[i] = i == at ? 0xffff : i % 2 ? VOCAB_EOS : VOCAB_UNK;
            struct shard_ids sum = shard_ids(ids, n);
            assert_int_equal(sum.top, 0xffff);
            assert_int_equal(sum.n_eos, n / 2 - at % 2);
            assert_int_equal(sum.n_unk, n - n / 2 - (at % 2 == 0));
        }
    for (size_t i = 0; i < MOST; i++)
        ids[i] = VOCAB_EOS;
    struct shard_ids sum = shard_ids(ids, MOST);
    assert_int_equal(sum.n_eos, MOST);
    assert_int_equal(sum.n_unk, 0);
    assert_int_equal(sum.top, VOCAB_EOS);
    assert_int_equal(shard_ids(ids, 0).top, 0);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),         cmocka_unit_test(test_empty_shard),
        cmocka_unit_test(test_many_stories),       cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_full_disk),          cmocka_unit_test(test_rules_of_the_header),
        cmocka_unit_test(test_rules_of_the_sizes), cmocka_unit_test(test_rules_of_the_payload),
        cmocka_unit_test(test_truncated_anywhere), cmocka_unit_test(test_any_header_byte),
        cmocka_unit_test(test_missing_and_probe),  cmocka_unit_test(test_probe_leaves_pipes_alone),
        cmocka_unit_test(test_sums_of_ids),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
