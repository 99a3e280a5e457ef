// Merge daily bars into longer bars: weeks and months.
#pragma once

#include <cstdint>

#include "runtime/machine.hpp"

namespace marketsweep {

// How a field of a longer bar is computed from its daily bars; in the order of the stored fields.
enum class Merge : int32_t { first, highest, lowest, last, sum };

// Fill a matrix [tiles x periods x TILE] with the longer bars of one field, newest in the last row,
// and NaN above the oldest. `session` and `field` are [tiles x rows x TILE]; `period[s]` is the
// period number of session s; `counts` becomes the number of longer bars of each symbol.
inline void merge_periods(const double* session, const double* field, Merge how,
                             const int64_t* period, int64_t tiles, int64_t rows, double* to,
                             int64_t periods, int64_t* counts) {
  for (int64_t tile = 0; tile < tiles; tile++) {
    double* const bottom = to + ((tile + 1) * periods - 1) * TILE;
    for (int64_t lane = 0; lane < TILE; lane++) {
      int64_t count = 0, before = -1;
      double* cursor = bottom + lane + TILE;
      for (int64_t row = rows - 1; row >= 0; row--) {
        const int64_t at = (tile * rows + row) * TILE + lane;
        const double s = session[at], x = field[at];
        if (s != s) break;
        const int64_t now = period[int64_t(s)];
        if (now != before) {
          if (count == periods) break;
          count++, before = now, cursor -= TILE;
          *cursor = x;
          continue;
        }
        switch (how) {
          case Merge::first: *cursor = x; break;
          case Merge::highest: if (x > *cursor) *cursor = x; break;
          case Merge::lowest: if (x < *cursor) *cursor = x; break;
          case Merge::last: break;
          case Merge::sum: *cursor += x; break;
        }
      }
      for (int64_t left = count; left < periods; left++) *(cursor -= TILE) = __builtin_nan("");
      counts[tile * TILE + lane] = count;
    }
  }
}

// Place values of longer bars [tiles x periods x TILE] on the newest `shown` daily bars. A daily
// bar gets the value of the last period that was complete in its session or, if `running`, of its
// own period. `complete[s]` says whether session s is the last of its period.
inline void spread_periods(const double* session, const int64_t* period, const uint8_t* complete,
                           bool running, const double* values, int64_t tiles, int64_t rows,
                           int64_t periods, double* to, int64_t shown) {
  for (int64_t tile = 0; tile < tiles; tile++) {
    for (int64_t lane = 0; lane < TILE; lane++) {
      int64_t back = -1, before = -1;
      for (int64_t row = rows - 1; row >= rows - shown; row--) {
        double* const out = to + (tile * shown + row - (rows - shown)) * TILE + lane;
        const double s = session[(tile * rows + row) * TILE + lane];
        *out = __builtin_nan("");
        if (s != s) continue;
        if (period[int64_t(s)] != before) back++, before = period[int64_t(s)];
        const int64_t from = running || complete[int64_t(s)] ? back : back + 1;
        if (from < periods) *out = values[((tile + 1) * periods - 1 - from) * TILE + lane];
      }
    }
  }
}

}  // namespace marketsweep
