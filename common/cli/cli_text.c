#include "cli/cli.h"

#include <string.h>

const char *cli_count_text(char buf[32], uint64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *p = buf;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return buf;
}

const char *cli_bytes_text(char buf[32], uint64_t n)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (n < 1000) {
        snprintf(buf, 32, "%u B", (unsigned)n);
        return buf;
    }
    double v = (double)n / 1000;
    size_t unit = 0;
    for (; v >= 999.95; unit++) /* what would print as 1000.0 */
        v /= 1000;
    snprintf(buf, 32, "%.1f %s", v, units[unit]);
    return buf;
}

const char *cli_duration_text(char buf[32], double seconds)
{
    if (!(seconds >= 0 && seconds < 1e15)) {
        strcpy(buf, "?");
        return buf;
    }
    unsigned long long whole = (unsigned long long)(seconds + 0.5);
    if (seconds < 59.95)
        snprintf(buf, 32, "%.1fs", seconds);
    else if (whole < 3600)
        snprintf(buf, 32, "%llum%02llus", whole / 60, whole % 60);
    else
        snprintf(buf, 32, "%lluh%02llum", whole / 3600, whole % 3600 / 60);
    return buf;
}
