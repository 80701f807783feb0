#include "train/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "format/ckpt.h"
#include "format/jsondoc.h"
#include "os/file.h"
#include "train/log.h"
#include "train/resume.h"

/* What the log, the newest checkpoint and the best one say. Unknown losses are NaN, other unknown
 * values 0. */
struct status {
    const char *dir;
    int64_t pid; /* log_holder's */
    uint64_t step;
    double loss;
    uint64_t val_step;
    double val_loss, val_bpc;
    double best_loss;
    uint64_t best_step;
    json_t *val_parts; /* owned: what the last validation gave of each part; NULL without */
    double elapsed;
    uint64_t budget_steps;
    double budget_hours;
    char *checkpoint; /* owned; NULL without */
    uint64_t checkpoint_step;
    uint64_t n_damaged;
};

/* ---- the log --------------------------------------------------------------------------------- */

static double real_of(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void take_line(struct status *s, const json_t *line)
{
    const json_t *step = json_object_get(line, "step");
    if (!json_is_integer(step))
        return;
    s->step = (uint64_t)json_integer_value(step);
    s->loss = real_of(line, "loss");
    double elapsed = real_of(line, "elapsed");
    if (!isnan(elapsed))
        s->elapsed = elapsed;
    double val_loss = real_of(line, "val_loss");
    if (isnan(val_loss))
        return;
    s->val_step = s->step;
    s->val_loss = val_loss;
    s->val_bpc = real_of(line, "val_bpc");
    json_decref(s->val_parts);
    s->val_parts = json_incref(json_object_get(line, "val_parts"));
    if (val_loss < s->best_loss) {
        s->best_loss = val_loss;
        s->best_step = s->step;
    }
}

/* Invalid lines are skipped: the last one may not be complete yet. */
static int read_log(struct status *s, bool *found, struct err *e)
{
    char *path;
    char *text = NULL;
    size_t n;
    *found = false;
    if (asprintf(&path, "%s/log.jsonl", s->dir) < 0)
        return err_memory(e, "out of memory");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int rc = 0;
    if (fd < 0 && errno != ENOENT)
        rc = err_errno(e, "%s: cannot open", path);
    else if (fd >= 0)
        rc = file_read_fd(fd, path, (size_t)1 << 32, &text, &n, e);
    if (fd >= 0)
        close(fd);
    free(path);
    for (char *line = text, *end; rc == 0 && line && (end = strchr(line, '\n')); line = end + 1) {
        struct err fault;
        json_t *object = jsondoc_read(line, (size_t)(end - line), &fault);
        if (!object && fault.code == ERR_MEMORY)
            rc = err_at(e, s->dir, &fault);
        take_line(s, object);
        *found = *found || object;
        json_decref(object);
    }
    free(text);
    return rc;
}

/* ---- the checkpoints ------------------------------------------------------------------------- */

/* Of the best validation best.safetensors says which it is: a run that was killed may have reported
 * another, or none, and its file of a better one may not have been written. */
static int read_best(struct status *s, const struct ckpt_state *newest, struct err *e)
{
    struct ckpt best;
    struct err fault;
    bool there;
    int rc = resume_read_best(&best, s->dir, &there, &fault);
    if (rc && fault.code != ERR_DATA) {
        *e = fault;
        return -1;
    }
    if (rc) {
        cli_warn("%s", fault.text);
        s->n_damaged++;
    }
    if (rc || !there)
        return 0;
    if (best.has_state && resume_same_validation(&best.state, newest)) {
        s->best_loss = best.state.progress.best_loss;
        s->best_step = best.state.progress.step;
    }
    ckpt_close(&best);
    return 0;
}

static int read_checkpoint(struct status *s, struct err *e)
{
    struct ckpt c;
    char *damaged = NULL;
    int rc = ckpt_open_newest(&c, s->dir, &s->checkpoint, &damaged, e);
    for (char *line = damaged; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        cli_warn("%.*s", (int)strcspn(line, "\n"), line);
        s->n_damaged++;
    }
    free(damaged);
    if (rc || !s->checkpoint)
        return rc;
    const struct ckpt_progress *p = &c.state.progress;
    s->checkpoint_step = p->step;
    s->budget_steps = c.state.settings.budget_steps;
    s->budget_hours = c.state.settings.budget_hours;
    s->step = MAX(s->step, p->step);
    s->elapsed = MAX(s->elapsed, p->elapsed);
    if (c.has_state && p->best_loss < s->best_loss) {
        s->best_loss = p->best_loss;
        s->best_step = 0; /* which is not known */
    }
    rc = read_best(s, &c.state, e);
    ckpt_close(&c);
    return rc;
}

/* Hours to the end of the budget at the run's mean pace; NaN if that is not known. Patience may end
 * it earlier. */
static double hours_left(const struct status *s)
{
    double used = s->elapsed / 3600;
    double left = NAN;
    if (s->budget_steps && s->step)
        left = (double)(s->budget_steps - MIN(s->step, s->budget_steps)) * used / (double)s->step;
    if (s->budget_hours > 0)
        left = fmin(left, fmax(s->budget_hours - used, 0));
    return left;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void put_parts(struct cli_json *j, json_t *parts)
{
    const char *name;
    json_t *part;
    if (!json_is_object(parts))
        return;
    cli_json_object(j, "val_parts");
    json_object_foreach(parts, name, part)
    {
        cli_json_object(j, name);
        cli_json_real(j, "loss", real_of(part, "loss"));
        cli_json_real(j, "bpc", real_of(part, "bpc"));
        cli_json_object_end(j);
    }
    cli_json_object_end(j);
}

static void print_parts(json_t *parts)
{
    const char *name;
    json_t *part;
    if (!json_is_object(parts))
        return;
    json_object_foreach(parts, name, part)
    {
        printf("  %-16s %.4f, %.4f bits per character\n", name, real_of(part, "loss"),
               real_of(part, "bpc"));
    }
}

static void print_json(const struct status *s)
{
    struct cli_json j = {0};
    cli_json_begin(&j, stdout);
    cli_json_text(&j, "save_dir", s->dir);
    cli_json_bool(&j, "running", s->pid != 0);
    cli_json_real(&j, "pid", s->pid > 0 ? (double)s->pid : NAN);
    cli_json_uint(&j, "step", s->step);
    cli_json_real(&j, "loss", s->loss);
    cli_json_real(&j, "val_step", isnan(s->val_loss) ? NAN : (double)s->val_step);
    cli_json_real(&j, "val_loss", s->val_loss);
    cli_json_real(&j, "val_bpc", s->val_bpc);
    put_parts(&j, s->val_parts);
    cli_json_real(&j, "best_loss", s->best_loss);
    cli_json_real(&j, "best_step", s->best_step ? (double)s->best_step : NAN);
    cli_json_real(&j, "budget_steps", s->budget_steps ? (double)s->budget_steps : NAN);
    cli_json_real(&j, "budget_hours", s->budget_hours > 0 ? s->budget_hours : NAN);
    cli_json_real(&j, "hours_used", s->elapsed / 3600);
    cli_json_real(&j, "hours_left", hours_left(s));
    if (s->checkpoint)
        cli_json_text(&j, "checkpoint", s->checkpoint);
    else
        cli_json_real(&j, "checkpoint", NAN);
    cli_json_real(&j, "checkpoint_step", s->checkpoint ? (double)s->checkpoint_step : NAN);
    cli_json_uint(&j, "damaged", s->n_damaged);
    cli_json_end(&j);
}

static void print_table(const struct status *s)
{
    char step[32], budget[32], duration[32];
    double left = hours_left(s);
    if (s->pid > 0)
        printf("running            yes, process %" PRId64 "\n", s->pid);
    else
        printf("running            %s\n",
               s->pid ? "yes, a process that cannot be seen from here" : "no");
    printf("step               %s", cli_count_text(step, s->step));
    if (s->budget_steps)
        printf(" of %s", cli_count_text(budget, s->budget_steps));
    putchar('\n');
    if (!isnan(s->loss))
        printf("loss               %.4f\n", s->loss);
    if (!isnan(s->val_loss))
        printf("validation         %.4f, %.4f bits per character, at step %s\n", s->val_loss,
               s->val_bpc, cli_count_text(step, s->val_step));
    print_parts(s->val_parts);
    if (isfinite(s->best_loss) && s->best_step)
        printf("best validation    %.4f, at step %s\n", s->best_loss,
               cli_count_text(step, s->best_step));
    else if (isfinite(s->best_loss))
        printf("best validation    %.4f\n", s->best_loss);
    printf("used               %s\n", cli_duration_text(duration, s->elapsed));
    if (!isnan(left))
        printf("left               %s\n", cli_duration_text(duration, 3600 * left));
    printf("last checkpoint    %s\n", s->checkpoint ? s->checkpoint : "none");
}

int status_print(const char *dir, struct err *e)
{
    struct status s = {
        .dir = dir, .loss = NAN, .val_loss = NAN, .val_bpc = NAN, .best_loss = INFINITY};
    bool has_log;
    int rc =
        read_log(&s, &has_log, e) || read_checkpoint(&s, e) || log_holder(dir, &s.pid, e) ? -1 : 0;
    if (rc == 0 && !has_log && !s.checkpoint && !s.pid)
        rc = ckpt_none(dir, "holds no run: neither reports nor a good checkpoint", e);
    if (rc == 0 && cli.json)
        print_json(&s);
    else if (rc == 0)
        print_table(&s);
    json_decref(s.val_parts);
    free(s.checkpoint);
    return rc;
}
