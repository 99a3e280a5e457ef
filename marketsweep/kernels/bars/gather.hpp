// Gather bars from stored sessions into time-major matrices, with each symbol's newest bar in the
// last row. A row is a bar of the symbol's own: sessions without a bar leave no hole.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/machine.hpp"

namespace marketsweep {

// Stored sessions, oldest first: the address of each one's row of field 0, its number of symbols,
// and the distance between its fields in doubles.
struct Sessions {
  const double* const* row;
  const int64_t* width;
  const int64_t* field_stride;
  int64_t count;

  bool holds(int64_t session, int64_t column) const {
    return static_cast<uint64_t>(column) < static_cast<uint64_t>(width[session]);
  }

  double at(int64_t session, int64_t field, int64_t column) const {
    return holds(session, column) ? row[session][field * field_stride[session] + column]
                                   : __builtin_nan("");
  }
};

inline constexpr int HIGH_FIELD = 1, LOW_FIELD = 2, CLOSE_FIELD = 3, VOLUME_FIELD = 4;

// A field that is not stored: the session number of each bar.
inline constexpr int SESSION_FIELD = -1;

// A change of all bars before `session`: they are multiplied by the factors of a split or dividend,
// and if the company had another ticker, or the ticker another company, they are in `column`.
// Changes are sorted by position in the panel, then newest first.
struct Change {
  int64_t position, session;
  double price, volume;
  int64_t column;
};

inline constexpr int64_t SAME_COLUMN = -2, NO_COLUMN = -1;

// The state of a lane in `survey`, which goes from the newest bar back.
struct Survey {
  int64_t column, next, beyond;  // `beyond` is the end of the lane's changes
  int64_t needed, age, watched;  // the first `watched` bars are checked for flat runs
  int64_t found = 0;
  // The last bar that was read, and which of its values have not changed since a watched bar.
  double high = 0, low = 0, close = 0, volume = 0;
  bool close_stands = false, range_stands = false, volume_stands = false;

  bool is_done(int64_t session, int64_t asked) const {
    return found >= needed && session < asked;
  }

