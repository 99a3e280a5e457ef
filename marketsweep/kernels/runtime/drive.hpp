// Drives a kernel struct over a tile: recursive kernels forward in time, windowed ones per row.
//
// A recursive kernel (`step`, `value`) steps through every row; its value is computed only for the
// requested rows. A windowed kernel (`value` over a Window) is computed only for the requested
// rows, and reads nothing older than its lookback.
//
// On a GPU, one thread does the work of one column, or of one row and column (card.hpp). Loops over
// a tile, and what is faster on a CPU only, are excluded there by MARKETSWEEP_CARD.
#pragma once

#include "runtime/lanes.hpp"
#include "runtime/machine.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

using Mask = decltype(Lanes{} == Lanes{});

template <int N> LANE_FN Mask all_present(const Lanes (&x)[N]) {
  Mask present = x[0] == x[0];
  for (int i = 1; i < N; i++) present &= x[i] == x[i];
  return present;
}

// U vectors of symbols advance together. A recursion is a chain of dependent operations; the other
// vectors fill the pipeline while one of them waits.
template <template <class> class K, int U> class Recursion {
  using Kernel = K<Lanes>;
  static constexpr int N = Kernel::inputs;

  const Call& call_;
  const double* row_of_[N];  // address of the next row's first lane, of each input
  int64_t column_, first_, total_, row_ = 0;
  Kernel state_[U];
  Lanes seen_[U] = {};  // bars before the current one

  // Step through the rows up to `end`. All variables of the loop are local: a compiler keeps
  // members in memory, because a store might change them.
  template <bool Seeded, bool Gapless, bool Emit> DRIVE_FN void advance(int64_t end) {
    Kernel state[U];
    Lanes seen[U];
    const double* at[N];
    int64_t stride[N];
    for (int u = 0; u < U; u++) state[u] = state_[u], seen[u] = seen_[u];
    for (int i = 0; i < N; i++) at[i] = row_of_[i], stride[i] = call_.in[i].stride;

    for (int64_t row = row_; row < end; row++) {
      LANE_UNROLL
      for (int u = 0; u < U; u++) {
        Lanes x[N];
        for (int i = 0; i < N; i++) x[i] = load<Lanes>(at[i] + u * LANES);
        // For gapless inputs the mask is constant, and the compiler removes every select on it.
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

  template <bool Seeded, bool Gapless> DRIVE_FN void advance_emitting(int64_t end) {
    if (row_ < first_) advance<Seeded, Gapless, false>(end < first_ ? end : first_);
    if (row_ < end) advance<Seeded, Gapless, true>(end);
  }

  // Whether every lane is past its lookback, or has too few bars to get past it (and stays NaN).
  DRIVE_FN bool seeded() const {
    const Lanes lookback = all<Lanes>(double(call_.lookback));
    bool yes = true;
    for (int u = 0; u < U; u++)
      yes &= every((seen_[u] > lookback) | (seen_[u] + double(total_ - row_) <= lookback));
    return yes;
  }

 public:
  DRIVE_FN Recursion(const Call& call, int64_t column, int64_t total)
      : call_(call), column_(column), first_(total - call.rows), total_(total) {
    for (int i = 0; i < N; i++)
      row_of_[i] = call.in[i].newest - (total - 1) * call.in[i].stride + column;
    for (int u = 0; u < U; u++) state_[u].init(call.parameters);
  }

  DRIVE_FN void run() {
    constexpr int64_t STRETCH = 16;  // rows between two checks whether all lanes are seeded
    while (row_ < total_ && !seeded())
      advance_emitting<false, false>(row_ + STRETCH < total_ ? row_ + STRETCH : total_);
    if (call_.gapless)
      advance_emitting<true, true>(total_);
    else
      advance_emitting<true, false>(total_);
  }
};

// Run a recursive kernel on the U vectors of symbols from `column` on, in one tile.
template <template <class> class K, int U> DRIVE_FN void recursion(const Call& call, int64_t column) {
  int64_t total = call.in[0].rows;
  for (int i = 1; i < K<Lanes>::inputs; i++)
    if (call.in[i].rows < total) total = call.in[i].rows;
  const int64_t missing = call.rows > total ? call.rows - total : 0;
  Call reached = call;
  reached.rows -= missing;
  for (int i = 0; i < K<Lanes>::outputs; i++) {
    if (!call.out[i]) continue;
    for (int64_t row = 0; row < missing; row++)
      for (int u = 0; u < U; u++)
        store(call.out[i] + row * TILE + column + u * LANES, nan<Lanes>());
    reached.out[i] += missing * TILE;
  }
  Recursion<K, U>(reached, column, total).run();
}

// The input of a windowed kernel: input i, k bars before the current row.
struct Window {
  const double* at[MAX_INPUTS];
  int64_t stride[MAX_INPUTS];

  LANE_FN Lanes operator()(int i, int64_t k) const { return load<Lanes>(at[i] - k * stride[i]); }
};

// Whether the row `back` bars before the newest has a whole window of older rows.
template <template <class> class K> LANE_FN bool window_reached(const Call& call, int64_t back) {
  bool reached = true;
  for (int i = 0; i < K<Lanes>::inputs; i++)
    reached &= back + call.lookback < call.in[i].rows || call.in[i].stride == 0;
  return reached;
}

template <template <class> class K>
LANE_FN void window_row(const Call& call, const K<Lanes>& kernel, bool reached, int64_t back,
                        int64_t column) {
  using Kernel = K<Lanes>;
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
  const int64_t at = (call.rows - 1 - back) * TILE + column;
  for (int i = 0; i < Kernel::outputs; i++)
    if (call.out[i]) store(call.out[i] + at, valid ? out[i] : nan<Lanes>());
}

// Return a value of a view; NaN beyond its rows.
LANE_FN Lanes value_at(const View& view, int64_t back, int64_t column) {
  if (view.stride != 0 && back >= view.rows) return nan<Lanes>();
  return load<Lanes>(view.newest - back * view.stride + column);
}

#ifndef MARKETSWEEP_CARD

template <template <class> class K> void recursive(const Call& call) {
  constexpr int U = K<Lanes>::interleave;
  static_assert(TILE % (U * LANES) == 0);
  for (int64_t column = 0; column < TILE; column += U * LANES) recursion<K, U>(call, column);
}

template <template <class> class K> void windowed(const Call& call) {
  K<Lanes> kernel;
  kernel.init(call.parameters);
  for (int64_t back = call.rows - 1; back >= 0; back--) {
    const bool reached = window_reached<K>(call, back);
    for (int64_t column = 0; column < TILE; column += LANES)
      window_row<K>(call, kernel, reached, back, column);
  }
}

// Number of rows, or of bars in a window, from which computing many rows at once is faster.
inline constexpr int64_t FEW = 8;

// Sum `term(x, of[j])` over the windows of R neighbouring rows. The window of row j has the n bars
// up to the one j bars before the newest of `in`. Each bar is loaded once for all rows. The terms of
// a row are added in the same order as for one row alone, so that the bits agree.
template <int R, class Term>
LANE_FN void neighbour_sums(const View& in, int64_t column, int64_t n, const Lanes (&of)[R],
                            const Term& term, Lanes (&sum)[R]) {
  const double* at = in.newest + column;
  for (int j = 0; j < R; j++) sum[j] = Lanes{};
  const auto some = [&](int64_t begin, int64_t end) {
    for (int64_t back = begin; back < end; back++)
      for (int j = 0; j < R; j++)
        if (back - j >= 0 && back - j < n)
          sum[j] += term(load<Lanes>(at - back * in.stride), of[j]);
  };
  const int64_t whole = R - 1;  // from here to n, a bar is in the window of every row
  if (whole >= n) return some(0, n + R - 1);
  some(0, whole);
  for (int64_t back = whole; back < n; back++) {
    const Lanes x = load<Lanes>(at - back * in.stride);
    LANE_UNROLL
    for (int j = 0; j < R; j++) sum[j] += term(x, of[j]);
  }
  some(n, n + R - 1);
}

// Compute a windowed kernel of one input over many rows, R neighbouring rows at a time (`values`).
template <template <class> class K> void many_windows(const Call& call) {
  using Kernel = K<Lanes>;
  static_assert(Kernel::inputs == 1);
  constexpr int R = 4;
  View in = call.in[0];
  const int64_t reached = in.rows - call.lookback;  // rows with a whole window
  const int64_t blocks = (reached < call.rows ? reached : call.rows) / R;
  if (call.rows < FEW || in.stride == 0 || blocks < 1) return windowed<K>(call);
  Kernel kernel;
  kernel.init(call.parameters);
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t row = (call.rows - 1 - block * R) * TILE;
    for (int64_t column = 0; column < TILE; column += LANES) {
      Lanes out[Kernel::outputs][R];
      kernel.template values<R>(in, column, out);
      for (int j = 0; j < R; j++) {
        const Lanes oldest = load<Lanes>(in.newest - (j + call.lookback) * in.stride + column);
        for (int i = 0; i < Kernel::outputs; i++)
          if (call.out[i])
            store(call.out[i] + row - j * TILE + column,
                  oldest == oldest ? out[i][j] : nan<Lanes>());
      }
    }
    in.newest -= R * in.stride;
  }
  Call older = call;
  older.in[0].newest = in.newest;
  older.in[0].rows -= blocks * R;
  older.rows -= blocks * R;
  if (older.rows > 0) windowed<K>(older);
}

// Compute arithmetic, comparisons and logic row by row; no row depends on another.
template <template <class> class K> void elementwise(const Call& call) {
  constexpr int N = K<Lanes>::inputs;
  double* out = call.out[0];
  for (int64_t back = call.rows - 1; back >= 0; back--, out += TILE) {
    const double* at[N];
    bool there[N], all = true;
    for (int i = 0; i < N; i++) {
      const View& in = call.in[i];
      at[i] = in.newest - back * in.stride;
      all &= there[i] = back < in.rows || in.stride == 0;
    }
    for (int64_t column = 0; column < TILE; column += LANES) {
      Lanes x[N];
      for (int i = 0; i < N; i++)
        x[i] = all || there[i] ? load<Lanes>(at[i] + column) : nan<Lanes>();
      store(out + column, K<Lanes>::of(x));
    }
  }
}

// Count the lanes of a tile in which two rows have the same number; NaN equals nothing.
static int64_t equal_lanes(const double* one, const double* other) {
  int64_t count = 0;
  for (int64_t lane = 0; lane < TILE; lane++) count += one[lane] == other[lane];
  return count;
}

// The table that machine.cpp returns. Each header registers its kernels next to their structs.
inline constexpr int MOST_KERNELS = 128;
static Kernel kernel_table[MOST_KERNELS];
static int kernel_count = 0;

template <template <class> class K>
static bool add(const char* name, void (*run)(const Call&), bool is_elementwise = false) {
  kernel_table[kernel_count++] = {name, K<Lanes>::inputs, K<Lanes>::outputs, is_elementwise, run};
  return true;
}

// These lines follow each struct: its name in the language, and the function that runs it. A BY_ROW
// kernel computes one row of one column at a time (`row`); kernels/gpu/source.py reads these lines.
#define RECURSIVE(name, Kernel) static const bool name##_ = add<Kernel>(#name, recursive<Kernel>);
#define WINDOWED(name, Kernel, run) static const bool name##_ = add<Kernel>(#name, run);
#define BY_ROW(name, Kernel, run) static const bool name##_ = add<Kernel>(#name, run);

#endif

}  // namespace marketsweep::MARKETSWEEP_ISA

#ifdef MARKETSWEEP_CARD
#include "gpu/card.hpp"
#endif
