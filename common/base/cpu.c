#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#endif

const char *const cpu_level_names[CPU_N_LEVELS] = {"c", "avx2", "avx512", "avx512vnni",
                                                   "avx512bf16"};

#if defined(__x86_64__)
/* Register state the operating system saves and restores (XCR0). */
static uint64_t saved_state(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has(uint32_t reg, uint32_t bits)
{
    return (reg & bits) == bits;
}

enum cpu_level cpu_best(void)
{
    enum { YMM_STATE = 0x6, ZMM_STATE = 0xe6 };
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return CPU_C;
    uint64_t state = saved_state();
    if ((state & YMM_STATE) != YMM_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        !has(b, bit_AVX2 | bit_BMI | bit_BMI2))
        return CPU_C;
    if ((state & ZMM_STATE) != ZMM_STATE ||
        !has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL))
        return CPU_AVX2;
    if (!has(c, bit_AVX512VNNI))
        return CPU_AVX512;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !has(a, bit_AVX512BF16))
        return CPU_AVX512VNNI;
    return CPU_AVX512BF16;
}

void cpu_flush_denormals(void)
{
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
    _mm_setcsr(_mm_getcsr() | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
}

uint32_t cpu_float_default(void)
{
    enum { DEFAULT = 0x1f80 };
    uint32_t mode = _mm_getcsr();
    _mm_setcsr(DEFAULT);
    return mode;
}

void cpu_float_restore(uint32_t mode)
{
    _mm_setcsr(mode);
}
#else
enum cpu_level cpu_best(void)
{
    return CPU_C;
}

void cpu_flush_denormals(void)
{
}

uint32_t cpu_float_default(void)
{
    return 0;
}

void cpu_float_restore(uint32_t mode)
{
    (void)mode;
}
#endif

int cpu_parse(const char *name, enum cpu_level *level, struct err *e)
{
    enum cpu_level best = cpu_best();
    if (strcmp(name, "auto") == 0) {
        *level = best;
        return 0;
    }
    for (int i = 0; i < CPU_N_LEVELS; i++) {
        if (strcmp(name, cpu_level_names[i]) != 0)
            continue;
        if (i > (int)best)
            return err_set(e, "this processor has no %s (its best level is %s)", name,
                           cpu_level_names[best]);
        *level = (enum cpu_level)i;
        return 0;
    }
    return err_set(e,
                   "unknown instruction set '%.40s' (expected auto, c, avx2, avx512, avx512vnni or "
                   "avx512bf16)",
                   name);
}

/* Reads one line of a small system file; false if there is none. */
static bool read_line(const char *path, char *buf, size_t size)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fgets(buf, (int)size, f) != NULL;
    fclose(f);
    return ok;
}

/* This process's cgroup folder for a v1 controller, or for v2 when controller is "". */
static bool cgroup_folder(const char *controller, char *path, size_t size)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f)
        return false;
    char line[1024];
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *names = strchr(line, ':');
        char *folder = names ? strchr(names + 1, ':') : NULL;
        if (!folder)
            continue;
        *folder++ = 0;
        names++;
        char list[256];
        snprintf(list, sizeof list, ",%s,", names);
        char wanted[64];
        snprintf(wanted, sizeof wanted, ",%s,", controller);
        if (strcmp(list, wanted) == 0 || (*controller && strstr(list, wanted))) {
            snprintf(path, size, "/sys/fs/cgroup/%s%s", controller,
                     strcmp(folder, "/") == 0 ? "" : folder);
            found = true;
        }
    }
    fclose(f);
    return found;
}

/* Calls visit for `name` in the cgroup folder and each of its parents, up to the mount's root,
 * which is also where a container sees its own limits. */
static void walk_cgroup(const char *controller, const char *name,
                        void (*visit)(const char *line, const char *folder, void *arg), void *arg)
{
    char folder[1200];
    if (!cgroup_folder(controller, folder, sizeof folder))
        snprintf(folder, sizeof folder, "/sys/fs/cgroup/%s", controller);
    size_t root = strlen("/sys/fs/cgroup");
    for (;;) {
        char path[1300];
        char line[128];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (read_line(path, line, sizeof line))
            visit(line, folder, arg);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < root)
            return;
        *slash = 0;
    }
}

static void take_quota(double quota, double period, double *cpus)
{
    if (quota > 0 && period > 0 && quota / period < *cpus)
        *cpus = quota / period;
}

static void visit_cpu_max(const char *line, const char *folder, void *arg)
{
    (void)folder;
    double quota;
    double period;
    if (sscanf(line, "%lf %lf", &quota, &period) == 2) /* "max 100000" is no limit */
        take_quota(quota, period, arg);
}

static void visit_cfs_quota(const char *line, const char *folder, void *arg)
{
    char path[1300];
    char period[128];
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (read_line(path, period, sizeof period))
        take_quota(atof(line), atof(period), arg);
}

int cpu_count(void)
{
    double cpus = 1;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cpus = CPU_COUNT(&set);
    else if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
        cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
    walk_cgroup("", "cpu.max", visit_cpu_max, &cpus);
    walk_cgroup("cpu", "cpu.cfs_quota_us", visit_cfs_quota, &cpus);
    int whole = (int)cpus;
    return MAX(whole, 1);
}

static void visit_memory(const char *line, const char *folder, void *arg)
{
    (void)folder;
    uint64_t *memory = arg;
    char *end;
    unsigned long long limit = strtoull(line, &end, 10); /* "max" is no limit */
    if (end != line && limit < *memory)
        *memory = limit;
}

uint64_t cpu_memory(void)
{
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    walk_cgroup("", "memory.max", visit_memory, &memory);
    walk_cgroup("memory", "memory.limit_in_bytes", visit_memory, &memory);
    return memory;
}
