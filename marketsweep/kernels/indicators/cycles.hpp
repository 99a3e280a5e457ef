// Cycles: dominant_cycle, ht_trendline, cycle_mode, mama.
#pragma once

#include "indicators/averages.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

inline constexpr double DEGREES = 57.29577951308232, TURN = 6.283185307179586;
inline constexpr int LONGEST_CYCLE = 50;

// Put a bar before the others of an array (newest first), where the bar is present.
template <class L, int N, class M> LANE_FN void push(L (&bars)[N], L newest, M present) {
  LANE_ROLLED
  for (int k = N - 1; k > 0; k--) bars[k] = present ? bars[k - 1] : bars[k];
  bars[0] = present ? newest : bars[0];
}

// The Hilbert transform of a series without its gain, from the bars 0, 2, 4 and 6 bars before.
template <class L> LANE_FN L quarter_behind(L x, L x2, L x4, L x6) {
  return 0.0962 * (x - x6) + 0.5769 * (x2 - x4);
}

// John Ehlers, Rocket Science for Traders (2001), chapters 6 and 7: the dominant cycle. The smoothed
// price is split into a part in phase and a part a quarter of a cycle behind. The angle by which
// this pair turns from bar to bar gives the period, which in turn sets the gain of the transform.
//
// Everything is zero up to bar `First`, as in TA-Lib. `Depth` is how many smoothed prices are held.
template <class L, int First, int Depth = 6> struct Cycle {
  static constexpr int inputs = 1, interleave = 1;
  L price[3], smooth[Depth], detrended[9], behind[6];  // newest first
  L in_phase, i2, q2, re, im, period, smooth_period;

  LANE_FN void init(const double*) {
    for (L& x : price) x = L{};
    for (L& x : smooth) x = L{};
    for (L& x : detrended) x = L{};
    for (L& x : behind) x = L{};
    in_phase = i2 = q2 = re = im = period = smooth_period = L{};
  }

  // Whether the current bar moves the state: it is present, and not one of the first bars.
  template <bool Seeded, class M> LANE_FN static M moving(L seen, M present) {
    if constexpr (Seeded) return present;
    return present & (seen >= all<L>(First));
  }

  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    const M moves = moving<Seeded>(seen, present);
    const L x = in[0];
    // As the difference from the newest price, so that a flat window has exactly its own value.
    const L s = x + (3.0 * (price[0] - x) + 2.0 * (price[1] - x) + (price[2] - x)) / 10.0;
    const L gain = 0.075 * period + 0.54;
    const L d = gain * quarter_behind(s, smooth[1], smooth[3], smooth[5]);
    const L i1 = detrended[2];
    const L q1 = gain * quarter_behind(d, detrended[1], detrended[3], detrended[5]);
    const L ji = gain * quarter_behind(i1, detrended[4], detrended[6], detrended[8]);
    const L jq = gain * quarter_behind(q1, behind[1], behind[3], behind[5]);
    const L i = 0.2 * (i1 - jq) + 0.8 * i2, q = 0.2 * (q1 + ji) + 0.8 * q2;
    const L real = 0.2 * (i * i2 + q * q2) + 0.8 * re;
    const L imaginary = 0.2 * (i * q2 - q * i2) + 0.8 * im;

    // The limits stand first in `smaller` and `larger`, so that a NaN stays a NaN.
    const auto turns = (imaginary != L{}) & (real != L{});
    L p = turns ? TURN / arctangent(imaginary / real) : period;
    p = larger(0.67 * period, smaller(1.5 * period, p));
    p = smaller(all<L>(LONGEST_CYCLE), larger(all<L>(6), p));
    p = 0.2 * p + 0.8 * period;

    push(price, x, present);
    push(smooth, s, moves);
    push(detrended, d, moves);
    push(behind, q1, moves);
    in_phase = moves ? i1 : in_phase;
    i2 = moves ? i : i2;
    q2 = moves ? q : q2;
    re = moves ? real : re;
    im = moves ? imaginary : im;
    period = moves ? p : period;
    smooth_period = moves ? 0.33 * p + 0.67 * smooth_period : smooth_period;
  }

  // The dominant cycle in whole bars.
  LANE_FN L bars() const { return larger(all<L>(1), floored(smooth_period + 0.5)); }
};

// The period, and the pair: the part in phase and the part a quarter of a cycle behind.
template <class L> struct DominantCycle : Cycle<L, 12> {
  static constexpr int outputs = 3;
  LANE_FN void value(L* out) const {
    out[0] = this->smooth_period, out[1] = this->in_phase, out[2] = this->behind[0];
  }
};
RECURSIVE(dominant_cycle, DominantCycle)

// The same book, chapter 9: the trendline, which is the mean price of one cycle, smoothed as the price
// is.
template <class L, int Depth> struct Trendline : Cycle<L, 37, Depth> {
  L prices[LONGEST_CYCLE], mean[4];  // newest first

  LANE_FN void init(const double* p) {
    Cycle<L, 37, Depth>::init(p);
    for (L& x : prices) x = L{};
    for (L& x : mean) x = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    Cycle<L, 37, Depth>::template step<Seeded>(in, seen, present);
    push(prices, in[0], present);
    const auto rows = [&](int, int64_t k) { return prices[k]; };
    push(mean, mean_of_lanes(rows, this->bars(), LONGEST_CYCLE),
         this->template moving<Seeded>(seen, present));
  }
  LANE_FN L line() const {
    const L m = mean[0];
    return m + (3.0 * (mean[1] - m) + 2.0 * (mean[2] - m) + (mean[3] - m)) / 10.0;
  }
};

