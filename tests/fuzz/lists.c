/* Any bytes as shards.json and as a curriculum: refused with a sentence, or what is read keeps its
 * rules, and a curriculum written as text is the same again. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "format/shardlist.h"
#include "train/curriculum.h"

static const char *const parts[] = {"a", "b", "c"};

static void read_list(const uint8_t *data, size_t n)
{
    struct shardlist l;
    struct err e;
    if (shardlist_parse(&l, data, n, &e))
        return;
    for (size_t i = 0; i < l.n; i++)
        if (strchr(l.items[i].file, '/') ||
            (l.items[i].part[0] && !shardlist_is_part(l.items[i].part)) ||
            !l.items[i].part[0] != !l.items[0].part[0])
            abort();
    shardlist_release(&l);
}

static void check_shares(const struct curriculum *c)
{
    double shares[CURRICULUM_MAX_PARTS];
    for (int i = 0; i <= 100; i++) {
        double sum = 0;
        curriculum_shares(c, i / 100.0, shares);
        for (size_t k = 0; k < c->n_parts; k++) {
            if (!(shares[k] >= 0 && shares[k] <= 1))
                abort();
            sum += shares[k];
        }
        if (!(sum > 0.999 && sum < 1.001) ||
            curriculum_draw(shares, c->n_parts, 1, (uint64_t)i) >= c->n_parts)
            abort();
    }
}

static void read_curriculum(const char *text)
{
    struct curriculum c;
    char line[CKPT_CURRICULUM_BYTES];
    struct err e;
    if (curriculum_parse(&c, text, parts, ARRAY_LEN(parts), &e))
        return;
    check_shares(&c);
    if (curriculum_text(&c, parts, line, &e) == 0 &&
        curriculum_parse(&c, line, parts, ARRAY_LEN(parts), &e))
        abort();
}

void fuzz_one(const uint8_t *data, size_t n)
{
    char *text = (char *)fuzz_alloc(n + 1);
    memcpy(text, data, n);
    text[n] = '\0';
    read_list(data, n);
    read_curriculum(text);
    free(text);
}
