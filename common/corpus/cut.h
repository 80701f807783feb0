/* cut.h - where stories end in a text: at the mark, and at a separator of the user's. */
#ifndef CUT_H
#define CUT_H

#include "base/base.h"

enum cut_kind { CUT_NONE, CUT_TEXT, CUT_LINE, CUT_BLANK_LINE };

struct cut { /* one pass over one piece of text */
    enum cut_kind kind;
    const char *separator; /* CUT_TEXT */
    size_t n_separator;
    const char *text;
    size_t n;
    size_t from;    /* where the next story begins, or the search goes on */
    size_t mark_at; /* the next mark, n if there is none */
    size_t separator_at, separator_end;
    /* where one may begin whose rest would stand after the text, n if nowhere */
    size_t open_mark, open_separator;
};

/* What `separator` means in text (with `words`) or within a string. */
enum cut_kind cut_kind_of(const char *separator, bool words);

/* Looks for the first end in text[from..n), after which more text follows unless it is the `last`.
 * Until the next cut_begin the text must stay in place. */
void cut_begin(struct cut *c, const char *text, size_t n, size_t from, bool last);

/* The next end of a story: it ends before *at, the next one begins at *next. False if there is none
 * in this piece, or what follows decides which comes first; then *again is where to look again once
 * more text follows. Where a text is divided into pieces changes no story. */
bool cut_next(struct cut *c, size_t *at, size_t *next, size_t *again);

#endif
