#include "ranks/ranks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What starters of many processes say to each of them: how many there are. */
static const char *const counts[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"};

int ranks_open(struct ranks *r, struct err *e)
{
    *r = (struct ranks){.size = 1};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        const char *text = getenv(counts[i]);
        if (text && strtol(text, NULL, 10) > 1)
            return err_system(e,
                              "%s is %s, but this program was built for one process; build it with "
                              "'make MPI=1', or, if one process is meant, unset %s",
                              counts[i], text, counts[i]);
    }
    return 0;
}

void ranks_close(struct ranks *r)
{
    *r = (struct ranks){.size = 1};
}

int ranks_agree(struct ranks *r, int rc, struct err *e)
{
    (void)r;
    (void)e;
    return rc;
}

int ranks_share(struct ranks *r, void *data, size_t bytes, struct err *e)
{
    (void)r;
    (void)data;
    (void)bytes;
    (void)e;
    return 0;
}

int ranks_collect(struct ranks *r, const void *mine, size_t bytes, void *all, struct err *e)
{
    (void)r;
    (void)e;
    memcpy(all, mine, bytes);
    return 0;
}

int ranks_sum(struct ranks *r, double *x, size_t n, struct err *e)
{
    (void)r;
    (void)x;
    (void)n;
    (void)e;
    return 0;
}

int ranks_reserve(struct ranks *r, size_t n, struct err *e)
{
    (void)r;
    (void)n;
    (void)e;
    return 0;
}

/* There is nobody to send to. */
int ranks_send(struct ranks *r, int to, int number, const void *data, size_t bytes, struct err *e)
{
    (void)r;
    (void)number;
    (void)data;
    (void)bytes;
    assert(false);
    return err_usage(e, "there is no rank %d", to);
}

int ranks_receive(struct ranks *r, int from, int number, void *data, size_t bytes, struct err *e)
{
    (void)r;
    (void)number;
    (void)data;
    (void)bytes;
    assert(false);
    return err_usage(e, "there is no rank %d", from);
}

int ranks_poll(struct ranks *r, struct err *e)
{
    (void)r;
    (void)e;
    return 0;
}

int ranks_wait(struct ranks *r, struct err *e)
{
    (void)r;
    (void)e;
    return 0;
}
