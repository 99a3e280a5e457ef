// Trend: adx, dx, sar, ratchet.
#pragma once

#include "indicators/volatility.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// Wilder (1978), section IV. Directional movement and true range are summed over n - 1 bars, and
// then decay by 1/n per bar; their index is averaged over n bars, and then by 1/n.
template <class L, bool Averaged> struct Directional {
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
    L a = Averaged ? adx + alpha * (index - adx) : index;
    a = defined ? a : adx;
    if constexpr (!Seeded && Averaged) {
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
template <class L> using Adx = Directional<L, true>;
template <class L> using Dx = Directional<L, false>;
RECURSIVE(adx, Adx)
RECURSIVE(dx, Dx)

// A stop that follows the trend, with the direction that it had before.
template <class L> struct Stop {
  L up, extreme, stop, speed;  // `up` is 1 while the trend is up
};

// Wilder (1978), section II: the parabolic stop and reverse. Parameters as of TA-Lib's SAREXT:
// start, offset on reverse; first, step and largest acceleration of a rise, and of a fall.
//
// The first direction is a guess, and its extreme may be older than the first bar. A second stop
// starts the other way. Once both have been equal over TURNS reversals, a longer history gives the
// same stop (second output; NaN before): on 256 random walks, 2 reversals leave 100 wrong, 4 leave
// 27, 8 leave 1.
template <class L, bool Signed> struct ParabolicStop {
  static constexpr int inputs = 2, outputs = 2, interleave = 2;  // high, low
  static constexpr int TURNS = 10;
  double start, offset, first[2], step_[2], most[2];
  L high, low, value_, settled, turns;
  Stop<L> guess, other;

  LANE_FN void init(const double* p) {
    if (Signed) {
      start = p[0], offset = p[1];
      for (int i = 0; i < 2; i++) {
        most[i] = p[4 + 3 * i];
        first[i] = p[2 + 3 * i] < most[i] ? p[2 + 3 * i] : most[i];
        step_[i] = p[3 + 3 * i] < most[i] ? p[3 + 3 * i] : most[i];
      }
    } else {
      start = offset = 0;
      for (int i = 0; i < 2; i++) {
        most[i] = p[1];
        first[i] = step_[i] = p[0] < p[1] ? p[0] : p[1];
      }
    }
    high = low = value_ = settled = turns = L{};
    guess = other = Stop<L>{L{}, L{}, L{}, L{}};
  }

  LANE_FN Stop<L> begun(bool up, const L* in) const {
    const L level = start == 0 ? (up ? low : high) : all<L>(start > 0 ? start : -start);
    return {all<L>(up ? 1 : 0), up ? in[0] : in[1], level, all<L>(first[up ? 0 : 1])};
  }

  template <class M>
  LANE_FN static Stop<L> chosen(const M& mask, const Stop<L>& a, const Stop<L>& b) {
    return {mask ? a.up : b.up, mask ? a.extreme : b.extreme, mask ? a.stop : b.stop,
            mask ? a.speed : b.speed};
  }

  // Move a stop by one bar; the return value is the stop of that bar.
  LANE_FN L move(Stop<L>& s, L top, L bottom, L old_top, L old_bottom) const {
    const auto up = s.up > L{};
    const auto hit = up ? bottom <= s.stop : top >= s.stop;
    const L above = larger(larger(s.extreme, old_top), top);
    const L below = smaller(smaller(s.extreme, old_bottom), bottom);
    L reversed = up ? above : below;
    if (Signed) reversed = reversed + (up ? reversed : -reversed) * offset;
    const L shown = hit ? reversed : s.stop;

    const auto now_up = hit ? !up : up;  // the direction from here on
    const auto further = now_up ? top > s.extreme : bottom < s.extreme;
    const L reach = now_up ? top : bottom;
    const L faster = s.speed + (now_up ? all<L>(step_[0]) : all<L>(step_[1]));
    const L limit = now_up ? all<L>(most[0]) : all<L>(most[1]);
    const L begin = now_up ? all<L>(first[0]) : all<L>(first[1]);
    const L speed = hit ? begin : (further ? smaller(limit, faster) : s.speed);
    const L extreme = hit ? reach : (further ? reach : s.extreme);
    const L next = shown + speed * (extreme - shown);
    s.stop = now_up ? smaller(smaller(next, old_bottom), bottom) : larger(larger(next, old_top), top);
    s.extreme = extreme, s.speed = speed, s.up = now_up ? all<L>(1) : L{};
    if (Signed) return (hit ? !up : up) ? shown : -shown;
    return shown;
  }

  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    Stop<L> a = guess, b = other;
    L old_top = high, old_bottom = low;
    if constexpr (!Seeded) {
      const auto begins = seen == all<L>(1);
      const L rise = in[0] - high, fall = low - in[1];
      const auto falls = start == 0 ? (fall > L{}) & (rise < fall) : all<L>(start) < L{};
      const Stop<L> up = begun(true, in), down = begun(false, in);
      a = chosen(begins, chosen(falls, down, up), a);
      b = chosen(begins, chosen(falls, up, down), b);
      old_top = begins ? in[0] : old_top;
      old_bottom = begins ? in[1] : old_bottom;
    }
    const L before = a.up;
    const L stop = move(a, in[0], in[1], old_top, old_bottom);
    move(b, in[0], in[1], old_top, old_bottom);
    const auto same = (a.up == b.up) & (a.stop == b.stop) & (a.extreme == b.extreme) &
                      (a.speed == b.speed);
    guess = chosen(present, a, guess);
    other = chosen(present, b, other);
    value_ = present ? stop : value_;
    const L count = same ? turns + (a.up == before ? L{} : all<L>(1)) : L{};
    turns = present ? count : turns;
    settled = present ? (count >= all<L>(TURNS) ? stop : nan<L>()) : settled;
    high = present ? in[0] : high;
    low = present ? in[1] : low;
  }
  LANE_FN void value(L* out) const { out[0] = value_, out[1] = settled; }
};
template <class L> using Sar = ParabolicStop<L, false>;
template <class L> using Sarext = ParabolicStop<L, true>;
RECURSIVE(sar, Sar)
RECURSIVE(sarext, Sarext)

// Two bands of which the lower only rises in an up trend and the upper only falls in a down trend,
// until the close crosses one. Inputs: upper band, lower band, close. Outputs: the band that holds,
// 1 or -1 for the direction; and both again, NaN until they no longer depend on the first direction
// and the first bands.
template <class L> struct Ratchet {
  static constexpr int inputs = 3, outputs = 4, interleave = 2;
  L upper, lower, close, trend, other, fresh_upper, fresh_lower;

  LANE_FN void init(const double*) {
    upper = lower = close = L{};
    trend = all<L>(1), other = all<L>(-1);
    fresh_upper = fresh_lower = L{};
  }
  LANE_FN static L turned(L trend, L close, L upper, L lower) {
    const auto up = trend > L{};
    const auto turns = up ? close < lower : close > upper;
    return turns ? -trend : trend;
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    const auto new_upper = (in[0] < upper) | (close > upper);
    const auto new_lower = (in[1] > lower) | (close < lower);
    L u = new_upper ? in[0] : upper, l = new_lower ? in[1] : lower;
    L fu = new_upper ? all<L>(1) : fresh_upper, fl = new_lower ? all<L>(1) : fresh_lower;
    if constexpr (!Seeded) {
      const auto later = seen > L{};
      u = later ? u : in[0], l = later ? l : in[1];
      fu = later ? fu : L{}, fl = later ? fl : L{};
    }
    L t = turned(trend, in[2], u, l), o = turned(other, in[2], u, l);
    if constexpr (!Seeded) {
      const auto later = seen > L{};  // the first bar keeps the direction, as in TA-Lib
      t = later ? t : trend, o = later ? o : other;
    }
    upper = present ? u : upper, lower = present ? l : lower;
    close = present ? in[2] : close;
    trend = present ? t : trend, other = present ? o : other;
    fresh_upper = present ? fu : fresh_upper, fresh_lower = present ? fl : fresh_lower;
  }
  LANE_FN void value(L* out) const {
    const auto is_settled =
        (trend == other) & (fresh_upper > L{}) & (fresh_lower > L{});
    out[0] = trend > L{} ? lower : upper;
    out[1] = trend;
    out[2] = is_settled ? out[0] : nan<L>();
    out[3] = is_settled ? trend : nan<L>();
  }
};
RECURSIVE(ratchet, Ratchet)

}  // namespace marketsweep::MARKETSWEEP_ISA
