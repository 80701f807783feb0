/* Folders of several shards: the list, each of its rules with a list that breaks it, and sets,
 * which are the same whatever files their stories stand in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "format/shardset.h"
#include "support/scratch.h"

enum { VOCAB_SIZE = 300, N_STORIES = 1500 };
static const uint64_t VOCAB = UINT64_C(0x1122334455667788);

static struct err e;

/* ---- the list -------------------------------------------------------------------------------- */

static void write_list(const char *text)
{
    scratch_write(scratch_path("shards.json"), text, strlen(text));
}

static void expect_refused(const char *text, const char *message)
{
    struct shardlist l;
    write_list(text);
    e.text[0] = '\0';
    assert_int_equal(shardlist_read(&l, scratch_dir(), &e), -1);
    assert_non_null(strstr(e.text, "/shards.json: "));
    if (!strstr(e.text, message))
        fail_msg("\"%s\" does not contain \"%s\"", e.text, message);
    assert_null(l.items);
}

#define HEAD "{\"version\": 1, \"vocab_fingerprint\": \"1122334455667788\", \"shards\": ["
#define ONE "{\"file\": \"a.shard\", \"split\": \"train\", \"fingerprint\": \"0000000000000001\"}"
#define OF_PART                                                       \
    "{\"file\": \"b.shard\", \"split\": \"valid\", \"fingerprint\": " \
    "\"00000000000000ff\", \"part\": \"edu\"}"

static void test_list_comes_back(void **state)
{
    struct shardlist l = {.vocab_fingerprint = VOCAB};
    struct shardlist got;
    const char *names[SHARDLIST_MAX_PARTS];
    (void)state;
    assert_int_equal(shardlist_add(&l, "train-x.shard", SHARDLIST_TRAIN, "x", 1, &e), 0);
    assert_int_equal(shardlist_add(&l, "train-y.shard", SHARDLIST_TRAIN, "y", 2, &e), 0);
    assert_int_equal(shardlist_add(&l, "valid-x.shard", SHARDLIST_VALID, "x", UINT64_MAX, &e), 0);
    assert_int_equal(shardlist_save(&l, scratch_dir(), NULL, &e), 0);
    if (shardlist_read(&got, scratch_dir(), &e))
        fail_msg("%s", e.text);
    assert_true(got.is_file);
    assert_int_equal(got.vocab_fingerprint, VOCAB);
    assert_int_equal(got.n, 3);
    assert_memory_equal(got.items, l.items, 3 * sizeof *l.items);
    assert_int_equal(shardlist_parts(&got, names), 2);
    assert_string_equal(names[0], "x");
    assert_string_equal(names[1], "y");
    shardlist_release(&got);
    shardlist_release(&l);
}

static void test_folder_without_a_list(void **state)
{
    struct shardlist l;
    const char *names[SHARDLIST_MAX_PARTS];
    (void)state;
    unlink(scratch_path("shards.json"));
    assert_int_equal(shardlist_read(&l, scratch_dir(), &e), 0);
    assert_false(l.is_file);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.items[0].file, "train.shard");
    assert_string_equal(l.items[1].file, "valid.shard");
    assert_int_equal(l.items[1].split, SHARDLIST_VALID);
    assert_int_equal(shardlist_parts(&l, names), 0);
    shardlist_release(&l);
}

