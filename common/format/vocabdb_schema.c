#include "format/vocabdb_schema.h"

const struct vocabdb_table vocabdb_tables[VOCABDB_N_TABLES] = {
    {"settings", "CREATE TABLE settings (\n"
                 "    key   TEXT PRIMARY KEY NOT NULL,\n"
                 "    value TEXT NOT NULL\n"
                 ") STRICT, WITHOUT ROWID"},
    {"tokens", "CREATE TABLE tokens (\n"
               "    id    INTEGER PRIMARY KEY,\n"
               "    bytes BLOB NOT NULL,\n"
               "    kind  TEXT NOT NULL CHECK (kind IN ('special', 'byte', 'merged')),\n"
               "    count INTEGER NOT NULL CHECK (count >= 0)\n"
               ") STRICT"},
    {"merges", "CREATE TABLE merges (\n"
               "    rank  INTEGER PRIMARY KEY,\n"
               "    left  BLOB NOT NULL,\n"
               "    right BLOB NOT NULL\n"
               ") STRICT"},
    {"sources", "CREATE TABLE sources (\n"
                "    number     INTEGER PRIMARY KEY,\n"
                "    name       TEXT NOT NULL,\n"
                "    split      TEXT NOT NULL CHECK (split IN ('train', 'valid')),\n"
                "    stories    INTEGER NOT NULL,\n"
                "    duplicates INTEGER NOT NULL,\n"
                "    empty      INTEGER NOT NULL,\n"
                "    invalid    INTEGER NOT NULL,\n"
                "    chars      INTEGER NOT NULL,\n"
                "    bytes      INTEGER NOT NULL\n"
                ") STRICT"},
};

const char vocabdb_view[] =
    "CREATE VIEW vocab AS\n"
    "SELECT id, kind, count,\n"
    "       round(100.0 * count / max(1, (SELECT sum(count) FROM tokens)), 4) AS percent,\n"
    "       length(bytes) AS length,\n"
    "       CASE WHEN instr(bytes, x'00') = 0\n"
    "             AND bytes = CAST((\n"
    "                 WITH RECURSIVE at(i) AS (\n"
    "                     SELECT 1 UNION ALL SELECT i + 1 FROM at\n"
    "                     WHERE i < length(CAST(bytes AS TEXT)))\n"
    "                 SELECT group_concat(char(unicode(substr(CAST(bytes AS TEXT), i, 1))), '')\n"
    "                 FROM at) AS BLOB)\n"
    "             AND CAST(bytes AS TEXT) NOT GLOB\n"
    "                 '*[' || char(1) || '-' || char(8) || char(11) || '-' || char(31) ||\n"
    "                 char(127) || '-' || char(159) || ']*'\n"
    "            THEN replace(replace(replace(CAST(bytes AS TEXT),\n"
    "                 ' ', char(0x2423)), char(10), '\\n'), char(9), '\\t')\n"
    "            ELSE '<' || hex(bytes) || '>'\n"
    "       END AS text\n"
    "FROM tokens";
