// The median and the quantiles of the last bars.
#pragma once

#include "runtime/drive.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// Two ranks of a sorted window, counted from 0; the result is the mean of the numbers there.
struct Ranks {
  int64_t first, second;
};
struct Middle {
  LANE_FN static Ranks of(const double* p) {
    const int64_t n = int64_t(p[0]);
    return {(n - 1) / 2, n / 2};
  }
};
// The nearest rank: the lowest number that at least the share p[1] of the window does not exceed.
// A share such as 0.1 is not exact in binary, so slightly less is taken.
struct Nearest {
  LANE_FN static Ranks of(const double* p) {
    const int64_t rank = int64_t(p[0] * p[1] - 1e-9);
    return {rank, rank};
  }
};

// A rank by counting: a bar has rank r of n if at most r bars are lower and more than r are not
// higher. This needs no memory, and is fastest for short windows. A NaN makes the result NaN.
template <class L, class Rank> struct Ranked {
  static constexpr int inputs = 1, outputs = 1;
  int64_t n;
  Ranks ranks;

  LANE_FN void init(const double* p) { n = int64_t(p[0]), ranks = Rank::of(p); }
  template <class Rows> LANE_FN void value(const Rows& in, L* out) const {
    const L first = all<L>(double(ranks.first)), second = all<L>(double(ranks.second));
    L low = nan<L>(), high = nan<L>(), nans = L{};
    for (int64_t k = 0; k < n; k++) {
      const L x = in(0, k);
      L lower = L{}, same = L{};
      for (int64_t other = 0; other < n; other++) {
        const L y = in(0, other);
        lower += y < x ? all<L>(1) : L{};
        same += y == x ? all<L>(1) : L{};
      }
      low = (lower <= first) & (first < lower + same) ? x : low;
      high = (lower <= second) & (second < lower + same) ? x : high;
      nans += x - x;
    }
    out[0] = (low + high) / 2.0 + nans;
  }
};
template <class L> using Median = Ranked<L, Middle>;
template <class L> using Quantile = Ranked<L, Nearest>;

#ifndef MARKETSWEEP_CARD

// The longest window for which counting is faster.
inline constexpr int64_t COUNTED = 32;

// The numbers of a window, sorted.
class Ordered {
  double* const numbers_;
  int64_t count_ = 0, nans_ = 0;

  // Position of `x`: the first number that is not lower.
  DRIVE_FN int64_t place(double x) const {
    int64_t first = 0, length = count_;
    while (length > 0) {
      const int64_t half = length / 2;
      const bool lower = numbers_[first + half] < x;
      first = lower ? first + half + 1 : first;
      length = lower ? length - half - 1 : half;
    }
    return first;
  }

  DRIVE_FN void sink(int64_t place, int64_t end) {
    const double x = numbers_[place];
    for (int64_t below; (below = 2 * place + 1) < end; place = below) {
      if (below + 1 < end && numbers_[below] < numbers_[below + 1]) below++;
      if (!(x < numbers_[below])) break;
      numbers_[place] = numbers_[below];
    }
    numbers_[place] = x;
  }

 public:
  DRIVE_FN explicit Ordered(int64_t n) : numbers_(new double[uint64_t(n)]) {}
  DRIVE_FN ~Ordered() { delete[] numbers_; }
  Ordered(const Ordered&) = delete;
  Ordered& operator=(const Ordered&) = delete;

  // Infinity counts as NaN, as in other windows.
  DRIVE_FN static bool is_number(double x) { return x - x == 0; }

  // Fill with n numbers by heap sort, because adding them one by one is slow.
  DRIVE_FN void fill(const double* newest, int64_t stride, int64_t n) {
    count_ = nans_ = 0;
    for (int64_t k = 0; k < n; k++) {
      const double x = newest[-k * stride];
      if (is_number(x)) numbers_[count_++] = x;
      else nans_++;
    }
    for (int64_t i = count_ / 2; i-- > 0;) sink(i, count_);
    for (int64_t end = count_; --end > 0;) {
      const double top = numbers_[0];
      numbers_[0] = numbers_[end], numbers_[end] = top;
      sink(0, end);
    }
  }

  DRIVE_FN void add(double x) {
    if (!is_number(x)) return void(nans_++);
    const int64_t at = place(x);
    __builtin_memmove(numbers_ + at + 1, numbers_ + at, uint64_t(count_ - at) * sizeof x);
    numbers_[at] = x, count_++;
  }

  DRIVE_FN void remove(double x) {
    if (!is_number(x)) return void(nans_--);
    const int64_t at = place(x);
    count_--;
    __builtin_memmove(numbers_ + at, numbers_ + at + 1, uint64_t(count_ - at) * sizeof x);
  }

  DRIVE_FN double mean(Ranks ranks) const {
    if (nans_ || !count_) return quiet_nan();
    // Add zero, so that a negative zero becomes a positive one.
    return (numbers_[ranks.first] + numbers_[ranks.second]) / 2 + 0.0;
  }
};

template <template <class> class K, class Rank> void sliding_rank(const Call& call) {
  const int64_t n = int64_t(call.parameters[0]);
  const View in = call.in[0];
  if (in.stride == 0 || n > in.rows || (call.rows < FEW && n <= COUNTED)) {
    Call whole = call;  // for a constant, one bar gives the same result
    if (in.stride == 0) whole.parameters[0] = 1;
    return windowed<K>(whole);
  }
  const Ranks ranks = Rank::of(call.parameters);
  Ordered window(n);
  const int64_t reached = in.rows - n + 1;  // rows with a whole window
  for (int64_t lane = 0; lane < TILE; lane++) {
    const double* const newest = in.newest + lane;
    int64_t back = call.rows - 1;
    double* out = call.out[0] + lane;
    for (; back >= reached; back--, out += TILE) *out = quiet_nan();
    window.fill(newest - back * in.stride, in.stride, n);
    for (;; back--, out += TILE) {
      *out = window.mean(ranks);
      if (back == 0) break;
      window.remove(newest[-(back + n - 1) * in.stride]);
      window.add(newest[-(back - 1) * in.stride]);
    }
  }
}

#endif

WINDOWED(median, Median, (sliding_rank<Median, Middle>))
WINDOWED(quantile, Quantile, (sliding_rank<Quantile, Nearest>))

}  // namespace marketsweep::MARKETSWEEP_ISA