static void test_rules_of_the_list(void **state)
{
    (void)state;
    expect_refused("", "not valid JSON");
    expect_refused("[1]", "\"version\" is missing");
    expect_refused("{\"version\": 1, \"version\": 1}", "not valid JSON");
    expect_refused("{\"version\": 2}",
                   "unknown version of the list of shards (found 2, expected 1)");
    expect_refused("{\"version\": 1, \"vocab_fingerprint\": \"12\"}", "\"vocab_fingerprint\"");
    expect_refused("{\"version\": 1, \"vocab_fingerprint\": \"0000000000000000\"}",
                   "\"vocab_fingerprint\"");
    expect_refused(HEAD "{\"file\": \"a.shard\", \"split\": \"train\", \"fingerprint\": "
                        "\"0000000000000000\"}]}",
                   "a.shard: \"fingerprint\"");
    expect_refused("{\"version\": 1, \"vocab_fingerprint\": \"1122334455667788\"}",
                   "\"shards\" is not an array");
    expect_refused(HEAD "1]}", "shard 0: \"file\" is not the name");
    expect_refused(HEAD "{\"file\": \"../a.shard\"}]}", "\"file\" is not the name");
    expect_refused(HEAD "{\"file\": \".shard\"}]}", "\"file\" is not the name");
    expect_refused(HEAD "{\"file\": \"a.db\"}]}", "\"file\" is not the name");
    expect_refused(HEAD "{\"file\": \"a\\\"b.shard\"}]}", "\"file\" is not the name");
    expect_refused(HEAD "{\"file\": \"a.shard\", \"split\": \"test\"}]}",
                   "a.shard: \"split\" is neither");
    expect_refused(HEAD "{\"file\": \"a.shard\", \"split\": \"train\", \"part\": \"\"}]}",
                   "a.shard: \"part\" is not the name");
    expect_refused(HEAD "{\"file\": \"a.shard\", \"split\": \"train\", \"part\": 1}]}",
                   "a.shard: \"part\" is not the name");
    expect_refused(HEAD "{\"file\": \"a.shard\", \"split\": \"train\", \"fingerprint\": 1}]}",
                   "a.shard: \"fingerprint\"");
    expect_refused(HEAD ONE "," ONE "]}", "a.shard: is listed twice");
    expect_refused(HEAD ONE "," OF_PART "]}", "b.shard: is of a part, unlike");
    expect_refused(HEAD OF_PART "," ONE "]}", "a.shard: is of no part, unlike");
}

static void test_too_many_parts(void **state)
{
    struct shardlist l = {.vocab_fingerprint = VOCAB};
    struct shardlist got;
    char file[32], part[8];
    (void)state;
    for (int i = 0; i < SHARDLIST_MAX_PARTS; i++) {
        snprintf(file, sizeof file, "%d.shard", i);
        snprintf(part, sizeof part, "p%d", i);
        assert_int_equal(shardlist_add(&l, file, SHARDLIST_TRAIN, part, 1, &e), 0);
    }
    assert_int_equal(shardlist_save(&l, scratch_dir(), NULL, &e), 0);
    assert_int_equal(shardlist_read(&got, scratch_dir(), &e), 0);
    shardlist_release(&got);
    assert_int_equal(shardlist_add(&l, "x.shard", SHARDLIST_TRAIN, "more", 1, &e), 0);
    assert_int_equal(shardlist_save(&l, scratch_dir(), NULL, &e), 0);
    assert_int_equal(shardlist_read(&got, scratch_dir(), &e), -1);
    assert_non_null(strstr(e.text, "more than 16 parts"));
    shardlist_release(&l);
}

static void test_names_of_parts(void **state)
{
    (void)state;
    assert_true(shardlist_is_part("tiny"));
    assert_true(shardlist_is_part("FineWeb-edu_2"));
    assert_true(shardlist_is_part("a2345678901234567890123456789012"));
    assert_false(shardlist_is_part("a23456789012345678901234567890123"));
    assert_false(shardlist_is_part(""));
    assert_false(shardlist_is_part("1a"));
    assert_false(shardlist_is_part("a b"));
    assert_false(shardlist_is_part("a/b"));
    assert_false(shardlist_is_part("a.b"));
}

