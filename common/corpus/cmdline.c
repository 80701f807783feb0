#include "corpus/cmdline.h"

#include "corpus/recode.h"

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
    return 0;
}
