#include "stories/grammar.h"

#include <string.h>

#define MAX_DEPTH 24

struct expansion {
    const struct grammar *grammar;
    struct rng *rng;
    struct err *err;
    size_t chosen[GRAMMAR_MAX_RULES]; /* alternative of a once-rule, plus one; 0 is none yet */
    char *out;
    size_t n_out;
    int depth;
};

struct span {
    const char *text;
    size_t n;
};

static int expand(struct expansion *x, struct span s);

static bool span_is(struct span s, const char *text)
{
    return strlen(text) == s.n && memcmp(s.text, text, s.n) == 0;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The n-th part of s between separators outside of brackets; false if there are fewer. */
static bool part(struct span s, char separator, size_t n, struct span *out)
{
    int depth = 0;
    size_t from = 0;

    for (size_t i = 0; i <= s.n; i++) {
        char c = i < s.n ? s.text[i] : separator;
        if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        if (c != separator || (depth != 0 && i < s.n))
            continue;
        if (n-- == 0) {
            *out = (struct span){s.text + from, i - from};
            return true;
        }
        from = i + 1;
    }
    return false;
}

static size_t n_parts(struct span s, char separator)
{
    struct span p;
    size_t n = 0;

    while (part(s, separator, n, &p))
        n++;
    return n;
}

/* Length of the bracketed text that begins at s.text[0], brackets included; 0 if it never closes.
 */
static size_t bracketed(struct span s)
{
    int depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.text[i] == '[' || s.text[i] == '{')
            depth++;
        else if (s.text[i] == ']' || s.text[i] == '}')
            depth--;
        if (depth == 0)
            return i + 1;
    }
    return 0;
}

static bool find_rule(const struct grammar *g, struct span name, size_t *index)
{
    for (size_t i = 0; i < g->n_rules; i++)
        if (span_is(name, g->rules[i]->name)) {
            *index = i;
            return true;
        }
    return false;
}

/* Splits "Rule.field" into the rule, the number of the field and whether a capital is wanted. */
static int resolve(const struct grammar *g, struct span ref, size_t *rule, size_t *field,
                   bool *capital, struct err *e)
{
    char name[64];
    struct span base, wanted, fields, f;

    if (ref.n == 0 || ref.n >= sizeof name)
        return err_set(e, "grammar: reference {%.*s} has a bad length", (int)MIN(ref.n, 64),
                       ref.text);
    memcpy(name, ref.text, ref.n);
    *capital = name[0] != lower(name[0]);
    name[0] = lower(name[0]);
    *field = 0;
    part((struct span){name, ref.n}, '.', 0, &base);
    if (!find_rule(g, base, rule))
        return err_set(e, "grammar: {%.*s} names no rule", (int)ref.n, ref.text);
    if (!part((struct span){name, ref.n}, '.', 1, &wanted))
        return 0;
    if (g->rules[*rule]->fields != NULL) {
        fields = (struct span){g->rules[*rule]->fields, strlen(g->rules[*rule]->fields)};
        for (; part(fields, '/', *field, &f); ++*field)
            if (f.n == wanted.n && memcmp(f.text, wanted.text, f.n) == 0)
                return 0;
    }
    return err_set(e, "grammar: {%.*s} names no field", (int)ref.n, ref.text);
}

static size_t n_items(const struct rule *rule)
{
    size_t n = 0;

    while (rule->items[n] != NULL)
        n++;
    return n;
}

static size_t choose(struct expansion *x, size_t index)
{
    const struct rule *rule = x->grammar->rules[index];
    size_t n = n_items(rule), leader, item;

    if (rule->once && x->chosen[index] != 0)
        return x->chosen[index] - 1;
    if (rule->follows != NULL &&
        find_rule(x->grammar, (struct span){rule->follows, strlen(rule->follows)}, &leader))
        item = (choose(x, leader) * rule->step + rule->offset +
                (size_t)rng_below(x->rng, rule->free)) %
               n;
    else
        item = (size_t)rng_below(x->rng, n);
    x->chosen[index] = item + 1;
    return item;
}

static int put(struct expansion *x, char c)
{
    if (x->n_out + 1 >= GRAMMAR_MAX_STORY)
        return err_set(x->err, "grammar: a story is longer than %d bytes", GRAMMAR_MAX_STORY - 1);
    x->out[x->n_out++] = c;
    x->out[x->n_out] = '\0';
    return 0;
}

static int expand_reference(struct expansion *x, struct span ref)
{
    size_t rule, field, start = x->n_out;
    bool capital;
    struct span item;

    if (resolve(x->grammar, ref, &rule, &field, &capital, x->err) != 0)
        return -1;
    const char *text = x->grammar->rules[rule]->items[choose(x, rule)];
    item = (struct span){text, strlen(text)};
    if (x->grammar->rules[rule]->fields != NULL)
        part(item, '/', field, &item);
    if (expand(x, item) != 0)
        return -1;
    if (capital && x->n_out > start)
        x->out[start] = upper(x->out[start]);
    return 0;
}