/* A list that is cut anywhere is refused, and read without a crash when a byte is wrong. */
static void test_damaged_list(void **state)
{
    static const char text[] = HEAD ONE "]}";
    char bad[sizeof text];
    struct shardlist l;
    (void)state;
    for (size_t n = 0; n + 1 < sizeof text; n++) {
        scratch_write(scratch_path("shards.json"), text, n);
        assert_int_equal(shardlist_read(&l, scratch_dir(), &e), -1);
    }
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        memcpy(bad, text, sizeof text);
        bad[i] = (char)(bad[i] ^ 0x11);
        scratch_write(scratch_path("shards.json"), bad, sizeof text - 1);
        if (shardlist_read(&l, scratch_dir(), &e) == 0)
            shardlist_release(&l);
    }
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* Stories first to end of an endless row of them, which have 0 to 9 tokens. */
static void write_stories(const char *file, size_t first, size_t end, uint64_t *fingerprint)
{
    struct rng rng;
    struct shard_writer *w = shard_create(scratch_path(file), VOCAB_SIZE, VOCAB, &e);
    assert_non_null(w);
    rng_seed(&rng, 3, 0);
    for (size_t i = 0; i < end; i++) {
        uint16_t ids[9];
        size_t n = rng_below(&rng, 10);
        for (size_t k = 0; k < n; k++)
            ids[k] = (uint16_t)(k == 5 ? 1 : 4 + rng_below(&rng, VOCAB_SIZE - 4));
        if (i >= first)
            assert_int_equal(shard_add(w, ids, n, n + 1, n + 2, &e), 0);
    }
    assert_int_equal(shard_finish(w, fingerprint, NULL, &e), 0);
}

/* The same stories in one file, and in three, of which the second has none. */
static void write_both(struct shardlist *list)
{
    static const size_t ends[] = {0, 700, 700, N_STORIES};
    uint64_t fingerprint;
    char file[32];
    write_stories("one.shard", 0, N_STORIES, NULL);
    *list = (struct shardlist){.vocab_fingerprint = VOCAB};
    for (int i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "train-%d.shard", i);
        write_stories(file, ends[i], ends[i + 1], &fingerprint);
        assert_int_equal(
            shardlist_add(list, file, SHARDLIST_TRAIN, i == 2 ? "b" : "a", fingerprint, &e), 0);
    }
}

static int open_set(struct shardset *s, const struct shardlist *list)
{
    return shardset_open(s, list, scratch_dir(), SHARDLIST_TRAIN, VOCAB, VOCAB_SIZE, &e);
}

static void expect_equal_sets(const struct shardset *s, const struct shardset *one)
{
    uint16_t a[100], b[100];
    assert_int_equal(s->n_tokens, one->n_tokens);
    assert_int_equal(s->n_stories, N_STORIES);
    assert_int_equal(s->n_chars, one->n_chars);
    assert_int_equal(s->n_bytes, one->n_bytes);
    assert_int_equal(s->n_unk, one->n_unk);
    assert_true(s->n_unk > 0);
    assert_int_equal(s->vocab_size, VOCAB_SIZE);
    assert_int_equal(s->vocab_fingerprint, VOCAB);
    assert_int_equal(s->fingerprint, one->fingerprint);
    for (uint64_t i = 0; i <= N_STORIES; i++)
        assert_int_equal(shardset_story(s, i), one->shards[0].stories[i]);
    for (uint64_t at = 0; at + 100 <= s->n_tokens; at += 37) {
        shardset_copy(s, at, 100, a);
        shardset_copy(one, at, 100, b);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_equal(b, one->shards[0].tokens + at, sizeof b);
    }
}

static void test_a_set_is_one_shard(void **state)
{
    struct shardlist list;
    struct shardset s = {0}, one = {0};
    (void)state;
    write_both(&list);
    if (open_set(&s, &list))
        fail_msg("%s", e.text);
    assert_int_equal(shardset_open_file(&one, scratch_path("one.shard"), VOCAB, VOCAB_SIZE, &e), 0);
    assert_int_equal(one.fingerprint, one.shards[0].fingerprint);
    expect_equal_sets(&s, &one);
    shardset_close(&one);
    shardset_close(&s);
    shardlist_release(&list);
}

