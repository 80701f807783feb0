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
