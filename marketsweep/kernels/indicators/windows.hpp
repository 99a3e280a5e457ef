// Sums, regressions and deviations over the last bars.
#pragma once

#include "indicators/averages.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

template <class L> struct Total {
  L sum;

  template <class Rows> LANE_FN static Total of(const Rows& in, int64_t k) { return {in(0, k)}; }
  LANE_FN static Total join(const Total& older, const Total& newer, Sizes) {
    return {newer.sum + older.sum};
  }
  LANE_FN static Total pair(const Total& older, const Total& newer, double) {
    return {newer.sum + older.sum};
  }
};

template <class L> struct Sum : BlockWindow<Sum<L>, Total<L>> {
  static constexpr int inputs = 1, outputs = 1;
  LANE_FN void finish(const Total<L>& window, L* out) const { out[0] = window.sum; }
};
WINDOWED(sum, Sum, blocked<Sum>)

// The mean of n bars, and their moment: the sum of the bars, each times how many bars it is newer
// than the middle of the block. The moment of a flat block is exactly 0.
template <class L> struct Moment {
  L mean, moment;

  template <class Rows> LANE_FN static Moment of(const Rows& in, int64_t k) {
    const L x = in(0, k);
    return {x, x - x};
  }
  LANE_FN static Moment join(const Moment& older, const Moment& newer, Sizes sizes) {
    const L fell = older.mean - newer.mean;
    return {newer.mean + fell * sizes.share,
            (newer.moment + older.moment) - fell * (0.5 * sizes.older * sizes.newer)};
  }
  LANE_FN static Moment pair(const Moment& older, const Moment& newer, double size) {
    return {(newer.mean + older.mean) * 0.5,
            (newer.moment + older.moment) - (older.mean - newer.mean) * (0.5 * size * size)};
  }
};

// Weighted mean: weight n for the newest bar, 1 for the oldest.
template <class L> struct Wma : BlockWindow<Wma<L>, Moment<L>> {
  static constexpr int inputs = 1, outputs = 1;
  LANE_FN void finish(const Moment<L>& window, L* out) const {
    const double n = double(this->n);
    out[0] = window.mean + window.moment * (2.0 / (n * (n + 1.0)));
  }
};
WINDOWED(wma, Wma, blocked<Wma>)

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
template <class L> struct Linreg : BlockWindow<Linreg<L>, Moment<L>> {
  static constexpr int inputs = 1, outputs = 3;
  LANE_FN void finish(const Moment<L>& window, L* out) const {
    const double n = double(this->n), middle = 0.5 * (n - 1.0), squares = n * (n * n - 1.0) / 12.0;
    const L slope = n > 1.0 ? window.moment * (1.0 / squares) : window.moment;
    out[0] = window.mean + slope * middle;
    out[1] = slope;
    out[2] = window.mean - slope * middle;
  }
};
WINDOWED(linreg, Linreg, blocked<Linreg>)

// The population variance.
template <class L> struct Var : BlockWindow<Var<L>, Spread<L>> {
  static constexpr int inputs = 1, outputs = 1;
  LANE_FN void finish(const Spread<L>& window, L* out) const {
    out[0] = window.squares * (1.0 / double(this->n));
  }
};
WINDOWED(var, Var, blocked<Var>)

// The means of two series, and the sum of the products of the differences from both.
template <class L> struct Product {
  L x, y, products;

  template <class Rows> LANE_FN static Product of(const Rows& in, int64_t k) {
    return {in(0, k), in(1, k), L{}};
  }
  LANE_FN static Product join(const Product& older, const Product& newer, Sizes sizes) {
    const L dx = older.x - newer.x, dy = older.y - newer.y;
    return {newer.x + dx * sizes.share, newer.y + dy * sizes.share,
            (newer.products + older.products) + dx * dy * sizes.product};
  }
  LANE_FN static Product pair(const Product& older, const Product& newer, double size) {
    const L dx = older.x - newer.x, dy = older.y - newer.y;
    return {(newer.x + older.x) * 0.5, (newer.y + older.y) * 0.5,
            (newer.products + older.products) + dx * dy * (0.5 * size)};
  }
};

// The mean product of the differences from both means (population covariance).
template <class L> struct Covar : BlockWindow<Covar<L>, Product<L>> {
  static constexpr int inputs = 2, outputs = 1;
  LANE_FN void finish(const Product<L>& window, L* out) const {
    out[0] = window.products * (1.0 / double(this->n));
  }
};
WINDOWED(covar, Covar, blocked<Covar>)

