#include "ranks/ranks.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mpi.h>

struct state {
    MPI_Request *requests; /* [room] */
    size_t n, room;
};

static bool joined; /* between ranks_open and ranks_close */

/* What launchers of many processes set in the environment of each. Without any, MPI is not started:
 * a single process does not need it. */
static const char *const started_by[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK",
                                         "PMIX_RANK"};

static int failed(int code, const char *what, struct err *e)
{
    char text[MPI_MAX_ERROR_STRING];
    int length;
    if (code == MPI_SUCCESS)
        return 0;
    MPI_Error_string(code, text, &length);
    return err_system(e, "MPI: %s: %s; has another rank died?", what, text);
}

/* exit() in the middle of a run: the others would wait for this rank for ever. */
static void end_all(void)
{
    if (joined)
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
}

static bool is_one_of_many(void)
{
    for (size_t i = 0; i < ARRAY_LEN(started_by); i++)
        if (getenv(started_by[i]))
            return true;
    return false;
}

/* Slurm's count of processes, of which MPI must know as well. */
static int check_slurm(const struct ranks *r, struct err *e)
{
    const char *text = getenv("SLURM_NTASKS");
    if (r->size > 1 || !text || strtol(text, NULL, 10) <= 1)
        return 0;
    return err_system(
        e,
        "SLURM_NTASKS is %s, but MPI knows of one process; start it with mpirun, or "
        "with 'srun --mpi=pmix' (srun --mpi=list tells the names), or, if one process "
        "is meant, unset SLURM_NTASKS",
        text);
}

static int join(struct ranks *r, struct err *e)
{
    int threads;
    if (failed(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &threads), "start", e))
        return -1;
    joined = true;
    atexit(end_all);
    if (threads < MPI_THREAD_FUNNELED)
        return err_system(e, "this MPI does not go with threads");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &r->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &r->size);
    return 0;
}

int ranks_open(struct ranks *r, struct err *e)
{
    *r = (struct ranks){.size = 1};
    r->state = calloc(1, sizeof(struct state));
    if (!r->state)
        return err_memory(e, "out of memory");
    if (is_one_of_many() && join(r, e))
        return -1;
    return check_slurm(r, e);
}

void ranks_close(struct ranks *r)
{
    struct state *s = r->state;
    if (joined)
        MPI_Finalize();
    joined = false;
    if (s)
        free(s->requests);
    free(s);
    *r = (struct ranks){.size = 1};
}

/* Names the rank in an error that is not rank 0's. */
static void name_rank(const struct ranks *r, struct err *e)
{
    struct err fault = *e;
    char host[64] = "";
    char place[128];
    gethostname(host, sizeof host - 1);
    snprintf(place, sizeof place, "rank %d on %s", r->rank, host);
    err_at(e, place, &fault);
}

int ranks_agree(struct ranks *r, int rc, struct err *e)
{
    int mine = rc ? r->rank : r->size;
    int first = r->size;
    struct err trouble;
    if (r->size == 1)
        return rc;
    if (failed(MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD), "agreement",
               &trouble)) {
        *e = rc ? *e : trouble;
        return -1;
    }
    if (first == r->size)
        return 0;
    if (first > 0 && r->rank == first) {
        name_rank(r, e);
        MPI_Send(e, (int)sizeof *e, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
    }
    if (first > 0 && r->rank == 0)
        MPI_Recv(e, (int)sizeof *e, MPI_BYTE, first, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (r->rank > 0)
        MPI_Barrier(MPI_COMM_WORLD); /* for rank 0, which says it and ends us */
    return -1;
}

int ranks_share(struct ranks *r, void *data, size_t bytes, struct err *e)
{
    unsigned char *at = data;
    if (r->size == 1)
        return 0;
    for (size_t n; bytes > 0; at += n, bytes -= n) {
        n = MIN(bytes, (size_t)1 << 30);
        if (failed(MPI_Bcast(at, (int)n, MPI_BYTE, 0, MPI_COMM_WORLD), "broadcast", e))
            return -1;
        if (r->rank == 0)
            r->sent += n * (size_t)(r->size - 1);
    }
    return 0;
}

int ranks_collect(struct ranks *r, const void *mine, size_t bytes, void *all, struct err *e)
{
    if (r->size == 1) {
        memcpy(all, mine, bytes);
        return 0;
    }
    r->sent += bytes * (size_t)(r->size - 1);
    return failed(
        MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD),
        "gathering", e);
}

int ranks_sum(struct ranks *r, double *x, size_t n, struct err *e)
{
    if (r->size == 1)
        return 0;
    r->sent += n * sizeof *x;
    return failed(MPI_Allreduce(MPI_IN_PLACE, x, (int)n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD),
                  "sum", e);
}

/* ---- messages -------------------------------------------------------------------------------- */

int ranks_reserve(struct ranks *r, size_t n, struct err *e)
{
    struct state *s = r->state;
    assert(s->n == 0);
    if (n <= s->room)
        return 0;
    MPI_Request *requests = realloc(s->requests, n * sizeof(MPI_Request));
    if (!requests)
        return err_memory(e, "out of memory");
    s->requests = requests;
    s->room = n;
    return 0;
}

int ranks_send(struct ranks *r, int to, int number, const void *data, size_t bytes, struct err *e)
{
    struct state *s = r->state;
    assert(s->n < s->room && bytes < (size_t)1 << 31);
    r->sent += bytes;
    return failed(
        MPI_Isend(data, (int)bytes, MPI_BYTE, to, number, MPI_COMM_WORLD, &s->requests[s->n++]),
        "sending", e);
}

int ranks_receive(struct ranks *r, int from, int number, void *data, size_t bytes, struct err *e)
{
    struct state *s = r->state;
    assert(s->n < s->room && bytes < (size_t)1 << 31);
    return failed(
        MPI_Irecv(data, (int)bytes, MPI_BYTE, from, number, MPI_COMM_WORLD, &s->requests[s->n++]),
        "receiving", e);
}

int ranks_poll(struct ranks *r, struct err *e)
{
    struct state *s = r->state;
    int done;
    if (s->n == 0)
        return 0;
    return failed(MPI_Testall((int)s->n, s->requests, &done, MPI_STATUSES_IGNORE), "exchange", e);
}

int ranks_wait(struct ranks *r, struct err *e)
{
    struct state *s = r->state;
    int rc = failed(MPI_Waitall((int)s->n, s->requests, MPI_STATUSES_IGNORE), "exchange", e);
    s->n = 0;
    return rc;
}
