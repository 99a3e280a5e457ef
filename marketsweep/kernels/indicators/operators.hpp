// Arithmetic, functions, comparisons and logic, row by row.
//
// A truth is 1 or 0, and NaN if it is unknown. A comparison with NaN is unknown. Logic is Kleene's
// (false and unknown is false, true or unknown is true), so `not (x > 5)` is not true if x is
// unknown.
#pragma once

#include "indicators/functions.hpp"

namespace marketsweep::MARKETSWEEP_ISA {

template <class L, class M> LANE_FN L truth(M mask) { return mask ? all<L>(1) : L{}; }

// NaN if a or b is NaN, else 0.
template <class L> LANE_FN L unknown(L a, L b) { return (a == a) & (b == b) ? L{} : nan<L>(); }

// On a GPU these are functions, and a tree of a plan's steps becomes one kernel.
#ifdef MARKETSWEEP_CARD
#define ELEMENTWISE_1(name, Name) \
  LANE_FN double name##_of(double a) { return Name<double>::of(&a); }
#define ELEMENTWISE_2(name, Name)                  \
  LANE_FN double name##_of(double a, double b) {   \
    const double in[] = {a, b};                    \
    return Name<double>::of(in);                   \
  }
#define ELEMENTWISE_3(name, Name)                            \
  LANE_FN double name##_of(double a, double b, double c) {   \
    const double in[] = {a, b, c};                           \
    return Name<double>::of(in);                             \
  }
#else
#define ELEMENTWISE_1(name, Name) \
  static const bool name##_ = add<Name>(#name, elementwise<Name>, true);
#define ELEMENTWISE_2 ELEMENTWISE_1
#define ELEMENTWISE_3 ELEMENTWISE_1
#endif

#define ELEMENTWISE(Name, name, count, expression)                          \
  template <class L> struct Name {                                          \
    static constexpr int inputs = count, outputs = 1;                       \
    LANE_FN static L of(const L* in) {                                      \
      const L a = in[0], b = in[count > 1], c = in[count - 1];              \
      (void)b, (void)c;                                                     \
      return expression;                                                    \
    }                                                                       \
  };                                                                        \
  ELEMENTWISE_##count(name, Name)

ELEMENTWISE(Add, add, 2, a + b)
ELEMENTWISE(Subtract, subtract, 2, a - b)
ELEMENTWISE(Multiply, multiply, 2, a * b)
// Division by zero gives NaN: infinity would satisfy every "greater than".
ELEMENTWISE(Divide, divide, 2, (b == L{}) ? nan<L>() : a / b)
// What if(b == 0, c, a / b) says, in one step.
ELEMENTWISE(Quotient, quotient, 3, b == L{} ? c : a / b)
ELEMENTWISE(Negate, negate, 1, -a)
ELEMENTWISE(Absolute, abs, 1, magnitude(a))
ELEMENTWISE(SquareRoot, sqrt, 1, a >= L{} ? root(a) : nan<L>())
ELEMENTWISE(Floor, floor, 1, floored(a))
ELEMENTWISE(Exponential, exp, 1, exponential(a))
ELEMENTWISE(Logarithm, ln, 1, logarithm(a))
ELEMENTWISE(Sine, sin, 1, sine(a, 0.0))
ELEMENTWISE(Cosine, cos, 1, sine(a, 1.0))
ELEMENTWISE(Arctangent, atan, 1, arctangent(a))
ELEMENTWISE(Power, pow, 2, power(a, b))
ELEMENTWISE(If, if, 3, a == all<L>(1) ? b : (a == L{} ? c : nan<L>()))
ELEMENTWISE(Minimum, min, 2, smaller(a, b) + unknown(a, b))
ELEMENTWISE(Maximum, max, 2, larger(a, b) + unknown(a, b))
ELEMENTWISE(Less, less, 2, truth<L>(a < b) + unknown(a, b))
ELEMENTWISE(LessEqual, less_equal, 2, truth<L>(a <= b) + unknown(a, b))
ELEMENTWISE(Greater, greater, 2, truth<L>(a > b) + unknown(a, b))
ELEMENTWISE(GreaterEqual, greater_equal, 2, truth<L>(a >= b) + unknown(a, b))
ELEMENTWISE(Equal, equal, 2, truth<L>(a == b) + unknown(a, b))
ELEMENTWISE(NotEqual, not_equal, 2, truth<L>(a != b) + unknown(a, b))
ELEMENTWISE(Not, not, 1, 1.0 - a)
ELEMENTWISE(And, and, 2, (a == L{}) | (b == L{}) ? L{} : a * b)
ELEMENTWISE(Or, or, 2, (a == all<L>(1)) | (b == all<L>(1)) ? all<L>(1) : a + b)

#undef ELEMENTWISE
#undef ELEMENTWISE_1
#undef ELEMENTWISE_2
#undef ELEMENTWISE_3

}  // namespace marketsweep::MARKETSWEEP_ISA