static void test_parts_of_a_set(void **state)
{
    struct shardlist list;
    struct shardset s = {0}, part;
    uint16_t a, b;
    (void)state;
    write_both(&list);
    assert_int_equal(open_set(&s, &list), 0);
    assert_int_equal(shardset_part(&part, &s, "a", &e), 0);
    assert_int_equal(part.n, 2);
    assert_int_equal(part.n_stories, 700);
    shardset_release(&part);
    assert_int_equal(shardset_part(&part, &s, "b", &e), 0);
    assert_int_equal(part.n_tokens, s.n_tokens - s.first_token[2]);
    assert_int_equal(part.fingerprint, s.shards[2].fingerprint);
    shardset_copy(&part, 5, 1, &a);
    shardset_copy(&s, s.first_token[2] + 5, 1, &b);
    assert_int_equal(a, b);
    shardset_release(&part);
    assert_int_equal(shardset_part(&part, &s, "c", &e), 0);
    assert_int_equal(part.n, 0);
    shardset_release(&part);
    shardset_close(&s);
    shardlist_release(&list);
}

static void test_what_was_there_before_is_found(void **state)
{
    struct shardlist list;
    struct shardset s = {0};
    size_t n;
    (void)state;
    write_both(&list);
    write_stories("before.shard", 0, 700, NULL);
    assert_int_equal(open_set(&s, &list), 0);
    uint64_t first = s.shards[0].fingerprint;
    assert_int_equal(shardset_find_prefix(&s, s.fingerprint, &n, &e), 0);
    assert_int_equal(n, 3);
    assert_int_equal(shardset_find_prefix(&s, first, &n, &e), 0);
    assert_int_equal(n, 1);
    assert_int_equal(shardset_find_prefix(&s, s.shards[2].fingerprint, &n, &e), 0);
    assert_true(n == SIZE_MAX);
    shardset_close(&s);
    shardlist_release(&list);
}

static void test_shards_that_do_not_belong(void **state)
{
    struct shardlist list;
    struct shardset s = {0};
    (void)state;
    write_both(&list);
    assert_int_equal(
        shardset_open(&s, &list, scratch_dir(), SHARDLIST_TRAIN, VOCAB + 1, VOCAB_SIZE, &e), -1);
    assert_non_null(strstr(e.text, "/shards.json: lists shards of another vocabulary"));
    list.vocab_fingerprint = VOCAB + 1; /* a list that is right about itself */
    assert_int_equal(
        shardset_open(&s, &list, scratch_dir(), SHARDLIST_TRAIN, VOCAB + 1, VOCAB_SIZE, &e), -1);
    assert_non_null(strstr(e.text, "train-0.shard: made with another vocabulary"));
    list.vocab_fingerprint = VOCAB;
    assert_int_equal(
        shardset_open(&s, &list, scratch_dir(), SHARDLIST_TRAIN, VOCAB, VOCAB_SIZE + 1, &e), -1);
    assert_non_null(strstr(e.text, "train-0.shard: wrong size of the vocabulary"));
    write_stories("train-2.shard", 0, 5, NULL);
    assert_int_equal(open_set(&s, &list), -1);
    assert_non_null(strstr(e.text, "train-2.shard: not the shard that shards.json lists"));
    unlink(scratch_path("train-2.shard"));
    assert_int_equal(open_set(&s, &list), -1);
    assert_non_null(strstr(e.text, "train-2.shard: cannot open"));
    assert_null(s.shards);
    shardlist_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_comes_back),
        cmocka_unit_test(test_folder_without_a_list),
        cmocka_unit_test(test_rules_of_the_list),
        cmocka_unit_test(test_too_many_parts),
        cmocka_unit_test(test_names_of_parts),
        cmocka_unit_test(test_damaged_list),
        cmocka_unit_test(test_a_set_is_one_shard),
        cmocka_unit_test(test_parts_of_a_set),
        cmocka_unit_test(test_what_was_there_before_is_found),
        cmocka_unit_test(test_shards_that_do_not_belong),
    };
    return cmocka_run_group_tests_name("shardset", tests, scratch_setup, scratch_teardown);
}
