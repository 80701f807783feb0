#include "os/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* This process's cgroup folder for a v1 controller, or for v2 when controller is "". Only Linux has
 * control groups; elsewhere their files are not there, and nothing is limited. */
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

/* Processors that the affinity mask leaves, where there is one, else those that are running. */
static double processors_allowed(void)
{
#ifdef CPU_COUNT
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 1 ? (double)n : 1;
}

int machine_processors(void)
{
    double cpus = processors_allowed();
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

uint64_t machine_memory(void)
{
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    walk_cgroup("", "memory.max", visit_memory, &memory);
    walk_cgroup("memory", "memory.limit_in_bytes", visit_memory, &memory);
    return memory;
}

size_t machine_cache(void)
{
    const char *folder = "/sys/devices/system/cpu/cpu0/cache";
    char path[128];
    char line[32];
    for (int i = 0;; i++) {
        snprintf(path, sizeof path, "%s/index%d/level", folder, i);
        if (!read_line(path, line, sizeof line))
            return 0;
        if (atoi(line) != 2)
            continue;
        snprintf(path, sizeof path, "%s/index%d/size", folder, i); /* as 512K */
        return read_line(path, line, sizeof line) ? (size_t)strtoul(line, NULL, 10) << 10 : 0;
    }
}
