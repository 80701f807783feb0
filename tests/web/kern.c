/* kern.c - the checks of tests/kern in WebAssembly, where there are neither signals nor guard
 * pages: a walk of its own over their list. Reading beyond an operand is not seen here, writing is.
 *
 *   kern.wasm [SEED [OPERATION]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/kcheck.h"

static const struct kcheck_op ops[] = {
#define OP(name, member) {#name, offsetof(struct kern, member), kcheck_##name, NULL},
    KCHECK_OPS(OP)
#undef OP
};

void kcheck_table(struct kern *k, const struct cpu_level *level, bool bf16)
{
    kern_init(k, level);
    if (bf16)
        kern_use_bf16(k);
}

static bool differs(const struct kern *a, const struct kern *b, const struct kcheck_op *op)
{
    return memcmp((const char *)a + op->offset, (const char *)b + op->offset,
                  sizeof(void (*)(void))) != 0;
}

/* True if the operation did not fail. */
static bool passes(const struct kern *k, size_t i, uint64_t seed)
{
    static struct kcheck t;
    t = (struct kcheck){.kern = k, .brief = true, .where = "before the first case"};
    rng_seed(&t.rng, seed, i);
    ops[i].check(&t);
    printf("%-6s %-16s %7llu cases%s%s\n", k->level->name, ops[i].name,
           (unsigned long long)t.n_cases, t.failed ? ", FAILED: " : "", t.failed ? t.failure : "");
    return !t.failed;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const char *only = argc > 2 ? argv[2] : NULL;
    struct kern here;
    struct kern plain;
    size_t n_failed = 0;
    struct err e;
    if (buffers_init(&e)) {
        printf("kern: %s\n", e.text);
        return 1;
    }
    kcheck_table(&here, cpu_best(), false);
    kcheck_table(&plain, CPU_C, false);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if ((!only || strcmp(only, ops[i].name) == 0) && differs(&here, &plain, &ops[i]))
            n_failed += !passes(&here, i, seed);
    printf("%zu failed\n", n_failed);
    return n_failed > 0;
}
