/* toybolt.h - models in the scratch folder and libbolt's handles to them, for tests. */
#ifndef TOYBOLT_H
#define TOYBOLT_H

#include "bolt/bolt.h"
#include "support/toyvocab.h"

enum { TOYBOLT_V = TOYVOCAB_SIZE };

/* A cmocka group's setup: the scratch folder (scratch_teardown at the end), in it m.bolt and, with
 * a vocabulary that asks for NFKC, nfkc.bolt: width 24, hidden width 40, 4 taps, 2 blocks of
 * dilation 1 and 3. */
int toybolt_setup(void **state);

/* Opens m.bolt (an enum bolt_math); a new context. Failures fail the test. */
struct bolt_model *toybolt_open(int math);
struct bolt_context *toybolt_context(const struct bolt_model *m);

#endif