static int expand_choice(struct expansion *x, struct span choice)
{
    struct span picked = choice;

    part(choice, '|', (size_t)rng_below(x->rng, n_parts(choice, '|')), &picked);
    return expand(x, picked);
}

static int expand(struct expansion *x, struct span s)
{
    int rc = 0;

    if (++x->depth > MAX_DEPTH)
        return err_set(x->err, "grammar: rules nest deeper than %d", MAX_DEPTH);
    for (size_t i = 0; i < s.n && rc == 0;) {
        size_t n = 1;
        if (s.text[i] == '{' || s.text[i] == '[') {
            n = bracketed((struct span){s.text + i, s.n - i});
            struct span inside = {s.text + i + 1, n - 2};
            rc = s.text[i] == '{' ? expand_reference(x, inside) : expand_choice(x, inside);
        } else if (s.text[i] == '~') {
            rc = put(x, '\n') || put(x, '\n') ? -1 : 0;
        } else {
            rc = put(x, s.text[i]);
        }
        i += n;
    }
    x->depth--;
    return rc;
}

/* "a apple" becomes "an apple". The letters decide; the grammar has no "unicorn" and no "hour". */
static int fix_articles(char *story, struct err *e)
{
    char fixed[GRAMMAR_MAX_STORY];
    size_t n = 0;

    for (size_t i = 0; story[i] != '\0'; i++) {
        if (n + 2 >= sizeof fixed)
            return err_set(e, "grammar: a story is longer than %d bytes", GRAMMAR_MAX_STORY - 1);
        fixed[n++] = story[i];
        bool article = (story[i] == 'a' || story[i] == 'A') && story[i + 1] == ' ' &&
                       (i == 0 || strchr(" \n\"", story[i - 1]) != NULL);
        if (article && story[i + 2] != '\0' && strchr("aeiouAEIOU", story[i + 2]) != NULL)
            fixed[n++] = 'n';
    }
    fixed[n] = '\0';
    memcpy(story, fixed, n + 1);
    return (int)n;
}

static int check_text(const struct grammar *g, struct span s, struct err *e)
{
    size_t rule, field, n;
    bool capital;

    for (size_t i = 0; i < s.n; i++) {
        if (s.text[i] != '{' && s.text[i] != '[')
            continue;
        n = bracketed((struct span){s.text + i, s.n - i});
        if (n == 0)
            return err_set(e, "grammar: unbalanced brackets: %.60s", s.text + i);
        if (s.text[i] == '{' &&
            resolve(g, (struct span){s.text + i + 1, n - 2}, &rule, &field, &capital, e) != 0)
            return -1;
    }
    return 0;
}

static int check_rule(const struct grammar *g, const struct rule *rule, struct err *e)
{
    size_t want = 1;

    if (rule->fields != NULL)
        want = n_parts((struct span){rule->fields, strlen(rule->fields)}, '/');
    for (size_t i = 0; rule->items[i] != NULL; i++) {
        struct span s = {rule->items[i], strlen(rule->items[i])};
        size_t found = rule->fields != NULL ? n_parts(s, '/') : 1;
        if (found != want)
            return err_set(e, "grammar: %s: %s: wrong number of fields (found %zu, expected %zu)",
                           rule->name, rule->items[i], found, want);
        if (check_text(g, s, e) != 0)
            return -1;
    }
    return 0;
}

int grammar_init(struct grammar *g, struct err *e)
{
    const struct {
        const struct rule *rules;
        size_t n;
    } parts[] = {{grammar_words, grammar_n_words},
                 {grammar_people_plots, grammar_n_people_plots},
                 {grammar_animal_plots, grammar_n_animal_plots}};

    g->n_rules = 0;
    for (size_t p = 0; p < ARRAY_LEN(parts); p++)
        for (size_t i = 0; i < parts[p].n; i++) {
            if (g->n_rules == GRAMMAR_MAX_RULES)
                return err_set(e, "grammar: more than %d rules", GRAMMAR_MAX_RULES);
            g->rules[g->n_rules++] = &parts[p].rules[i];
        }
    for (size_t i = 0; i < g->n_rules; i++)
        if (check_rule(g, g->rules[i], e) != 0)
            return -1;
    return 0;
}

int grammar_story(const struct grammar *g, struct rng *r, char story[GRAMMAR_MAX_STORY],
                  struct err *e)
{
    struct expansion x = {.grammar = g, .rng = r, .err = e, .out = story};
    static const char start[] = "{story}";

    story[0] = '\0';
    if (expand(&x, (struct span){start, sizeof start - 1}) != 0)
        return -1;
    return fix_articles(story, e);
}
