/* Runs a target, and again with an allocation failing. The linker leads what our code allocates
 * with through here (--wrap); the libraries it uses keep their memory, tests/torture has them fail.
 */
#include <errno.h>
#include <stdarg.h>

#include "base/hash.h"
#include "fuzz/fuzz.h"

enum { ONE_IN = 3 }; /* of the inputs runs again */

static uint64_t n_allocations;
static uint64_t fails_at; /* 0: none */

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
char *__real_strdup(const char *text);
int __real_vasprintf(char **text, const char *format, va_list arguments);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strdup(const char *text);
int __wrap_vasprintf(char **text, const char *format, va_list arguments);
int __wrap_asprintf(char **text, const char *format, ...);

static bool fails(void)
{
    if (++n_allocations != fails_at)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, n);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
    return fails() ? -1 : __real_vasprintf(text, format, arguments);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = __wrap_vasprintf(text, format, arguments);
    va_end(arguments);
    return n;
}

bool fuzz_starved(void)
{
    return fails_at > 0;
}

void *fuzz_alloc(size_t n)
{
    void *p = __real_malloc(n > 0 ? n : 1);

    FUZZ_CHECK(p != NULL);
    return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint64_t choice = hash64(data, n);

    n_allocations = 0;
    fuzz_one(data, n);
    if (n_allocations > 0 && choice % ONE_IN == 0) {
        fails_at = 1 + choice / ONE_IN % n_allocations;
        n_allocations = 0;
        fuzz_one(data, n);
        fails_at = 0;
    }
    return 0;
}
