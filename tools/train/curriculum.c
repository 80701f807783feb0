#include "train/curriculum.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

enum { DRAW_STREAM = 3 << 20 };
static const double TOTAL_SLACK = 0.1 + 1e-9; /* percent: thirds as people write them, 33.3% */
static const double MOST_WEIGHT = 1e6;
static const double LEAST_WEIGHT = 1e-6; /* so that nothing vanishes in a sum */

/* ---- reading --------------------------------------------------------------------------------- */

struct parser {
    const char *at;
    size_t line;
    const char *const *parts;
    size_t n_parts;
};

static void skip_blanks(struct parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\r')
        p->at++;
    if (*p->at == '#')
        p->at += strcspn(p->at, "\n");
}

static bool at_end(const struct parser *p)
{
    return *p->at == '\0' || *p->at == '\n' || *p->at == ';';
}

/* The word or sign at this place, for a message. */
static int word_length(const struct parser *p)
{
    size_t n = strcspn(p->at, " \t\r\n,:;#");
    return (int)(n ? n : *p->at && *p->at != '\n');
}

static int fault(const struct parser *p, const char *expected, struct err *e)
{
    if (at_end(p))
        return err_set(e, "line %zu: ends where %s was expected", p->line, expected);
    return err_set(e, "line %zu: found '%.*s', expected %s", p->line, word_length(p), p->at,
                   expected);
}

/* A decimal number without a sign. */
static int read_number(struct parser *p, const char *expected, double *out, struct err *e)
{
    char *end;
    if (*p->at < '0' || *p->at > '9')
        return fault(p, expected, e);
    *out = strtod(p->at, &end);
    if (!(*out <= MOST_WEIGHT))
        return err_set(e, "line %zu: %.*s is too large (at most %g)", p->line, word_length(p),
                       p->at, MOST_WEIGHT);
    if (*out > 0 && *out < LEAST_WEIGHT)
        return err_set(e, "line %zu: %.*s is too small (0, or at least %g)", p->line,
                       word_length(p), p->at, LEAST_WEIGHT);
    p->at = end;
    skip_blanks(p);
    return 0;
}

