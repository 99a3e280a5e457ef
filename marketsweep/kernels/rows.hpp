// JSON rows of numbers into columns: [{"T":"KO","o":41.2,"v":7.1e6}, ...].
//
// Only what such bodies are made of in practice is read here, several times as fast as by a general
// decoder. Whatever else may come (an escaped ticker, a nested value, bad syntax) is left to one:
// `read` then says no, and has no opinion on what is wrong.
#pragma once

#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace marketsweep {

inline constexpr uint64_t TENS[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

// Powers of ten that a double holds exactly.
inline constexpr double EXACT_TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                        1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Every step takes the place where it starts and gives the one after it, null where it cannot.
// The text ends in a zero byte, which fits nowhere: so no step asks whether it is at the end.
class RowReader {
public:
  // `keys[0]` has the text of a row, each other one a number.
  explicit RowReader(std::vector<std::string> keys) : keys_(std::move(keys)) {}

  std::vector<std::string_view> texts;  // of each row, empty where it has none

  // The bytes that the rows at `text` take, of a text that ends at `end`; 0 for no plain rows.
  size_t read(const char* text, const char* end) {
    end_ = end;
    const char* const after = rows(text);
    return after ? static_cast<size_t>(after - text) : 0;
  }

  // The numbers as [keys - 1][rows], NaN where null or absent.
  void transpose(double* out) const {
    const size_t count = texts.size(), width = keys_.size() - 1;
    for (size_t row = 0; row != count; ++row) {
      for (size_t key = 0; key != width; ++key) out[key * count + row] = values_[row * width + key];
    }
  }

private:
  static constexpr size_t UNKNOWN = static_cast<size_t>(-1);
  static constexpr double ABSENT = std::numeric_limits<double>::quiet_NaN();

  // A name with its quotes and the colon, where that is up to eight bytes: compared in one go.
  struct Seen {
    size_t key, length = 0;
    uint64_t bytes = 1, mask = 0;
  };

  std::vector<std::string> keys_;
  std::vector<double> values_;  // [rows][keys - 1]
  std::vector<Seen> order_;  // names of the last row, as they came
  const char* end_ = nullptr;

  static bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

  static const char* space(const char* at) {
    if (*at > ' ') return at;
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') ++at;
    return at;
  }

  // Past a mark, and the room around it.
  static const char* mark(const char* at, char wanted) {
    if (*at == wanted) return space(at + 1);
    at = space(at);
    return *at == wanted ? space(at + 1) : nullptr;
  }

  const char* rows(const char* at) {
    if (!(at = mark(at, '['))) return nullptr;
    if (*at == ']') return at + 1;
    for (;;) {
      if (!(at = row(at))) return nullptr;
      if (const char* more = mark(at, ',')) at = more;
      else return mark(at, ']');
    }
  }

  const char* row(const char* at) {
    if (!(at = mark(at, '{'))) return nullptr;
    std::string_view& text = texts.emplace_back();
    const size_t base = values_.size();
    values_.resize(base + keys_.size() - 1, ABSENT);
    if (*at == '}') return at + 1;
    for (size_t position = 0;; ++position) {
      size_t key;
      if (!(at = name(at, position, key))) return nullptr;
      if (key == 0) at = word(at, text);
      else if (key == UNKNOWN) at = anything(at);
      else at = number_or_null(at, values_[base + key - 1]);
      if (!at) return nullptr;
      if (const char* more = mark(at, ',')) at = more;
      else return mark(at, '}');
    }
  }

  // Past a name and its colon, and which key it is. Rows mostly have the same names in order.
  const char* name(const char* at, size_t position, size_t& key) {
    if (position < order_.size() && end_ - at >= 8) {
      const Seen& seen = order_[position];
      uint64_t text;
      std::memcpy(&text, at, 8);
      if ((text & seen.mask) == seen.bytes) {
        key = seen.key;
        return space(at + seen.length);
      }
    }
    std::string_view found;
    const char* const after = string(at, found);
    if (!after) return nullptr;
    key = UNKNOWN;
    for (size_t k = 0; k != keys_.size(); ++k) {
      if (keys_[k] == found) key = k;
    }
    order_.resize(position);
    Seen& seen = order_.emplace_back(Seen{key});
    const size_t length = static_cast<size_t>(after - at) + 1;
    if (*after == ':' && length <= 8) {
      seen.length = length;
      seen.bytes = 0;
      std::memcpy(&seen.bytes, at, length);
      std::memset(&seen.mask, 0xFF, length);
    }
    return mark(after, ':');
  }

  static const char* literal(const char* at, const char* wanted, size_t length) {
    return std::strncmp(at, wanted, length) == 0 ? at + length : nullptr;
  }

  static const char* word(const char* at, std::string_view& found) {
    if (*at == '"') return string(at, found);
    found = {};
    return literal(at, "null", 4);
  }

  const char* number_or_null(const char* at, double& found) {
    if (*at != 'n') return number(at, found);
    found = ABSENT;
    return literal(at, "null", 4);
  }

  const char* anything(const char* at) {
    std::string_view text;
    double value;
    switch (*at) {
      case '"': return string(at, text);
      case 'n': return literal(at, "null", 4);
      case 't': return literal(at, "true", 4);
      case 'f': return literal(at, "false", 5);
      default: return number(at, value);
    }
  }

  static const char* string(const char* at, std::string_view& found) {
    if (*at != '"') return nullptr;
    const char* const begin = ++at;
    while (*at != '"') {
      const unsigned char c = static_cast<unsigned char>(*at);
      if (c == '\\' || c < 0x20 || c >= 0x80) return nullptr;
      ++at;
    }
    found = {begin, static_cast<size_t>(at - begin)};
    return at + 1;
  }

  // Eight digits at a time: their count is what a loop over them would mispredict.
  const char* digits(const char* at, uint64_t& value) const {
    if constexpr (std::endian::native == std::endian::little) {
      while (end_ - at >= 8) {
        uint64_t text;
        std::memcpy(&text, at, 8);
        text ^= 0x3030303030303030;  // a digit's byte is now its value
        const uint64_t others = (text | (text + 0x7676767676767676)) & 0x8080808080808080;
        const int count = std::countr_zero(others) >> 3;
        if (count == 0) return at;
        text <<= 8 * (8 - count);  // zeros in front
        text = (10 * text + (text >> 8)) & 0x00FF00FF00FF00FF;
        text = (100 * text + (text >> 16)) & 0x0000FFFF0000FFFF;
        text = (10000 * text + (text >> 32)) & 0xFFFFFFFF;
        value = TENS[count] * value + text;
        at += count;
        if (count < 8) return at;
      }
    }
    for (; is_digit(*at); ++at) value = 10 * value + static_cast<unsigned char>(*at - '0');
    return at;
  }

  const char* number(const char* const begin, double& found) {
    const bool negative = *begin == '-';
    const char* const first = begin + negative;
    uint64_t mantissa = 0;
    const char* at = digits(first, mantissa);
    if (at == first || (*first == '0' && at - first > 1)) return nullptr;
    auto count = at - first;
    int exponent = 0;
    if (*at == '.') {
      const char* const decimals = at + 1;
      at = digits(decimals, mantissa);
      if (at == decimals) return nullptr;
      count += at - decimals;
      exponent = -static_cast<int>(at - decimals);
    }
    if (*at == 'e' || *at == 'E') {
      ++at;
      const bool down = *at == '-';
      if (down || *at == '+') ++at;
      const char* const power = at;
      uint64_t tens = 0;
      at = digits(power, tens);
      if (at == power || at - power > 4) return nullptr;
      exponent += down ? -static_cast<int>(tens) : static_cast<int>(tens);
    }
    // A product or quotient of two exact doubles is rounded once, and so correctly
    // (W. D. Clinger, How to Read Floating Point Numbers Accurately, 1990).
    if (count <= 19 && mantissa <= (uint64_t{1} << 53) && -22 <= exponent && exponent <= 22) {
      const double whole = static_cast<double>(mantissa);
      found = exponent < 0 ? whole / EXACT_TENS[-exponent] : whole * EXACT_TENS[exponent];
      if (negative) found = -found;
      return at;
    }
#if defined(__cpp_lib_to_chars)
    const auto [last, error] = std::from_chars(begin, at, found);
    return error == std::errc() && last == at ? at : nullptr;
#else
    return nullptr;
#endif
  }
};

}  // namespace marketsweep
