// A plan as a list of steps, and the loop that runs them over a tile of symbols.
//
// All steps run on one tile before the next tile begins: what a step writes is still in the cache
// when the next step reads it. Neighbouring elementwise steps are a run: all of them compute a strip
// of STRIP rows before the next strip begins, and what only they read is never larger than a strip.
// Python does not run between the first tile and the last.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "runtime/machine.hpp"

namespace marketsweep {

enum class Source : int32_t { buffer, field, constant, fact, strip };

// Rows that the elementwise steps of a run compute before they go on to the next rows.
inline constexpr int64_t STRIP = 16;

// The input of a step: `index` is a row offset of the scratch buffer, the number of a field,
// constant or fact, or the number of a strip. It is read `shift` bars earlier, at no cost.
struct Operand {
  Source source;
  int64_t index, shift, rows;
};

struct Step {
  int32_t kernel;
  bool gapless;
  int64_t rows, lookback;
  std::vector<Operand> in;
  std::vector<int64_t> out;  // row offsets of the scratch buffer; -1 if it is not read
  double parameters[MAX_PARAMETERS];
  int64_t run;    // at the first step of a run: its number of steps; 1 for a step on its own
  int64_t strip;  // number of the strip that it writes instead of `out`; -1 if none
};

// A result to count right after step number `after`: a later step may reuse its buffer.
struct Due {
  int64_t after, result;
};

struct Program {
  int64_t scratch_rows = 0, result_rows = 0;
  int64_t strips = 0;  // they lie behind the other rows of the scratch buffer
  std::vector<Due> due;  // in the order of the steps; empty if results are copied out
  std::vector<Step> steps;
  std::vector<Operand> results;
  std::vector<double> constants;  // each repeated over a tile
};

// The bars to evaluate: of each symbol, those of the sessions from `first` to `last`.
struct Wanted {
  const double* session;  // session number of each bar, [tiles x session_rows x TILE]
  int64_t session_rows;
  const int64_t *first, *last, *bars;  // [tiles x TILE]
  const int64_t* needed;  // bars that a symbol must have for a result to be known, by result
  const double* outcome = nullptr;  // whole numbers or NaN, in the shape of `session`
};

// The wanted bars of a tile, by rows back from the newest.
struct WantedRows {
  struct Row {
    int64_t session;  // of all wanted lanes; MIXED if they differ
    int64_t lanes;    // number of wanted lanes
    int64_t bars;     // fewest bars of a wanted lane
    const double* sessions;
  };
  static constexpr int64_t MIXED = -1;

  std::vector<Row> rows;
  std::vector<double> truth;  // [rows x TILE]: 1 if a lane is wanted, else NaN
  const int64_t* bars;

  void read(const Wanted& wanted, int64_t tile, int64_t count) {
    count = std::min(count, wanted.session_rows);
    rows.resize(count), truth.resize(count * TILE);
    bars = wanted.bars + tile * TILE;
    const int64_t *const first = wanted.first + tile * TILE, *const last = wanted.last + tile * TILE;
    const double* sessions = wanted.session + ((tile + 1) * wanted.session_rows - 1) * TILE;
    for (int64_t back = 0; back < count; back++, sessions -= TILE) {
      Row row{MIXED, 0, INT64_MAX, sessions};
      bool mixed = false;
      for (int64_t lane = 0; lane < TILE; lane++) {
        const double session = sessions[lane];
        const bool inside = session >= double(first[lane]) && session <= double(last[lane]);
        truth[back * TILE + lane] = inside ? 1.0 : __builtin_nan("");
        if (!inside) continue;
        mixed |= row.lanes != 0 && row.session != int64_t(session);
        row.session = int64_t(session), row.lanes++, row.bars = std::min(row.bars, bars[lane]);
      }
      if (mixed) row.session = MIXED;
      rows[back] = row;
    }
  }
};

// For how many symbols a result holds in a session, and for how many it is known.
struct Tally {
  int64_t holds, known;
};

// Of the bars of a session at which a result holds and that have an outcome: how many there are, how
// many outcomes are above zero, and their sum. Outcomes are whole numbers, so that no order of the
// additions changes the sum.
struct Outcome {
  int64_t count, above, sum;
};

// The bars at which the first result of a program holds, with the other results there; and for each
// session, for how many symbols the first result is known.
struct Found {
  std::vector<int64_t> places, sessions, evaluated;
  std::vector<double> values;
};

// Lets the caller of a long evaluation look at something in between: every `INTERVAL`, `check` is
// called, and the evaluation stops if it returns false.
struct Watch {
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds INTERVAL{50};

