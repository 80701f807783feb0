/* What the processor has, the names of it, and the floating-point mode of a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <string.h>

#include "base/cpu.h"

static bool has(const struct cpu_level *level)
{
    for (const struct cpu_level *l = CPU_C; l; l = cpu_next(l))
        if (l == level)
            return true;
    return false;
}

static void test_levels_by_name(void **state)
{
    (void)state;
    struct err e;
    const struct cpu_level *best = cpu_best();
    const struct cpu_level *level;
    assert_true(has(CPU_C) && has(best));
    assert_int_equal(cpu_parse("auto", &level, &e), 0);
    assert_ptr_equal(level, best);
    for (size_t i = 0; i < CPU_N_LEVELS; i++) {
        if (has(&cpu_levels[i])) {
            assert_int_equal(cpu_parse(cpu_levels[i].name, &level, &e), 0);
            assert_ptr_equal(level, &cpu_levels[i]);
            assert_true(level <= best);
        } else {
            assert_int_equal(cpu_parse(cpu_levels[i].name, &level, &e), -1);
            assert_non_null(strstr(e.text, cpu_levels[i].name));
            assert_non_null(strstr(e.text, best->name));
        }
    }
    static const char *const bad[] = {"", "C", "AVX2", "avx", "avx2 "};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(cpu_parse(bad[i], &level, &e), -1);
        assert_non_null(strstr(e.text, "expected auto, " CPU_LEVEL_NAMES));
    }
}

static void test_names_stand_in_one_table(void **state)
{
    (void)state;
    char names[200] = "";
    for (size_t i = 0; i < CPU_N_LEVELS; i++) {
        strcat(names, i == 0 ? "" : i + 1 < CPU_N_LEVELS ? ", " : " or ");
        strcat(names, cpu_levels[i].name);
    }
    assert_string_equal(names, CPU_LEVEL_NAMES);
}

/* A level of one architecture is no level of another, and the compiler finds what we find. */
static void test_levels_agree_with_the_compiler(void **state)
{
    (void)state;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    bool bf16 = vnni && __builtin_cpu_supports("avx512bf16");
#else
    bool avx2 = false, avx512 = false, vnni = false, bf16 = false;
#endif
#if defined(__aarch64__)
    bool neon = true;
#else
    bool neon = false;
#endif
    for (size_t i = 0; i < CPU_N_LEVELS; i++) {
        const char *name = cpu_levels[i].name;
        if (neon && strcmp(name, "dotprod") == 0)
            continue;
        bool expected = strcmp(name, "avx2") == 0         ? avx2
                        : strcmp(name, "avx512") == 0     ? avx512
                        : strcmp(name, "avx512vnni") == 0 ? vnni
                        : strcmp(name, "avx512bf16") == 0 ? bf16
                        : strcmp(name, "neon") == 0
                            ? neon
                            : strcmp(name, "c") == 0 || strcmp(name, "v128") == 0;
        assert_int_equal(has(&cpu_levels[i]), expected);
    }
}

static void test_denormals_go(void **state)
{
    (void)state;
#if !defined(__x86_64__) && !defined(__aarch64__)
    skip();
#endif
    cpu_flush_denormals();
    volatile float small = FLT_MIN;
    volatile float quotient = small / 2; /* out */
    assert_true(quotient == 0);
    uint32_t bits = 1;
    float denormal;
    memcpy(&denormal, &bits, sizeof denormal);
    volatile float in = denormal;
    assert_true(in * 0x1p100f == 0); /* in */
}

static void test_a_mode_comes_back(void **state)
{
    (void)state;
    volatile float small = FLT_MIN;
    cpu_flush_denormals();
    uint32_t flushing = cpu_float_default();
    volatile float kept = small / 2;
    assert_true(kept > 0);
    cpu_float_restore(flushing);
    assert_int_equal(cpu_float_default(), flushing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_by_name),
        cmocka_unit_test(test_names_stand_in_one_table),
        cmocka_unit_test(test_levels_agree_with_the_compiler),
        cmocka_unit_test(test_denormals_go),
        cmocka_unit_test(test_a_mode_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
