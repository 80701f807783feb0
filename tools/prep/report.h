/* report.h - the summary that prep ends with. */
#ifndef PREP_REPORT_H
#define PREP_REPORT_H

#include "prep/prep.h"

void report_table(const struct prep *p); /* a table on stderr */
void report_json(const struct prep *p);  /* one object on stdout */

#endif
