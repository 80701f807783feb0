/* kcheck.c - every operation of every instruction set, compared with a reference.
 *
 * After dav1d's checkasm: levels are walked upwards from plain C; an operation that a level does
 * not replace is not checked again; a crash is a failure of the operation it happened in, and the
 * walk goes on. The random data is a function of the seed, the level and the operation alone, so
 * one line of the report can be repeated with --op, --cpu and --seed. */
#include "kern/kcheck.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "kern/bench.h"
#include "kern/faults.h"

#define OP(name, member) {#name, offsetof(struct kern, member), kcheck_##name, faults_##name},
const struct kcheck_op kcheck_ops[] = {KCHECK_OPS(OP)};
#undef OP
const size_t kcheck_n_ops = ARRAY_LEN(kcheck_ops);

struct options {
    const struct cpu_level *level;
    const char *op;
    const char *fault;
    long long seed; /* if given, else the clock's */
    bool seed_given;
    bool bench;
    bool brief;
    bool list;
};

struct totals {
    uint64_t n_passed;
    uint64_t n_failed;
};

/* ---- crashes --------------------------------------------------------------------------------- */

static sigjmp_buf resume;
static volatile sig_atomic_t checking;

static void crashed(int signal_number)
{
    if (!checking) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
        return;
    }
    siglongjmp(resume, signal_number);
}

static void catch_crashes(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction action = {.sa_handler = crashed};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
}

static void check_guarded(struct kcheck *t, const struct kcheck_op *op)
{
    int signal_number = sigsetjmp(resume, 1);
    if (signal_number == 0) {
        checking = 1;
        op->check(t);
    } else {
        kcheck_flush(false);
        kcheck_fail(t, "%s", strsignal(signal_number));
    }
    checking = 0;
}

/* ---- report ---------------------------------------------------------------------------------- */

static void report(const struct kcheck *t, const struct kcheck_op *op, long long seed)
{
    const char *level = t->kern->level->name;
    const char *precision = t->kern->unit == 2 ? "bf16" : "f32";
    if (cli.json) {
        struct cli_json j;
        cli_json_begin(&j, stdout);
        cli_json_text(&j, "level", level);
        cli_json_text(&j, "precision", precision);
        cli_json_text(&j, "op", op->name);
        cli_json_uint(&j, "cases", t->n_cases);
        cli_json_real(&j, "worst", t->worst);
        cli_json_bool(&j, "passed", !t->failed);
        if (t->failed)
            cli_json_text(&j, "failure", t->failure);
        cli_json_end(&j);
        return;
    }
    if (cli.quiet && !t->failed)
        return;
    printf("%-11s%-5s%-16s", level, precision, op->name);
    if (t->failed)
        printf("FAILED: %s (seed %lld)\n", t->failure, seed);
    else if (t->worst > 0)
        printf("%7llu cases, largest error %4.0f %% of its bound\n", (unsigned long long)t->n_cases,
               100 * t->worst);
    else
        printf("%7llu cases, exact\n", (unsigned long long)t->n_cases);
}

static void report_totals(const struct totals *n)
{
    if (cli.json) {
        struct cli_json j;
        cli_json_begin(&j, stdout);
        cli_json_uint(&j, "passed", n->n_passed);
        cli_json_uint(&j, "failed", n->n_failed);
        cli_json_end(&j);
    } else {
        printf("%llu passed, %llu failed\n", (unsigned long long)n->n_passed,
               (unsigned long long)n->n_failed);
    }
}

/* ---- the walk -------------------------------------------------------------------------------- */

void kcheck_table(struct kern *k, const struct cpu_level *level, bool bf16)
{
    kern_init(k, level);
    if (bf16)
        kern_use_bf16(k);
}

static bool same_function(const struct kern *a, const struct kern *b, const struct kcheck_op *op)
{
    return memcmp((const char *)a + op->offset, (const char *)b + op->offset,
                  sizeof(void (*)(void))) == 0;
}

bool kcheck_is_new(const struct cpu_level *level, bool bf16, const struct kcheck_op *op)
{
    static const struct kern empty;
    struct kern here;
    struct kern other;
    kcheck_table(&here, level, bf16);
    if (same_function(&here, &empty, op)) /* there is none in f32 */
        return false;
    kcheck_table(&other, level, false);
    if (bf16 && same_function(&here, &other, op))
        return false;
    for (const struct cpu_level *l = CPU_C; l != level; l = cpu_next(l)) {
        kcheck_table(&other, l, bf16);
        if (same_function(&here, &other, op))
            return false;
    }
    return true;
}

