/* rules.h - short forms for the tables of the grammar. */
#ifndef RULES_H
#define RULES_H

#include "stories/grammar.h"

/* clang-format off */
#define LIST(...) (const char *const[]){__VA_ARGS__, NULL}

/* A rule that picks afresh every time. */
#define PLOT(title, ...) {title, LIST(__VA_ARGS__), NULL, false, NULL, 0, 0, 0}

/* A rule that picks once a story; `parts` names the fields of its items. */
#define ONCE(title, parts, ...) {title, LIST(__VA_ARGS__), parts, true, NULL, 0, 0, 0}

/* The same, but each hero of a plot has three of its own to pick from. */
#define OWNED(title, parts, ...) {title, LIST(__VA_ARGS__), parts, true, "hero", 3, 0, 3}
/* clang-format on */

#endif
