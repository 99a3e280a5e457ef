// Averages: sma, ema.
#pragma once

#include "runtime/drive.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// The mean of `n` bars, computed as newest + mean(x - newest). A flat window then has exactly its
// own value, and rounding cannot make `close > sma(50)` true on a frozen quote.
template <class L, class Rows> LANE_FN L window_mean(const Rows& in, int input, int64_t n) {
  const L newest = in(input, 0);
  L sum = L{};
  for (int64_t k = 1; k < n; k++) sum += in(input, k) - newest;
  return newest + sum / double(n);
}

template <class L> struct Sma {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    out[0] = window_mean<L>(in, 0, n);
  }
#ifndef MARKETSWEEP_CARD
  template <int R> LANE_FN void values(const View& in, int64_t column, Lanes (&out)[1][R]) const {
    Lanes newest[R];
    for (int j = 0; j < R; j++) newest[j] = load<Lanes>(in.newest - j * in.stride + column);
    const auto away = [](Lanes x, Lanes from) { return x - from; };
    neighbour_sums(in, column, 1, n, newest, away, out[0]);
    for (int j = 0; j < R; j++) out[0][j] = newest[j] + out[0][j] / double(n);
  }
#endif
};
WINDOWED(sma, Sma, many_windows<Sma>)

// The weight of a new bar in a running average: 1/1, 1/2 ... 1/n for the first n bars (bar 0 is the
// first; it is 1 before it), then `alpha`.
template <bool Seeded, class L> LANE_FN L weight(L bar, double n, double alpha) {
  if constexpr (Seeded) return all<L>(alpha);
  const L one = all<L>(1);
  return bar < all<L>(n) ? one / larger(bar + 1.0, one) : all<L>(alpha);
}

// Exponential moving average: alpha = 2 / (n + 1), seeded with the mean of the first n bars, as
// TA-Lib's EMA.
template <class L> struct Ema {
  static constexpr int inputs = 1, outputs = 1, interleave = 4;
  double n, alpha;
  L mean;

  LANE_FN void init(const double* p) {
    n = p[0];
    alpha = 2.0 / (n + 1.0);
    mean = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    const L moved = mean + weight<Seeded>(seen, n, alpha) * (in[0] - mean);
    mean = present ? moved : mean;
  }
  LANE_FN void value(L* out) const { out[0] = mean; }
};
RECURSIVE(ema, Ema)

}  // namespace marketsweep::MARKETSWEEP_ISA
