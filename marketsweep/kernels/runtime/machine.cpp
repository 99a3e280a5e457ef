// One instruction set's build of every kernel; CMakeLists.txt compiles this file once for each.
#include "indicators/averages.hpp"
#include "indicators/cycles.hpp"
#include "indicators/operators.hpp"
#include "indicators/extremes.hpp"
#include "indicators/median.hpp"
#include "indicators/momentum.hpp"
#include "indicators/events.hpp"
#include "indicators/trend.hpp"
#include "indicators/volatility.hpp"
#include "indicators/volume.hpp"
#include "indicators/windows.hpp"

#define MARKETSWEEP_TEXT_(x) #x
#define MARKETSWEEP_TEXT(x) MARKETSWEEP_TEXT_(x)
#define MARKETSWEEP_JOIN_(a, b) a##b
#define MARKETSWEEP_JOIN(a, b) MARKETSWEEP_JOIN_(a, b)

namespace marketsweep {

const Machine& MARKETSWEEP_JOIN(machine_, MARKETSWEEP_ISA)() {
  using namespace MARKETSWEEP_ISA;
  static const Machine machine{MARKETSWEEP_TEXT(MARKETSWEEP_ISA), LANES, kernel_table, kernel_count,
                               equal_lanes};
  return machine;
}

#ifdef MARKETSWEEP_STANDS_FOR_ALL
const Machine& machine_baseline() { return machine_avx2(); }
const Machine& machine_avx512() { return machine_avx2(); }
#endif

}  // namespace marketsweep
