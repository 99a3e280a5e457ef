// Sums, regressions and deviations over the last bars.
#pragma once

#include "indicators/averages.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

template <class L> struct Sum {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    L sum = L{};
    for (int64_t k = 0; k < n; k++) sum += in(0, k);
    out[0] = sum;
  }
#ifndef MARKETSWEEP_CARD
  template <int R> LANE_FN void values(const View& in, int64_t column, Lanes (&out)[1][R]) const {
    Lanes unused[R] = {};
    neighbour_sums(in, column, 0, n, unused, [](Lanes x, Lanes) { return x; }, out[0]);
  }
#endif
};
WINDOWED(sum, Sum, many_windows<Sum>)

// Weighted mean: weight n for the newest bar, 1 for the oldest. As the difference from the newest
// bar, so that a flat window has exactly its own value.
template <class L> struct Wma {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const L newest = in(0, 0);
    L sum = L{};
    for (int64_t k = 1; k < n; k++) sum += double(n - k) * (in(0, k) - newest);
    out[0] = newest + sum / (0.5 * double(n) * double(n + 1));
  }
};
WINDOWED(wma, Wma, windowed<Wma>)

// Arnaud Legoux and Dimitrios Kouzis-Loukas (2009): a mean with the weights of a bell curve, whose
// peak lies at the share `offset` of the window and whose width is n / sigma bars.
template <class L> struct Alma {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;
  double peak, width;

  LANE_FN void init(const double* p) {
    n = int64_t(p[0]);
    peak = (1.0 - p[1]) * double(n - 1), width = double(n) / p[2];
  }
  // The weight of the bar `k` bars before the newest.
  LANE_FN double weight(int64_t k) const {
    const double away = (double(k) - peak) / width;
    return exponential(-0.5 * away * away);
  }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const L newest = in(0, 0);
    L sum = L{};
    double total = weight(0);
    for (int64_t k = 1; k < n; k++) {
      const double w = weight(k);
      sum += w * (in(0, k) - newest);
      total += w;
    }
    out[0] = newest + sum / total;
  }
#ifndef MARKETSWEEP_CARD
  // A weight is computed once for R rows.
  template <int R> LANE_FN void values(const View& in, int64_t column, Lanes (&out)[1][R]) const {
    const auto bar = [&](int64_t k) { return load<Lanes>(in.newest - k * in.stride + column); };
    Lanes newest[R], sum[R] = {};
    for (int j = 0; j < R; j++) newest[j] = bar(j);
    double total = weight(0);
    for (int64_t k = 1; k < n; k++) {
      const double w = weight(k);
      for (int j = 0; j < R; j++) sum[j] += w * (bar(j + k) - newest[j]);
      total += w;
    }
    for (int j = 0; j < R; j++) out[0][j] = newest[j] + sum[j] / total;
  }
#endif
};
WINDOWED(alma, Alma, many_windows<Alma>)

// The line through n bars with the smallest squared errors: its value at the newest bar, its slope
// by bar, and its value at the oldest bar.
template <class L> struct Linreg {
  static constexpr int inputs = 1, outputs = 3;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const double middle = 0.5 * double(n - 1), squares = double(n) * (double(n) * n - 1.0) / 12.0;
    const L newest = in(0, 0);
    L sum = L{}, moment = L{};
    for (int64_t k = 1; k < n; k++) {
      const L away = in(0, k) - newest;
      sum += away;
      moment += (middle - double(k)) * away;
    }
    const L slope = n > 1 ? moment / squares : moment;
    const L mean = newest + sum / double(n);
    out[0] = mean + slope * middle;
    out[1] = slope;
    out[2] = mean - slope * middle;
  }
};
WINDOWED(linreg, Linreg, windowed<Linreg>)

// The mean of `Term::of(x, mean)` over n bars.
template <class L, class Term> struct Deviation {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const L mean = window_mean<L>(in, 0, n);
    L sum = L{};
    for (int64_t k = 0; k < n; k++) sum += Term::of(in(0, k), mean);
    out[0] = sum / double(n);
  }
#ifndef MARKETSWEEP_CARD
  template <int R> LANE_FN void values(const View& in, int64_t column, Lanes (&out)[1][R]) const {
    Sma<Lanes> middle{n};
    Lanes mean[1][R];
    middle.template values<R>(in, column, mean);
    const auto term = [](Lanes x, Lanes from) { return Term::of(x, from); };
    neighbour_sums(in, column, 0, n, mean[0], term, out[0]);
    for (int j = 0; j < R; j++) out[0][j] = out[0][j] / double(n);
  }
#endif
};

struct Squared {
  template <class L> LANE_FN static L of(L x, L mean) { return (x - mean) * (x - mean); }
};
struct Distance {
  template <class L> LANE_FN static L of(L x, L mean) { return magnitude(x - mean); }
};

// The population variance, and the mean distance from the mean.
template <class L> using Var = Deviation<L, Squared>;
template <class L> using Avgdev = Deviation<L, Distance>;
WINDOWED(var, Var, many_windows<Var>)
WINDOWED(avgdev, Avgdev, many_windows<Avgdev>)

// The mean product of the differences from both means (population covariance).
template <class L> struct Covar {
  static constexpr int inputs = 2, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const L x = window_mean<L>(in, 0, n), y = window_mean<L>(in, 1, n);
    L sum = L{};
    for (int64_t k = 0; k < n; k++) sum += (in(0, k) - x) * (in(1, k) - y);
    out[0] = sum / double(n);
  }
};
WINDOWED(covar, Covar, windowed<Covar>)

// The share of the n bars before the newest that are below it, in percent.
template <class L> struct Percentrank {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const L newest = in(0, 0);
    L count = L{}, nans = newest - newest;
    for (int64_t k = 1; k <= n; k++) {
      const L x = in(0, k);
      count += x < newest ? all<L>(1) : L{};
      nans += x - x;
    }
    out[0] = 100.0 * (count / double(n)) + nans;
  }
};
WINDOWED(percentrank, Percentrank, windowed<Percentrank>)

// How many bars ago the extreme of n bars was; the latest if it was reached several times.
template <class L, bool High> struct ExtremeBar {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    L extreme = in(0, 0), age = L{}, nans = extreme - extreme;
    for (int64_t k = 1; k < n; k++) {
      const L x = in(0, k);
      const auto further = High ? x > extreme : x < extreme;
      extreme = further ? x : extreme;
      age = further ? all<L>(double(k)) : age;
      nans += x - x;
    }
    out[0] = age + nans;
  }
};
template <class L> using HighestBar = ExtremeBar<L, true>;
template <class L> using LowestBar = ExtremeBar<L, false>;
WINDOWED(bars_since_highest, HighestBar, windowed<HighestBar>)
WINDOWED(bars_since_lowest, LowestBar, windowed<LowestBar>)

}  // namespace marketsweep::MARKETSWEEP_ISA
