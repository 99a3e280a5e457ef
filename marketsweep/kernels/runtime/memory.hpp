// Memory of large arrays, kept for the next one when it is freed.
//
// The first touch of a page costs more than computing the numbers in it: the kernel takes a fault
// and fills it with zeros. Huge pages make the faults few; memory that is used again takes none.
// Call all of it with the GIL.
#pragma once

#include <stdlib.h>
#include <sys/mman.h>

#include <cstddef>
#include <vector>

namespace marketsweep {

constexpr size_t HUGE_PAGE = size_t(2) << 20;
constexpr size_t MOST_KEPT = size_t(128) << 20;

struct Kept {
  void* data;
  size_t size;
};

// What was freed last is last.
inline std::vector<Kept> kept_memory;
inline size_t kept_bytes = 0;

inline void forget_kept(size_t place) {
  kept_bytes -= kept_memory[place].size;
  kept_memory.erase(kept_memory.begin() + std::ptrdiff_t(place));
}

// Return memory of `size` bytes, a multiple of HUGE_PAGE, with any contents. Return null if the
// system has not enough.
inline void* take_memory(size_t size) {
  for (size_t place = kept_memory.size(); place-- > 0;) {
    if (kept_memory[place].size != size) continue;
    void* const data = kept_memory[place].data;
    forget_kept(place);
    return data;
  }
  void* data = nullptr;
  if (posix_memalign(&data, HUGE_PAGE, size)) return nullptr;
#ifdef MADV_HUGEPAGE
  madvise(data, size, MADV_HUGEPAGE);
#endif
  return data;
}

// Keep the memory for later, in place of what was freed first.
inline void give_memory_back(void* data, size_t size) {
  if (size > MOST_KEPT) return free(data);
  while (kept_bytes + size > MOST_KEPT) {
    free(kept_memory.front().data);
    forget_kept(0);
  }
  kept_memory.push_back({data, size});
  kept_bytes += size;
}

}  // namespace marketsweep
