// Fingerprints of stored bars: a number per column that changes when any bar of the column changes.
#pragma once

#include <cstdint>
#include <cstring>

namespace marketsweep {

// The finalizer of MurmurHash3 (Appleby, public domain): every output bit depends on every input
// bit.
inline uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return x ^ (x >> 33);
}

// Add the first `sessions` of a segment [fields, stored, width] to the sum of each column, modulo
// 2^64. A value counts by its bits, its field and its day (`days`); a missing value does not count.
// So the sum does not depend on how the bars are spread over segments.
inline void fingerprint(const double* values, int64_t fields, int64_t stored, int64_t width,
                        const int64_t* days, int64_t sessions, uint64_t* sums) {
  for (int64_t field = 0; field < fields; field++) {
    for (int64_t session = 0; session < sessions; session++) {
      const double* row = values + (field * stored + session) * width;
      const uint64_t key = mixed(static_cast<uint64_t>(days[session] * fields + field));
      for (int64_t column = 0; column < width; column++) {
        uint64_t bits;
        std::memcpy(&bits, row + column, sizeof bits);
        sums[column] += row[column] == row[column] ? mixed(bits + key) : 0;
      }
    }
  }
}

}  // namespace marketsweep
