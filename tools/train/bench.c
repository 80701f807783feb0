#include "train/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/cli.h"
#include "model/mixer.h"
#include "os/clock.h"

enum { N_WARM_UP = 2, N_ROUNDS = 15, PROBE_ROUNDS = 400000 };

struct bench {
    double step_s[N_ROUNDS];
    double peak[N_ROUNDS]; /* GFLOP/s */
    double phase_s[PHASE_N][N_ROUNDS];
    double flops[PHASE_N]; /* executed in a step; 0: not bound by arithmetic */
    double bytes[PHASE_N]; /* moved in a step, for those phases */
    double nominal;        /* of a step */
    double sent;           /* bytes that this rank sends to others in a step */
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *x)
{
    double sorted[N_ROUNDS];
    memcpy(sorted, x, sizeof sorted);
    qsort(sorted, N_ROUNDS, sizeof *sorted, compare);
    return sorted[N_ROUNDS / 2];
}

/* ---- what the work is ------------------------------------------------------------------------ */

static void count_work(struct bench *b, const struct trainer *t)
{
    const struct dims *d = &t->dims;
    double D = d->D;
    double share = 1 / (double)t->ranks.size; /* of a step's batches */
    double rows = (double)(t->settings.batch * t->settings.accum) * d->T * share;
    double up = 2 * D * D * d->L;
    double down = D * D * d->L;
    double glu = 3 * D * d->H * d->L;
    double head = D * d->V;
    double taps = 0;   /* of the mixers that work once all rows are through, */
    double attend = 0; /* and of those that need their scores again backwards */
    for (int l = 0; l < d->L; l++) {
        *(dims_has(d, TENSOR_QUERY_KEY, l) ? &attend : &taps) += mixer_of(d, l)->work(d);
        up += (double)t->net.block[l].linear[NET_QUERY_KEY].n_out * D;
    }
    b->nominal = 6 * rows * (up + down + glu + taps + attend + head);
    b->flops[PHASE_FORWARD] = 2 * rows * (up + down + glu + taps + attend);
    b->flops[PHASE_HEAD] = 4 * rows * head;
    b->flops[PHASE_EMBED] = 2 * rows * head;
    b->flops[PHASE_GLU] = 2 * rows * (glu + down + 2.5 * attend);
    b->flops[PHASE_CONV] = 2 * rows * (up + 2 * taps);
    b->flops[PHASE_WEIGHTS] = 2 * rows * (up + down + glu);
    /* floats of 4 bytes: a weight is read, and written packed in two forms, one of which the
     * embedding is itself in f32 */
    double packed = t->kern.unit == 1 ? 4 : 2;
    b->bytes[PHASE_PACK] = (up + down + glu) * (4 + 2 * packed) + head * (4 + 4);
    /* the gradient twice, weight and moments read and written */
    b->bytes[PHASE_OPTIMISE] = (up + down + glu + taps + head) * (2 * 4 + 6 * 4);
    b->flops[PHASE_OPTIMISE] = optim_flops(&t->optim);
    /* tokens, targets and positions; one gradient added to another for every batch but one */
    double merges = (double)t->settings.accum * share - 1;
    b->bytes[PHASE_REST] = rows * 16 + merges * (double)dims_n_floats(d) * 3 * 4;
}

/* Whether a phase is part of a step at all. */
static bool has_phase(const struct trainer *t, int phase)
{
    return phase != PHASE_EXCHANGE || t->ranks.size > 1;
}

/* ---- measuring ------------------------------------------------------------------------------- */

struct probe {
    const struct kern *kern;
    double *flops; /* [threads] */
};

static void probe_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct probe *p = context;
    p->flops[task] = p->kern->spin(PROBE_ROUNDS);
}

static double probe_peak(struct trainer *t, double *flops)
{
    struct probe p = {&t->kern, flops};
    size_t n = (size_t)pool_threads(t->pool);
    double before = clock_seconds();
    double sum = 0;
    pool_run(t->pool, probe_task, &p, n);
    for (size_t i = 0; i < n; i++)
        sum += flops[i];
    return sum / (clock_seconds() - before) * 1e-9;
}

static int measure(struct bench *b, struct trainer *t, double *flops, struct err *e)
{
    struct trainer_step step;
    for (int i = -N_WARM_UP; i < N_ROUNDS && !cli_caught(); i++) {
        double peak = probe_peak(t, flops);
        double before = clock_seconds();
        phases_start(&t->phases);
        uint64_t sent = t->ranks.sent;
        if (trainer_step(t, &step, e))
            return -1;
        if (i < 0)
            continue;
        b->step_s[i] = clock_seconds() - before;
        b->sent = (double)(t->ranks.sent - sent);
        b->bytes[PHASE_EXCHANGE] = b->sent;
        b->peak[i] = peak;
        for (int p = 0; p < PHASE_N; p++)
            b->phase_s[p][i] = t->phases.seconds[p];
    }
    return 0;
}

