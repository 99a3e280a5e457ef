// Volume: adosc.
#pragma once

#include "indicators/averages.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// Marc Chaikin's oscillator of a running sum: the difference of a fast and a slow exponential
// average of the sum of the input. Both averages are kept as their distance from the sum, which
// forgets the first bars; the sum itself would not.
template <class L> struct SumOscillator {
  static constexpr int inputs = 1, outputs = 1, interleave = 4;
  double fast_weight, slow_weight;
  L fast, slow;

  LANE_FN void init(const double* p) {
    fast_weight = 2.0 / (p[0] + 1.0);
    slow_weight = 2.0 / (p[1] + 1.0);
    fast = slow = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    L f = (1.0 - fast_weight) * (fast - in[0]), s = (1.0 - slow_weight) * (slow - in[0]);
    if constexpr (!Seeded) {
      f = seen > L{} ? f : L{};
      s = seen > L{} ? s : L{};
    }
    fast = present ? f : fast;
    slow = present ? s : slow;
  }
  LANE_FN void value(L* out) const { out[0] = fast - slow; }
};
RECURSIVE(sum_oscillator, SumOscillator)

}  // namespace marketsweep::MARKETSWEEP_ISA
