// What a program of kernel steps is, and what an instruction set offers to run it.
//
// Nothing here depends on an instruction set; machine.cpp is compiled once for each.
#pragma once

#include <cstdint>

namespace marketsweep {

// The most that any kernel takes or gives.
inline constexpr int MAX_INPUTS = 4, MAX_OUTPUTS = 3, MAX_PARAMETERS = 4;

// Symbols evaluated together. A matrix is [tiles x rows x TILE]: within a tile the rows of one
// field follow each other, so that a kernel reads memory in order.
inline constexpr int64_t TILE = 32;

// Rows of a tile of symbols, oldest first in memory, addressed from the newest.
// A stride of 0 repeats one row for ever: constants and facts of a symbol.
struct View {
  const double* newest;
  int64_t stride;
  int64_t rows;
};

// One call of a kernel on one tile.
struct Call {
  View in[MAX_INPUTS];
  double* out[MAX_OUTPUTS];  // [rows x TILE], row 0 the oldest; null where nobody reads it
  int64_t rows;              // newest rows that are asked for
  int64_t lookback;          // bars before the first valid one
  bool gapless;              // inputs are NaN at the top only
  double parameters[MAX_PARAMETERS];
};

#ifndef MARKETSWEEP_CARD

struct Kernel {
  const char* name;
  int inputs, outputs;
  void (*run)(const Call&);
};

// One instruction set's build of every kernel, and of what counts where a column is as expected.
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