/* ---- printing -------------------------------------------------------------------------------- */

static double rss_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024e-6;
}

static double executed(const struct bench *b)
{
    double sum = 0;
    for (int p = 0; p < PHASE_N; p++)
        sum += b->flops[p];
    return sum;
}

static void print_json(const struct bench *b, const struct trainer *t)
{
    struct cli_json j;
    double step = median(b->step_s);
    double peak = median(b->peak);
    double tokens = (double)(t->settings.batch * t->settings.accum) * t->dims.T;
    cli_json_begin(&j, stdout);
    cli_json_real(&j, "tok_s", tokens / step);
    cli_json_real(&j, "step_ms", step * 1e3);
    cli_json_real(&j, "gflops", b->nominal / step * 1e-9);
    cli_json_real(&j, "gflops_executed", executed(b) / step * 1e-9);
    cli_json_real(&j, "peak_gflops", peak);
    cli_json_real(&j, "share_of_peak", b->nominal / step * 1e-9 / peak);
    cli_json_real(&j, "rss_mb", rss_mb());
    cli_json_uint(&j, "parameters", dims_n_params(&t->dims));
    cli_json_int(&j, "threads", pool_threads(t->pool));
    if (t->ranks.size > 1) {
        cli_json_int(&j, "ranks", t->ranks.size);
        cli_json_real(&j, "sent_mb", b->sent * 1e-6);
        cli_json_real(&j, "sent_share", b->sent / (4 * (double)dims_n_params(&t->dims)));
    }
    cli_json_text(&j, "cpu", t->kern.level->name);
    cli_json_text(&j, "precision", t->settings.precision);
    cli_json_object(&j, "phases");
    for (int p = 0; p < PHASE_N; p++) {
        double s = median(b->phase_s[p]);
        if (!has_phase(t, p))
            continue;
        cli_json_object(&j, phases_names[p]);
        cli_json_real(&j, "ms", s * 1e3);
        if (b->flops[p] > 0)
            cli_json_real(&j, "gflops", b->flops[p] / s * 1e-9);
        else
            cli_json_real(&j, "gb_s", b->bytes[p] / s * 1e-9);
        cli_json_object_end(&j);
    }
    cli_json_object_end(&j);
    cli_json_end(&j);
}

static void print_table(const struct bench *b, const struct trainer *t)
{
    char rate[32];
    double step = median(b->step_s);
    double peak = median(b->peak);
    double tokens = (double)(t->settings.batch * t->settings.accum) * t->dims.T;
    double sum = 0;
    printf("%-10s %10s %8s %10s %8s\n", "phase", "ms", "share", "GFLOP/s", "of peak");
    for (int p = 0; p < PHASE_N; p++) {
        double s = median(b->phase_s[p]);
        if (!has_phase(t, p))
            continue;
        sum += s;
        printf("%-10s %10.2f %7.1f%%", phases_names[p], s * 1e3, 100 * s / step);
        if (b->flops[p] > 0)
            printf(" %10.1f %7.1f%%\n", b->flops[p] / s * 1e-9,
                   100 * b->flops[p] / s * 1e-9 / peak);
        else
            printf(" %10s %8s %6.1f GB/s\n", "", "", b->bytes[p] / s * 1e-9);
    }
    printf("%-10s %10.2f %7.1f%%\n", "all", sum * 1e3, 100 * sum / step);
    printf("step       %10.2f ms, %s tokens/s on %d thread%s (%s, %s)\n", step * 1e3,
           cli_count_text(rate, (uint64_t)(tokens / step + 0.5)), pool_threads(t->pool),
           pool_threads(t->pool) == 1 ? "" : "s", t->kern.level->name, t->settings.precision);
    printf("nominal    %10.1f GFLOP/s, %.1f %% of the peak of %.1f measured between the steps\n",
           b->nominal / step * 1e-9, 100 * b->nominal / step * 1e-9 / peak, peak);
    if (t->ranks.size > 1)
        printf("ranks      %10d, each sends %.2f MB a step, %.2f times the parameters in f32\n",
               t->ranks.size, b->sent * 1e-6, b->sent / (4 * (double)dims_n_params(&t->dims)));
    printf("resident   %10.1f MB\n", rss_mb());
}

int bench_run(struct trainer *t, struct err *e)
{
    struct bench b = {0};
    double *flops = calloc((size_t)pool_threads(t->pool), sizeof *flops);
    if (!flops)
        return err_memory(e, "out of memory");
    count_work(&b, t);
    int rc = measure(&b, t, flops, e);
    free(flops);
    if (rc || cli_caught() || !trainer_is_first(t))
        return rc;
    if (cli.json)
        print_json(&b, t);
    else
        print_table(&b, t);
    return 0;
}
