/* The vocabulary database: what is saved is loaded, the same content gives the same bytes, and each
 * reader rule of VOCAB.md has a database that breaks it (changed through SQLite, with the
 * fingerprint and the sum put right again where another rule must answer). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "format/vocabdb.h"
#include "prep/bpetrain.h"
#include "support/scratch.h"
#include "support/toyvocab.h"

static char path[4096];
static const struct vocabdb_source SOURCES[] = {{"stories.txt", "train", 9, 2, 1, 0, 800, 803},
                                                {"-", "valid", 1, 0, 0, 0, 80, 80}};

static int setup(void **state)
{
    if (scratch_setup(state))
        return -1;
    snprintf(path, sizeof path, "%s", scratch_path("vocab.db"));
    return 0;
}

static void save(const struct vocab *v)
{
    struct err e;
    if (vocabdb_save(v, SOURCES, 2, path, NULL, &e))
        fail_msg("%s", e.text);
}

static void save_toy(void)
{
    struct vocab v = toyvocab();
    save(&v);
}

/* A bpe vocabulary of 262 tokens. */
static void save_bpe(void)
{
    const struct pretoken items[] = {{(const unsigned char *)"abc", 3, 5, 0}};
    struct pretokens words = {items, 1, 2};
    struct vocab v;
    struct err e;
    assert_int_equal(bpetrain_run(&v, &words, 262, false,
                                  (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF}, &e),
                     0);
    save(&v);
    vocab_release(&v);
}

static void assert_same(const struct vocab *a, const struct vocab *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->form.normalize, b->form.normalize);
    assert_int_equal(a->form.lines, b->form.lines);
    assert_int_equal(a->pretokens, b->pretokens);
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_int_equal(a->n_merges, b->n_merges);
    assert_true(vocab_fingerprint(a) == vocab_fingerprint(b));
    for (uint32_t i = 0; i < a->n_tokens; i++)
        assert_true(a->tokens[i].count == b->tokens[i].count);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct vocab v = toyvocab();
    struct vocab back;
    struct err e;
    save(&v);
    if (vocabdb_load(&back, path, &e))
        fail_msg("%s", e.text);
    assert_same(&v, &back);
    vocab_release(&back);

    v.n_merges = 0; /* none at all */
    save(&v);
    assert_int_equal(vocabdb_load(&back, path, &e), 0);
    assert_same(&v, &back);
    vocab_release(&back);

    v = toyvocab();
    v.form.lines = VOCAB_LINES_LF;
    save(&v);
    assert_int_equal(vocabdb_load(&back, path, &e), 0);
    assert_same(&v, &back);
    vocab_release(&back);

    save_bpe();
    assert_int_equal(vocabdb_load(&back, path, &e), 0);
    assert_int_equal(back.n_tokens, 262);
    assert_int_equal(back.kind, VOCAB_BPE);
    vocab_release(&back);
}

static void test_same_content_same_bytes(void **state)
{
    (void)state;
    size_t n[2];
    unsigned char *data[2];
    struct vocab v = toyvocab();
    v.form.lines = VOCAB_LINES_LF;
    for (int i = 0; i < 2; i++) {
        save(&v);
        data[i] = scratch_read(path, &n[i]);
        remove(path);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(data[0], data[1], n[0]);
    /* the first bytes, as VOCAB.md shows them */
    assert_memory_equal(data[0], "SQLite format 3\0\x10\0\1\1", 20);
    assert_memory_equal(data[0] + 60, "\0\0\0\2", 4);
    assert_memory_equal(data[0] + 68, "Bolt", 4);
    free(data[0]);
    free(data[1]);
}

/* Reading needs no right to write, leaves nothing beside the file and does not change it. */
static void test_reads_only(void **state)
{
    (void)state;
    struct vocab v;
    struct err e;
    save_toy();
    size_t n_before;
    size_t n_after;
    unsigned char *before = scratch_read(path, &n_before);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(vocabdb_load(&v, path, &e), 0);
    vocab_release(&v);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(scratch_count(), 1);
    unsigned char *after = scratch_read(path, &n_after);
    assert_int_equal(n_before, n_after);
    assert_memory_equal(before, after, n_before);
    free(before);
    free(after);
}

/* ---- what people see ------------------------------------------------------------------------- */

static void expect_answer(const char *sql, const char *expected)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    char answer[512] = "";
    while (sqlite3_step(s) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const char *text = (const char *)sqlite3_column_text(s, i);
            size_t n = strlen(answer);
            snprintf(answer + n, sizeof answer - n, "%s|", text ? text : "NULL");
        }
    }
    assert_int_equal(sqlite3_finalize(s), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_string_equal(answer, expected);
}