  void take(const Sessions& s, const Change* changes, int64_t session, int64_t depth,
            int64_t asked, int64_t before) {
    while (next < beyond && changes[next].session > session) {
      const Change& change = changes[next++];
      if (change.column != SAME_COLUMN) column = change.column;
    }
    const double c = s.at(session, CLOSE_FIELD, column);
    if (c != c) return;
    if (found == 0) age = s.count - 1 - session;
    if (session >= asked) watched = found + before;
    if (found < watched || close_stands || range_stands || volume_stands) {
      const double h = s.at(session, HIGH_FIELD, column), l = s.at(session, LOW_FIELD, column);
      const double v = s.at(session, VOLUME_FIELD, column);
      // A different value starts a new flat run, which counts if it starts at a watched bar.
      const bool is_new = found == 0, is_watched = found < watched;
      if (is_new || c != close) close_stands = is_watched;
      if (is_new || h != high || l != low) range_stands = is_watched;
      if (is_new || v != volume) volume_stands = is_watched;
      high = h, low = l, close = c, volume = v;
      if (close_stands || range_stands || volume_stands) needed = depth + found + 1;
    }
    found++;
  }
};

// Count bars of each symbol, back to session `oldest`. `bars` is how many bars a panel loads: as
// many as needed, or as there are. `age` is how many sessions the newest bar lies before the last
// session, or the number of sessions if there is no bar. `still` is how many bars are needed beyond
// `depth`. Results are requested at the newest bar, and at every session from `asked` on.
//
// With `depth` bars a recursion forgets its start, measured against how much its input moves. If
// the input has not moved for k bars, the remembered value has shrunk as well, and k more bars are
// needed. This counts at every bar with a result, and for ratios that are read further back also at
// the `watched` bars up to it.
//
// Return the oldest session that was read; `gather` reads none before it.
inline int64_t survey(const Sessions& s, const int64_t* columns, const Change* changes,
                   const int64_t* starts, int64_t first, int64_t last, int64_t depth,
                   int64_t watched, int64_t oldest, int64_t asked, int64_t* bars, int64_t* age,
                   int64_t* still) {
  int64_t reached = s.count;
  for (int64_t begin = first; begin < last; begin += TILE) {
    const int64_t n = std::min<int64_t>(last - begin, TILE);
    Survey lanes[TILE];
    for (int64_t lane = 0; lane < n; lane++) {
      const int64_t i = begin + lane;
      lanes[lane] = {columns[i], starts[i], starts[i + 1], depth, s.count, watched};
    }
    // Process all lanes of a session at a time, as they lie next to each other in memory.
    bool open = true;
    for (int64_t session = s.count - 1; open && session >= oldest; session--) {
      open = false;
      for (int64_t lane = 0; lane < n; lane++) {
        if (lanes[lane].is_done(session, asked)) continue;
        open = true;
        reached = std::min(reached, session);
        lanes[lane].take(s, changes, session, depth, asked, watched);
      }
    }
    for (int64_t lane = 0; lane < n; lane++) {
      bars[begin + lane] = lanes[lane].found;
      age[begin + lane] = lanes[lane].age;
      still[begin + lane] = lanes[lane].needed - depth;
    }
  }
  return reached;
}

// The state of `gather` in a tile, by lane.
struct Lanes {
  int64_t place[TILE];    // column of the lane's bars
  int64_t missing[TILE];  // bars not copied yet
  int64_t next[TILE];     // the next change
  double factor[TILE];    // factor of the bars before the last change
  double* cursor[TILE];   // address of the next bar to write
};

// The fast path of `gather`: copy from `session` back while every lane has a bar, needs it and
// meets no change. Return the session at which this ended.
inline int64_t copy_whole_rows(const Sessions& s, int64_t field, int64_t session, Lanes& lanes,
                               const int64_t* starts, const Change* changes) {
  int64_t whole = lanes.missing[0], stop = 0, widest = 0;
  for (int64_t lane = 0; lane < TILE; lane++) {
    whole = std::min(whole, lanes.missing[lane]);
    widest = std::max(widest, lanes.place[lane]);
    if (lanes.place[lane] < 0) return session;
    // A change applies from the session before its own.
    if (lanes.next[lane] < starts[lane + 1])
      stop = std::max(stop, changes[lanes.next[lane]].session);
  }
  int64_t rows = 0;
  for (; session >= stop && rows < whole && widest < s.width[session]; session--, rows++) {
    const double* row = s.row[session] + field * s.field_stride[session];
    double values[TILE], holes = 0;
    for (int64_t lane = 0; lane < TILE; lane++) {
      values[lane] = row[lanes.place[lane]] * lanes.factor[lane];
      holes += values[lane] - values[lane];
    }
    if (holes != holes) break;
    for (int64_t lane = 0; lane < TILE; lane++) lanes.cursor[lane][-rows * TILE] = values[lane];
  }
  for (int64_t lane = 0; lane < TILE; lane++) {
    lanes.missing[lane] -= rows;
    lanes.cursor[lane] -= rows * TILE;
  }
  return session;
}

// Fill some tiles of a matrix [tiles x rows x TILE] of `count` symbols with one field; NaN above a
// symbol's oldest bar and in lanes without a symbol. `starts[i]` is the first change of position i,
// `starts[i + 1]` the end of its changes.
inline void gather(const Sessions& s, int64_t field, bool is_volume, const int64_t* columns,
                   const int64_t* bars, int64_t count, const Change* changes,
                   const int64_t* starts, int64_t first_tile, int64_t last_tile, double* to,
                   int64_t rows) {
  constexpr int64_t PAUSE = 8;  // rows until the fast path is tried again
  const bool is_session = field == SESSION_FIELD;
  const int64_t read = is_session ? CLOSE_FIELD : field;
  for (int64_t tile = first_tile; tile < last_tile; tile++) {
    const int64_t begin = tile * TILE, n = std::min<int64_t>(count - begin, TILE);
    double* const oldest = to + tile * rows * TILE;
    Lanes lanes;
    int64_t open = 0;
    for (int64_t lane = 0; lane < TILE; lane++) {
      lanes.missing[lane] = lane < n ? bars[begin + lane] : 0;
      lanes.next[lane] = lane < n ? starts[begin + lane] : 0;
      lanes.place[lane] = lane < n ? columns[begin + lane] : NO_COLUMN;
      lanes.factor[lane] = 1.0;
      lanes.cursor[lane] = oldest + (rows - 1) * TILE + lane;
      open += lanes.missing[lane] > 0;
      for (int64_t row = 0; row < rows - lanes.missing[lane]; row++)
        oldest[row * TILE + lane] = __builtin_nan("");
    }
    int64_t pause = 0;
    for (int64_t session = s.count - 1; session >= 0 && open > 0; session--, pause--) {
      if (n == TILE && open == TILE && !is_session && pause <= 0) {
        session = copy_whole_rows(s, field, session, lanes, starts + begin, changes);
        pause = PAUSE;
        open = std::count_if(lanes.missing, lanes.missing + TILE, [](int64_t m) { return m > 0; });
        if (session < 0 || open == 0) break;
      }
      const double* row = s.row[session] + read * s.field_stride[session];
      for (int64_t lane = 0; lane < n; lane++) {
        while (lanes.next[lane] < starts[begin + lane + 1] &&
               changes[lanes.next[lane]].session > session) {
          const Change& change = changes[lanes.next[lane]++];
          lanes.factor[lane] *= is_volume ? change.volume : change.price;
          if (change.column != SAME_COLUMN) lanes.place[lane] = change.column;
        }
        if (lanes.missing[lane] == 0 || !s.holds(session, lanes.place[lane])) continue;
        const double x = row[lanes.place[lane]];
        if (x != x) continue;
        *lanes.cursor[lane] = is_session ? double(session) : x * lanes.factor[lane];
        lanes.cursor[lane] -= TILE;
        open -= --lanes.missing[lane] == 0;
      }
    }
  }
}

}  // namespace marketsweep