  bool (*check)(void*) = nullptr;
  void* context = nullptr;
  Clock::time_point due = Clock::now() + INTERVAL;

  bool allows() {
    if (!check || Clock::now() < due) return true;
    const bool allowed = check(context);
    due = Clock::now() + INTERVAL;
    return allowed;
  }
};

// Results of fewer bytes than a processor's cache are read from it again.
constexpr size_t CACHED = size_t(4) << 20;

// One evaluation of a program over matrices that the caller keeps alive.
struct Sweep {
  const Program* program;
  const Machine* machine;
  std::vector<const double*> fields;  // [tiles x rows x TILE]
  std::vector<int64_t> field_rows;    // rows of each field
  std::vector<const double*> facts;   // [tiles x TILE]
  std::vector<double*> results;       // [result_rows x tiles x TILE]
  std::vector<int64_t> depths;        // newest rows to read, by tile
  int64_t rows;                       // the largest depth
  std::atomic<int64_t> next{0};

  int64_t tiles() const { return int64_t(depths.size()); }

  // Return the next tile, or -1 if none is left.
  int64_t take(Watch& watch) {
    if (!watch.allows()) stop();
    const int64_t tile = next.fetch_add(1);
    return tile < tiles() ? tile : -1;
  }

  // Take tiles until none is left, and only count: add to `tallies` [results x sessions], whose
  // first session is number `first`, and to `outcomes` of the same shape if there are any.
  void tally(double* scratch, Watch watch, const Wanted& wanted, int64_t first, int64_t sessions,
             Tally* tallies, Outcome* outcomes) {
    WantedRows rows;
    for (int64_t tile; (tile = take(watch)) >= 0;) {
      rows.read(wanted, tile, program->result_rows);
      auto due = program->due.begin();
      const auto count_due = [&](int64_t step) {
        for (; due != program->due.end() && due->after == step; ++due) {
          const View column = view(program->results[due->result], tile, scratch);
          const int64_t begin = due->result * sessions - first;
          count(column, rows, wanted.needed[due->result], tallies + begin);
          if (wanted.outcome) {
            const int64_t newest = (tile + 1) * wanted.session_rows - 1;
            add_outcomes(column, rows, wanted.outcome + newest * TILE, outcomes + begin);
          }
        }
      };
      count_due(-1);
      run_tile(tile, scratch, count_due);
    }
  }

  // Stop: no further tile is taken, and each thread finishes its current one.
  void stop() { next = tiles(); }

  // Take tiles until none is left; any number of threads may take part. Each has its own `scratch`,
  // of (program->scratch_rows + program->strips x STRIP) x TILE.
  void work(double* scratch, Watch watch) {
    const bool streamed = can_stream();
    for (int64_t tile; (tile = take(watch)) >= 0;) {
      run_tile(tile, scratch, [](int64_t) {});
      for (size_t i = 0; i < results.size(); i++) {
        const View from = view(program->results[i], tile, scratch);
        streamed ? stream(from, results[i] + tile * TILE) : copy(from, results[i] + tile * TILE);
      }
    }
    if (streamed) end_stream();
  }

  // Take tiles until none is left, and keep only the bars where the first result holds: over a year
  // of sessions these are few.
  void search(double* scratch, Watch watch, const Wanted& wanted, Found& found) {
    for (int64_t tile; (tile = take(watch)) >= 0;) {
      run_tile(tile, scratch, [](int64_t) {});
      pick(tile, scratch, wanted, found);
    }
  }

