// Drives a kernel struct over a tile: recursive kernels forward in time, windowed ones per row.
//
// A recursive kernel (`step`, `value`) is stepped through every row; its value is only worked out
// for the rows that are asked for. A windowed kernel (`value` over a Window) is worked out for
// those rows alone, and sees nothing older than its lookback.
#pragma once

#include "lanes.hpp"
#include "machine.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

using Mask = decltype(Lanes{} == Lanes{});

template <int N> LANE_FN Mask all_present(const Lanes (&x)[N]) {
  Mask present = x[0] == x[0];
  for (int i = 1; i < N; i++) present &= x[i] == x[i];
  return present;
}

// U vectors of symbols advance together: a recursion is a chain of dependent operations, and
// neighbours fill the pipeline while one of them waits.
template <template <class> class K, int U> class Recursion {
  using Kernel = K<Lanes>;
  static constexpr int N = Kernel::inputs;

  const Call& call_;
  const double* row_of_[N];  // where the next row's first lane of each input is
  int64_t column_, first_, total_, row_ = 0;
  Kernel state_[U];
  Lanes seen_[U] = {};  // bars before this one

  // Rows up to `end`. Everything that the loop touches is a local of it, or no compiler would
  // dare to keep it in registers while it stores.
  template <bool Seeded, bool Gapless, bool Emit> void advance(int64_t end) {
    Kernel state[U];
    Lanes seen[U];
    const double* at[N];
    int64_t stride[N];
    for (int u = 0; u < U; u++) state[u] = state_[u], seen[u] = seen_[u];
    for (int i = 0; i < N; i++) at[i] = row_of_[i], stride[i] = call_.in[i].stride;

    for (int64_t row = row_; row < end; row++) {
#pragma GCC unroll 8
      for (int u = 0; u < U; u++) {
        Lanes x[N];
        for (int i = 0; i < N; i++) x[i] = load<Lanes>(at[i] + u * LANES);
        // A constant mask where it is known: the compiler then drops every select on it.
        const Mask present = Gapless ? Lanes{} == Lanes{} : all_present(x);
        state[u].template step<Seeded>(x, seen[u], present);
        if constexpr (Emit) write(row, u, state[u], seen[u], present);
        if constexpr (!Seeded) seen[u] += present ? all<Lanes>(1) : Lanes{};
      }
      for (int i = 0; i < N; i++) at[i] += stride[i];
    }

    for (int u = 0; u < U; u++) state_[u] = state[u], seen_[u] = seen[u];
    for (int i = 0; i < N; i++) row_of_[i] = at[i];
    row_ = end;
  }

  LANE_FN void write(int64_t row, int u, const Kernel& state, Lanes seen, Mask present) const {
    Lanes out[Kernel::outputs];
    state.value(out);
    const Mask valid = present & (seen >= all<Lanes>(double(call_.lookback)));
    const int64_t at = (row - first_) * TILE + column_ + u * LANES;
    for (int i = 0; i < Kernel::outputs; i++)
      if (call_.out[i]) store(call_.out[i] + at, valid ? out[i] : nan<Lanes>());
  }

  template <bool Seeded, bool Gapless> void advance_emitting(int64_t end) {
    if (row_ < first_) advance<Seeded, Gapless, false>(end < first_ ? end : first_);
    if (row_ < end) advance<Seeded, Gapless, true>(end);
  }

  // Whether no lane is still within its seed, or ever will be: too short ones stay NaN.
  bool seeded() const {
    const Lanes lookback = all<Lanes>(double(call_.lookback));
    bool yes = true;
    for (int u = 0; u < U; u++)
      yes &= every((seen_[u] > lookback) | (seen_[u] + double(total_ - row_) <= lookback));
    return yes;
  }

 public:
  Recursion(const Call& call, int64_t column, int64_t total)
      : call_(call), column_(column), first_(total - call.rows), total_(total) {
    for (int i = 0; i < N; i++)
      row_of_[i] = call.in[i].newest - (total - 1) * call.in[i].stride + column;
    for (int u = 0; u < U; u++) state_[u].init(call.parameters);
  }

  void run() {
    constexpr int64_t STRETCH = 16;  // rows between two looks whether all lanes are seeded
    while (row_ < total_ && !seeded())
      advance_emitting<false, false>(row_ + STRETCH < total_ ? row_ + STRETCH : total_);
    if (call_.gapless)
      advance_emitting<true, true>(total_);
    else
      advance_emitting<true, false>(total_);
  }
};

