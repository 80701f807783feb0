/* The likeliest token by estimates is the one by all logits, also where they lie as close together
 * as floats can, where numbers are tiny or huge, and where they are none. Compile with
 * -DSOURCE='"toy.c"'. */
#include SOURCE

#include <stdio.h>
#include <string.h>

static struct toy toy;
static uint32_t state = 1;

static float uniform(void) /* in [-1, 1) */
{
    state = state * 1664525 + 1013904223;
    return (float)(int32_t)state * 0x1p-31f;
}

static float power_of_two(int range)
{
    int n = (int)(uniform() * (float)range);
    float x = 1;
    for (; n > 0; n--)
        x *= 2;
    for (; n < 0; n++)
        x /= 2;
    return x;
}

/* What the last norm gives, one kind after another. */
static void make(int kind)
{
    float scale = power_of_two(kind % 4 == 3 ? 140 : 20);
    uint32_t row = (uint32_t)(uniform() * TOY_VOCAB / 2 + TOY_VOCAB / 2) % TOY_VOCAB;
    uint32_t c;
    for (c = 0; c < TOY_WIDTH; c++) {
        if (kind % 8 == 1) /* nearly a row: its logit and those of its likes are the highest */
            toy.norm[c] = scale * ((float)embedding[row * TOY_WIDTH + c] + uniform() * 1e-3f);
        else if (kind % 8 == 5) /* all logits are nearly nothing */
            toy.norm[c] = scale * uniform() * (c == row % TOY_WIDTH ? 1 : 1e-6f);
        else
            toy.norm[c] = scale * uniform();
    }
    if (kind % 64 == 9)
        toy.norm[row % TOY_WIDTH] = float_of(0x7fc00000);
    if (kind % 64 == 17)
        toy.norm[row % TOY_WIDTH] = float_of(0x7f800000);
    if (kind % 64 == 25)
        memset(toy.norm, 0, sizeof toy.norm);
}

int main(void)
{
    int estimated = 0;
    int kind;
    for (kind = 0; kind < 20000; kind++) {
        struct likeliest all = {TOY_END, -FLT_MAX};
        struct likeliest best = {TOY_END, -FLT_MAX};
        make(kind);
        search(toy.norm, TOY_END, &all);
        if (!search_by_estimate(&toy, &best))
            continue;
        estimated++;
        if (best.id != all.id || memcmp(&best.logit, &all.logit, sizeof all.logit) != 0) {
            printf("kind %d: found %u %a, expected %u %a\n", kind, (unsigned)best.id, best.logit,
                   (unsigned)all.id, all.logit);
            return 1;
        }
    }
    printf("%d of %d by estimates\n", estimated, kind);
    return estimated < kind / 2;
}
