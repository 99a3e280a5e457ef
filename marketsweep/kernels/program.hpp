// A plan lowered to steps, and the loop that runs them over a tile of symbols.
//
// The whole plan runs on one tile before the next is begun: what a step writes is still in the
// cache when the next one reads it. Python is not entered between the first tile and the last.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "machine.hpp"

namespace marketsweep {

enum class Source : int32_t { buffer, field, constant, fact };

// A step's input: `index` is a row offset of the scratch buffer, a field, a constant or a fact;
// `shift` reads it that many bars earlier, at no cost.
struct Operand {
  Source source;
  int64_t index, shift, rows;
};

struct Step {
  int32_t kernel;
  bool gapless;
  int64_t rows, lookback;
  std::vector<Operand> in;
  std::vector<int64_t> out;  // row offsets of the scratch buffer; -1 where nobody reads it
  double parameters[MAX_PARAMETERS];
};

struct Program {
  int64_t scratch_rows = 0, result_rows = 0;
  std::vector<Step> steps;
  std::vector<Operand> results;
  std::vector<double> constants;  // each repeated over a tile
};

// At which bars to look for what holds: of each symbol, those of sessions `first` to `last`.
struct Wanted {
  const double* session;  // the number of each bar's, [tiles x session_rows x TILE]
  int64_t session_rows;
  const int64_t *first, *last, *bars;  // [tiles x TILE]
  int64_t needed;                      // bars of a symbol, for an answer that it does not hold
};

// Where the first result of a program holds, and what the others are there, hit by hit; and of each
// session, how many symbols have an answer.
struct Found {
  std::vector<int64_t> places, sessions, evaluated;
  std::vector<double> values;
};

// One evaluation of a program over matrices that the caller keeps alive.
struct Sweep {
  const Program* program;
  const Machine* machine;
  std::vector<const double*> fields;  // [tiles x rows x TILE]
  std::vector<int64_t> field_rows;    // of each, its newest; up to `rows`
  std::vector<const double*> facts;   // [tiles x TILE]
  std::vector<double*> results;       // [result_rows x tiles x TILE]
  std::vector<int64_t> tops;          // a tile's first row that holds a bar
  int64_t rows;
  std::atomic<int64_t> next{0};

  int64_t tiles() const { return int64_t(tops.size()); }

  // Takes tiles until none is left; any number of threads may share in it. `scratch` is a
  // thread's own, of program->scratch_rows x TILE.
  void work(double* scratch) {
    for (int64_t tile; (tile = next.fetch_add(1)) < tiles();) {
      run_tile(tile, scratch);
      for (size_t i = 0; i < results.size(); i++)
        copy(view(program->results[i], tile, scratch), results[i] + tile * TILE);
    }
  }

  // The same, but for keeping what is true alone: of a year of sessions that is little.
  void search(double* scratch, const Wanted& wanted, Found& found) {
    for (int64_t tile; (tile = next.fetch_add(1)) < tiles();) {
      run_tile(tile, scratch);
      pick(tile, scratch, wanted, found);
    }
  }

 private:
  View view(const Operand& from, int64_t tile, const double* scratch) const {
    switch (from.source) {
      case Source::buffer:
        return back({scratch + (from.index + from.rows - 1) * TILE, TILE, from.rows}, from.shift);
      case Source::field: {
        const int64_t there = field_rows[from.index], bars = rows - tops[tile];
        const double* newest = fields[from.index] + ((tile + 1) * there - 1) * TILE;
        return back({newest, TILE, there < bars ? there : bars}, from.shift);
      }
      case Source::constant:
        return {&program->constants[from.index * TILE], 0, rows};
      case Source::fact:
        break;
    }
    return {facts[from.index] + tile * TILE, 0, rows};
  }

  static View back(View view, int64_t shift) {
    return {view.newest - shift * view.stride, view.stride, view.rows - shift};
  }

  void run_tile(int64_t tile, double* scratch) {
    for (const Step& step : program->steps) {
      Call call{};
      for (size_t i = 0; i < step.in.size(); i++) call.in[i] = view(step.in[i], tile, scratch);
      for (size_t i = 0; i < step.out.size(); i++)
        call.out[i] = step.out[i] < 0 ? nullptr : scratch + step.out[i] * TILE;
      for (int i = 0; i < MAX_PARAMETERS; i++) call.parameters[i] = step.parameters[i];
      call.rows = step.rows, call.lookback = step.lookback, call.gapless = step.gapless;
      machine->kernels[step.kernel].run(call);
    }
  }

  void pick(int64_t tile, const double* scratch, const Wanted& wanted, Found& found) const {
    std::vector<View> columns;
    for (const Operand& result : program->results) columns.push_back(view(result, tile, scratch));
    const double* newest = wanted.session + ((tile + 1) * wanted.session_rows - 1) * TILE;
    double first[TILE], last[TILE], known[TILE];
    for (int64_t lane = 0; lane < TILE; lane++) {
      const int64_t place = tile * TILE + lane;
      first[lane] = double(wanted.first[place]), last[lane] = double(wanted.last[place]);
      known[lane] = double(wanted.bars[place] - wanted.needed);  // rows back that have an answer
    }
    double day = 0, count = 0;  // neighbours are of one session as a rule
    for (int64_t back = 0; back < program->result_rows && back < wanted.session_rows; back++) {
      for (int64_t lane = 0; lane < TILE; lane++) {
        const double session = newest[lane - back * TILE];
        if (!(session >= first[lane] && session <= last[lane])) continue;
        const bool holds = at(columns[0], back, lane) == 1.0;
        if (session != day) found.evaluated[int64_t(day)] += int64_t(count), day = session, count = 0;
        count += holds || double(back) <= known[lane];
        if (!holds) continue;
        found.places.push_back(tile * TILE + lane);
        found.sessions.push_back(int64_t(session));
        for (size_t i = 1; i < columns.size(); i++) found.values.push_back(at(columns[i], back, lane));
      }
    }
    found.evaluated[int64_t(day)] += int64_t(count);
  }

  static double at(const View& view, int64_t back, int64_t lane) {
    if (back >= view.rows && view.stride != 0) return __builtin_nan("");
    return view.newest[lane - back * view.stride];
  }

  void copy(View from, double* to) const {
    for (int64_t back_by = program->result_rows - 1; back_by >= 0; back_by--, to += tiles() * TILE)
      for (int64_t i = 0; i < TILE; i++)
        to[i] = back_by < from.rows || from.stride == 0 ? from.newest[i - back_by * from.stride]
                                                        : __builtin_nan("");
  }
};

}  // namespace marketsweep
