// Gathers bars from stored sessions into time-major matrices, each symbol's last bar in the last
// row: a symbol's own bars count, so the holes that it has are closed up.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/machine.hpp"

namespace marketsweep {

// Stored sessions, oldest first: where each one's row of field 0 lies, how many symbols it
// holds, and how far apart its fields are.
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

// Not stored: gathered, it is the number of the session of each bar.
inline constexpr int SESSION_FIELD = -1;

// What is different before `session`: a split or dividend multiplies the bars by the factors, and
// where an instrument had another ticker, or its ticker another owner, they lie in `column`.
// Ordered by position in the panel, then newest first.
struct Change {
  int64_t position, session;
  double price, volume;
  int64_t column;
};

inline constexpr int64_t SAME_COLUMN = -2, NO_COLUMN = -1;

// A lane of `survey`, from the newest bar back.
struct Survey {
  int64_t column, next, beyond;  // `beyond` is the end of its changes
  int64_t needed, age, watched;  // bars up to number `watched` are
  int64_t found = 0;
  // The last bar that was looked at, and what of it has stood still since a watched one.
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
      // Where it is another value, those before are of a run that begins here.
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

// For each symbol, back to session `oldest`: how many bars a panel needs of it and there are
// (`bars`), how many sessions before the last one its newest bar lies (`age`; the number of
// sessions where it has none), and how many bars it needs beyond `depth` (`still`), whatever that
// is. Answers are wanted at the newest bar, and at all since `asked`.
//
// `depth` bars let a recursion forget its start, measured against how far what it reads moves.
// Where that has not moved at all for k bars, what is remembered has shrunk likewise: k more are
// needed. So it is at an answer, and, of a ratio that is asked further back, at any of
// the `watched` bars up to one.
//
// Returns the oldest session that was looked at: `gather` reads none before it.
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
    // A row of all lanes at a time, as they lie side by side.
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

// Where `gather` stands in a tile, lane by lane.
struct Lanes {
  int64_t place[TILE];    // the column that the lane's bars lie in
  int64_t missing[TILE];  // bars yet to be copied
  int64_t next[TILE];     // the next change
  double factor[TILE];    // of the bars before the last change
  double* cursor[TILE];   // where the next bar goes
};

// The part of `gather` that most rows of most tiles need: copies from `session` back as long as
// every lane has a bar, needs it and meets no change; returns the session at which that ended.
inline int64_t copy_whole_rows(const Sessions& s, int64_t field, int64_t session, Lanes& lanes,
                               const int64_t* starts, const Change* changes) {
  int64_t whole = lanes.missing[0], stop = 0, widest = 0;
  for (int64_t lane = 0; lane < TILE; lane++) {
    whole = std::min(whole, lanes.missing[lane]);
    widest = std::max(widest, lanes.place[lane]);
    if (lanes.place[lane] < 0) return session;
    // A change counts from the session before its own.
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

// Fills some tiles of a matrix [tiles x rows x TILE] of `count` symbols with one field; NaN above a
// symbol's oldest bar and in lanes without a symbol. `starts[i]` is the first change of
// position i, `starts[i + 1]` the end of them.
inline void gather(const Sessions& s, int64_t field, bool is_volume, const int64_t* columns,
                   const int64_t* bars, int64_t count, const Change* changes,
                   const int64_t* starts, int64_t first_tile, int64_t last_tile, double* to,
                   int64_t rows) {
  constexpr int64_t PAUSE = 8;  // rows before whole ones are tried for again
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
