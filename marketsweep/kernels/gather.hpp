// Gathers bars from stored sessions into time-major matrices, each symbol's last bar in the last
// row: a symbol's own bars count, so the holes that it has are closed up.
#pragma once

#include <cstdint>

#include "machine.hpp"

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

inline constexpr int HIGH_FIELD = 1, LOW_FIELD = 2, CLOSE_FIELD = 3;

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

// For each symbol, back to session `oldest`: how many bars a panel needs of it and there are
// (`bars`), how many sessions before the last one its newest bar lies (`age`; the number of
// sessions where it has none), and how many bars it needs beyond `depth` (`still`), whatever that
// is. Answers are wanted at the newest bar, and at all since `asked`.
//
// `depth` bars let a recursion forget its start, measured against how far prices move. Where they
// have not moved at all for k bars, what is remembered has shrunk likewise: k more are needed.
inline void survey(const Sessions& s, const int64_t* columns, const Change* changes,
                   const int64_t* starts, int64_t first, int64_t last, int64_t depth,
                   int64_t oldest, int64_t asked, int64_t* bars, int64_t* age,
                   int64_t* still) {
  for (int64_t i = first; i < last; i++) {
    int64_t column = columns[i], next = starts[i];
    int64_t found = 0, needed = depth, session = s.count - 1;
    double high = 0, low = 0, close = 0;
    bool counts = false;  // whether it has not moved since a bar at which an answer is wanted
    age[i] = s.count;
    for (; session >= oldest && (found < needed || session >= asked); session--) {
      while (next < starts[i + 1] && changes[next].session > session) {
        const Change& change = changes[next++];
        if (change.column != SAME_COLUMN) column = change.column;
      }
      const double c = s.at(session, CLOSE_FIELD, column);
      if (c != c) continue;
      if (found == 0) age[i] = s.count - 1 - session;
      if (found == 0 || counts || session >= asked) {
        const double h = s.at(session, HIGH_FIELD, column), l = s.at(session, LOW_FIELD, column);
        const bool moved = h != high || l != low || c != close;
        if (found == 0 || moved) counts = found == 0 || session >= asked;
        high = h, low = l, close = c;
        if (counts) needed = depth + found + 1;
      }
      found++;
    }
    bars[i] = found;
    still[i] = needed - depth;
  }
}

// The part of `gather` that most tiles never leave: returns the session at which a lane has no bar,
// has enough of them, or meets a change, with everything before it copied.
inline int64_t copy_whole_rows(const Sessions& s, int64_t field, const int64_t* columns,
                               int64_t* missing, const int64_t* next, const int64_t* starts,
                               const Change* changes, double** cursor, int64_t& open) {
  int64_t whole = missing[0], stop = 0, widest = 0;
  for (int64_t lane = 0; lane < TILE; lane++) {
    if (missing[lane] < whole) whole = missing[lane];
    if (columns[lane] > widest) widest = columns[lane];
    // A change counts from the session before its own.
    if (next[lane] < starts[lane + 1] && changes[next[lane]].session > stop)
      stop = changes[next[lane]].session;
    if (columns[lane] < 0) stop = s.count;  // it ends before the last session
  }
  int64_t session = s.count - 1, rows = 0;
  for (double* to = cursor[0]; session >= stop && rows < whole; session--, rows++, to -= TILE) {
    if (widest >= s.width[session]) break;
    const double* row = s.row[session] + field * s.field_stride[session];
    double holes = 0;
    for (int64_t lane = 0; lane < TILE; lane++) {
      to[lane] = row[columns[lane]];
      holes += to[lane] - to[lane];
    }
    if (holes != holes) break;  // what was copied is written again
  }
  for (int64_t lane = 0; lane < TILE; lane++) {
    missing[lane] -= rows;
    cursor[lane] -= rows * TILE;
    open -= missing[lane] == 0;
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
  for (int64_t tile = first_tile; tile < last_tile; tile++) {
    const int64_t begin = tile * TILE, n = count - begin < TILE ? count - begin : TILE;
    double* const oldest = to + tile * rows * TILE;
    double* cursor[TILE];
    int64_t missing[TILE], next[TILE], place[TILE], open = 0;
    double factor[TILE];
    for (int64_t lane = 0; lane < TILE; lane++) {
      missing[lane] = lane < n ? bars[begin + lane] : 0;
      next[lane] = lane < n ? starts[begin + lane] : 0;
      place[lane] = lane < n ? columns[begin + lane] : NO_COLUMN;
      factor[lane] = 1.0;
      open += missing[lane] > 0;
      cursor[lane] = oldest + (rows - 1) * TILE + lane;
      for (int64_t row = 0; row < rows - missing[lane]; row++)
        oldest[row * TILE + lane] = __builtin_nan("");
    }
    // While every lane has a bar and none was split, rows are copied whole.
    int64_t session = s.count - 1;
    const bool is_session = field == SESSION_FIELD;
    if (n == TILE && !is_session)
      session = copy_whole_rows(s, field, columns + begin, missing, next, starts + begin, changes,
                                cursor, open);
    for (; session >= 0 && open > 0; session--) {
      const int64_t read = is_session ? CLOSE_FIELD : field;
      const double* row = s.row[session] + read * s.field_stride[session];
      for (int64_t lane = 0; lane < n; lane++) {
        while (next[lane] < starts[begin + lane + 1] &&
               changes[next[lane]].session > session) {
          const Change& change = changes[next[lane]++];
          factor[lane] *= is_volume ? change.volume : change.price;
          if (change.column != SAME_COLUMN) place[lane] = change.column;
        }
        if (missing[lane] == 0 || !s.holds(session, place[lane])) continue;
        const double x = row[place[lane]];
        if (x != x) continue;
        *cursor[lane] = is_session ? double(session) : x * factor[lane];
        cursor[lane] -= TILE;
        open -= --missing[lane] == 0;
      }
    }
  }
}

}  // namespace marketsweep
