#include "support/toybolt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "support/scratch.h"
#include "support/toy.h"
#include "support/toyblob.h"

static void write_model(const char *name, struct vocab_form form)
{
    struct err e;
    struct model m;
    struct kern kern;
    struct vocab v = toyvocab();
    struct dims d = toy_dims(TOYBOLT_V, 24, 40, 4, 2, "1,3");
    float *params = toy_params(&d, 11);
    v.form = form;
    kern_init(&kern, CPU_C);
    assert_int_equal(model_from_params(&m, &d, params, false, &kern, &e), 0);
    toyblob_write(scratch_path(name), &m, NUMBER_Q8, &v);
    model_release(&m);
    free(params);
}

int toybolt_setup(void **state)
{
    if (scratch_setup(state))
        return -1;
    write_model("m.bolt", (struct vocab_form){VOCAB_NORM_NFC, VOCAB_LINES_LF});
    write_model("nfkc.bolt", (struct vocab_form){VOCAB_NORM_NFKC, VOCAB_LINES_KEPT});
    return 0;
}

struct bolt_model *toybolt_open(int math)
{
    char message[512] = "";
    struct bolt_model *m;
    struct bolt_model_options o = {sizeof o, math, NULL};
    if (bolt_open_file(scratch_path("m.bolt"), &o, &m, message, sizeof message))
        fail_msg("%s", message);
    return m;
}

struct bolt_context *toybolt_context(const struct bolt_model *m)
{
    char message[512] = "";
    struct bolt_context *c;
    if (bolt_context_new(m, NULL, &c, message, sizeof message))
        fail_msg("%s", message);
    return c;
}