template <class L> struct HtTrendline : Trendline<L, 6> {
  static constexpr int outputs = 1;
  LANE_FN void value(L* out) const { out[0] = this->line(); }
};
RECURSIVE(ht_trendline, HtTrendline)

// Chapters 10 and 11: the phase in degrees, -45 to 315; and the mode, 1 in a trend and 0 in a cycle.
template <class L> struct CycleMode : Trendline<L, LONGEST_CYCLE> {
  static constexpr int outputs = 2;
  L angle, sine_, lead, days, mode;

  LANE_FN void init(const double* p) {
    Trendline<L, LONGEST_CYCLE>::init(p);
    angle = sine_ = lead = days = mode = L{};
  }

  // The angle of the smoothed prices of one cycle with a sine and a cosine wave. A quote that stands
  // still has the angle 0.
  LANE_FN L phase() const {
    const L n = this->bars(), newest = this->smooth[0];
    const L turn = TURN / n, c = sine(turn, 1.0), s = sine(turn, 0.0);
    // Horner's scheme for the sum of x[k] (cos(k turn) + i sin(k turn)). A whole turn of a constant
    // adds nothing, so the newest price is taken off.
    L cosines = L{}, sines = L{};
    LANE_ROLLED
    for (int k = LONGEST_CYCLE - 1; k >= 0; k--) {
      const L x = all<L>(k) < n ? this->smooth[k] - newest : L{};
      const L turned = c * cosines - s * sines;
      sines = s * cosines + c * sines;
      cosines = x + turned;
    }
    const auto flat = (cosines == L{}) & (sines == L{});
    const L moved = flat ? L{} : DEGREES * arctangent(sines / cosines);
    // 360 degrees over the period make up for the bar by which smoothing is late.
    const L place = moved + 90.0 + 360.0 / this->smooth_period + (cosines < L{} ? all<L>(180) : L{});
    return place > all<L>(315) ? place - 360.0 : place;
  }

  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    Trendline<L, LONGEST_CYCLE>::template step<Seeded>(in, seen, present);
    const M moves = this->template moving<Seeded>(seen, present);

    // The cycle has turned within half a period, or its phase moves on as that of a sine wave does;
    // and the price is within 1.5% of the trendline.
    const L place = phase(), period = this->smooth_period, trendline = this->line();
    const L now = sine(place / DEGREES, 0.0), ahead = sine((place + 45.0) / DEGREES, 0.0);
    const auto crosses = ((now > ahead) & (sine_ <= lead)) | ((now < ahead) & (sine_ >= lead));
    const L count = crosses ? all<L>(1) : days + 1.0;
    const L moved = place - angle, usual = 360.0 / period;
    const auto cycles = (count < 0.5 * period) | ((moved > 0.67 * usual) & (moved < 1.5 * usual));
    const auto away = magnitude(this->smooth[0] - trendline) >= 0.015 * magnitude(trendline);
    const L trends = (away & (trendline != L{})) | !cycles ? all<L>(1) : L{};

    angle = moves ? place : angle;
    sine_ = moves ? now : sine_;
    lead = moves ? ahead : lead;
    days = moves ? count : days;
    mode = moves ? trends : mode;
  }
  LANE_FN void value(L* out) const {
    out[0] = angle, out[1] = mode + (angle - angle);  // a NaN stays a NaN
  }
};
RECURSIVE(cycle_mode, CycleMode)

// John Ehlers, MESA Adaptive Moving Averages (2001): an average whose weight of a new bar is `fast`
// over the degrees by which the phase fell, at least `slow`; and an average of that with half the
// weight. Both begin at zero, as in TA-Lib.
template <class L> struct Mama : Cycle<L, 12> {
  static constexpr int outputs = 2;
  double fast, slow;
  L phase, mama, fama;

  LANE_FN void init(const double* p) {
    Cycle<L, 12>::init(p);
    fast = p[0], slow = p[1];
    phase = mama = fama = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    Cycle<L, 12>::template step<Seeded>(in, seen, present);
    const M moves = this->template moving<Seeded>(seen, present);
    const L i1 = this->in_phase, q1 = this->behind[0];
    const L angle = i1 == L{} ? L{} : DEGREES * arctangent(q1 / i1);
    const L fell = phase - angle;
    const L weight = fell > all<L>(1) ? larger(fast / fell, all<L>(slow)) : all<L>(fast);
    const L m = mama + weight * (in[0] - mama);
    const L f = fama + 0.5 * weight * (m - fama);
    phase = moves ? angle : phase;
    mama = moves ? m : mama;
    fama = moves ? f : fama;
  }
  LANE_FN void value(L* out) const { out[0] = mama, out[1] = fama; }
};
RECURSIVE(mama, Mama)

}  // namespace marketsweep::MARKETSWEEP_ISA