 private:
  View view(const Operand& from, int64_t tile, const double* scratch) const {
    switch (from.source) {
      case Source::buffer:
        return back({scratch + (from.index + from.rows - 1) * TILE, TILE, from.rows}, from.shift);
      case Source::field: {
        const int64_t there = field_rows[from.index];
        const double* newest = fields[from.index] + ((tile + 1) * there - 1) * TILE;
        return back({newest, TILE, std::min(there, depths[tile])}, from.shift);
      }
      case Source::constant:
        return {&program->constants[from.index * TILE], 0, rows};
      case Source::strip:
        return {strip(from.index, scratch) + (STRIP - 1) * TILE, TILE, STRIP};
      case Source::fact:
        break;
    }
    return {facts[from.index] + tile * TILE, 0, rows};
  }

  static View back(View view, int64_t shift) {
    return {view.newest - shift * view.stride, view.stride, std::max(view.rows - shift, int64_t(0))};
  }

  // A strip ends with the row of its newest bar.
  const double* strip(int64_t number, const double* scratch) const {
    return scratch + (program->scratch_rows + number * STRIP) * TILE;
  }

  template <class After> void run_tile(int64_t tile, double* scratch, const After& after) {
    const int64_t count = int64_t(program->steps.size());
    for (int64_t number = 0; number < count;) {
      const int64_t end = number + program->steps[number].run;
      if (end - number > 1)
        run_strips(number, end, tile, scratch);
      else
        machine->kernels[program->steps[number].kernel].run(call_of(number, tile, scratch));
      for (; number < end; number++) after(number);
    }
  }

  Call call_of(int64_t number, int64_t tile, double* scratch) const {
    const Step& step = program->steps[number];
    Call call{};
    for (size_t i = 0; i < step.in.size(); i++) call.in[i] = view(step.in[i], tile, scratch);
    for (size_t i = 0; i < step.out.size(); i++)
      call.out[i] = step.out[i] < 0 ? nullptr : scratch + step.out[i] * TILE;
    for (int i = 0; i < MAX_PARAMETERS; i++) call.parameters[i] = step.parameters[i];
    call.rows = step.rows, call.lookback = step.lookback, call.gapless = step.gapless;
    return call;
  }

  // Run the elementwise steps from `first` to before `end`, strip by strip, the oldest first.
  void run_strips(int64_t first, int64_t end, int64_t tile, double* scratch) const {
    std::vector<Call> calls;
    int64_t rows = 0;
    for (int64_t number = first; number < end; number++) {
      calls.push_back(call_of(number, tile, scratch));
      rows = std::max(rows, calls.back().rows);
    }
    for (int64_t newest = (rows - 1) / STRIP * STRIP; newest >= 0; newest -= STRIP)
      for (int64_t number = first; number < end; number++)
        run_strip(program->steps[number], calls[number - first], newest, scratch);
  }

  // Run a step on the rows from `newest` bars before the newest on.
  void run_strip(const Step& step, const Call& whole, int64_t newest, double* scratch) const {
    const int64_t rows = std::min(whole.rows - newest, STRIP);
    if (rows <= 0) return;
    Call call;
    call.rows = rows;
    for (size_t i = 0; i < step.in.size(); i++)
      call.in[i] = step.in[i].source == Source::strip ? whole.in[i] : back(whole.in[i], newest);
    call.out[0] = step.strip < 0
                      ? whole.out[0] + (whole.rows - newest - rows) * TILE
                      : scratch + (program->scratch_rows + (step.strip + 1) * STRIP - rows) * TILE;
    machine->kernels[step.kernel].run(call);
  }

