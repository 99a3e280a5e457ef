// The types that kernels and programs share, and the kernel table of an instruction set.
//
// Nothing here depends on an instruction set; machine.cpp is compiled once for each.
#pragma once

#include <cstdint>

namespace marketsweep {

// Most inputs, outputs and parameters of a kernel.
inline constexpr int MAX_INPUTS = 4, MAX_OUTPUTS = 4, MAX_PARAMETERS = 8;

// Symbols that are evaluated together. A matrix is [tiles x rows x TILE]: the rows of a tile are
// consecutive, so that a kernel reads memory in order.
inline constexpr int64_t TILE = 32;

// Rows of a tile, oldest first in memory, addressed from the newest. A stride of 0 repeats one row
// for ever, as for constants and facts.
struct View {
  const double* newest;
  int64_t stride;
  int64_t rows;
};

// A call of a kernel on a tile.
struct Call {
  View in[MAX_INPUTS];
  double* out[MAX_OUTPUTS];  // [rows x TILE], oldest row first; null if it is not read
  int64_t rows;              // newest rows to compute
  int64_t lookback;          // bars before the first valid one
  bool gapless;              // inputs are NaN only before the oldest bar
  double parameters[MAX_PARAMETERS];
};

#ifndef MARKETSWEEP_CARD

struct Kernel {
  const char* name;
  int inputs, outputs;
  bool elementwise;  // each row depends on that row of the inputs alone
  void (*run)(const Call&);
};

// One instruction set's build of every kernel, and of `equal_lanes`.
struct Machine {
  const char* isa;
  int lanes;
  const Kernel* kernels;
  int count;
  int64_t (*equal_lanes)(const double* one, const double* other);
};

const Machine& machine_scalar();
const Machine& machine_baseline();
#if defined(__x86_64__)
const Machine& machine_avx2();
const Machine& machine_avx512();
#endif

#endif  // MARKETSWEEP_CARD

}  // namespace marketsweep
