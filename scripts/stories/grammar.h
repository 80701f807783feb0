/* grammar.h - the grammar of the story generator, and its expansion.
 *
 * A rule is a name and its alternatives; expanding it picks one of them. Inside an alternative
 *   {rule}        is replaced by an expansion of that rule; {Rule} begins with a capital letter
 *   {rule.field}  takes one field of an alternative such as "Tom/he/his/him/boy"
 *   [a|b|c]       is one of a, b and c, which may hold anything, other choices too
 *   ~             begins a paragraph
 * A rule that is `once` picks one alternative a story and keeps to it: that is what makes a
 * character keep name and pronouns, and a lost ball be found as a ball. Such a rule may follow
 * another: a plot has its own few characters, and each of them its own family and toy, as in a
 * series of picture books. A small model learns within minutes who belongs to a plot; to carry one
 * name of fifty through a story it would need hours. "a" before a vowel becomes "an". */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include "base/err.h"
#include "base/rng.h"

#define GRAMMAR_MAX_RULES 128
#define GRAMMAR_MAX_STORY 8192 /* bytes, the final zero included */

struct rule {
    const char *name;
    const char *const *items; /* NULL at the end */
    const char *fields;       /* names of an item's fields, separated by '/'; NULL: one, unnamed */
    bool once;
    /* The number of the alternative is (that of `follows` * step + offset + a random number below
     * `free`) modulo the number of alternatives. NULL: any alternative. */
    const char *follows;
    size_t step, offset, free;
};

extern const struct rule grammar_words[], grammar_people_plots[], grammar_animal_plots[];
extern const size_t grammar_n_words, grammar_n_people_plots, grammar_n_animal_plots;

struct grammar {
    const struct rule *rules[GRAMMAR_MAX_RULES];
    size_t n_rules;
};

/* Gathers all rules and checks every alternative of every rule: references that name no rule or no
 * field and unbalanced brackets are errors. */
MUST_USE int grammar_init(struct grammar *g, struct err *e);

/* Writes one story, zero-terminated, and returns its length. Too long a story, or a rule that
 * never ends, is an error: returns -1. */
MUST_USE int grammar_story(const struct grammar *g, struct rng *r, char story[GRAMMAR_MAX_STORY],
                           struct err *e);

#endif
