// Event functions of a condition over the last bars: count, bars_since, streak, value_when, ...
//
// All except `count` are recursions that forget: events `most` bars back or further are ignored. A
// bar on which the condition is unknown counts as false.
#pragma once

#include "runtime/drive.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// Count over the bars of the window that exist.
template <class L> struct Count {
  static constexpr int inputs = 1, outputs = 1;

  LANE_FN static void row(const Call& call, int64_t back, int64_t column) {
    const View in = call.in[0];
    const int64_t n = int64_t(call.parameters[0]);
    const int64_t oldest = in.stride == 0 || back + n < in.rows ? back + n : in.rows;
    L sum = L{};
    if (in.stride == 0) {
      sum = held(in, 0, column) * double(n);
    } else {
      for (int64_t k = back; k < oldest; k++) sum += held(in, k, column);
    }
    put(call, back, column, sum);
  }

  // 1 if the condition was true on a bar, else 0.
  LANE_FN static L held(const View& in, int64_t back, int64_t column) {
    return load<L>(in.newest - back * in.stride + column) == all<L>(1) ? all<L>(1) : L{};
  }

  LANE_FN static void put(const Call& call, int64_t back, int64_t column, L sum) {
    const L now = value_at(call.in[0], back, column);
    store(call.out[0] + (call.rows - 1 - back) * TILE + column, now == now ? sum : nan<L>());
  }
};
#ifndef MARKETSWEEP_CARD
// A row differs from the one before by the bar that enters the window and the one that leaves it.
inline void counted(const Call& call) {
  using K = Count<Lanes>;
  const View in = call.in[0];
  const int64_t n = int64_t(call.parameters[0]);
  const int64_t oldest = call.rows - 1;
  for (int64_t column = 0; column < TILE; column += LANES) {
    K::row(call, oldest, column);
    if (in.stride == 0) {
      for (int64_t back = oldest - 1; back >= 0; back--) K::row(call, back, column);
      continue;
    }
    Lanes sum = Lanes{};
    for (int64_t k = oldest; k < oldest + n && k < in.rows; k++) sum += K::held(in, k, column);
    for (int64_t back = oldest - 1; back >= 0; back--) {
      if (back < in.rows) sum += K::held(in, back, column);
      if (back + n < in.rows) sum -= K::held(in, back + n, column);
      K::put(call, back, column, sum);
    }
  }
}
#endif
BY_ROW(count, Count, counted)

template <class L, class M> LANE_FN L aged(M held, L age) { return held ? L{} : age + 1.0; }

// Ages of the last N bars on which the condition was true, newest first; NaN where there are fewer.
// The kernels of the last occurrence keep one age, those of the k-th before it all eight.
template <class L, int N> struct Ages {
  int64_t k;
  double most;
  L age[N];

  LANE_FN void begin(double earlier, double bars) {
    k = N == 1 ? 0 : int64_t(earlier), most = bars;
    for (int i = 0; i < N; i++) age[i] = nan<L>();
  }
  template <class M> LANE_FN void move(M held) {
    for (int i = N - 1; i > 0; i--) age[i] = (held ? age[i - 1] : age[i]) + 1.0;
    age[0] = aged(held, age[0]);
  }
  LANE_FN int64_t place() const { return N == 1 ? 0 : k; }
  // A value of the k-th occurrence before the last, unknown where that is too old.
  LANE_FN L within(L value) const { return age[place()] < all<L>(most) ? value : nan<L>(); }
};

template <class L, int N> struct BarsSinceOf : Ages<L, N> {
  static constexpr int inputs = 1, outputs = 1, interleave = N == 1 ? 2 : 1;

  LANE_FN void init(const double* p) { this->begin(p[1], p[0]); }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L, M) {
    this->move(in[0] == all<L>(1));
  }
  LANE_FN void value(L* out) const { out[0] = this->within(this->age[this->place()]); }
};
template <class L> using BarsSince = BarsSinceOf<L, 1>;
template <class L> using BarsSinceEarlier = BarsSinceOf<L, 8>;
RECURSIVE(bars_since, BarsSince)
RECURSIVE(bars_since_earlier, BarsSinceEarlier)