static void test_views(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *shown;
    } texts[] = {{" a", "\xe2\x90\xa3"
                        "a|"},
                 {"\n\n", "\\n\\n|"},
                 {"\t", "\\t|"},
                 {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9|"},
                 {"\xe2\x80\x9c", "\xe2\x80\x9c|"},
                 {"\xe2\x80", "<E280>|"},
                 {"\xff", "<FF>|"},
                 {"\x7f", "<7F>|"},
                 {"\x1b[m", "<1B5B6D>|"},
                 {"\xc2\x9b", "<C29B>|"},
                 {"\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!|"},
                 {"a\xcc\x81", "a\xcc\x81|"},
                 {"\xed\xa0\x80", "<EDA080>|"}};
    struct vocab v = toyvocab();
    struct vocab_token tokens[4 + ARRAY_LEN(texts)];
    memcpy(tokens, v.tokens, 4 * sizeof *tokens);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        uint32_t n = (uint32_t)strlen(texts[i].bytes);
        tokens[4 + i] = (struct vocab_token){{(const unsigned char *)texts[i].bytes, n},
                                             n == 1 ? VOCAB_BYTE : VOCAB_MERGED,
                                             100 - i};
    }
    v.tokens = tokens;
    v.n_tokens = ARRAY_LEN(tokens);
    v.n_merges = 0;
    save(&v);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT text FROM vocab WHERE id = %zu", 4 + i);
        expect_answer(sql, texts[i].shown);
    }
    save_toy();
    expect_answer("SELECT id, kind, count, percent, length, text FROM vocab WHERE id = 9",
                  "9|merged|4|9.5238|3|abc|");
    expect_answer("SELECT id FROM tokens WHERE bytes = CAST(' a' AS BLOB)", "10|");
    expect_answer("SELECT rank, CAST(left AS TEXT), CAST(right AS TEXT) FROM merges WHERE rank = 1",
                  "1|ab|c|");
    expect_answer("SELECT * FROM sources",
                  "1|stories.txt|train|9|2|1|0|800|803|2|-|valid|1|0|0|0|80|80|");
    expect_answer("SELECT key, value FROM settings WHERE key <> 'fingerprint' ORDER BY key",
                  "kind|gpt2|merges|3|normalize|nfc|tokens|11|total_count|42|");
}

/* ---- the reader rules ------------------------------------------------------------------------ */

