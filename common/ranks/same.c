#include "ranks/same.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "os/file.h"

struct identity {
    uint64_t program;
    char version[32];
    struct same same;
};

void same_add(struct same *s, const char *what, uint64_t fingerprint)
{
    size_t i = 0;
    while (s->prints[i].what[0])
        i++;
    assert(i < SAME_PRINTS);
    snprintf(s->prints[i].what, sizeof s->prints[i].what, "%s", what);
    s->prints[i].fingerprint = fingerprint;
}

static uint64_t program_print(void)
{
    struct file_map m;
    struct err ignored;
    if (file_map(&m, "/proc/self/exe", &ignored))
        return 0;
    uint64_t print = hash64(m.data, m.size);
    file_unmap(&m);
    return print;
}

static int same_print(const char *what, uint64_t here, uint64_t first, struct err *e)
{
    if (here == first)
        return 0;
    return err_set(e,
                   "%s differs from that of rank 0 (found %016" PRIx64 ", expected %016" PRIx64 ")",
                   what, here, first);
}

/* The first line that is not the same. */
static int same_options(const char *here, const char *first, struct err *e)
{
    while (*here && *first) {
        int n = (int)strcspn(here, "\n");
        int m = (int)strcspn(first, "\n");
        if (n != m || memcmp(here, first, (size_t)n) != 0)
            return err_usage(e, "has other options than rank 0 (found %.*s, expected %.*s)", n,
                             here, m, first);
        here += n + (here[n] == '\n');
        first += m + (first[m] == '\n');
    }
    return 0;
}

static int same_identity(const struct identity *here, const struct identity *first, struct err *e)
{
    const struct same *mine = &here->same;
    const struct same *theirs = &first->same;
    if (strcmp(here->version, first->version) != 0)
        return err_set(e, "runs version %s of this program, rank 0 version %s", here->version,
                       first->version);
    if (same_print("the program", here->program, first->program, e) ||
        same_options(mine->options, theirs->options, e))
        return -1;
    if (strcmp(mine->isa, theirs->isa) != 0)
        return err_usage(
            e,
            "computes with instruction set %s, rank 0 with %s, which rounds otherwise; "
            "give all ranks the lesser of them (--cpu)",
            mine->isa, theirs->isa);
    for (size_t i = 0; i < SAME_PRINTS && theirs->prints[i].what[0]; i++)
        if (same_print(theirs->prints[i].what, mine->prints[i].fingerprint,
                       theirs->prints[i].fingerprint, e))
            return -1;
    return 0;
}

int same_check(struct ranks *r, const struct same *s, struct err *e)
{
    if (r->size == 1)
        return 0;
    struct identity *both = calloc(2, sizeof *both);
    if (ranks_agree(r, both ? 0 : err_memory(e, "out of memory"), e)) {
        free(both);
        return -1;
    }
    both[0].program = program_print();
    snprintf(both[0].version, sizeof both[0].version, "%s", BOLT_VERSION);
    both[0].same = *s;
    both[1] = both[0];
    int rc = ranks_share(r, &both[1], sizeof *both, e);
    if (rc == 0)
        rc = ranks_agree(r, same_identity(&both[0], &both[1], e), e);
    free(both);
    return rc;
}
