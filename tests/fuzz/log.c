/* Any bytes as the log of a run that is resumed: kept up to the step, cut, or refused; what is
 * written then stands in lines of its own. */
#include "fuzz/fuzz.h"

#include <sys/stat.h>

#include "train/log.h"

void fuzz_one(const uint8_t *data, size_t n)
{
    char folder[64], path[96];
    struct log l = {0};
    struct err e;

    snprintf(folder, sizeof folder, "/tmp/fuzz-log.%ld", (long)getpid());
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    mkdir(folder, 0777);
    FILE *out = fopen(path, "wb");
    FUZZ_CHECK(out != NULL && fwrite(data, 1, n, out) == n && fclose(out) == 0);
    if (log_open(&l, folder, n > 0 ? data[n - 1] : 0, &e) == 0) {
        struct log_report report = {.step = 300};
        FUZZ_CAN_STARVE(log_write(&l, &report, &e) == 0);
        log_close(&l);
    }
    remove(path);
    remove(folder);
}
