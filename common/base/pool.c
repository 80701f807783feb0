#include "base/pool.h"

void pool_run(struct pool *p, pool_task *run, void *context, size_t n_tasks)
{
    if (pool_threads(p) > 1 && n_tasks > 1) {
        p->run(p, run, context, n_tasks);
        return;
    }
    for (size_t task = 0; task < n_tasks; task++)
        run(context, task, 0);
}

enum { PAGE = 4096, STRETCH = 2 << 20 }; /* the smallest page, and a huge one: that of one task */

struct touch_job {
    unsigned char *data;
    size_t bytes;
};

static void touch_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct touch_job *j = context;
    size_t end = MIN(j->bytes, (task + 1) * STRETCH);
    for (size_t at = task * STRETCH; at < end; at += PAGE)
        *(volatile unsigned char *)(j->data + at) = 0;
}

void pool_touch(struct pool *p, void *data, size_t bytes)
{
    struct touch_job j = {data, bytes};
    pool_run(p, touch_task, &j, DIV_UP(bytes, (size_t)STRETCH));
}