template <class L, int N> struct ValueWhenOf : Ages<L, N> {
  static constexpr int inputs = 2, outputs = 1, interleave = N == 1 ? 2 : 1;  // condition, x
  L kept[N];

  LANE_FN void init(const double* p) {
    this->begin(p[0], p[1]);
    for (int i = 0; i < N; i++) kept[i] = nan<L>();
  }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L, M) {
    const auto held = in[0] == all<L>(1);
    for (int i = N - 1; i > 0; i--) kept[i] = held ? kept[i - 1] : kept[i];
    kept[0] = held ? in[1] : kept[0];
    this->move(held);
  }
  LANE_FN void value(L* out) const { out[0] = this->within(kept[this->place()]); }
};
template <class L> using ValueWhen = ValueWhenOf<L, 1>;
template <class L> using ValueWhenEarlier = ValueWhenOf<L, 8>;
RECURSIVE(value_when, ValueWhen)
RECURSIVE(value_when_earlier, ValueWhenEarlier)

template <class L> struct Streak {
  static constexpr int inputs = 1, outputs = 1, interleave = 2;
  double most;
  L run;

  LANE_FN void init(const double* p) { most = p[0], run = L{}; }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L, M) {
    run = in[0] == all<L>(1) ? run + 1.0 : L{};
  }
  LANE_FN void value(L* out) const { out[0] = smaller(all<L>(most), run); }
};
RECURSIVE(streak, Streak)

// The extreme of x since the condition was last true, that bar included. Unknown values of x are
// skipped.
template <class L, bool High> struct ExtremeSince {
  static constexpr int inputs = 2, outputs = 1, interleave = 2;  // condition, x
  double most;
  L since, extreme;

  LANE_FN void init(const double* p) { most = p[0], since = extreme = nan<L>(); }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L, M) {
    const auto held = in[0] == all<L>(1);
    since = aged(held, since);
    const L further = High ? larger(in[1], extreme) : smaller(in[1], extreme);
    extreme = held | (extreme != extreme) ? in[1] : further;
  }
  LANE_FN void value(L* out) const { out[0] = since < all<L>(most) ? extreme : nan<L>(); }
};
template <class L> using HighestSince = ExtremeSince<L, true>;
template <class L> using LowestSince = ExtremeSince<L, false>;
RECURSIVE(highest_since, HighestSince)
RECURSIVE(lowest_since, LowestSince)

// The sum of x since the condition was last true, that bar included. Unknown values of x are skipped.
template <class L> struct SumSince {
  static constexpr int inputs = 2, outputs = 1, interleave = 2;  // condition, x
  double most;
  L since, sum;

  LANE_FN void init(const double* p) { most = p[0], since = nan<L>(), sum = L{}; }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L, M) {
    const auto held = in[0] == all<L>(1);
    since = aged(held, since);
    sum = (held ? L{} : sum) + (in[1] == in[1] ? in[1] : L{});
  }
  LANE_FN void value(L* out) const { out[0] = since < all<L>(most) ? sum : nan<L>(); }
};
RECURSIVE(sum_since, SumSince)

// The sum of all bars that are read. Unknown values are skipped.
template <class L> struct CumSum {
  static constexpr int inputs = 1, outputs = 1, interleave = 4;
  L sum;

  LANE_FN void init(const double*) { sum = nan<L>(); }
  template <bool Seeded, class M> LANE_FN void step(const L* in, L, M) {
    const L moved = (sum == sum ? sum : L{}) + in[0];
    sum = in[0] == in[0] ? moved : sum;
  }
  LANE_FN void value(L* out) const { out[0] = sum; }
};
RECURSIVE(cumsum, CumSum)

}  // namespace marketsweep::MARKETSWEEP_ISA
