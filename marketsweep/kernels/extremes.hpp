// The highest and lowest of a number of bars.
#pragma once

#include "drive.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// The extreme of n bars, the newest of them `back` bars before the row at hand. A NaN among them
// makes the result NaN, as in a sum: comparisons alone would pass it over.
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
static const bool highest_ = add<Highest>("highest", windowed<Highest>);

template <class L> struct Lowest {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    out[0] = window_lowest<L>(in, 0, n);
  }
};
static const bool lowest_ = add<Lowest>("lowest", windowed<Lowest>);

}  // namespace marketsweep::MARKETSWEEP_ISA
