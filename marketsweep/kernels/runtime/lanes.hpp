// The lane type: the only header that depends on the platform.
//
// A kernel is a template over a lane type L. On the CPU, L is a vector of as many doubles as the
// instruction set holds, one symbol per lane; on a GPU, and in the scalar build, L is one double.
// Comparisons of both give a mask that `?:` and `&` accept, so a kernel is written once.
//
// Everything is in a namespace named after the instruction set: this header is compiled once for
// each, and the linker must never merge two copies of an inline function.
#pragma once

#include <cstdint>

// LANE_FN is always inlined; the compiler decides about DRIVE_FN.
#ifdef __CUDACC__
#define LANE_FN __device__ __forceinline__
#define DRIVE_FN __device__
#define LANE_UNROLL _Pragma("unroll")
#define LANE_ROLLED _Pragma("unroll 1")
#else
#define LANE_FN [[gnu::always_inline]] inline
#define DRIVE_FN
#define LANE_UNROLL _Pragma("GCC unroll 8")
#define LANE_ROLLED _Pragma("GCC unroll 1")
#endif

namespace marketsweep::MARKETSWEEP_ISA {

#if defined(MARKETSWEEP_SCALAR)
inline constexpr int LANES = 1;
#elif defined(__AVX512F__)
inline constexpr int LANES = 8;
#elif defined(__AVX2__)
inline constexpr int LANES = 4;
#else
inline constexpr int LANES = 2;
#endif

// A vector wider than the instruction set's is legal, but many times slower.
#if defined(MARKETSWEEP_SCALAR)
typedef double Lanes;
#else
typedef double Lanes __attribute__((vector_size(8 * LANES)));
#endif

#ifdef __CUDACC__
LANE_FN double quiet_nan() { return __longlong_as_double(0x7ff8000000000000); }
LANE_FN double magnitude(double a) { return fabs(a); }
LANE_FN double root(double x) { return sqrt(x); }
#else
LANE_FN double quiet_nan() { return __builtin_nan(""); }
LANE_FN double magnitude(double a) { return __builtin_fabs(a); }
LANE_FN double root(double x) { return __builtin_sqrt(x); }
#endif

// The bits of a double as a whole number, and back.
#ifdef __CUDACC__
LANE_FN int64_t bits_of(double x) { return __double_as_longlong(x); }
LANE_FN double double_of(int64_t bits) { return __longlong_as_double(bits); }
#else
LANE_FN int64_t bits_of(double x) {
  int64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}
LANE_FN double double_of(int64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}
#endif
#if !defined(MARKETSWEEP_SCALAR)
LANE_FN auto bits_of(Lanes x) {
  using Bits = decltype(x == x);
  return (Bits)x;
}
template <class B> LANE_FN Lanes double_of(B bits) { return (Lanes)bits; }
#endif

inline constexpr double WHOLE = 4503599627370496.0;  // 2^52: the low bits of WHOLE + k are those of k
inline constexpr int64_t FRACTION_BITS = 0xfffffffffffff, WHOLE_BITS = 0x4330000000000000,
                         ONE_BITS = 0x3ff0000000000000;

// 2^k for a whole number k from -1022 to 1023.
template <class L> LANE_FN L power_of_two(L k) { return double_of(bits_of(k + (WHOLE + 1023.0)) << 52); }

// A positive normal number is mantissa * 2^exponent, with a mantissa from 1 to below 2.
template <class L> LANE_FN L mantissa(L x) { return double_of((bits_of(x) & FRACTION_BITS) | ONE_BITS); }
template <class L> LANE_FN L exponent(L x) {
  return double_of(((bits_of(x) >> 52) & 0x7ff) | WHOLE_BITS) - (WHOLE + 1023.0);
}

template <class L> LANE_FN L all(double x) { return L{} + x; }
template <class L> LANE_FN L nan() { return all<L>(quiet_nan()); }

#if defined(MARKETSWEEP_SCALAR)
template <class L> LANE_FN L load(const double* p) { return *p; }
template <class L> LANE_FN void store(double* p, L x) { *p = x; }
#else
// Rows need not be aligned, so copy bytes; compilers turn the copy into one unaligned move.
template <class L> LANE_FN L load(const double* p) {
  L x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
template <class L> LANE_FN void store(double* p, L x) { __builtin_memcpy(p, &x, sizeof x); }
#endif

// If either side is NaN, the second is returned: pass the running value second.
template <class L> LANE_FN L larger(L a, L b) { return a > b ? a : b; }
template <class L> LANE_FN L smaller(L a, L b) { return a < b ? a : b; }

LANE_FN bool every(bool mask) { return mask; }

#if !defined(MARKETSWEEP_SCALAR)
LANE_FN Lanes magnitude(Lanes a) {
  using Bits = decltype(a == a);
  return (Lanes)((Bits)a & (Bits{} + 0x7fffffffffffffff));
}

LANE_FN Lanes root(Lanes x) {
  for (int i = 0; i < LANES; i++) x[i] = __builtin_sqrt(x[i]);
  return x;
}

template <class M> LANE_FN bool every(M mask) {
  bool yes = true;
  for (int i = 0; i < LANES; i++) yes &= mask[i] != 0;
  return yes;
}
#endif

// TA-Lib treats smaller magnitudes as zero (TA_EPSILON in ta_utility.h).
inline constexpr double NOTHING = 1e-14;

}  // namespace marketsweep::MARKETSWEEP_ISA
