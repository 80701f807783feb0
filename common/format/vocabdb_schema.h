/* vocabdb_schema.h - the tables of a vocabulary database as SQL. For vocabdb.c. */
#ifndef VOCABDB_SCHEMA_H
#define VOCABDB_SCHEMA_H

enum { VOCABDB_N_TABLES = 4 };

struct vocabdb_table {
    const char *name;
    const char *sql;
};

/* The tables are part of the format: a reader wants these very statements (VOCAB.md, rule 4). */
extern const struct vocabdb_table vocabdb_tables[VOCABDB_N_TABLES];

/* The view `vocab`, for people only. A token is shown as text if its characters, made again from
 * their code points one by one, give its bytes (then it is whole UTF-8) and if they can be printed;
 * else in hexadecimal. */
extern const char vocabdb_view[];

#endif
