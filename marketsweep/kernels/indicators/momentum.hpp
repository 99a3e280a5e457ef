// Momentum: rsi, macd, roc, stoch.
#pragma once

#include "indicators/averages.hpp"
#include "indicators/extremes.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// J. Welles Wilder, New Concepts in Technical Trading Systems (1978), section VI.
template <class L> struct Rsi {
  static constexpr int inputs = 1, outputs = 1, interleave = 4;
  double n, alpha;
  L gain, loss, previous;

  LANE_FN void init(const double* p) {
    n = p[0];
    alpha = 1.0 / n;
    gain = loss = previous = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    L change = in[0] - previous;
    if constexpr (!Seeded) change = seen > L{} ? change : L{};
    const L k = weight<Seeded>(seen - 1.0, n, alpha);
    const L up = gain + k * (larger(change, L{}) - gain);
    const L down = loss + k * (larger(-change, L{}) - loss);
    gain = present ? up : gain;
    loss = present ? down : loss;
    previous = present ? in[0] : previous;
  }
  LANE_FN void value(L* out) const {
    const L total = gain + loss;
    out[0] = total > L{} ? 100.0 * (gain / total) : L{};
  }
};
RECURSIVE(rsi, Rsi)

// Gerald Appel's MACD; both averages start so that their first values are on the same bar, as in
// TA-Lib.
template <class L> struct Macd {
  static constexpr int inputs = 1, outputs = 3, interleave = 4;
  double fast_n, slow_n, signal_n, fast_alpha, slow_alpha, signal_alpha;
  L fast, slow, signal;

  LANE_FN void init(const double* p) {
    fast_n = p[0], slow_n = p[1], signal_n = p[2];
    fast_alpha = 2.0 / (fast_n + 1.0);
    slow_alpha = 2.0 / (slow_n + 1.0);
    signal_alpha = 2.0 / (signal_n + 1.0);
    fast = slow = signal = L{};
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L seen, M present) {
    const L x = in[0];
    const L f = fast + weight<Seeded>(seen - (slow_n - fast_n), fast_n, fast_alpha) * (x - fast);
    const L s = slow + weight<Seeded>(seen, slow_n, slow_alpha) * (x - slow);
    const L k = weight<Seeded>(seen - (slow_n - 1.0), signal_n, signal_alpha);
    const L g = signal + k * ((f - s) - signal);
    fast = present ? f : fast;
    slow = present ? s : slow;
    signal = present ? g : signal;
  }
  LANE_FN void value(L* out) const {
    out[0] = fast - slow;
    out[1] = signal;
    out[2] = out[0] - signal;
  }
};
RECURSIVE(macd, Macd)

template <class L> struct Roc {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const L past = in(0, n);
    out[0] = past == L{} ? L{} : 100.0 * (in(0, 0) / past - 1.0);
  }
};
WINDOWED(roc, Roc, windowed<Roc>)

// George Lane's slow stochastic: the close's position in the range of n bars, averaged twice.
template <class L> struct Stoch {
  static constexpr int inputs = 3, outputs = 2;  // high, low, close
  int64_t n, slow_k, slow_d;

  LANE_FN void init(const double* p) {
    n = int64_t(p[0]), slow_k = int64_t(p[1]), slow_d = int64_t(p[2]);
  }
  template <class Rows> LANE_FN L raw(const Rows& in, int64_t back) const {
    const L top = window_highest<L>(in, 0, n, back);
    const L bottom = window_lowest<L>(in, 1, n, back);
    const L range = top - bottom;
    return range == L{} ? L{} : 100.0 * ((in(2, back) - bottom) / range);
  }
  template <class Rows> LANE_FN L smoothed(const Rows& in, int64_t back) const {
    L sum = L{};
    for (int64_t k = 0; k < slow_k; k++) sum += raw(in, back + k);
    return sum / double(slow_k);
  }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    out[0] = smoothed(in, 0);
    L sum = out[0];
    for (int64_t d = 1; d < slow_d; d++) sum += smoothed(in, d);
    out[1] = sum / double(slow_d);
  }
};

#ifndef MARKETSWEEP_CARD

// The stochastic for many rows, with the same bits: each bar's position in its range is computed
// once.
inline void sliding_stoch(const Call& call) {
  const int64_t n = int64_t(call.parameters[0]), slow_k = int64_t(call.parameters[1]),
                slow_d = int64_t(call.parameters[2]);
  if (call.rows < FEW || n > call.in[0].rows) return windowed<Stoch>(call);
  const int64_t smooth = call.rows + slow_d - 1, rows = smooth + slow_k - 1;
  auto* const raw = static_cast<double*>(__builtin_malloc((2 * rows + n) * LANES * sizeof(double)));
  if (!raw) return windowed<Stoch>(call);
  double* const k = raw + rows * LANES;
  double* const ends = k + rows * LANES;
  const auto in = [&](int i, int64_t back, int64_t column) {
    return value_at(call.in[i], back, column);
  };
  for (int64_t column = 0; column < TILE; column += LANES) {
    slide<true>(call.in[0], column, n, rows, ends,
                [&](int64_t row, Lanes top) { store(raw + row * LANES, top); });
    slide<false>(call.in[1], column, n, rows, ends, [&](int64_t row, Lanes bottom) {
      const Lanes range = load<Lanes>(raw + row * LANES) - bottom;
      const Lanes place = 100.0 * ((in(2, rows - 1 - row, column) - bottom) / range);
      store(raw + row * LANES, range == Lanes{} ? Lanes{} : place);
    });
    for (int64_t row = 0; row < smooth; row++) {
      Lanes sum = Lanes{};
      for (int64_t i = slow_k - 1; i >= 0; i--) sum += load<Lanes>(raw + (row + i) * LANES);
      store(k + row * LANES, sum / double(slow_k));
    }
    for (int64_t row = 0; row < call.rows; row++) {
      Mask valid = Lanes{} == Lanes{};
      for (int i = 0; i < 3; i++) {
        const Lanes oldest = in(i, call.rows - 1 - row + call.lookback, column);
        valid &= oldest == oldest;
      }
      const Lanes newest = load<Lanes>(k + (row + slow_d - 1) * LANES);
      Lanes sum = newest;
      for (int64_t d = slow_d - 2; d >= 0; d--) sum += load<Lanes>(k + (row + d) * LANES);
      const Lanes out[] = {newest, sum / double(slow_d)};
      for (int i = 0; i < 2; i++)
        if (call.out[i]) store(call.out[i] + row * TILE + column, valid ? out[i] : nan<Lanes>());
    }
  }
  __builtin_free(raw);
}

#endif

WINDOWED(stoch, Stoch, sliding_stoch)

}  // namespace marketsweep::MARKETSWEEP_ISA
