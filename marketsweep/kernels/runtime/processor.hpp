// What the processor and the operating system support, asked directly: the compilers' own functions
// say "nothing" where a toolchain comes without its run-time library.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>

namespace marketsweep {

// The vector registers that the operating system saves; bits of the register XCR0.
inline constexpr uint64_t YMM_STATE = 0x06, ZMM_STATE = 0xe6;

inline bool saves(uint64_t state) {
  unsigned a, b, c, d;
  constexpr unsigned OSXSAVE = 1u << 27;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE)) return false;
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t(high) << 32 | low) & state) == state;
}

// Whether all bits of `features` are set in register EBX of leaf 7.
inline bool supports(unsigned features) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & features) == features;
}

inline bool has_avx2() { return supports(1u << 5) && saves(YMM_STATE); }

// AVX-512 F, DQ and VL.
inline bool has_avx512() { return supports(1u << 16 | 1u << 17 | 1u << 31) && saves(ZMM_STATE); }

}  // namespace marketsweep
#endif
