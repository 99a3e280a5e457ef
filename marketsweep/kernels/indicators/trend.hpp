// Trend strength: adx.
#pragma once

#include "indicators/volatility.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// Wilder (1978), section IV. Directional movement and true range are summed over n - 1 bars, and
// then decay by 1/n per bar; their index is averaged over n bars, and then by 1/n.
template <class L> struct Adx {
  static constexpr int inputs = 3, outputs = 1, interleave = 2;  // high, low, close
  double n, alpha;
  L plus, minus, range, adx, high, low, close;

  LANE_FN void init(const double* p) {
    n = p[0];
    alpha = 1.0 / n;
    plus = minus = range = adx = high = low = close = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    const L zero = L{};
    const L rise = in[0] - high, fall = low - in[1];
    L up = (rise > fall) & (rise > zero) ? rise : zero;
    L down = (fall > rise) & (fall > zero) ? fall : zero;
    L reach = true_range(in[0], in[1], close);
    L decay = all<L>(alpha);
    if constexpr (!Seeded) {
      const auto later = seen > zero;  // the first bar has no previous bar
      up = later ? up : zero;
      down = later ? down : zero;
      reach = later ? reach : zero;
      decay = seen < all<L>(n) ? zero : decay;
    }
    const L p = plus - plus * decay + up, m = minus - minus * decay + down;
    const L r = range - range * decay + reach;

    // |p/r - m/r| / (p/r + m/r), unless r or the sum is too small to divide by (TA-Lib).
    const L sum = p + m;
    const auto defined = (r >= all<L>(NOTHING)) & (sum >= (NOTHING / 100.0) * r);
    const L index = magnitude(p - m) / sum;
    L a = adx + alpha * (index - adx);
    a = defined ? a : adx;
    if constexpr (!Seeded) {
      const L first = adx + weight<false>(seen - n, n, alpha) * ((defined ? index : zero) - adx);
      a = seen < all<L>(2.0 * n) ? first : a;
    }

    plus = present ? p : plus;
    minus = present ? m : minus;
    range = present ? r : range;
    adx = present ? a : adx;
    high = present ? in[0] : high;
    low = present ? in[1] : low;
    close = present ? in[2] : close;
  }
  LANE_FN void value(L* out) const { out[0] = 100.0 * adx; }
};
RECURSIVE(adx, Adx)

}  // namespace marketsweep::MARKETSWEEP_ISA
