#include "train/log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "cli/cli.h"

/* Length of the lines to keep, whole lines of steps up to last_step. */
static size_t good_prefix(const char *text, size_t n, uint64_t last_step)
{
    static const char key[] = "{\"step\":";
    size_t at = 0;
    while (at < n) {
        const char *end = memchr(text + at, '\n', n - at);
        if (!end || n - at <= sizeof key || memcmp(text + at, key, sizeof key - 1) != 0)
            break;
        uint64_t step = strtoull(text + at + sizeof key - 1, NULL, 10);
        if (step > last_step)
            break;
        at = (size_t)(end - text) + 1;
    }
    return at;
}

/* Drops what lies beyond last_step; a pipe or a device keeps nothing. */
static int cut(struct log *l, uint64_t last_step, struct err *e)
{
    char *text = NULL;
    size_t n = 0;
    struct stat st;
    if (fstat(fileno(l->file), &st) != 0)
        return err_errno(e, "%s", l->path);
    if (!S_ISREG(st.st_mode))
        return 0;
    int code = file_read_fd(fileno(l->file), l->path, (size_t)1 << 32, &text, &n, e);
    if (code == 0) {
        size_t keep = good_prefix(text, n, last_step);
        if (keep < n && ftruncate(fileno(l->file), (off_t)keep) != 0)
            code = err_errno(e, "%s: cannot shorten", l->path);
    }
    free(text);
    return code;
}

int log_open(struct log *l, const char *dir, uint64_t last_step, struct err *e)
{
    *l = (struct log){0};
    if (asprintf(&l->path, "%s/log.jsonl", dir) < 0) {
        l->path = NULL;
        return err_memory(e, "out of memory");
    }
    l->file = fopen(l->path, "a+e");
    if (!l->file)
        err_errno(e, "%s: cannot open for writing", l->path);
    else if (flock(fileno(l->file), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        err_set(e, "%s: another run is writing to this folder", l->path);
    else if (cut(l, last_step, e) == 0)
        return 0;
    log_close(l);
    return -1;
}

static void put(FILE *out, const struct log_report *r)
{
    struct cli_json j;
    cli_json_begin(&j, out);
    cli_json_uint(&j, "step", r->step);
    cli_json_uint(&j, "tokens", r->tokens);
    cli_json_uint(&j, "epoch", r->epoch);
    cli_json_real(&j, "loss", r->loss);
    cli_json_real(&j, "lr", r->lr);
    cli_json_real(&j, "tok_s", r->tok_s);
    cli_json_real(&j, "grad_norm", r->grad_norm);
    cli_json_real(&j, "progress", r->progress);
    cli_json_real(&j, "elapsed", r->elapsed);
    if (!isnan(r->val_loss)) {
        cli_json_real(&j, "val_loss", r->val_loss);
        cli_json_real(&j, "val_bpc", r->val_bpc);
    }
    if (!isnan(r->zero_share))
        cli_json_real(&j, "zero_share", r->zero_share);
    cli_json_end(&j);
}

int log_write(struct log *l, const struct log_report *r, struct err *e)
{
    put(l->file, r);
    if (fflush(l->file) != 0)
        return err_errno(e, "%s: cannot write", l->path);
    if (cli.json) {
        put(stdout, r);
        fflush(stdout);
    }
    return 0;
}

int log_sync(struct log *l, struct err *e)
{
    if (fsync(fileno(l->file)) != 0 && errno != EINVAL) /* EINVAL: not a regular file */
        return err_errno(e, "%s: cannot write", l->path);
    return 0;
}

void log_close(struct log *l)
{
    if (l->file)
        fclose(l->file);
    free(l->path);
    *l = (struct log){0};
}
