#include "base/fmath.h"

static const double LN2_HIGH = 6.93147180369123816490e-01; /* 33 bits: n * LN2_HIGH is exact */
static const double LN2_LOW = 1.90821492927058770002e-10;

double fmath_log(double x)
{
    /* x = 2^k m with sqrt(1/2) <= m < sqrt(2); log m = 2 atanh(s), s = (m-1)/(m+1), |s| < 0.1716 */
    int k = 0;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits >> 52 & 0x7ff) == 0x7ff)
        return x;
    if (bits >> 52 == 0) { /* subnormal; in integers, since the processor may take it for zero */
        int shift = __builtin_clzll(bits | 1) - 11;
        bits <<= shift;
        k = -shift;
    }
    k += (int)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        k++;
    }
    double f = m - 1;
    double s = f / (m + 1);
    double z = s * s;
    double sum = 0;
    for (int i = 21; i >= 3; i -= 2) /* 0.1716^22 / 23 < 1e-18 */
        sum = (sum + 1.0 / i) * z;
    /* 2s = f - s f, which keeps the leading term exact: log m = f - s (f - 2 sum) */
    return k * LN2_HIGH + (f - (s * (f - 2 * sum) - k * LN2_LOW));
}

double fmath_exp(double x)
{
    if (!(x >= -745.2))
        return x < -745.2 ? 0 : x;
    if (x > 709.79)
        return INFINITY;
    double n = (x * 1.4426950408889634 + 0x1.8p52) - 0x1.8p52;
    double r = (x - n * LN2_HIGH) - n * LN2_LOW;
    double p = 1;
    for (int i = 14; i >= 1; i--) /* Taylor: 0.347^15 / 15! < 1e-19 */
        p = 1 + p * r / i;
    int half = (int)n / 2;
    return ldexp(ldexp(p, half), (int)n - half);
}

double fmath_cospi(double x)
{
    /* cos(pi x) = sin(pi y), y = 1/2 - x in [-1/2, 1/2] */
    double t = (0.5 - x) * 3.141592653589793;
    double z = t * t;
    double sum = 1;
    for (int i = 25; i >= 3; i -= 2)
        sum = 1 - sum * z / (i * (i - 1));
    return t * sum;
}

double fmath_powi(double base, uint64_t n)
{
    double result = 1;
    for (; n; n >>= 1, base *= base)
        if (n & 1)
            result *= base;
    return result;
}