static int read_part(struct parser *p, size_t *part, struct err *e)
{
    int n = word_length(p);
    char known[256] = "";
    for (*part = 0; *part < p->n_parts; ++*part) {
        const char *name = p->parts[*part];
        if ((int)strlen(name) == n && strncmp(name, p->at, (size_t)n) == 0) {
            p->at += n;
            skip_blanks(p);
            return 0;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", name);
    }
    if (at_end(p) || n == 0)
        return fault(p, "the name of a part", e);
    return err_set(e, "line %zu: the data have no part '%.*s' (they have %s)", p->line, n, p->at,
                   known);
}

/* "NAME", "NAME WEIGHT" or "NAME WEIGHT to WEIGHT". */
static int read_weight(struct parser *p, struct curriculum_stage *s, bool *seen, struct err *e)
{
    size_t part;
    double from = 1, to = 1;
    if (read_part(p, &part, e))
        return -1;
    if (seen[part])
        return err_set(e, "line %zu: part '%s' stands twice", p->line, p->parts[part]);
    seen[part] = true;
    if (!at_end(p) && *p->at != ',') {
        if (read_number(p, "a weight, a comma or the end of the line", &from, e))
            return -1;
        to = from;
        if (strncmp(p->at, "to", 2) == 0) {
            p->at += 2;
            skip_blanks(p);
            if (read_number(p, "a weight", &to, e))
                return -1;
        }
    }
    s->from[part] = from;
    s->to[part] = to;
    return 0;
}

static int check_weights(const struct parser *p, const struct curriculum_stage *s, struct err *e)
{
    double from = 0, to = 0;
    for (size_t i = 0; i < p->n_parts; i++) {
        from += s->from[i];
        to += s->to[i];
    }
    if (from > 0 && to > 0)
        return 0;
    return err_set(e, "line %zu: all weights are 0 where the stage %s", p->line,
                   from > 0 ? "ends" : "begins");
}

static int read_stage(struct parser *p, double *share, struct curriculum_stage *s, struct err *e)
{
    bool seen[CURRICULUM_MAX_PARTS] = {false};
    if (read_number(p, "a share of the budget, such as 30%", share, e))
        return -1;
    if (*p->at != '%')
        return fault(p, "% after the share", e);
    if (*share <= 0)
        return err_set(e, "line %zu: a stage has a share of 0", p->line);
    p->at++;
    skip_blanks(p);
    if (*p->at != ':')
        return fault(p, "':' after the share", e);
    do {
        p->at++;
        skip_blanks(p);
        if (read_weight(p, s, seen, e))
            return -1;
    } while (*p->at == ',');
    return at_end(p) ? check_weights(p, s, e) : fault(p, "a comma or the end of the line", e);
}

/* Passes over empty lines. */
static void next_stage(struct parser *p)
{
    for (skip_blanks(p); *p->at == '\n' || *p->at == ';'; skip_blanks(p))
        p->line += *p->at++ == '\n';
}

int curriculum_parse(struct curriculum *c, const char *text, const char *const *parts,
                     size_t n_parts, struct err *e)
{
    struct parser p = {text, 1, parts, n_parts};
    double total = 0;
    *c = (struct curriculum){.n_parts = n_parts};
    for (next_stage(&p); *p.at; next_stage(&p)) {
        double share;
        if (c->n_stages == CURRICULUM_MAX_STAGES)
            return err_set(e, "line %zu: more than %d stages", p.line, CURRICULUM_MAX_STAGES);
        struct curriculum_stage *s = &c->stages[c->n_stages++];
        if (read_stage(&p, &share, s, e))
            return -1;
        total += share;
        s->end = total;
    }
    if (c->n_stages == 0)
        return err_set(e, "holds no stage");
    if (fabs(total - 100) > TOTAL_SLACK)
        return err_set(e, "the shares of its stages add up to %.10g%%, not to 100%%", total);
    for (size_t i = 0; i < c->n_stages; i++)
        c->stages[i].end /= total;
    return 0;
}

int curriculum_text(const struct curriculum *c, const char *const *parts,
                    char out[CKPT_CURRICULUM_BYTES], struct err *e)
{
    FILE *f = fmemopen(out, CKPT_CURRICULUM_BYTES, "w");
    if (!f)
        return err_memory(e, "out of memory");
    setvbuf(f, NULL, _IONBF, 0);
    double begin = 0;
    for (size_t i = 0; i < c->n_stages; i++) {
        const struct curriculum_stage *s = &c->stages[i];
        const char *before = ": ";
        fprintf(f, "%s%.12g%%", i ? "; " : "", 100 * (s->end - begin));
        for (size_t k = 0; k < c->n_parts; k++) {
            if (s->from[k] <= 0 && s->to[k] <= 0)
                continue;
            fprintf(f, "%s%s %.12g", before, parts[k], s->from[k]);
            before = ", ";
            if (s->from[k] < s->to[k] || s->from[k] > s->to[k])
                fprintf(f, " to %.12g", s->to[k]);
        }
        begin = s->end;
    }
    long n = ftell(f);
    fclose(f);
    if (n > 0 && n < CKPT_CURRICULUM_BYTES - 1)
        return 0;
    return err_set(e, "too long for a checkpoint, which holds %d bytes", CKPT_CURRICULUM_BYTES);
}

/* ---- following it ---------------------------------------------------------------------------- */

size_t curriculum_stage(const struct curriculum *c, double progress)
{
    size_t i = 0;
    while (i + 1 < c->n_stages && progress >= c->stages[i].end)
        i++;
    return i;
}

/* u: how much of the stage is over. */
static void shares_at(const struct curriculum *c, size_t i, double u, double *shares)
{
    const struct curriculum_stage *s = &c->stages[i];
    double sum = 0;
    for (size_t k = 0; k < c->n_parts; k++) {
        shares[k] = s->from[k] + (s->to[k] - s->from[k]) * u;
        sum += shares[k];
    }
    for (size_t k = 0; k < c->n_parts; k++)
        shares[k] /= sum;
}

void curriculum_shares(const struct curriculum *c, double progress, double *shares)
{
    size_t i = curriculum_stage(c, progress);
    double begin = i ? c->stages[i - 1].end : 0;
    shares_at(c, i, MIN((progress - begin) / (c->stages[i].end - begin), 1.0), shares);
}

void curriculum_stage_end(const struct curriculum *c, size_t i, double *shares)
{
    shares_at(c, i, 1, shares);
}

bool curriculum_uses(const struct curriculum *c, size_t part)
{
    for (size_t i = 0; i < c->n_stages; i++)
        if (c->stages[i].from[part] > 0 || c->stages[i].to[part] > 0)
            return true;
    return false;
}

size_t curriculum_draw(const double *shares, size_t n_parts, uint64_t seed, uint64_t n)
{
    static const uint64_t GOLDEN = UINT64_C(0x9e3779b97f4a7c15); /* of 2^64 */
    struct rng rng;
    rng_seed(&rng, seed, DRAW_STREAM);
    double point = (double)((rng_u64(&rng) + n * GOLDEN) >> 11) * 0x1p-53;
    size_t last = 0; /* a part with a share, for the rounding of their sum */
    for (size_t k = 0; k < n_parts; k++) {
        if (shares[k] <= 0)
            continue;
        last = k;
        if (point < shares[k])
            return k;
        point -= shares[k];
    }
    return last;
}