// The means of two series, and the sums of the squares and products of the differences from them.
template <class L> struct Scatter {
  L x, y, xx, yy, xy;

  template <class Rows> LANE_FN static Scatter of(const Rows& in, int64_t k) {
    return {in(0, k), in(1, k), L{}, L{}, L{}};
  }
  LANE_FN static Scatter join(const Scatter& older, const Scatter& newer, Sizes sizes) {
    const L dx = older.x - newer.x, dy = older.y - newer.y;
    const L px = dx * sizes.product, py = dy * sizes.product;
    return {newer.x + dx * sizes.share, newer.y + dy * sizes.share,
            (newer.xx + older.xx) + dx * px, (newer.yy + older.yy) + dy * py,
            (newer.xy + older.xy) + dx * py};
  }
  LANE_FN static Scatter pair(const Scatter& older, const Scatter& newer, double size) {
    const L dx = older.x - newer.x, dy = older.y - newer.y;
    const L px = dx * (0.5 * size), py = dy * (0.5 * size);
    return {(newer.x + older.x) * 0.5, (newer.y + older.y) * 0.5,
            (newer.xx + older.xx) + dx * px, (newer.yy + older.yy) + dy * py,
            (newer.xy + older.xy) + dx * py};
  }
};

// Pearson's correlation; 0 if one of the series is flat.
template <class L> struct Correl : BlockWindow<Correl<L>, Scatter<L>> {
  static constexpr int inputs = 2, outputs = 1;
  LANE_FN void finish(const Scatter<L>& window, L* out) const {
    const L spread = root(window.xx * window.yy);
    out[0] = spread == 0.0 ? L{} : window.xy / spread;
  }
};
WINDOWED(correl, Correl, blocked<Correl>)

// The mean distance of n bars from their mean.
template <class L> struct Avgdev {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const L mean = window_block<Mean<L>>(in, n).mean;
    L sum = L{};
    for (int64_t k = 0; k < n; k++) sum += magnitude(in(0, k) - mean);
    out[0] = sum / double(n);
  }
#ifndef MARKETSWEEP_CARD
  template <int R> LANE_FN void values(const View& in, int64_t column, Lanes (&out)[1][R]) const {
    Lanes mean[R];
    for (int j = 0; j < R; j++) {
      const auto rows = [&](int, int64_t k) {
        return load<Lanes>(in.newest - (j + k) * in.stride + column);
      };
      mean[j] = window_block<Mean<Lanes>>(rows, n).mean;
    }
    const auto distance = [](Lanes x, Lanes from) { return magnitude(x - from); };
    neighbour_sums(in, column, n, mean, distance, out[0]);
    for (int j = 0; j < R; j++) out[0][j] = out[0][j] / double(n);
  }
#endif
};
WINDOWED(avgdev, Avgdev, many_windows<Avgdev>)

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
#ifndef MARKETSWEEP_CARD
  template <int R> LANE_FN void values(const View& in, int64_t column, Lanes (&out)[1][R]) const {
    const auto bar = [&](int64_t k) { return load<Lanes>(in.newest - k * in.stride + column); };
    Lanes newest[R], count[R] = {}, shared = {}, nans[R];
    for (int j = 0; j < R; j++) newest[j] = bar(j);
    for (int64_t k = 1; k <= n; k++) {
      LANE_UNROLL
      for (int j = 0; j < R; j++) count[j] += bar(j + k) < newest[j] ? all<Lanes>(1) : Lanes{};
    }
    // A window with a NaN has no rank. Most of its bars are in all R windows.
    for (int64_t k = R; k <= n; k++) shared += bar(k) - bar(k);
    for (int j = 0; j < R; j++) {
      nans[j] = shared;
      for (int64_t k = j; k <= n + j && k < R; k++) nans[j] += bar(k) - bar(k);
      for (int64_t k = n < R ? R : n + 1; k <= n + j; k++) nans[j] += bar(k) - bar(k);
    }
    for (int j = 0; j < R; j++) out[0][j] = 100.0 * (count[j] / double(n)) + nans[j];
  }
#endif
};
WINDOWED(percentrank, Percentrank, many_windows<Percentrank>)

// The extreme of a block, and how many bars before the newest it was; the latest if it was reached
// several times.
template <class L, bool High> struct Extreme {
  L extreme, age;

  template <class Rows> LANE_FN static Extreme of(const Rows& in, int64_t k) {
    const L x = in(0, k);
    return {x, x - x};
  }
  LANE_FN static Extreme join(const Extreme& older, const Extreme& newer, Sizes sizes) {
    const auto further = High ? older.extreme > newer.extreme : older.extreme < newer.extreme;
    return {further ? older.extreme : newer.extreme,
            (further ? older.age + sizes.newer : newer.age) + (older.age - older.age) +
                (newer.age - newer.age)};  // a NaN stays a NaN
  }
  LANE_FN static Extreme pair(const Extreme& older, const Extreme& newer, double size) {
    return join(older, newer, {size, size, 0.5, 0.5 * size});
  }
};

template <class L, bool High>
struct ExtremeBar : BlockWindow<ExtremeBar<L, High>, Extreme<L, High>> {
  static constexpr int inputs = 1, outputs = 1;
  LANE_FN void finish(const Extreme<L, High>& window, L* out) const { out[0] = window.age; }
};
template <class L> using HighestBar = ExtremeBar<L, true>;
template <class L> using LowestBar = ExtremeBar<L, false>;
WINDOWED(bars_since_highest, HighestBar, blocked<HighestBar>)
WINDOWED(bars_since_lowest, LowestBar, blocked<LowestBar>)

}  // namespace marketsweep::MARKETSWEEP_ISA
