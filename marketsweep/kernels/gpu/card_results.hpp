// Kernels for the results: copy them, search the first one, or count them.
#pragma once

#include "gpu/card.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

LANE_FN double result(const Work& work, int64_t which, int64_t back) {
  return value_at(view_of(work, work.operands[work.results + which], blockIdx.x), back, threadIdx.x);
}

// Copy every row of some results, from number `first` on; blockIdx.z is the result.
extern "C" __global__ void card_results(const Work* given, int64_t first) {
  const Work& work = *given;
  const int64_t back = row_of_thread(), which = first + blockIdx.z;
  if (back >= work.result_rows) return;
  const int64_t row = which * work.result_rows + work.result_rows - 1 - back;
  work.out[(row * work.tiles + blockIdx.x) * TILE + threadIdx.x] = result(work, which, back);
}

// The session numbers of a tile's lanes, `back` bars before the newest.
LANE_FN const double* sessions_of(const Work& work, int64_t back) {
  return work.session + ((blockIdx.x + 1) * work.session_rows - 1 - back) * TILE;
}

// Find where the first result holds, as Sweep::pick of program.hpp. It is launched twice: to count
// the hits, and if there are any to store them. Hits have no particular order.
extern "C" __global__ void card_search(const Work* given, int64_t keep) {
  const Work& work = *given;
  const int64_t back = row_of_thread(), lanes = work.tiles * TILE;
  if (back >= work.result_rows || back >= work.session_rows) return;
  const int64_t place = blockIdx.x * TILE + threadIdx.x;
  const double session = sessions_of(work, back)[threadIdx.x];
  const int64_t *first = work.spans, *last = first + lanes, *bars = last + lanes;
  if (!(session >= double(first[place]) && session <= double(last[place]))) return;
  const bool holds = result(work, 0, back) == 1.0;
  if (!keep && (holds || back <= bars[place] - work.needed[0]))
    atomicAdd(work.counts + int64_t(session) - work.first_session, 1ull);
  if (!holds) return;
  const int64_t hit = atomicAdd(work.hits, 1ull);
  if (!keep || hit >= work.room) return;
  work.places[hit] = work.first_place + place;
  work.sessions[hit] = int64_t(session);
  for (int64_t i = 1; i < work.columns; i++)
    work.values[hit * (work.columns - 1) + i - 1] = result(work, i, back);
}

// Count for each session for how many symbols a result holds and is known, as Sweep::tally of
// program.hpp, for some results from number `first` on. A thread counts all lanes of one row: they
// usually have the same session, so that one addition is enough.
extern "C" __global__ void card_tally(const Work* given, int64_t first) {
  const Work& work = *given;
  const int64_t back = row_of_thread() * TILE + threadIdx.x, which = first + blockIdx.z;
  if (back >= work.result_rows || back >= work.session_rows) return;
  const View column = view_of(work, work.operands[work.results + which], blockIdx.x);
  const double* sessions = sessions_of(work, back);
  const int64_t *begins = work.spans + blockIdx.x * TILE, *ends = begins + work.tiles * TILE,
                *bars = ends + work.tiles * TILE;
  unsigned long long* const counts = work.counts + which * work.counted * 2;
  int64_t session = work.first_session;
  unsigned long long holds = 0, known = 0;
  const auto add = [&] {
    if (holds) atomicAdd(counts + (session - work.first_session) * 2, holds);
    if (known) atomicAdd(counts + (session - work.first_session) * 2 + 1, known);
  };
  for (int64_t lane = 0; lane < TILE; lane++) {
    if (!(sessions[lane] >= double(begins[lane]) && sessions[lane] <= double(ends[lane]))) continue;
    if (int64_t(sessions[lane]) != session)
      add(), session = int64_t(sessions[lane]), holds = known = 0;
    const bool yes = value_at(column, back, lane) == 1.0;
    holds += yes;
    known += yes || back <= bars[lane] - work.needed[which];
  }
  add();
}

}  // namespace marketsweep::MARKETSWEEP_ISA
