#include "corpus/cmdline.h"

#include <string.h>

#include "corpus/recode.h"

/* What the form that was named makes meaningless. */
static int check_form(const struct corpus_options *o, struct err *e)
{
    const char *form = corpus_format_names[o->format];
    const char *s = o->separator;
    if (o->format == CORPUS_AUTO)
        return 0;
    if (o->format == CORPUS_TEXT && (o->field || o->skip_missing))
        return err_usage(e, "--format text has no fields: it takes no --%s",
                         o->field ? "field" : "skip-missing");
    if (o->format != CORPUS_TEXT && s && (!strcmp(s, "line") || !strcmp(s, "blank-line")))
        return err_usage(e, "--separator %s is for text, not for --format %s", s, form);
    return 0;
}

int cmdline_options(const struct cmdline *given, struct corpus_options *o, struct err *e)
{
    *o = (struct corpus_options){.format = (enum corpus_format)given->format,
                                 .field = given->field,
                                 .separator = given->separator,
                                 .encoding = given->encoding,
                                 .invalid = (enum corpus_invalid)given->invalid,
                                 .skip_missing = given->skip_missing,
                                 .max_bytes = (uint64_t)given->max_bytes};
    if (o->field && !*o->field)
        return err_usage(e, "--field: the name is empty");
    if (o->separator && !*o->separator)
        return err_usage(e, "--separator: the text is empty");
    if (o->encoding && !recode_knows(o->encoding))
        return err_usage(e, "--encoding: iconv does not know '%s' (iconv -l lists what it knows)",
                         o->encoding);
    return check_form(o, e);
}
