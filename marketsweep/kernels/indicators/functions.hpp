// Functions of numbers: e^x, ln, sin, arctan, floor, power.
//
// They are our own and not the C library's, so that every instruction set, machine and GPU gives the
// same bits. Errors are below 1e-15 of the result, or of 1 for sin and cos.
#pragma once

#include "runtime/drive.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// Adding this rounds to a whole number: doubles from 2^52 to 2^53 have no fraction.
inline constexpr double ROUNDER = 6755399441055744.0;  // 1.5 * 2^52

template <class L> LANE_FN L rounded(L x) { return (x + ROUNDER) - ROUNDER; }

// The largest whole number that is not above x; from 2^51 on, every double is whole.
template <class L> LANE_FN L floored(L x) {
  const L near = rounded(x);
  const L below = near > x ? near - 1.0 : near;
  return magnitude(x) < all<L>(2251799813685248.0) ? below : x;
}

// Horner's scheme, the highest power first.
template <class L, int N> LANE_FN L polynomial(const double (&c)[N], L x) {
  L sum = all<L>(c[0]);
  for (int i = 1; i < N; i++) sum = sum * x + c[i];
  return sum;
}

inline constexpr double LN2_HIGH = 6.93147180369123816490e-01, LN2_LOW = 1.90821492927058770002e-10;

// e^x = 2^k e^r with |r| <= ln(2) / 2; e^r by its Taylor series. NaN if the result is infinite.
template <class L> LANE_FN L exponential(L x) {
  const L inside = smaller(larger(x, all<L>(-745.0)), all<L>(710.0));
  const L k = rounded(inside * 1.44269504088896340736);
  const L r = (inside - k * LN2_HIGH) - k * LN2_LOW;
  const double taylor[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                           1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                           1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5,
                           1.0,              1.0};
  const L half = floored(k * 0.5);
  const L result = polynomial(taylor, r) * power_of_two(half) * power_of_two(k - half);
  return x < all<L>(709.782712893384) ? result : nan<L>();
}

// ln(x) = e ln(2) + ln(m) with m from sqrt(1/2) to sqrt(2); ln(m) = 2 artanh((m - 1) / (m + 1)). NaN
// for numbers that are not above 0.
template <class L> LANE_FN L logarithm(L x) {
  const auto tiny = x < all<L>(2.2250738585072014e-308);  // denormal: scale into the normal range
  const L normal = tiny ? x * 18014398509481984.0 : x;    // 2^54
  L m = mantissa(normal), e = exponent(normal) - (tiny ? all<L>(54) : L{});
  const auto upper = m > all<L>(1.41421356237309504880);
  m = upper ? m * 0.5 : m;
  e = upper ? e + 1.0 : e;
  const L s = (m - 1.0) / (m + 1.0), z = s * s;
  const double series[] = {2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11,
                           2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3,  2.0};
  const L result = e * LN2_HIGH + (s * polynomial(series, z) + e * LN2_LOW);
  return (x > L{}) & (x - x == L{}) ? result : nan<L>();
}

// The angle less a multiple k of pi / 2, |r| <= pi / 4, in three steps so that no digit is lost.
template <class L> LANE_FN L quarter_turns(L x, L* r) {
  const L k = rounded(x * 0.63661977236758134308);
  *r = ((x - k * 1.57079632673412561417) - k * 6.07710050630396597660e-11) -
       k * 2.02226624871116645580e-21;
  return k;
}

template <class L> LANE_FN L sine_near_zero(L r) {
  const double taylor[] = {-1.0 / 121645100408832000, 1.0 / 355687428096000, -1.0 / 1307674368000,
                           1.0 / 6227020800,          -1.0 / 39916800,       1.0 / 362880,
                           -1.0 / 5040,               1.0 / 120,             -1.0 / 6,
                           1.0};
  return r * polynomial(taylor, r * r);
}

template <class L> LANE_FN L cosine_near_zero(L r) {
  const double taylor[] = {1.0 / 2432902008176640000, -1.0 / 6402373705728000, 1.0 / 20922789888000,
                           -1.0 / 87178291200,        1.0 / 479001600,         -1.0 / 3628800,
                           1.0 / 40320,               -1.0 / 720,              1.0 / 24,
                           -0.5,                      1.0};
  return polynomial(taylor, r * r);
}

// sin(x + turns * pi / 2).
template <class L> LANE_FN L sine(L x, double turns) {
  L r;
  const L k = quarter_turns(x, &r) + turns;
  const L quadrant = k - 4.0 * floored(k * 0.25);
  const auto odd = (quadrant == all<L>(1)) | (quadrant == all<L>(3));
  const L size = odd ? cosine_near_zero(r) : sine_near_zero(r);
  return quadrant >= all<L>(2) ? -size : size;
}

// Halving the angle twice brings it below pi / 16: tan(a / 2) = t / (1 + sqrt(1 + t^2)).
template <class L> LANE_FN L arctangent(L x) {
  const L size = magnitude(x);
  const auto large = size > all<L>(1);
  L t = large ? 1.0 / size : size;
  t = t / (1.0 + root(1.0 + t * t));
  t = t / (1.0 + root(1.0 + t * t));
  const double series[] = {1.0 / 25, -1.0 / 23, 1.0 / 21, -1.0 / 19, 1.0 / 17, -1.0 / 15, 1.0 / 13,
                           -1.0 / 11, 1.0 / 9,  -1.0 / 7, 1.0 / 5,   -1.0 / 3, 1.0};
  const L angle = 4.0 * (t * polynomial(series, t * t));
  const L turned = large ? 1.57079632679489661923 - angle : angle;
  return x < L{} ? -turned : turned;
}

// a^b; a negative number has whole powers only.
template <class L> LANE_FN L power(L a, L b) {
  const L size = exponential(b * logarithm(magnitude(a)));
  const auto whole = floored(b) == b;
  const auto odd = floored(b * 0.5) * 2.0 != b;
  const L negative = whole ? (odd ? -size : size) : nan<L>();
  const L zero = b > L{} ? L{} : nan<L>();
  const L result = a > L{} ? size : (a == L{} ? zero : negative);
  return b == L{} ? a - a + 1.0 : result + (a - a) + (b - b);
}

}  // namespace marketsweep::MARKETSWEEP_ISA