template <template <class> class K> void recursive(const Call& call) {
  constexpr int U = K<Lanes>::interleave;
  static_assert(TILE % (U * LANES) == 0);
  int64_t total = call.in[0].rows;
  for (int i = 1; i < K<Lanes>::inputs; i++)
    if (call.in[i].rows < total) total = call.in[i].rows;
  const int64_t missing = call.rows > total ? call.rows - total : 0;
  Call reached = call;
  reached.rows -= missing;
  for (int i = 0; i < K<Lanes>::outputs; i++) {
    if (!call.out[i]) continue;
    for (int64_t at = 0; at < missing * TILE; at++) call.out[i][at] = __builtin_nan("");
    reached.out[i] += missing * TILE;
  }
  for (int64_t column = 0; column < TILE; column += U * LANES)
    Recursion<K, U>(reached, column, total).run();
}

// What a windowed kernel sees: input i, k bars before the row at hand.
struct Window {
  const double* at[MAX_INPUTS];
  int64_t stride[MAX_INPUTS];

  LANE_FN Lanes operator()(int i, int64_t k) const { return load<Lanes>(at[i] - k * stride[i]); }
};

template <template <class> class K> void windowed(const Call& call) {
  using Kernel = K<Lanes>;
  Kernel kernel;
  kernel.init(call.parameters);
  for (int64_t back = call.rows - 1; back >= 0; back--) {
    bool reached = true;
    for (int i = 0; i < Kernel::inputs; i++)
      reached &= back + call.lookback < call.in[i].rows || call.in[i].stride == 0;
    const int64_t row = (call.rows - 1 - back) * TILE;
    for (int64_t column = 0; column < TILE; column += LANES) {
      Lanes out[Kernel::outputs];
      Mask valid = Lanes{} == Lanes{};
      if (reached) {
        Window window;
        for (int i = 0; i < Kernel::inputs; i++) {
          window.stride[i] = call.in[i].stride;
          window.at[i] = call.in[i].newest - back * call.in[i].stride + column;
        }
        kernel.value(window, out);
        for (int i = 0; i < Kernel::inputs; i++) {
          const Lanes oldest = window(i, call.lookback);
          valid &= oldest == oldest;
        }
      } else {
        for (Lanes& x : out) x = nan<Lanes>();
      }
      for (int i = 0; i < Kernel::outputs; i++)
        if (call.out[i]) store(call.out[i] + row + column, valid ? out[i] : nan<Lanes>());
    }
  }
}

// Row by row, without memory: arithmetic, comparisons, logic.
template <template <class> class K> void elementwise(const Call& call) {
  for (int64_t back = call.rows - 1; back >= 0; back--) {
    const int64_t row = (call.rows - 1 - back) * TILE;
    for (int64_t column = 0; column < TILE; column += LANES) {
      Lanes x[K<Lanes>::inputs];
      for (int i = 0; i < K<Lanes>::inputs; i++) {
        const View& in = call.in[i];
        const bool there = back < in.rows || in.stride == 0;
        x[i] = there ? load<Lanes>(in.newest - back * in.stride + column) : nan<Lanes>();
      }
      store(call.out[0] + row + column, K<Lanes>::of(x));
    }
  }
}

// The table that machine.cpp hands out. Each header registers its kernels beside their structs.
inline constexpr int MOST_KERNELS = 128;
static Kernel kernel_table[MOST_KERNELS];
static int kernel_count = 0;

template <template <class> class K> static bool add(const char* name, void (*run)(const Call&)) {
  kernel_table[kernel_count++] = {name, K<Lanes>::inputs, K<Lanes>::outputs, run};
  return true;
}

}  // namespace marketsweep::MARKETSWEEP_ISA
