// Volatility: atr, bbands.
#pragma once

#include "indicators/averages.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

template <class L> LANE_FN L true_range(L high, L low, L previous_close) {
  const L gap = larger(magnitude(high - previous_close), magnitude(low - previous_close));
  return larger(high - low, gap);
}

// Wilder (1978), section III: the mean of the first n true ranges, then 1/n of each new one.
template <class L> struct Atr {
  static constexpr int inputs = 3, outputs = 1, interleave = 4;  // high, low, close
  double n, alpha;
  L mean, previous;

  LANE_FN void init(const double* p) {
    n = p[0];
    alpha = 1.0 / n;
    mean = previous = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    L range = true_range(in[0], in[1], previous);
    if constexpr (!Seeded) range = seen > L{} ? range : L{};  // the first bar has no previous close
    const L moved = mean + weight<Seeded>(seen - 1.0, n, alpha) * (range - mean);
    mean = present ? moved : mean;
    previous = present ? in[2] : previous;
  }
  LANE_FN void value(L* out) const { out[0] = mean; }
};
RECURSIVE(atr, Atr)

// John Bollinger's bands: the mean of n bars, and `width` population standard deviations to either
// side.
template <class L> struct Bbands {
  static constexpr int inputs = 1, outputs = 3;  // upper, middle, lower
  using Block = Spread<L>;
  int64_t n;
  double width;

  LANE_FN void init(const double* p) { n = int64_t(p[0]), width = p[1]; }
  LANE_FN void finish(const Block& window, L* out) const {
    const L band = width * root(window.squares * (1.0 / double(n)));
    out[0] = window.mean + band;
    out[1] = window.mean;
    out[2] = window.mean - band;
  }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    finish(window_block<Block>(in, n), out);
  }
};
WINDOWED(bbands, Bbands, blocked<Bbands>)

}  // namespace marketsweep::MARKETSWEEP_ISA