  void count(const View& column, const WantedRows& wanted, int64_t needed, Tally* tallies) const {
    const int64_t there = column.stride == 0 ? INT64_MAX : column.rows;
    for (int64_t back = 0; back < int64_t(wanted.rows.size()); back++) {
      const WantedRows::Row& row = wanted.rows[back];
      if (!row.lanes) continue;
      const double* truth = wanted.truth.data() + back * TILE;
      if (row.session != WantedRows::MIXED && back <= row.bars - needed && back < there) {
        Tally& tally = tallies[row.session];
        tally.holds += machine->equal_lanes(column.newest - back * column.stride, truth);
        tally.known += row.lanes;
        continue;
      }
      for (int64_t lane = 0; lane < TILE; lane++) {
        if (truth[lane] != 1.0) continue;
        const bool holds = at(column, back, lane) == 1.0;
        Tally& tally = tallies[int64_t(row.sessions[lane])];
        tally.holds += holds;
        tally.known += holds || back <= wanted.bars[lane] - needed;
      }
    }
  }

  // `outcome` is that of the newest row of the tile.
  void add_outcomes(const View& column, const WantedRows& wanted, const double* outcome,
                    Outcome* outcomes) const {
    const int64_t there = column.stride == 0 ? INT64_MAX : column.rows;
    const int64_t count = std::min(int64_t(wanted.rows.size()), there);
    for (int64_t back = 0; back < count; back++, outcome -= TILE) {
      const WantedRows::Row& row = wanted.rows[back];
      const double* truth = wanted.truth.data() + back * TILE;
      const double* value = column.newest - back * column.stride;
      // Most conditions hold for few symbols.
      if (!row.lanes || !machine->equal_lanes(value, truth)) continue;
      for (int64_t lane = 0; lane < TILE; lane++) {
        if (truth[lane] != 1.0 || value[lane] != 1.0 || outcome[lane] != outcome[lane]) continue;
        const int64_t number = int64_t(outcome[lane]);
        Outcome& of = outcomes[int64_t(row.sessions[lane])];
        of.count++, of.above += number > 0, of.sum += number;
      }
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
      known[lane] = double(wanted.bars[place] - wanted.needed[0]);  // rows back with a known result
    }
    double day = 0, count = 0;  // neighbouring lanes usually have the same session
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
    if (!holds(view, back)) return __builtin_nan("");
    return view.newest[lane - back * view.stride];
  }

  // Copy the newest rows to a result. Its rows are far apart, so that no processor foresees the
  // next address: asking for the memory some rows ahead makes this three times faster.
  void copy(View from, double* to) const {
    constexpr int64_t AHEAD = 16, LINE = 64 / sizeof(double);
    const int64_t stride = tiles() * TILE, rows = program->result_rows;
    for (int64_t back_by = rows - 1; back_by >= 0; back_by--, to += stride) {
      for (int64_t i = 0; back_by >= AHEAD && i < TILE; i += LINE)
        __builtin_prefetch(to + AHEAD * stride + i, 1);
      if (holds(from, back_by))
        std::memcpy(to, from.newest - back_by * from.stride, TILE * sizeof(double));
      else
        std::fill_n(to, TILE, __builtin_nan(""));
    }
  }

  // The same for results that are larger than the caches: write past them, so that the memory is
  // not read before it is written. That takes half the time, but a reader finds nothing cached.
  void stream(View from, double* to) const {
#if defined(__SSE2__)
    const int64_t stride = tiles() * TILE;
    const __m128d unknown = _mm_set1_pd(__builtin_nan(""));
    for (int64_t back_by = program->result_rows - 1; back_by >= 0; back_by--, to += stride) {
      const bool held = holds(from, back_by);
      const double* const row = from.newest - (held ? back_by * from.stride : 0);
      for (int64_t i = 0; i < TILE; i += 2)
        _mm_stream_pd(to + i, held ? _mm_loadu_pd(row + i) : unknown);
    }
#else
    copy(from, to);
#endif
  }

  bool can_stream() const {
    const size_t bytes = results.size() * size_t(program->result_rows * tiles() * TILE) * 8;
    return bytes > CACHED && std::all_of(results.begin(), results.end(), [](const double* result) {
             return reinterpret_cast<uintptr_t>(result) % 16 == 0;
           });
  }

  // Let other threads see what was written past the caches.
  static void end_stream() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
  }

  static bool holds(const View& view, int64_t back) { return back < view.rows || view.stride == 0; }
};

}  // namespace marketsweep
