/* stories - writes small children's stories in the manner of TinyStories, for the demo and the
 * tests.
 *
 * The text is a function of the options alone; no two stories of a run are alike. Each is followed
 * by a line "<|endoftext|>", as in the official text files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "stories/grammar.h"

#define MAX_REPEATS 10000 /* stories in a row that stood there already: the grammar is used up */

static struct {
    long long seed, count;
    double mb;
} opt = {.seed = 1, .count = 0, .mb = 6};

static const struct cli_option options[] = {
    CLI_SEED(&opt.seed, "seed of the random numbers (default 1)"),
    CLI_INT('n', "count", &opt.count, 0, 1e7, "N",
            "number of stories; 0, the default: as many as --mb asks for"),
    CLI_REAL(0, "mb", &opt.mb, 0, 1e4, "X", "size of the text in millions of bytes (default 6)"),
};

static const struct cli_tool tool = {
    .name = "stories",
    .synopsis = "[options]",
    .summary = "Writes generated children's stories to standard output.",
    .options = options,
    .n_options = ARRAY_LEN(options),
};

/* The hashes of all stories so far: open addressing, zero is an empty slot. */
struct seen {
    uint64_t *slots;
    size_t n_slots; /* a power of two */
    size_t n;
};

static bool insert(struct seen *s, uint64_t hash)
{
    size_t i = (size_t)hash & (s->n_slots - 1);

    while (s->slots[i] != 0 && s->slots[i] != hash)
        i = (i + 1) & (s->n_slots - 1);
    if (s->slots[i] == hash)
        return false;
    s->slots[i] = hash;
    s->n++;
    return true;
}

/* Remembers a story; false if it is not new. */
static bool seen_add(struct seen *s, uint64_t hash)
{
    if (2 * (s->n + 1) > s->n_slots) {
        struct seen bigger = {.n_slots = MAX(2 * s->n_slots, (size_t)1024)};
        bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
        if (bigger.slots == NULL)
            cli_die("out of memory");
        for (size_t i = 0; i < s->n_slots; i++)
            if (s->slots[i] != 0)
                insert(&bigger, s->slots[i]);
        free(s->slots);
        *s = bigger;
    }
    return insert(s, hash != 0 ? hash : 1);
}

int main(int argc, char **argv)
{
    static char story[GRAMMAR_MAX_STORY];
    static struct grammar grammar;
    struct seen seen = {0};
    struct rng rng;
    struct err e;
    size_t n_operands;
    double bytes = 0;
    int repeats = 0;

    cli_parse(&tool, argc, argv, &n_operands);
    if (n_operands != 0)
        cli_usage("takes no files");
    if (grammar_init(&grammar, &e) != 0)
        cli_die("%s", e.text);
    rng_seed(&rng, (uint64_t)opt.seed, 0);
    while (opt.count > 0 ? seen.n < (size_t)opt.count : bytes < opt.mb * 1e6) {
        int n = grammar_story(&grammar, &rng, story, &e);
        if (n < 0)
            cli_die("%s", e.text);
        if (!seen_add(&seen, hash64(story, (size_t)n))) {
            if (++repeats == MAX_REPEATS)
                cli_die("no more than %zu different stories found", seen.n);
            continue;
        }
        repeats = 0;
        int written = printf("%s\n<|endoftext|>\n", story);
        if (written < 0)
            cli_die("standard output: %s", strerror(errno));
        bytes += written;
    }
    free(seen.slots);
    return cli_finish();
}
