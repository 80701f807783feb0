/* report.h - results as a table for people or as JSON. */
#ifndef REPORT_H
#define REPORT_H

#include "eval/eval.h"

/* A table on stdout: one row a file and, where there are several, their total; below it, notes on
 * the figures. */
void report_table(const struct eval_result *r, size_t n, enum model_math math, bool has_unk);

/* The same for the figures of the v4 script, under a text that says what they are. */
void report_v4_table(const struct eval_result *r, size_t n, bool has_unk);

/* One JSON object a file, or part of a folder, on stdout and, where there are several, one for
 * their total, of n_files files and folders. With o->v4_scoring each holds the figures of the v4
 * script as an object of its own. */
void report_json(const struct eval_result *r, size_t n, size_t n_files,
                 const struct eval_options *o);

#endif
