// The highest and lowest of the last bars.
#pragma once

#include "runtime/drive.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// The extreme of n bars, the newest of them `back` bars before the current row. A NaN among them
// makes the result NaN; comparisons alone would skip it.
template <class L, class Rows>
LANE_FN L window_highest(const Rows& in, int input, int64_t n, int64_t back = 0) {
  L top = in(input, back), nans = top - top;
  for (int64_t k = 1; k < n; k++) {
    const L x = in(input, back + k);
    top = larger(x, top);
    nans += x - x;
  }
  return top + nans;
}
template <class L, class Rows>
LANE_FN L window_lowest(const Rows& in, int input, int64_t n, int64_t back = 0) {
  L bottom = in(input, back), nans = bottom - bottom;
  for (int64_t k = 1; k < n; k++) {
    const L x = in(input, back + k);
    bottom = smaller(x, bottom);
    nans += x - x;
  }
  return bottom + nans;
}

template <class L> struct Highest {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    out[0] = window_highest<L>(in, 0, n);
  }
};
template <class L> struct Lowest {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    out[0] = window_lowest<L>(in, 0, n);
  }
};

#ifndef MARKETSWEEP_CARD

// The extreme of both; NaN if either is NaN.
template <bool High, class L> LANE_FN L further(L a, L b) {
  const L found = High ? larger(a, b) : smaller(a, b);
  return (a == a) & (b == b) ? found : nan<L>();
}

// Sliding extremes over many rows, in four steps per row for any window length. The bars are cut
// into blocks of n; each window is the end of one block and the start of the next (M. van Herk,
// 1992; J. Gil and M. Werman, 1993). There are `rows` windows; the newest ends at the newest bar.
// `put` receives the number (0 is the oldest) and the extreme of each. `column` is the first lane.
// `ends` has room for n * LANES doubles: the extreme from each bar of a block to the block's last
// bar.
template <bool High, class Put>
LANE_FN void slide(const View& in, int64_t column, int64_t n, int64_t rows, double* ends,
                   const Put& put) {
  const int64_t total = rows + n - 1;
  const auto end = [&](int64_t k) { return load<Lanes>(ends + k * LANES); };
  const auto bar = [&](int64_t row) {
    const Lanes x = value_at(in, total - 1 - row, column);
    return x + (x - x);  // infinity becomes NaN, as in window_highest
  };
  for (int64_t block = 0; block + n <= total; block += n) {
    Lanes kept = bar(block + n - 1);
    store(ends + (n - 1) * LANES, kept);
    for (int64_t k = n - 2; k >= 0; k--)
      store(ends + k * LANES, kept = further<High>(bar(block + k), kept));
    put(block, kept);
    Lanes begun = bar(block + n < total ? block + n : block);
    for (int64_t k = 1; k < n && block + n - 1 + k < total; k++) {
      if (k > 1) begun = further<High>(bar(block + n - 1 + k), begun);
      put(block + k, further<High>(end(k), begun));
    }
  }
}

template <bool High> void sliding(const Call& call) {
  const int64_t n = int64_t(call.parameters[0]);
  const bool pays = call.rows >= FEW && n >= FEW && n <= call.in[0].rows;
  auto* const ends =
      pays ? static_cast<double*>(__builtin_malloc(n * LANES * sizeof(double))) : nullptr;
  if (!ends) return High ? windowed<Highest>(call) : windowed<Lowest>(call);
  for (int64_t column = 0; column < TILE; column += LANES)
    slide<High>(call.in[0], column, n, call.rows, ends, [&](int64_t row, Lanes x) {
      store(call.out[0] + row * TILE + column, x);
    });
  __builtin_free(ends);
}

#endif

WINDOWED(highest, Highest, sliding<true>)
WINDOWED(lowest, Lowest, sliding<false>)

}  // namespace marketsweep::MARKETSWEEP_ISA
