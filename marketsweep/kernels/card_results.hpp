// What leaves the card: the results, or of the first one where it holds.
#pragma once

#include "card.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

LANE_FN double result(const Work& work, int64_t which, int64_t back) {
  return value_at(view_of(work, work.operands[work.results + which], blockIdx.x), back, threadIdx.x);
}

// Every row of every result; blockIdx.z is which.
extern "C" __global__ void card_results(const Work* given, int64_t) {
  const Work& work = *given;
  const int64_t back = row_of_thread(), which = blockIdx.z;
  if (back >= work.result_rows) return;
  const int64_t row = which * work.result_rows + work.result_rows - 1 - back;
  work.out[(row * work.tiles + blockIdx.x) * TILE + threadIdx.x] = result(work, which, back);
}

// Where the first result holds, as Sweep::pick of program.hpp. It is launched twice: to count, and
// where there are hits to keep them. The order of hits is nobody's.
extern "C" __global__ void card_search(const Work* given, int64_t keep) {
  const Work& work = *given;
  const int64_t back = row_of_thread(), lanes = work.tiles * TILE;
  if (back >= work.result_rows || back >= work.session_rows) return;
  const int64_t place = blockIdx.x * TILE + threadIdx.x;
  const double session =
      work.session[((blockIdx.x + 1) * work.session_rows - 1 - back) * TILE + threadIdx.x];
  const int64_t *first = work.spans, *last = first + lanes, *bars = last + lanes;
  if (!(session >= double(first[place]) && session <= double(last[place]))) return;
  const bool holds = result(work, 0, back) == 1.0;
  if (!keep && (holds || back <= bars[place] - work.needed))
    atomicAdd(work.evaluated + int64_t(session), 1ull);
  if (!holds) return;
  const int64_t hit = atomicAdd(work.hits, 1ull);
  if (!keep || hit >= work.room) return;
  work.places[hit] = work.first_place + place;
  work.sessions[hit] = int64_t(session);
  for (int64_t i = 1; i < work.columns; i++)
    work.values[hit * (work.columns - 1) + i - 1] = result(work, i, back);
}

}  // namespace marketsweep::MARKETSWEEP_ISA
