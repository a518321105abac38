// Floats of 16 bits by their bits, on any processor.
#pragma once
#include <stdint.h>
#include <string.h>

namespace sf {

inline float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Drops `count` low bits, to the nearest value and of two equally near to the even one.
inline uint32_t round_off(uint32_t bits, int count) {
    uint32_t half = 1u << (count - 1), odd = bits >> count & 1;
    return (bits + half - 1 + odd) >> count;
}

inline float bf16_value(uint16_t bits) { return float_of((uint32_t)bits << 16); }

inline uint16_t bf16_bits(float value) {
    uint32_t bits = bits_of(value);
    bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
    return is_nan ? 0x7fff : (uint16_t)round_off(bits, 16);
}

inline float f16_value(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, rest = bits & 0x3ff;
    if (exponent == 31) return float_of(sign | 0x7f800000 | rest << 13);
    if (exponent) return float_of(sign | (exponent + 112) << 23 | rest << 13);
    float tiny = (float)rest * 0x1p-24f;
    return sign ? -tiny : tiny;
}

inline uint16_t f16_bits(float value) {
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return 0x7fff;
    if (size >= 0x477ff000) return (uint16_t)(sign | 0x7c00);  // rounds to 2^16 or more
    if (size >= 0x38800000) return (uint16_t)(sign | round_off(size - 0x38000000, 13));
    // Below 2^-14 the last bit is worth 2^-24: adding 2^-1, whose last bit is worth as much, rounds.
    return (uint16_t)(sign | (bits_of(float_of(size) + 0.5f) - 0x3f000000));
}

// To the nearest value of 10 explicit bits, of two equally near to the larger in size.
inline uint32_t tf32_bits(float value) {
    uint32_t bits = bits_of(value);
    bool is_finite = (bits & 0x7f800000) != 0x7f800000;
    return is_finite ? (bits + 0x1000) & ~0x1fffu : bits;
}

}  // namespace sf
