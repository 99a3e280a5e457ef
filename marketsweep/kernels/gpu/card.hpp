// Drives the kernels on a GPU: a launch runs many jobs of one kernel over all tiles at once.
//
// A block is 32 lanes of one tile; neighbouring threads are neighbouring symbols. A recursive
// kernel has one thread per symbol, any other kernel one thread per row and symbol. blockIdx.x is
// the tile, blockIdx.z the job. Only later launches read what a launch writes, so threads never
// wait.
//
// All addresses are in one `Work`; the tables of jobs and operands depend on the plan alone.
#pragma once

#include "runtime/drive.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

// An input, as in program.hpp: `source` 0 is a row of the scratch buffer, 1 a field, 2 a constant,
// 3 a fact; `rows` is its number of rows if it is a buffer; it is read `shift` bars earlier.
struct Operand {
  int64_t source, index, shift, rows;
};

// A call of a kernel: its operands start at number `operands`; `out` are rows of the scratch
// buffer, -1 if not read.
struct Job {
  int64_t operands, rows, lookback, gapless, out[MAX_OUTPUTS];
  double parameters[MAX_PARAMETERS];
};

// An evaluation of some tiles; the fields are in the same order as in source.py.
struct Work {
  const Operand* operands;
  const Job* jobs;
  const double* const* fields;  // [tiles x field_rows x TILE] each
  const int64_t* field_rows;
  const int64_t* depths;    // newest rows to read, by tile
  const double* constants;  // [constants x TILE]
  const double* facts;      // [facts x tiles x TILE]
  double* scratch;          // [tiles x scratch_rows x TILE]
  double* out;              // [results x result_rows x tiles x TILE]
  int64_t tiles, rows, scratch_rows, results, result_rows;  // results: first operand of them

  // For search and tally: as Wanted, Found and Tally in program.hpp. `spans` is [3 x tiles x TILE].
  // Counts start at session number `first_session`.
  const double* session;
  const int64_t *spans, *needed;
  unsigned long long *counts, *hits;
  int64_t *places, *sessions;
  double* values;
  int64_t session_rows, first_session, counted, columns, room, first_place;
};

LANE_FN View earlier(View view, int64_t shift) {
  const int64_t rows = view.rows - shift;
  return {view.newest - shift * view.stride, view.stride, rows > 0 ? rows : 0};
}

LANE_FN View view_of(const Work& work, const Operand& from, int64_t tile) {
  switch (from.source) {
    case 0:
      return earlier({work.scratch + (tile * work.scratch_rows + from.index + from.rows - 1) * TILE,
                      TILE, from.rows},
                     from.shift);
    case 1: {
      const int64_t there = work.field_rows[from.index], depth = work.depths[tile];
      const double* newest = work.fields[from.index] + ((tile + 1) * there - 1) * TILE;
      return earlier({newest, TILE, there < depth ? there : depth}, from.shift);
    }
    case 2:
      return {work.constants + from.index * TILE, 0, work.rows};
  }
  return {work.facts + (from.index * work.tiles + tile) * TILE, 0, work.rows};
}

template <template <class> class K>
LANE_FN Call call_of(const Work& work, const Job& job, int64_t tile) {
  Call call{};
  for (int i = 0; i < K<double>::inputs; i++)
    call.in[i] = view_of(work, work.operands[job.operands + i], tile);
  for (int i = 0; i < K<double>::outputs; i++)
    if (job.out[i] >= 0) call.out[i] = work.scratch + (tile * work.scratch_rows + job.out[i]) * TILE;
  for (int i = 0; i < MAX_PARAMETERS; i++) call.parameters[i] = job.parameters[i];
  call.rows = job.rows, call.lookback = job.lookback, call.gapless = job.gapless != 0;
  return call;
}

LANE_FN int64_t row_of_thread() { return int64_t(blockIdx.y) * blockDim.y + threadIdx.y; }

template <template <class> class K> LANE_FN void card_recursive(const Work& work, const Job& job) {
  recursion<K, 1>(call_of<K>(work, job, blockIdx.x), threadIdx.x);
}

template <template <class> class K> LANE_FN void card_windowed(const Work& work, const Job& job) {
  const int64_t back = row_of_thread();
  if (back >= job.rows) return;
  const Call call = call_of<K>(work, job, blockIdx.x);
  K<double> kernel;
  kernel.init(call.parameters);
  window_row<K>(call, kernel, window_reached<K>(call, back), back, threadIdx.x);
}

template <template <class> class K> LANE_FN void card_by_row(const Work& work, const Job& job) {
  const int64_t back = row_of_thread();
  if (back < job.rows) K<double>::row(call_of<K>(work, job, blockIdx.x), back, threadIdx.x);
}

// For fused kernels: read an operand, and write the result.
LANE_FN double operand(const Work& work, const Job& job, int64_t i) {
  return value_at(view_of(work, work.operands[job.operands + i], blockIdx.x), row_of_thread(),
                  threadIdx.x);
}
LANE_FN void give(const Work& work, const Job& job, double value) {
  const int64_t row = job.out[0] + job.rows - 1 - row_of_thread();
  work.scratch[(blockIdx.x * work.scratch_rows + row) * TILE + threadIdx.x] = value;
}

#define LAUNCHED(name, drive)                                                    \
  extern "C" __global__ void card_##name(const Work* work, int64_t first) {      \
    drive(*work, work->jobs[first + blockIdx.z]);                                \
  }
#define RECURSIVE(name, Kernel) LAUNCHED(name, card_recursive<Kernel>)
#define WINDOWED(name, Kernel, run) LAUNCHED(name, card_windowed<Kernel>)
#define BY_ROW(name, Kernel, run) LAUNCHED(name, card_by_row<Kernel>)

}  // namespace marketsweep::MARKETSWEEP_ISA
