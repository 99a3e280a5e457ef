// Averages: sma, sma_of_bars, ema, smooth, wilder_sum, adaptive, ha_open.
#pragma once

#include "indicators/functions.hpp"
#include "runtime/blocks.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// The mean of a block. A flat window has exactly its own value, so that rounding cannot make
// `close > sma(50)` true on a frozen quote.
template <class L> struct Mean {
  L mean;

  template <class Rows> LANE_FN static Mean of(const Rows& in, int64_t k) { return {in(0, k)}; }
  LANE_FN static Mean join(const Mean& older, const Mean& newer, Sizes sizes) {
    return {newer.mean + (older.mean - newer.mean) * sizes.share};
  }
  LANE_FN static Mean pair(const Mean& older, const Mean& newer, double) {
    return {(newer.mean + older.mean) * 0.5};
  }
};

// The mean of a block, and the sum of the squared differences from it (T. F. Chan, G. H. Golub and
// R. J. LeVeque, 1979).
template <class L> struct Spread {
  L mean, squares;

  template <class Rows> LANE_FN static Spread of(const Rows& in, int64_t k) { return {in(0, k), L{}}; }
  LANE_FN static Spread join(const Spread& older, const Spread& newer, Sizes sizes) {
    const L fell = older.mean - newer.mean;
    return {newer.mean + fell * sizes.share,
            (newer.squares + older.squares) + fell * fell * sizes.product};
  }
  LANE_FN static Spread pair(const Spread& older, const Spread& newer, double size) {
    const L fell = older.mean - newer.mean;
    return {(newer.mean + older.mean) * 0.5,
            (newer.squares + older.squares) + fell * fell * (0.5 * size)};
  }
};

template <class L> struct Sma : BlockWindow<Sma<L>, Mean<L>> {
  static constexpr int inputs = 1, outputs = 1;
  LANE_FN void finish(const Mean<L>& window, L* out) const { out[0] = window.mean; }
};
WINDOWED(sma, Sma, blocked<Sma>)

// The mean of the newest `bars` bars, a whole number of each lane, at most `most`.
template <class L, class Rows>
LANE_FN L mean_of_lanes(const Rows& in, L bars, int64_t most) {
  const L newest = in(0, 0);
  L sum = L{};
  LANE_ROLLED
  for (int64_t k = 1; k < most; k++) sum += all<L>(double(k)) < bars ? in(0, k) - newest : L{};
  return newest + sum / bars;
}

// The mean of as many bars as the second input says, from `least` to `most`.
template <class L> struct SmaOfBars {
  static constexpr int inputs = 2, outputs = 1;
  int64_t most;
  double least;

  LANE_FN void init(const double* p) { least = p[0], most = int64_t(p[1]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    // The limits stand first, so that a NaN stays a NaN.
    const L bars = larger(all<L>(least), smaller(all<L>(double(most)), in(1, 0)));
    out[0] = mean_of_lanes(in, floored(bars), most);
  }
};
WINDOWED(sma_of_bars, SmaOfBars, windowed<SmaOfBars>)

// The weight of a new bar in a running average: 1/1, 1/2 ... 1/n for the first n bars (bar 0 is the
// first; it is 1 before it), then `alpha`.
template <bool Seeded, class L> LANE_FN L weight(L bar, double n, double alpha) {
  if constexpr (Seeded) return all<L>(alpha);
  const L one = all<L>(1);
  return bar < all<L>(n) ? one / larger(bar + 1.0, one) : all<L>(alpha);
}

// The mean of the first n bars, then the share `alpha` of each new bar.
template <class L> struct Average {
  static constexpr int inputs = 1, outputs = 1, interleave = 4;
  double n, alpha;
  L mean;

  LANE_FN void begin(double bars, double share) { n = bars, alpha = share, mean = L{}; }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    const L moved = mean + weight<Seeded>(seen, n, alpha) * (in[0] - mean);
    mean = present ? moved : mean;
  }
  LANE_FN void value(L* out) const { out[0] = mean; }
};

// Exponential moving average, as TA-Lib's EMA.
template <class L> struct Ema : Average<L> {
  LANE_FN void init(const double* p) { this->begin(p[0], 2.0 / (p[0] + 1.0)); }
};
RECURSIVE(ema, Ema)

template <class L> struct Smooth : Average<L> {
  LANE_FN void init(const double* p) { this->begin(p[0], p[1]); }
};
RECURSIVE(smooth, Smooth)

// Wilder's running sum: the sum of the first n - 1 bars; then each new bar is added after 1/n of the
// sum is taken away.
template <class L> struct WilderSum {
  static constexpr int inputs = 1, outputs = 1, interleave = 4;
  double n, alpha;
  L sum;

  LANE_FN void init(const double* p) {
    n = p[0];
    alpha = 1.0 / n;
    sum = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    L decay = all<L>(alpha);
    if constexpr (!Seeded) decay = seen < all<L>(n - 1.0) ? L{} : decay;
    const L moved = sum - sum * decay + in[0];
    sum = present ? moved : sum;
  }
  LANE_FN void value(L* out) const { out[0] = sum; }
};
RECURSIVE(wilder_sum, WilderSum)

// Perry Kaufman's adaptive average: the weight of a new bar follows an efficiency from 0 to 1, from
// that of an EMA of 30 bars to one of 2 bars. Inputs: the bar, the bar before, the efficiency.
template <class L> struct Adaptive {
  static constexpr int inputs = 3, outputs = 1, interleave = 4;
  L mean;

  LANE_FN void init(const double*) { mean = L{}; }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    const double fast = 2.0 / 3.0, slow = 2.0 / 31.0;
    const L root_weight = in[2] * (fast - slow) + slow;
    L start = mean;
    if constexpr (!Seeded) start = seen > L{} ? mean : in[1];
    const L moved = start + root_weight * root_weight * (in[0] - start);
    mean = present ? moved : mean;
  }
  LANE_FN void value(L* out) const { out[0] = mean; }
};
RECURSIVE(adaptive, Adaptive)

// The open of a Heikin-Ashi bar: the middle of the body before. Inputs: open, close, and the close
// of the Heikin-Ashi bar.
template <class L> struct HaOpen {
  static constexpr int inputs = 3, outputs = 1, interleave = 4;
  L open, close;

  LANE_FN void init(const double*) { open = close = L{}; }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    L next = 0.5 * (open + close);
    if constexpr (!Seeded) next = seen > L{} ? next : 0.5 * (in[0] + in[1]);
    open = present ? next : open;
    close = present ? in[2] : close;
  }
  LANE_FN void value(L* out) const { out[0] = open; }
};
RECURSIVE(ha_open, HaOpen)

}  // namespace marketsweep::MARKETSWEEP_ISA
