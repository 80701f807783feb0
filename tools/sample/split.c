#include "sample/split.h"

#include <stdlib.h>

#include "cli/cli.h"
#include "os/clock.h"

enum { AGAIN = 1 << 15 }; /* heads from trials to trials, which then cost next to nothing */

/* Cut if it takes at most this share of the time. */
static const float clearly = 0.85f;

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

static float median(float *x)
{
    qsort(x, SPLIT_TRIALS, sizeof *x, compare);
    return x[SPLIT_TRIALS / 2];
}

/* Seconds of a head made one way or the other. */
static float timed(split_head *head, void *context, struct pool *p)
{
    double start = clock_seconds();
    head(context, p);
    return (float)(clock_seconds() - start);
}

static void decide(struct split *s)
{
    s->whole = median(s->seconds[0]);
    s->recent = median(s->seconds[1]);
    s->pays = s->recent < clearly * s->whole;
}

void split_run(struct split *s, split_head *head, void *context, struct pool *p)
{
    unsigned n = s->n++;
    if (!p) {
        head(context, NULL);
    } else if (n < 2 * SPLIT_TRIALS) {
        /* The trials of a way stand together: the pool's threads sleep when they are left alone. */
        unsigned way = n / SPLIT_TRIALS;
        s->seconds[way][n % SPLIT_TRIALS] = timed(head, context, way ? p : NULL);
        if (n + 1 == 2 * SPLIT_TRIALS)
            decide(s);
    } else if (s->pays) {
        s->recent += (timed(head, context, p) - s->recent) / 16;
        s->pays = s->recent < s->whole;
    } else {
        head(context, NULL);
    }
    if (n == AGAIN)
        s->n = 0;
}
