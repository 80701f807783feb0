/* The fault campaign: torture [--short] [--seed N] [sweep|kills|damage]...
 *
 * Programs are taken from $BUILD (default build). The last line is "N passed, N failed": rows of
 * the tables without and with a loss; each loss is told on a line of its own. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "torture/scene.h"
#include "torture/torture.h"

static char work[] = "/tmp/torture.XXXXXX";

void torture_loss(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("LOSS: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

void torture_row(struct torture *t, unsigned long n_losses)
{
    if (n_losses)
        t->failed++;
    else
        t->passed++;
}

void torture_stop(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "torture: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static void remove_work(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", work);
    if (chdir("/") || system(command))
        fprintf(stderr, "torture: %s is left\n", work);
}

static const struct {
    const char *name;
    void (*run)(struct torture *);
} parts[] = {{"damage", damage_run}, {"kills", kills_run}, {"sweep", sweep_run}};

/* The number of a part, or of none: how many there are. */
static size_t part_of(const char *name)
{
    size_t k = 0;
    while (k < ARRAY_LEN(parts) && strcmp(parts[k].name, name) != 0)
        k++;
    return k;
}

int main(int argc, char **argv)
{
    struct torture t = {0};
    unsigned long seed = 1;
    bool chosen[ARRAY_LEN(parts)] = {0}, any = false;
    for (int i = 1; i < argc; i++) {
        size_t part = part_of(argv[i]);
        if (strcmp(argv[i], "--short") == 0)
            t.is_short = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoul(argv[++i], NULL, 10);
        else if (part < ARRAY_LEN(parts))
            chosen[part] = any = true;
        else
            torture_stop("usage: torture [--short] [--seed N] [damage] [kills] [sweep]");
    }
    const char *build = getenv("BUILD");
    char programs[PATH_MAX];
    if (!realpath(build ? build : "build", programs) || strlen(programs) >= sizeof t.programs)
        torture_stop("%s: no such folder", build ? build : "build");
    strcpy(t.programs, programs);
    if (!mkdtemp(work) || chdir(work))
        torture_stop("%s: cannot make the folder", work);
    atexit(remove_work);
    rng_seed(&t.rng, seed, 0);
    printf("seed %lu\n", seed);
    scene_make(&t);
    for (size_t k = 0; k < ARRAY_LEN(parts); k++)
        if (!any || chosen[k])
            parts[k].run(&t);
    printf("%lu passed, %lu failed\n", t.passed, t.failed);
    return t.failed || !t.passed;
}