static void change(const char *sql)
{
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, "PRAGMA journal_mode = OFF", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void expect_refused(const char *message)
{
    struct vocab v;
    struct err e = {.text = ""};
    if (vocabdb_load(&v, path, &e) == 0)
        fail_msg("accepted, where \"%s\" was expected", message);
    if (strstr(e.text, path) != e.text || !strstr(e.text, message) || strchr(e.text, '\n'))
        fail_msg("\"%s\" does not say \"%s: %s\"", e.text, path, message);
    assert_null(v.tokens);
    assert_null(v.storage);
}

static void expect_broken(const char *sql, const char *message)
{
    save_toy();
    change(sql);
    expect_refused(message);
}

static void test_rule_1_a_database(void **state)
{
    (void)state;
    scratch_write(path, "", 0);
    expect_refused("not a vocabulary database: the file is empty");
    char text[5000];
    memset(text, 'x', sizeof text);
    scratch_write(path, text, 40);
    expect_refused("file is not a database");
    scratch_write(path, text, sizeof text);
    expect_refused("file is not a database");
    remove(path);
    expect_refused("No such file");
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused("");
    assert_int_equal(rmdir(path), 0);
}

static void test_rules_2_and_3_ids(void **state)
{
    (void)state;
    expect_broken("PRAGMA application_id = 7",
                  "not a vocabulary database: application_id (found 7, expected 1114598516)");
    expect_broken("PRAGMA user_version = 4",
                  "unknown version of the vocabulary database (found 4, expected 1 to 3)");
    expect_broken("PRAGMA user_version = 0", "(found 0, expected 1 to 3)");
    expect_broken("PRAGMA user_version = -1", "(found -1, expected 1 to 3)");
}

static void test_rule_4_schema(void **state)
{
    (void)state;
    expect_broken("DROP TABLE sources", "table sources is missing or not the one of version 1");
    expect_broken("DROP VIEW vocab; ALTER TABLE tokens ADD COLUMN colour TEXT",
                  "table tokens is missing or not the one of version 1");
    /* a view that would never end, in the place of a table */
    expect_broken(
        "DROP TABLE merges; CREATE VIEW merges AS WITH RECURSIVE r(rank) AS "
        "(SELECT 0 UNION ALL SELECT rank FROM r) SELECT rank, rank AS left, rank AS right "
        "FROM r",
        "table merges is missing");
    save_toy(); /* other tables, and no view, are nobody's business */
    change("DROP VIEW vocab; CREATE TABLE notes (text TEXT)");
    struct vocab v;
    struct err e;
    assert_int_equal(vocabdb_load(&v, path, &e), 0);
    vocab_release(&v);
}

static void test_rule_5_quick_check(void **state)
{
    (void)state;
    expect_broken("PRAGMA ignore_check_constraints = 1; UPDATE tokens SET count = -1 WHERE id = 5",
                  "token 5 has a bad count");
    expect_broken(
        "PRAGMA ignore_check_constraints = 1; UPDATE tokens SET kind = 'odd' WHERE id = 5",
        "token 5 has an unknown kind");
    expect_broken(
        "PRAGMA ignore_check_constraints = 1; UPDATE sources SET split = 'odd' WHERE number = 1",
        "damaged database");
}

static void test_rule_6_settings(void **state)
{
    (void)state;
    expect_broken("UPDATE settings SET value = 'odd' WHERE key = 'kind'",
                  "bad setting kind (found \"odd\")");
    expect_broken("DELETE FROM settings WHERE key = 'normalize'", "bad setting normalize");
    expect_broken("UPDATE settings SET value = '4' WHERE key = 'tokens'", "bad setting tokens");
    expect_broken("UPDATE settings SET value = '65537' WHERE key = 'tokens'", "bad setting tokens");
    expect_broken("UPDATE settings SET value = '11 ' WHERE key = 'tokens'", "bad setting tokens");
    expect_broken("UPDATE settings SET value = '-3' WHERE key = 'merges'", "bad setting merges");
    expect_broken("UPDATE settings SET value = '1048577' WHERE key = 'merges'",
                  "bad setting merges");
    expect_broken("UPDATE settings SET value = '99999999999999999999' WHERE key = 'total_count'",
                  "bad setting total_count");
    expect_broken("UPDATE settings SET value = 'xyz' WHERE key = 'fingerprint'",
                  "bad setting fingerprint");
}

/* What version 1 cannot say is version 2; what it can say stays version 1. */
static void test_versions(void **state)
{
    (void)state;
    struct vocab v = toyvocab();
    static const char settings[] = "SELECT key, value FROM settings "
                                   "WHERE key IN ('lines', 'normalize') ORDER BY key";
    save(&v);
    expect_answer("PRAGMA user_version", "1|");
    expect_answer(settings, "normalize|nfc|");
    change("PRAGMA user_version = 2");
    expect_refused("bad setting lines (found \"\")");
    v.form.lines = VOCAB_LINES_LF;
    save(&v);
    expect_answer("PRAGMA user_version", "2|");
    expect_answer(settings, "lines|lf|normalize|nfc|");
    change("UPDATE settings SET value = 'crlf' WHERE key = 'lines'");
    expect_refused("bad setting lines (found \"crlf\")");
    save(&v);
    change("UPDATE settings SET value = 'kept' WHERE key = 'lines'");
    expect_refused("wrong fingerprint");
    save(&v);
    change("PRAGMA user_version = 1"); /* in which `lines` says nothing */
    expect_refused("wrong fingerprint");
}

/* What version 2 cannot say is version 3. */
static void test_pretokens(void **state)
{
    (void)state;
    struct vocab v, back;
    struct err e;
    save_bpe();
    expect_answer("PRAGMA user_version", "2|");
    assert_int_equal(vocabdb_load(&v, path, &e), 0);
    assert_int_equal(v.pretokens, VOCAB_WORDS);
    v.pretokens = VOCAB_SENTENCES;
    save(&v);
    expect_answer("PRAGMA user_version", "3|");
    expect_answer("SELECT value FROM settings WHERE key = 'pretokens'", "sentences|");
    assert_int_equal(vocabdb_load(&back, path, &e), 0);
    assert_same(&v, &back);
    vocab_release(&back);
    change("UPDATE settings SET value = 'stories' WHERE key = 'pretokens'");
    expect_refused("bad setting pretokens (found \"stories\")");
    save(&v);
    change("UPDATE settings SET value = 'words' WHERE key = 'pretokens'");
    expect_refused("wrong fingerprint");
    save(&v);
    change("PRAGMA user_version = 2"); /* in which `pretokens` says nothing */
    expect_refused("wrong fingerprint");
    save(&v);
    change("DELETE FROM settings WHERE key = 'pretokens'");
    expect_refused("bad setting pretokens (found \"\")");
    save(&v);
    change("UPDATE settings SET value = 'gpt2' WHERE key = 'kind'");
    expect_refused("a vocabulary of kind gpt2 has no merges across words");
    v.pretokens = (enum vocab_pretokens)2;
    assert_int_equal(vocabdb_save(&v, SOURCES, 2, path, NULL, &e), -1);
    assert_non_null(strstr(e.text, "unknown pre-tokens 2"));
    vocab_release(&v);
}

static void test_rules_7_and_8_numbering(void **state)
{
    (void)state;
    expect_broken("DELETE FROM tokens WHERE id = 10",
                  "too few rows in table tokens (found 10, expected 11)");
    expect_broken("UPDATE tokens SET id = 11 WHERE id = 10",
                  "table tokens is not numbered 0 to 10 (found 11)");
    expect_broken("INSERT INTO tokens VALUES (11, x'64', 'byte', 0)",
                  "table tokens is not numbered 0 to 10 (found 11)");
    expect_broken("UPDATE tokens SET id = -1 WHERE id = 0", "table tokens is not numbered");
    expect_broken("DELETE FROM merges WHERE rank = 2",
                  "too few rows in table merges (found 2, expected 3)");
    expect_broken("UPDATE merges SET rank = 3 WHERE rank = 2",
                  "table merges is not numbered 0 to 2 (found 3)");
}

static void test_rules_9_to_11_tokens(void **state)
{
    (void)state;
    expect_broken("UPDATE tokens SET bytes = CAST('<end>' AS BLOB) WHERE id = 3",
                  "token 3 is not the special <eos>");
    expect_broken("UPDATE tokens SET kind = 'special' WHERE id = 9", "of the wrong kind");
    expect_broken("UPDATE tokens SET kind = 'merged' WHERE id = 4",
                  "token 4 of 1 bytes is of the wrong kind (expected byte)");
    expect_broken("UPDATE tokens SET bytes = x'' WHERE id = 9", "bad length (found 0 bytes");
    expect_broken("UPDATE tokens SET bytes = zeroblob(1025) WHERE id = 9",
                  "bad length (found 1025 bytes");
    expect_broken("UPDATE tokens SET bytes = zeroblob(70000) WHERE id = 9", "too big");
    expect_broken("UPDATE tokens SET bytes = x'6162' WHERE id = 9",
                  "tokens 8 and 9 are the same bytes");
}

static void test_rules_12_to_14_merges(void **state)
{
    (void)state;
    expect_broken("UPDATE merges SET left = x'6262' WHERE rank = 1",
                  "left part of merge 1 is neither a byte nor an earlier merge's result");
    expect_broken("UPDATE merges SET right = x'' WHERE rank = 0", "right part of merge 0 is empty");
    expect_broken("UPDATE merges SET left = x'61', right = x'62' WHERE rank = 2",
                  "merge 2 repeats merge 0");
    expect_broken(
        "DELETE FROM merges;"
        "WITH RECURSIVE r(i, s) AS (SELECT 0, 'a' UNION ALL SELECT i + 1, s || s FROM r "
        "WHERE i < 10) INSERT INTO merges SELECT i, CAST(s AS BLOB), CAST(s AS BLOB) FROM r;"
        "UPDATE settings SET value = '11' WHERE key = 'merges'",
        "merge 10 makes a token of 2048 bytes");
}

static void test_rule_15_bpe(void **state)
{
    (void)state;
    save_bpe();
    change("UPDATE tokens SET bytes = x'7a7a' WHERE bytes = x'6162'");
    expect_refused("no token of this bpe vocabulary");
    save_bpe();
    change("UPDATE tokens SET bytes = x'7a7a', kind = 'merged' WHERE bytes = x'80'");
    expect_refused("byte 128 is not a token of this bpe vocabulary");
    save_bpe();
    change(
        "DELETE FROM merges WHERE rank = 1; UPDATE settings SET value = '1' WHERE key = 'merges'");
    expect_refused("of this bpe vocabulary");
}

static void test_rules_16_and_17_sums(void **state)
{
    (void)state;
    expect_broken("UPDATE tokens SET bytes = x'64' WHERE id = 4", "wrong fingerprint (found ");
    expect_broken("UPDATE settings SET value = 'nfkc' WHERE key = 'normalize'",
                  "wrong fingerprint (found ");
    expect_broken("UPDATE tokens SET count = 77 WHERE id = 4",
                  "wrong sum of counts (found 110, expected 42)");
}

/* ---- damage without a plan ------------------------------------------------------------------- */

static void expect_refused_or(const struct vocab *good)
{
    struct vocab v;
    struct err e = {.text = ""};
    if (vocabdb_load(&v, path, &e) == 0)
        assert_same(good, &v);
    else
        assert_ptr_equal(strstr(e.text, path), e.text);
    vocab_release(&v);
}

static void test_truncated(void **state)
{
    (void)state;
    save_toy();
    size_t n;
    unsigned char *whole = scratch_read(path, &n);
    for (size_t cut = 0; cut < n; cut += cut < 120 ? 1 : 61) {
        scratch_write(path, whole, cut);
        expect_refused("");
    }
    for (size_t cut = 4096; cut < n; cut += 4096) { /* whole pages missing */
        scratch_write(path, whole, cut);
        expect_refused("");
    }
    free(whole);
}

/* A flipped bit is refused, or it is where no reader looks (free space, the sources, the view). */
static void test_flipped_bits(void **state)
{
    (void)state;
    struct vocab good = toyvocab();
    struct rng r;
    rng_seed(&r, 1, 0);
    save_toy();
    size_t n;
    unsigned char *data = scratch_read(path, &n);
    for (size_t round = 0; round < 1500; round++) {
        size_t at = round < 200 ? round : rng_below(&r, n);
        unsigned char bit = (unsigned char)(1u << rng_below(&r, 8));
        data[at] ^= bit;
        scratch_write(path, data, n);
        expect_refused_or(&good);
        data[at] ^= bit;
    }
    free(data);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void expect_not_saved(const struct vocab *v, const char *to, const char *message)
{
    struct err e = {.text = ""};
    assert_int_equal(vocabdb_save(v, SOURCES, 2, to, NULL, &e), -1);
    if (strstr(e.text, to) != e.text || !strstr(e.text, message))
        fail_msg("\"%s\" does not say \"%s: %s\"", e.text, to, message);
}

static void test_whole_or_not_at_all(void **state)
{
    (void)state;
    struct vocab v = toyvocab();
    char nowhere[4200];
    snprintf(nowhere, sizeof nowhere, "%s/none/vocab.db", scratch_dir());
    expect_not_saved(&v, nowhere, "No such file");
    expect_not_saved(&v, "/dev/full", "No space left");
    save_toy();
    size_t entries = scratch_count();
    v.tokens[4].count = UINT64_MAX; /* more than SQLite's integers hold */
    expect_not_saved(&v, path, "a count is too large");
    v.tokens[4].count = 9;
    v.n_tokens = 4;
    expect_not_saved(&v, path, "number of tokens (found 4");
    assert_int_equal(scratch_count(), entries);
    struct vocab back; /* what was there before still is */
    struct err e;
    v = toyvocab();
    assert_int_equal(vocabdb_load(&back, path, &e), 0);
    assert_same(&v, &back);
    vocab_release(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_content_same_bytes),
        cmocka_unit_test(test_reads_only),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_rule_1_a_database),
        cmocka_unit_test(test_rules_2_and_3_ids),
        cmocka_unit_test(test_rule_4_schema),
        cmocka_unit_test(test_rule_5_quick_check),
        cmocka_unit_test(test_rule_6_settings),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_pretokens),
        cmocka_unit_test(test_rules_7_and_8_numbering),
        cmocka_unit_test(test_rules_9_to_11_tokens),
        cmocka_unit_test(test_rules_12_to_14_merges),
        cmocka_unit_test(test_rule_15_bpe),
        cmocka_unit_test(test_rules_16_and_17_sums),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
