// Windows of any length, from blocks of 1, 2, 4 ... bars.
//
// Two neighbouring blocks make one of twice as many bars. The rows share their blocks, so that a
// window takes about log2(n) steps a row, whatever its length. Blocks are counted from the newest
// bar of the window: its bits depend on its bars alone, neither on the other rows nor on where the
// stored history begins.
//
// A block type has `of(in, k)`, the block of the bar k bars before the current row;
// `join(older, newer, sizes)`; and `pair(older, newer, size)` for two blocks of `size` bars each. A
// kernel of blocks names its `Block`, and has `finish(block, out)`.
#pragma once

#include "runtime/drive.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// The numbers of bars of two neighbouring blocks, the share of the older block in both, and the
// harmonic product: older * newer / (older + newer).
struct Sizes {
  double older, newer, share, product;
};

LANE_FN Sizes sizes_of(int64_t older, int64_t newer) {
  const double a = double(older), b = double(newer);
  return {a, b, a / (a + b), a * b / (a + b)};
}

inline constexpr int MOST_LEVELS = 18;  // more than the longest period has

// A block of 2^Levels bars, the newest of them `first` bars before the current row.
template <class Block, int Levels, class Rows>
LANE_FN Block small_block(const Rows& in, int64_t first) {
  if constexpr (Levels == 0) {
    return Block::of(in, first);
  } else {
    constexpr int64_t HALF = int64_t(1) << (Levels - 1);
    const Block newer = small_block<Block, Levels - 1>(in, first);
    const Block older = small_block<Block, Levels - 1>(in, first + HALF);
    return Block::pair(older, newer, double(HALF));
  }
}

// The same for any number of levels: blocks of 8 bars are joined like the digits of a number that is
// counted up.
template <class Block, class Rows> LANE_FN Block block_at(const Rows& in, int64_t first, int levels) {
  constexpr int SMALL = 3;
  if (levels == 0) return small_block<Block, 0>(in, first);
  if (levels == 1) return small_block<Block, 1>(in, first);
  if (levels == 2) return small_block<Block, 2>(in, first);
  Block waiting[MOST_LEVELS];
  for (int64_t i = 0;; i++, first += 1 << SMALL) {
    Block block = small_block<Block, SMALL>(in, first);
    int level = SMALL;
    for (int64_t digits = i; digits & 1; digits >>= 1, level++)
      block = Block::pair(block, waiting[level], double(int64_t(1) << level));
    if (level == levels) return block;
    waiting[level] = block;
  }
}

// The block of the newest n bars, for one row.
template <class Block, class Rows> LANE_FN Block window_block(const Rows& in, int64_t n) {
  int level = 0;
  while (!(n >> level & 1)) level++;
  Block window = block_at<Block>(in, 0, level);
  int64_t covered = int64_t(1) << level;
  for (level++; n >> level; level++) {
    const int64_t size = int64_t(1) << level;
    if (!(n & size)) continue;
    const Block older = block_at<Block>(in, covered, level);
    window = Block::join(older, window, sizes_of(size, covered));
    covered += size;
  }
  return window;
}

// What the kernels of blocks share: a number of bars, and the value of one row. `K` is the kernel.
template <class K, class B> struct BlockWindow {
  using Block = B;
  int64_t n;

  LANE_FN void init(const double* p) { n = int64_t(p[0]); }
  template <class Rows, class L> LANE_FN void value(const Rows& in, L* out) const {
    static_cast<const K*>(this)->finish(window_block<Block>(in, n), out);
  }
};

#ifndef MARKETSWEEP_CARD

// Rows that are computed together, so that what is the same for all rows is done once. The blocks of
// all of them should fit into the registers.
template <class Block> inline constexpr int ROWS = sizeof(Block) > 3 * sizeof(Lanes) ? 2 : 4;

// Computes windows row by row, the oldest row first. Of each level, the newest `size` blocks are kept
// in a ring: the block of as many bars that ends just before a row is the one that the row replaces.
template <class Block> class Windows {
  Block* rings_;  // one after the other: that of the blocks of `size` bars begins at number `size`
  int64_t n_, row_ = 0;
  Sizes sizes_[MOST_LEVELS];

 public:
  // `rings` has 2 n blocks; what they are at first does not matter.
  LANE_FN Windows(Block* rings, int64_t n) : rings_(rings), n_(n) {
    for (int level = 0; n >> level; level++) {
      const int64_t size = int64_t(1) << level;
      sizes_[level] = sizes_of(size, n & (size - 1));
    }
  }

  // Add rows, and return the blocks of the newest n bars at each: they are right from row n - 1 on.
  // All variables of the loop are local, as in `Recursion`.
  LANE_FN void add(Block (&block)[ROWS<Block>], Block (&window)[ROWS<Block>]) {
    constexpr int ROWS = marketsweep::MARKETSWEEP_ISA::ROWS<Block>;
    const int64_t n = n_, row = row_;
    row_ += ROWS;
    for (int64_t level = 0, covered = 0;; level++) {
      const int64_t size = int64_t(1) << level, last = size - 1;
      const Sizes sizes = sizes_[level];
      Block* const ring = rings_ + size;
      const auto double_block = [&](int j) {
        Block& slot = ring[(row + j) & last];
        const Block older = slot;
        slot = block[j];
        block[j] = Block::pair(older, block[j], sizes.older);
      };
      if (!(n & size)) {
        for (int j = 0; j < ROWS; j++) double_block(j);
        continue;
      }
      if (covered) {
        for (int j = 0; j < ROWS; j++) {
          window[j] = Block::join(ring[(row + j - covered) & last], window[j], sizes);
          double_block(j);
        }
      } else {
        for (int j = 0; j < ROWS; j++) window[j] = block[j];
        for (int j = 0; j < ROWS; j++) double_block(j);
      }
      covered += size;
      if (covered == n) return;
    }
  }
};

