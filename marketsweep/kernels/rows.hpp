// Parse JSON rows of numbers into columns: [{"T":"KO","o":41.2,"v":7.1e6}, ...].
//
// This reads only what such bodies contain in practice, several times faster than a general
// decoder. For anything else (an escaped ticker, a nested value, bad syntax) `read` returns 0, and
// the caller uses a general decoder, which reports what is wrong.
#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace marketsweep {

inline constexpr uint64_t TENS[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

// Whether eight characters can be read as one number with the first in the lowest byte.
inline constexpr bool WORDS = std::endian::native == std::endian::little;

inline uint64_t eight(const char* at) {
  uint64_t text;
  std::memcpy(&text, at, 8);
  return text;
}

inline constexpr uint64_t each(uint8_t byte) { return uint64_t{0x0101010101010101} * byte; }

// Mark (with the high bit) each byte that is not below `limit`, which is at most 128.
inline constexpr uint64_t not_below(uint64_t text, uint8_t limit) {
  return (text | ((text & each(0x7F)) + each(128 - limit))) & each(0x80);
}

// Number of bytes before the first marked one; 8 if none is marked.
inline constexpr int before(uint64_t marks) { return std::countr_zero(marks) >> 3; }

// The number made of eight digit values.
inline constexpr uint64_t value_of(uint64_t digits) {
  digits = (10 * digits + (digits >> 8)) & 0x00FF00FF00FF00FF;
  digits = (100 * digits + (digits >> 16)) & 0x0000FFFF0000FFFF;
  return (10000 * digits + (digits >> 32)) & 0xFFFFFFFF;
}

// Powers of ten that are exact doubles.
inline constexpr double EXACT_TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                        1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Every method takes the position where it starts and returns the one after it, or null on failure.
// The text ends in a zero byte, which matches nothing, so no method checks for the end.
class RowReader {
public:
  // `keys[0]` is the name of the text of a row; each other key is the name of a number.
  explicit RowReader(std::vector<std::string> keys) : keys_(std::move(keys)) {}

  std::vector<std::string_view> texts;  // one per row, empty if missing

  // Return the number of bytes of the rows at `text`, in a body that ends at `end`; 0 if it cannot
  // be read here.
  size_t read(const char* text, const char* end) {
    end_ = end;
    const char* const after = rows(text);
    return after ? static_cast<size_t>(after - text) : 0;
  }

  // Write the numbers as [keys - 1][rows]; NaN for null or missing.
  void transpose(double* out) const {
    const size_t count = texts.size(), width = keys_.size() - 1;
    for (size_t row = 0; row != count; ++row) {
      for (size_t key = 0; key != width; ++key) out[key * count + row] = values_[row * width + key];
    }
  }

private:
  static constexpr size_t UNKNOWN = static_cast<size_t>(-1), NO_MORE = static_cast<size_t>(-2);
  static constexpr double ABSENT = std::numeric_limits<double>::quiet_NaN();

  // The text before a value of the last row: mark, name and colon. Rows mostly have the same names
  // in the same order, and up to eight bytes are compared at once.
  struct Lead {
    Lead(const char* text, size_t size, size_t key) : key(key) {
      if (size > 8) return;
      length = size;
      bytes = 0;
      std::memcpy(&bytes, text, size);
      std::memset(&mask, 0xFF, size);
    }

    size_t key, length = 0;
    uint64_t bytes = 1, mask = 0;  // matches no text
  };

  std::vector<std::string> keys_;
  std::vector<double> values_;  // [rows][keys - 1]
  std::vector<Lead> order_;
  const char* end_ = nullptr;

  static bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

  static const char* space(const char* at) {
    if (*at > ' ') return at;
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') ++at;
    return at;
  }

  // Skip a mark and the spaces around it.
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
    std::string_view& text = texts.emplace_back();
    const size_t base = values_.size();
    values_.resize(base + keys_.size() - 1, ABSENT);
    for (size_t position = 0;; ++position) {
      size_t key = NO_MORE;
      if (!(at = lead(at, position, key))) return nullptr;
      if (key == NO_MORE) return at;
      if (key == 0) {
        at = word(at, text);
      } else if (key == UNKNOWN) {
        const char* const after = unwanted(at);
        at = after ? after : anything(at);
      } else {
        double& value = values_[base + key - 1];
        const char* const after = decimal(at, value);
        at = after ? after : number_or_null(at, value);
      }
      if (!at) return nullptr;
    }
  }

  // Skip the text before a value, and set its key; or skip the end of the row.
  const char* lead(const char* at, size_t position, size_t& key) {
    if (position < order_.size() && end_ - at >= 8) {
      const Lead& last = order_[position];
      if ((eight(at) & last.mask) == last.bytes) {
        key = last.key;
        return space(at + last.length);
      }
    }
    return new_lead(at, position, key);
  }

  const char* new_lead(const char* at, size_t position, size_t& key) {
    const char* const begin = at;
    if (position == 0 && !(at = mark(at, '{'))) return nullptr;
    if (const char* const after = mark(at, '}')) return after;
    if (position != 0 && !(at = mark(at, ','))) return nullptr;
    if (!(at = name(at, key))) return nullptr;
    order_.erase(order_.begin() + static_cast<std::ptrdiff_t>(position), order_.end());
    order_.emplace_back(begin, static_cast<size_t>(at - begin), key);
    return at;
  }

  const char* name(const char* at, size_t& key) const {
    std::string_view found;
    if (!(at = string(at, found))) return nullptr;
    key = UNKNOWN;
    for (size_t k = 0; k != keys_.size(); ++k) {
      if (keys_[k] == found) key = k;
    }
    return mark(at, ':');
  }

  static const char* literal(const char* at, const char* wanted, size_t length) {
    return std::strncmp(at, wanted, length) == 0 ? at + length : nullptr;
  }

  const char* word(const char* at, std::string_view& found) const {
    if (*at == '"') return string(at, found);
    found = {};
    return literal(at, "null", 4);
  }

  const char* number_or_null(const char* at, double& found) const {
    if (*at != 'n') return number(at, found);
    found = ABSENT;
    return literal(at, "null", 4);
  }

  const char* anything(const char* at) const {
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

  const char* string(const char* at, std::string_view& found) const {
    if (*at != '"') return nullptr;
    const char* const begin = ++at;
    if constexpr (WORDS) {
      if (end_ - at >= 8) at += before(not_plain(eight(at)));
    }
    while (*at != '"') {
      const unsigned char c = static_cast<unsigned char>(*at);
      if (c == '\\' || c < 0x20 || c >= 0x80) return nullptr;
      ++at;
    }
    found = {begin, static_cast<size_t>(at - begin)};
    return at + 1;
  }

  // Mark a quote, and every byte that a plain string does not have.
  static uint64_t not_plain(uint64_t text) {
    const uint64_t quotes = not_below(text ^ each('"'), 1), escapes = not_below(text ^ each('\\'), 1);
    return (~(quotes & escapes & not_below(text, 0x20)) | text) & each(0x80);
  }

  // Read eight digits at a time: a loop over them would mispredict their count.
  const char* digits(const char* at, uint64_t& value) const {
    if constexpr (WORDS) {
      while (end_ - at >= 8) {
        const uint64_t text = eight(at) ^ each('0');  // each digit's byte becomes its value
        const int count = before(not_below(text, 10));
        if (count == 0) return at;
        value = TENS[count] * value + value_of(text << 8 * (8 - count));  // adds leading zeros
        at += count;
        if (count < 8) return at;
      }
    }
    for (; is_digit(*at); ++at) value = 10 * value + static_cast<unsigned char>(*at - '0');
    return at;
  }

  static bool ends_value(char c) { return c == ',' || c == '}'; }

  // Read a decimal of up to eight characters, as nearly all prices and volumes are: both parts at
  // once. Return null if it is anything else.
  const char* decimal(const char* at, double& found) const {
    if (!WORDS || end_ - at < 8) return nullptr;
    uint64_t text = eight(at) ^ each('0');
    const uint64_t marks = not_below(text, 10);
    const int whole = before(marks);
    if (whole == 0 || whole == 8 || (*at == '0' && whole > 1)) return nullptr;
    int length = whole, count = whole;
    if (at[whole] == '.') {
      length = before(marks & (marks - 1));
      count = length - 1;
      if (count == whole) return nullptr;
      const uint64_t below = ~uint64_t{0} << 8 * whole;
      text = (text & ~below) | (text >> 8 & below);  // closes the gap
    }
    if (!ends_value(at[length])) return nullptr;
    text = value_of(text << 8 * (8 - count));
    found = static_cast<double>(static_cast<int64_t>(text)) / EXACT_TENS[count - whole];
    return at + length;
  }

  // Skip a number of up to 16 digits that is not requested, such as a time or a count.
  const char* unwanted(const char* at) const {
    if (!WORDS || end_ - at < 16 || *at == '0') return nullptr;
    int length = before(not_below(eight(at) ^ each('0'), 10));
    if (length == 0) return nullptr;
    if (length == 8) length += before(not_below(eight(at + 8) ^ each('0'), 10));
    return ends_value(at[length]) ? at + length : nullptr;
  }

  const char* number(const char* const begin, double& found) const {
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
    // A product or quotient of two exact doubles is rounded once, and so correctly (W. D. Clinger,
    // How to Read Floating Point Numbers Accurately, 1990).
    if (count <= 19 && mantissa <= (uint64_t{1} << 53) && -22 <= exponent && exponent <= 22) {
      const double whole = static_cast<double>(mantissa);
      found = exponent < 0 ? whole / EXACT_TENS[-exponent] : whole * EXACT_TENS[exponent];
      if (negative) found = -found;
      return at;
    }
    // libc++ has the function for doubles since version 20, and does not define the macro yet. That
    // of macOS depends on the system.
#if defined(__cpp_lib_to_chars) || (_LIBCPP_VERSION >= 200000 && !defined(__APPLE__))
    const auto [last, error] = std::from_chars(begin, at, found);
    return error == std::errc() && last == at ? at : nullptr;
#else
    return nullptr;
#endif
  }
};

}  // namespace marketsweep