static void check_table(const struct options *o, const struct cpu_level *level, bool bf16,
                        struct totals *n)
{
    struct kern tested;
    kcheck_table(&tested, level, bf16);
    if (o->fault)
        faults_install(&tested, o->fault);
    for (size_t i = 0; i < kcheck_n_ops; i++) {
        const struct kcheck_op *op = &kcheck_ops[i];
        if ((o->op && strcmp(o->op, op->name) != 0) || !kcheck_is_new(level, bf16, op))
            continue;
        static struct kcheck t; /* static: kept over a crash */
        t = (struct kcheck){.kern = &tested, .brief = o->brief, .where = "before the first case"};
        rng_seed(&t.rng, (uint64_t)o->seed,
                 ((uint64_t)(level - CPU_C) * 2 + bf16) * kcheck_n_ops + i);
        check_guarded(&t, op);
        report(&t, op, o->seed);
        *(t.failed ? &n->n_failed : &n->n_passed) += 1;
    }
}

/* ---- command line ---------------------------------------------------------------------------- */

static bool known_op(const char *name)
{
    for (size_t i = 0; i < kcheck_n_ops; i++)
        if (strcmp(kcheck_ops[i].name, name) == 0)
            return true;
    return false;
}

static void parse(struct options *o, int argc, char **argv)
{
    const struct cli_option options[] = {
        CLI_ROW(CLI_TYPE_CPU, 0, "cpu", .to.level = &o->level, .value = "LEVEL",
                .help = "check up to this level: " CPU_LEVEL_NAMES "\n"
                        "(default auto: all this machine has)"),
        CLI_TEXT(0, "op", &o->op, "NAME", "only this operation"),
        CLI_SEED(&o->seed, "of the random data (default: the clock)", .given = &o->seed_given),
        CLI_FLAG(0, "list", &o->list, "only print the names of all operations"),
        CLI_FLAG(0, "brief", &o->brief, "of products, one case in eight: for emulators"),
        CLI_FLAG(0, "bench", &o->bench,
                 "if nothing failed: time every operation beside what the machine can do"),
        CLI_TEXT(0, "break", &o->fault, "NAME",
                 "spoil the results of this operation, to see the check fail;\n"
                 "add-over, add-under, add-input, add-trap: write around, change an input, crash;\n"
                 "largest-all: of the k largest, find all"),
    };
    const struct cli_tool tool = {
        .name = "kcheck",
        .synopsis = "[options]",
        .summary = "Compares the kernels of every instruction set with a reference.",
        .options = options,
        .n_options = ARRAY_LEN(options),
        .has_json = true,
    };
    struct kern scratch;
    size_t n_operands;
    cli_parse(&tool, argc, argv, &n_operands);
    kcheck_table(&scratch, CPU_C, true);
    if (n_operands)
        cli_usage("no operands are taken");
    if (o->op && !known_op(o->op))
        cli_usage("--op: there is no operation '%s'", o->op);
    if (o->fault && !faults_install(&scratch, o->fault))
        cli_usage("--break: there is no fault '%s'", o->fault);
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct totals n = {0};
    struct err e;
    parse(&o, argc, argv);
    if (!o.seed_given)
        o.seed = (long long)time(NULL);
    for (size_t i = 0; o.list && i < kcheck_n_ops; i++)
        puts(kcheck_ops[i].name);
    if (o.list)
        return cli_finish();
    if (buffers_init(&e))
        cli_die("%s", e.text);
    catch_crashes();
    cli_say("kcheck: seed %lld\n", o.seed);
    for (const struct cpu_level *l = CPU_C; l && l <= o.level; l = cpu_next(l))
        for (int bf16 = 0; bf16 < 2; bf16++)
            check_table(&o, l, bf16, &n);
    if (o.bench && n.n_failed == 0 && bench_run(o.level, o.op, &e))
        cli_die("%s", e.text);
    report_totals(&n);
    int status = cli_finish();
    return n.n_failed || n.n_passed == 0 ? 1 : status;
}
