/* What the processor is: levels that must hold on any machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <string.h>

#include "base/cpu.h"

static void levels_by_name(void **state)
{
    (void)state;
    struct err e;
    enum cpu_level best = cpu_best();
    enum cpu_level level;
    assert_true(best < CPU_N_LEVELS);
    assert_int_equal(cpu_parse("auto", &level, &e), 0);
    assert_int_equal(level, best);
    for (int i = 0; i < CPU_N_LEVELS; i++) {
        if (i <= (int)best) {
            assert_int_equal(cpu_parse(cpu_level_names[i], &level, &e), 0);
            assert_int_equal(level, i);
        } else {
            assert_int_equal(cpu_parse(cpu_level_names[i], &level, &e), -1);
            assert_non_null(strstr(e.text, cpu_level_names[i]));
            assert_non_null(strstr(e.text, cpu_level_names[best]));
        }
    }
    static const char *const bad[] = {"", "C", "AVX2", "avx", "avx2 ", "neon"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(cpu_parse(bad[i], &level, &e), -1);
        assert_non_null(strstr(e.text, "expected auto, c, avx2, avx512, avx512vnni or avx512bf16"));
    }
}

static void levels_agree_with_the_compiler(void **state)
{
    (void)state;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    bool bf16 = vnni && __builtin_cpu_supports("avx512bf16");
    assert_int_equal(cpu_best(), bf16     ? CPU_AVX512BF16
                                 : vnni   ? CPU_AVX512VNNI
                                 : avx512 ? CPU_AVX512
                                 : avx2   ? CPU_AVX2
                                          : CPU_C);
#else
    assert_int_equal(cpu_best(), CPU_C);
#endif
}

static void denormals_go(void **state)
{
    (void)state;
#if !defined(__x86_64__)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_by_name),
        cmocka_unit_test(levels_agree_with_the_compiler),
        cmocka_unit_test(denormals_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