// Run a kernel of blocks on its newest `rows` rows, each of which has a whole window.
template <template <class> class K>
DRIVE_FN void block_rows(const Call& call, int64_t rows, int64_t column,
                         typename K<Lanes>::Block* rings) {
  using Kernel = K<Lanes>;
  using Block = typename Kernel::Block;
  constexpr int ROWS = marketsweep::MARKETSWEEP_ISA::ROWS<Block>;
  constexpr int INPUTS = Kernel::inputs, OUTPUTS = Kernel::outputs;
  Kernel kernel;
  kernel.init(call.parameters);
  // All variables of the loop are local, as in `Recursion`: a store might change a `call` in memory.
  const int64_t lookback = call.lookback, oldest = rows + lookback - 1;
  Windows<Block> windows(rings, lookback + 1);
  const double* newest_of[INPUTS];
  int64_t stride[INPUTS];
  for (int i = 0; i < INPUTS; i++)
    newest_of[i] = call.in[i].newest + column, stride[i] = call.in[i].stride;
  double* newest_out[OUTPUTS];
  for (int i = 0; i < OUTPUTS; i++)
    newest_out[i] = call.out[i] ? call.out[i] + (call.rows - 1) * TILE + column : nullptr;
  const auto bar = [&](int i, int64_t back) { return load<Lanes>(newest_of[i] - back * stride[i]); };
  for (int64_t newest = oldest / ROWS * ROWS; newest >= 0; newest -= ROWS) {
    Block block[ROWS], window[ROWS];
    for (int j = 0; j < ROWS; j++) {  // the first rows repeat the oldest bar
      const int64_t back = newest + ROWS - 1 - j;
      block[j] = Block::of(bar, back < oldest ? back : oldest);
    }
    windows.add(block, window);
    for (int j = 0; j < ROWS; j++) {
      const int64_t back = newest + ROWS - 1 - j;
      if (back >= rows) continue;
      Lanes out[OUTPUTS];
      kernel.finish(window[j], out);
      Mask valid = Lanes{} == Lanes{};
      for (int i = 0; i < INPUTS; i++) {
        const Lanes first = bar(i, back + lookback);
        valid &= first == first;
      }
      for (int i = 0; i < OUTPUTS; i++)
        if (newest_out[i]) store(newest_out[i] - back * TILE, valid ? out[i] : nan<Lanes>());
    }
  }
}

// Run a kernel of blocks. Few rows are computed one by one.
template <template <class> class K> void blocked(const Call& call) {
  using Block = typename K<Lanes>::Block;
  int64_t rows = call.rows;  // those with a whole window
  for (int i = 0; i < K<Lanes>::inputs; i++) {
    const View& in = call.in[i];
    const int64_t reached = in.stride ? in.rows - call.lookback : 0;
    rows = reached < rows ? reached : rows;
  }
  if (rows < FEW) return windowed<K>(call);

  const int64_t n = call.lookback + 1, count = 2 * n + 1;
  auto* const memory = static_cast<char*>(__builtin_malloc(count * sizeof(Block)));
  if (!memory) return windowed<K>(call);
  auto* const rings =
      reinterpret_cast<Block*>(memory + (-reinterpret_cast<uintptr_t>(memory) & (alignof(Block) - 1)));
  for (int64_t i = 0; i < 2 * n; i++) rings[i] = Block{};
  for (int64_t column = 0; column < TILE; column += LANES) block_rows<K>(call, rows, column, rings);
  __builtin_free(memory);

  Call older = call;
  older.rows -= rows;
  for (int i = 0; i < K<Lanes>::inputs; i++)
    older.in[i].newest -= rows * older.in[i].stride, older.in[i].rows -= rows;
  if (older.rows > 0) windowed<K>(older);
}

#endif

}  // namespace marketsweep::MARKETSWEEP_ISA
