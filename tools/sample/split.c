#include "sample/split.h"

#include <stdlib.h>

#include "cli/cli.h"

enum { AGAIN = 4096 }; /* heads from trials to trials */

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

void split_head(struct split *s, struct infer *f, struct pool *p, float *logits)
{
    unsigned n = s->n++;
    if (!p || n >= 2 * SPLIT_TRIALS) {
        infer_head_split(f, p && s->pays ? p : NULL, 0, 1, logits);
        if (n == AGAIN)
            s->n = 0;
        return;
    }
    /* The trials of a way stand together: the pool's threads sleep when they are left alone. */
    unsigned way = n / SPLIT_TRIALS;
    double start = cli_seconds();
    infer_head_split(f, way ? p : NULL, 0, 1, logits);
    s->seconds[way][n % SPLIT_TRIALS] = (float)(cli_seconds() - start);
    if (s->n == 2 * SPLIT_TRIALS)
        s->pays = median(s->seconds[1]) < median(s->seconds[0]);
}
