#include "format/vocabdb.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/vocabdb_schema.h"

static int sql_fail(sqlite3 *db, const char *path, const char *what, struct err *e)
{
    return err_set(e, "%s: %s: %s", path, what, sqlite3_errmsg(db));
}

/* A database in memory, for one thread: no lock is worth taking. */
static int open_memory(sqlite3 **db)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    return sqlite3_open_v2(":memory:", db, flags, NULL);
}

static int run(sqlite3 *db, const char *path, const char *sql, struct err *e)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sql_fail(db, path, "cannot make the database", e);
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* One row to insert: integers, texts and blobs in the order of the columns. */
struct cell {
    enum { CELL_INT, CELL_TEXT, CELL_BLOB } type;
    uint64_t number;
    struct vocab_bytes bytes;
};

static struct cell cell_int(uint64_t number)
{
    return (struct cell){.type = CELL_INT, .number = number};
}

static struct cell cell_text(const char *text)
{
    return (struct cell){CELL_TEXT, 0, {(const unsigned char *)text, (uint32_t)strlen(text)}};
}

static struct cell cell_blob(struct vocab_bytes bytes)
{
    return (struct cell){CELL_BLOB, 0, bytes};
}

static int bind(sqlite3_stmt *s, int column, const struct cell *c)
{
    const char *data = (const char *)c->bytes.data;
    switch (c->type) {
    case CELL_INT:
        if (c->number > INT64_MAX)
            return SQLITE_TOOBIG;
        return sqlite3_bind_int64(s, column, (sqlite3_int64)c->number);
    case CELL_TEXT:
        return sqlite3_bind_text(s, column, data, (int)c->bytes.n, SQLITE_STATIC);
    case CELL_BLOB:
        return sqlite3_bind_blob(s, column, data, (int)c->bytes.n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static int insert(sqlite3_stmt *s, const struct cell *cells, int n)
{
    int code = SQLITE_OK;
    for (int i = 0; i < n && code == SQLITE_OK; i++)
        code = bind(s, i + 1, &cells[i]);
    if (code == SQLITE_OK)
        code = sqlite3_step(s) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
    int reset = sqlite3_reset(s);
    return code == SQLITE_OK ? reset : code;
}

/* What the rows come from, and the filling of row i of each table. */
struct content {
    const struct vocab *v;
    const struct vocabdb_source *sources;
    size_t n_sources;
    struct {
        const char *key;
        char value[32];
    } settings[8];
    int n_settings;
};

static void setting_row(const struct content *c, size_t i, struct cell *row)
{
    row[0] = cell_text(c->settings[i].key);
    row[1] = cell_text(c->settings[i].value);
}

static void token_row(const struct content *c, size_t i, struct cell *row)
{
    const struct vocab_token *t = &c->v->tokens[i];
    row[0] = cell_int(i);
    row[1] = cell_blob(t->bytes);
    row[2] = cell_text(vocab_type_names[t->type]);
    row[3] = cell_int(t->count);
}

static void merge_row(const struct content *c, size_t i, struct cell *row)
{
    row[0] = cell_int(i);
    row[1] = cell_blob(c->v->merges[i].left);
    row[2] = cell_blob(c->v->merges[i].right);
}

static void source_row(const struct content *c, size_t i, struct cell *row)
{
    const struct vocabdb_source *s = &c->sources[i];
    row[0] = cell_int(i + 1);
    row[1] = cell_text(s->name);
    row[2] = cell_text(s->split);
    row[3] = cell_int(s->n_stories);
    row[4] = cell_int(s->n_duplicates);
    row[5] = cell_int(s->n_empty);
    row[6] = cell_int(s->n_invalid);
    row[7] = cell_int(s->n_chars);
    row[8] = cell_int(s->n_bytes);
}

typedef void fill_row(const struct content *c, size_t i, struct cell *row);

static int insert_all(sqlite3 *db, const char *path, const char *sql, fill_row *fill,
                      const struct content *c, size_t n, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    int columns = code == SQLITE_OK ? sqlite3_bind_parameter_count(s) : 0;
    for (size_t i = 0; i < n && code == SQLITE_OK; i++) {
        struct cell row[9];
        fill(c, i, row);
        code = insert(s, row, columns);
    }
    if (code != SQLITE_OK)
        err_set(e, "%s: cannot fill the database: %s", path,
                code == SQLITE_TOOBIG ? "a count is too large" : sqlite3_errmsg(db));
    int end = sqlite3_finalize(s);
    if (code == SQLITE_OK && end != SQLITE_OK)
        return sql_fail(db, path, "cannot fill the database", e);
    return code == SQLITE_OK ? 0 : -1;
}

static void PRINTF_LIKE(3, 4)
    add_setting(struct content *c, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    c->settings[c->n_settings].key = key;
    vsnprintf(c->settings[c->n_settings].value, sizeof c->settings[0].value, format, args);
    va_end(args);
    c->n_settings++;
}

int vocabdb_version(const struct vocab *v)
{
    if (v->pretokens != VOCAB_WORDS)
        return 3;
    return v->form.lines == VOCAB_LINES_KEPT ? 1 : 2;
}

/* The sum of all counts, modulo 2^64: guards them, as the fingerprint guards the rest. */
static uint64_t total_count(const struct vocab *v)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < v->n_tokens; i++)
        total += v->tokens[i].count;
    return total;
}

/* The rows keep to the constraints of the schema: vocab_check has seen the vocabulary, and a count
 * that is too large is not bound. For SQLite to look, too, would be half of its time. */
static int fill(sqlite3 *db, const char *path, struct content *c, struct err *e)
{
    const struct vocab *v = c->v;
    add_setting(c, "kind", "%s", vocab_kind_names[v->kind]);
    add_setting(c, "normalize", "%s", vocab_normalize_names[v->form.normalize]);
    if (vocabdb_version(v) > 1)
        add_setting(c, "lines", "%s", vocab_lines_names[v->form.lines]);
    if (vocabdb_version(v) > 2)
        add_setting(c, "pretokens", "%s", vocab_pretokens_names[v->pretokens]);
    add_setting(c, "tokens", "%" PRIu32, v->n_tokens);
    add_setting(c, "merges", "%" PRIu32, v->n_merges);
    add_setting(c, "total_count", "%" PRIu64, total_count(v));
    add_setting(c, "fingerprint", "%016" PRIx64, vocab_fingerprint(v));
    char ids[96];
    snprintf(ids, sizeof ids, "PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN",
             VOCABDB_APPLICATION_ID, vocabdb_version(v));
    if (run(db, path,
            "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'; "
            "PRAGMA ignore_check_constraints = 1",
            e) ||
        run(db, path, ids, e))
        return -1;
    for (size_t i = 0; i < VOCABDB_N_TABLES; i++)
        if (run(db, path, vocabdb_tables[i].sql, e))
            return -1;
    if (run(db, path, vocabdb_view, e) ||
        insert_all(db, path, "INSERT INTO settings VALUES (?, ?)", setting_row, c,
                   (size_t)c->n_settings, e) ||
        insert_all(db, path, "INSERT INTO tokens VALUES (?, ?, ?, ?)", token_row, c, v->n_tokens,
                   e) ||
        insert_all(db, path, "INSERT INTO merges VALUES (?, ?, ?)", merge_row, c, v->n_merges, e) ||
        insert_all(db, path, "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", source_row,
                   c, c->n_sources, e))
        return -1;
    return run(db, path, "COMMIT", e);
}

static int write_out(sqlite3 *db, const char *path, struct file_set *set, struct err *e)
{
    sqlite3_int64 size = 0;
    unsigned char *image = sqlite3_serialize(db, "main", &size, 0);
    if (!image)
        return err_memory(e, "%s: out of memory for the database", path);
    struct file_out out;
    int rc = file_out_open(&out, path, e);
    if (!rc) {
        if (file_out_write(&out, image, (size_t)size, e)) {
            file_out_abort(&out);
            rc = -1;
        } else {
            rc = file_set_take(set, &out, e);
        }
    }
    sqlite3_free(image);
    return rc;
}

int vocabdb_save(const struct vocab *v, const struct vocabdb_source *sources, size_t n_sources,
                 const char *path, struct file_set *set, struct err *e)
{
    if (vocab_check(v, path, e))
        return -1;
    struct content c = {.v = v, .sources = sources, .n_sources = n_sources};
    sqlite3 *db = NULL;
    int rc;
    if (open_memory(&db) != SQLITE_OK)
        rc = sql_fail(db, path, "cannot make the database", e);
    else
        rc = fill(db, path, &c, e) || write_out(db, path, set, e) ? -1 : 0;
    sqlite3_close(db);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

enum { LONGEST_CELL = 1 << 16 };

/* A database under examination. */
struct reader {
    const char *path;
    struct file_map map;
    sqlite3 *db;
    struct vocab *v;
    long version;
    size_t n_storage; /* bytes taken of v->storage, which has map.size */
    uint64_t total_count;
    uint64_t fingerprint;
};

/* One statement is open at a time; step_row stands for its next row. */
static int prepare(struct reader *r, const char *sql, sqlite3_stmt **s, struct err *e)
{
    if (sqlite3_prepare_v2(r->db, sql, -1, s, NULL) != SQLITE_OK)
        return sql_fail(r->db, r->path, "not a readable vocabulary database", e);
    return 0;
}

/* 1: a row, 0: no more, -1: failed. */
static int step_row(struct reader *r, sqlite3_stmt *s, struct err *e)
{
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : sql_fail(r->db, r->path, "damaged database", e);
}

/* The first column of the first row as text, in a buffer; empty without a row. */
static int read_text(struct reader *r, const char *sql, const char *parameter, char *buf,
                     size_t size, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int rc = prepare(r, sql, &s, e);
    if (!rc && parameter && sqlite3_bind_text(s, 1, parameter, -1, SQLITE_STATIC) != SQLITE_OK)
        rc = sql_fail(r->db, r->path, "cannot read the database", e);
    buf[0] = '\0';
    if (!rc) {
        int row = step_row(r, s, e);
        const char *text = row == 1 ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (text)
            snprintf(buf, size, "%s", text);
        rc = MIN(row, 0);
    }
    sqlite3_finalize(s);
    return rc;
}

static int check_ids(struct reader *r, struct err *e)
{
    char text[32];
    if (read_text(r, "PRAGMA application_id", NULL, text, sizeof text, e))
        return -1;
    if (strtol(text, NULL, 10) != VOCABDB_APPLICATION_ID)
        return err_set(e, "%s: not a vocabulary database: application_id (found %s, expected %d)",
                       r->path, text, VOCABDB_APPLICATION_ID);
    if (read_text(r, "PRAGMA user_version", NULL, text, sizeof text, e))
        return -1;
    r->version = strtol(text, NULL, 10);
    if (r->version < 1 || r->version > VOCABDB_VERSION)
        return err_set(
            e, "%s: unknown version of the vocabulary database (found %s, expected 1 to %d)",
            r->path, text, VOCABDB_VERSION);
    return 0;
}

/* Connects SQLite to the map. The image is neither written nor kept by SQLite. */
static int connect(struct reader *r, struct err *e)
{
    if (file_map(&r->map, r->path, e))
        return -1;
    if (!r->map.size)
        return err_set(e, "%s: not a vocabulary database: the file is empty", r->path);
    if (open_memory(&r->db) != SQLITE_OK ||
        sqlite3_deserialize(r->db, "main", (unsigned char *)(uintptr_t)r->map.data,
                            (sqlite3_int64)r->map.size, (sqlite3_int64)r->map.size,
                            SQLITE_DESERIALIZE_READONLY) != SQLITE_OK)
        return sql_fail(r->db, r->path, "cannot read the database", e);
    sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH, LONGEST_CELL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return 0;
}

/* Signature, version, schema and structure, before any content is believed. */
static int check_form(struct reader *r, struct err *e)
{
    char text[1024];
    if (check_ids(r, e))
        return -1;
    for (size_t i = 0; i < VOCABDB_N_TABLES; i++) {
        if (read_text(r, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?",
                      vocabdb_tables[i].name, text, sizeof text, e))
            return -1;
        if (strcmp(text, vocabdb_tables[i].sql) != 0)
            return err_set(e, "%s: table %s is missing or not the one of version %ld", r->path,
                           vocabdb_tables[i].name, r->version);
    }
    for (size_t i = 0; i < VOCABDB_N_TABLES; i++) {
        const char *name = vocabdb_tables[i].name;
        char constraints[64], sql[64];
        /* what those of tokens say token_from_row sees to, in a tenth of the time */
        snprintf(constraints, sizeof constraints, "PRAGMA ignore_check_constraints = %d",
                 !strcmp(name, "tokens"));
        snprintf(sql, sizeof sql, "PRAGMA quick_check(%s)", name);
        if (run(r->db, r->path, constraints, e) || read_text(r, sql, NULL, text, sizeof text, e))
            return -1;
        for (char *end = text; (end = strchr(end, '\n'));)
            *end = ' '; /* one line */
        if (strcmp(text, "ok") != 0)
            return err_set(e, "%s: damaged database: %.200s", r->path, text);
    }
    return 0;
}

/* A setting that is one of n names: its number. */
static int read_choice(struct reader *r, const char *key, const char *const *names, int n,
                       int *choice, struct err *e)
{
    char text[64];
    if (read_text(r, "SELECT value FROM settings WHERE key = ?", key, text, sizeof text, e))
        return -1;
    for (*choice = 0; *choice < n; ++*choice)
        if (!strcmp(text, names[*choice]))
            return 0;
    return err_set(e, "%s: bad setting %s (found \"%s\")", r->path, key, text);
}

/* A setting that is a whole number in [low, high], written in the given base. */
static int read_number(struct reader *r, const char *key, int base, uint64_t low, uint64_t high,
                       uint64_t *number, struct err *e)
{
    char text[64];
    if (read_text(r, "SELECT value FROM settings WHERE key = ?", key, text, sizeof text, e))
        return -1;
    char *end = text;
    errno = 0;
    if (strchr("0123456789abcdef", text[0]) && text[0])
        *number = strtoull(text, &end, base);
    if (end == text || *end || errno || *number < low || *number > high)
        return err_set(e, "%s: bad setting %s (found \"%s\")", r->path, key, text);
    return 0;
}

static int read_settings(struct reader *r, struct err *e)
{
    int kind;
    int normalize;
    int lines = VOCAB_LINES_KEPT;
    int pretokens = VOCAB_WORDS;
    uint64_t n_tokens = 0;
    uint64_t n_merges = 0;
    if (read_choice(r, "kind", vocab_kind_names, ARRAY_LEN(vocab_kind_names), &kind, e) ||
        read_choice(r, "normalize", vocab_normalize_names, ARRAY_LEN(vocab_normalize_names),
                    &normalize, e) ||
        (r->version > 1 &&
         read_choice(r, "lines", vocab_lines_names, ARRAY_LEN(vocab_lines_names), &lines, e)) ||
        (r->version > 2 && read_choice(r, "pretokens", vocab_pretokens_names,
                                       ARRAY_LEN(vocab_pretokens_names), &pretokens, e)) ||
        read_number(r, "tokens", 10, VOCAB_N_SPECIAL + 1, VOCAB_MAX_TOKENS, &n_tokens, e) ||
        read_number(r, "merges", 10, 0, VOCAB_MAX_MERGES, &n_merges, e) ||
        read_number(r, "total_count", 10, 0, UINT64_MAX, &r->total_count, e) ||
        read_number(r, "fingerprint", 16, 0, UINT64_MAX, &r->fingerprint, e))
        return -1;
    r->v->kind = (enum vocab_kind)kind;
    r->v->form = (struct vocab_form){(enum vocab_normalize)normalize, (enum vocab_lines)lines};
    r->v->pretokens = (enum vocab_pretokens)pretokens;
    r->v->n_tokens = (uint32_t)n_tokens;
    r->v->n_merges = (uint32_t)n_merges;
    return 0;
}

/* Copies the blob of a column to the storage. */
static int read_bytes(struct reader *r, sqlite3_stmt *s, int column, struct vocab_bytes *bytes,
                      struct err *e)
{
    const void *data = sqlite3_column_blob(s, column);
    size_t n = (size_t)sqlite3_column_bytes(s, column);
    if (sqlite3_column_type(s, column) != SQLITE_BLOB || n > r->map.size - r->n_storage)
        return err_set(e, "%s: damaged database: bad bytes in a row", r->path);
    unsigned char *at = (unsigned char *)r->v->storage + r->n_storage;
    if (n)
        memcpy(at, data, n);
    r->n_storage += n;
    *bytes = (struct vocab_bytes){at, (uint32_t)n};
    return 0;
}

static int token_from_row(struct reader *r, sqlite3_stmt *s, uint32_t id, struct err *e)
{
    struct vocab_token *t = &r->v->tokens[id];
    if (read_bytes(r, s, 1, &t->bytes, e))
        return -1;
    const char *kind = (const char *)sqlite3_column_text(s, 2);
    int type = 0;
    while (type < (int)ARRAY_LEN(vocab_type_names) && kind && strcmp(kind, vocab_type_names[type]))
        type++;
    if (!kind || type == (int)ARRAY_LEN(vocab_type_names))
        return err_set(e, "%s: token %u has an unknown kind", r->path, id);
    sqlite3_int64 count = sqlite3_column_int64(s, 3);
    if (sqlite3_column_type(s, 3) != SQLITE_INTEGER || count < 0)
        return err_set(e, "%s: token %u has a bad count", r->path, id);
    t->type = (enum vocab_type)type;
    t->count = (uint64_t)count;
    return 0;
}

static int merge_from_row(struct reader *r, sqlite3_stmt *s, uint32_t rank, struct err *e)
{
    struct vocab_merge *m = &r->v->merges[rank];
    return read_bytes(r, s, 1, &m->left, e) || read_bytes(r, s, 2, &m->right, e) ? -1 : 0;
}

typedef int take_row(struct reader *r, sqlite3_stmt *s, uint32_t i, struct err *e);

/* Takes exactly n rows, numbered 0 to n - 1 in their first column. */
static int read_rows(struct reader *r, const char *table, const char *sql, take_row *take,
                     uint32_t n, struct err *e)
{
    sqlite3_stmt *s = NULL;
    int rc = prepare(r, sql, &s, e);
    uint32_t i = 0;
    int row = 0;
    while (!rc && (row = step_row(r, s, e)) == 1) {
        if (i == n || sqlite3_column_int64(s, 0) != (sqlite3_int64)i)
            rc = err_set(e, "%s: table %s is not numbered 0 to %" PRId64 " (found %lld)", r->path,
                         table, (int64_t)n - 1, (long long)sqlite3_column_int64(s, 0));
        else
            rc = take(r, s, i++, e);
    }
    sqlite3_finalize(s);
    if (rc || row < 0)
        return -1;
    if (i < n)
        return err_set(e, "%s: too few rows in table %s (found %u, expected %u)", r->path, table, i,
                       n);
    return 0;
}

static int read_content(struct reader *r, struct err *e)
{
    struct vocab *v = r->v;
    if (read_settings(r, e))
        return -1;
    v->tokens = calloc(v->n_tokens, sizeof *v->tokens);
    v->merges = calloc((size_t)v->n_merges + 1, sizeof *v->merges);
    v->storage = malloc(r->map.size);
    if (!v->tokens || !v->merges || !v->storage)
        return err_memory(e, "%s: out of memory for %u tokens", r->path, v->n_tokens);
    if (read_rows(r, "tokens", "SELECT id, bytes, kind, count FROM tokens ORDER BY id",
                  token_from_row, v->n_tokens, e) ||
        read_rows(r, "merges", "SELECT rank, left, right FROM merges ORDER BY rank", merge_from_row,
                  v->n_merges, e) ||
        vocab_check(v, r->path, e))
        return -1;
    if (vocab_fingerprint(v) != r->fingerprint)
        return err_set(e, "%s: wrong fingerprint (found %016" PRIx64 ", expected %016" PRIx64 ")",
                       r->path, vocab_fingerprint(v), r->fingerprint);
    if (total_count(v) != r->total_count)
        return err_set(e, "%s: wrong sum of counts (found %" PRIu64 ", expected %" PRIu64 ")",
                       r->path, total_count(v), r->total_count);
    return 0;
}

int vocabdb_load(struct vocab *v, const char *path, struct err *e)
{
    *v = (struct vocab){0};
    struct reader r = {.path = path, .v = v};
    int rc = connect(&r, e) || check_form(&r, e) || read_content(&r, e) ? -1 : 0;
    sqlite3_close(r.db);
    file_unmap(&r.map);
    if (rc)
        vocab_release(v);
    return rc;
}

bool vocabdb_probe(const void *data, size_t n)
{
    static const char magic[16] = "SQLite format 3";
    return n >= sizeof magic && !memcmp(data, magic, sizeof magic);
}
