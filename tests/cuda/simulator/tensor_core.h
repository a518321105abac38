// Products of fragments: a (16×DEPTH) times b (DEPTH×8), by the layouts that the PTX manual draws.
//
// With group = lane / 4 and quad = lane % 4, a lane holds rows `group` and `group + 8` of a and d, and
// column `group` of b. Its columns of d are 2·quad and 2·quad + 1. Along the depth it holds PACKED
// neighbours for every register, at PACKED·quad, and again half the depth further on.
#pragma once
#include "halves.h"

namespace sf {

struct Bf16 {
    static constexpr int DEPTH = 16, PACKED = 2;
    static float value(uint32_t word, int which) {
        return bf16_value((uint16_t)(word >> 16 * which));
    }
};
struct F16 {
    static constexpr int DEPTH = 16, PACKED = 2;
    static float value(uint32_t word, int which) {
        return f16_value((uint16_t)(word >> 16 * which));
    }
};
struct Tf32 {
    static constexpr int DEPTH = 8, PACKED = 1;
    // The hardware does not look at the other 13 bits: it cuts them off.
    static float value(uint32_t word, int) { return float_of(word & ~0x1fffu); }
};

template <class Element>
struct Product {
    static constexpr int DEPTH = Element::DEPTH, PACKED = Element::PACKED;
    float a[16][DEPTH], b[DEPTH][8];

    void gather(int lane, const uint32_t* from_a, const uint32_t* from_b) {
        int group = lane / 4, quad = lane % 4;
        for (int reg = 0; reg < 4; reg++)
            for (int which = 0; which < PACKED; which++) {
                int row = group + reg % 2 * 8, depth = quad * PACKED + which + reg / 2 * (DEPTH / 2);
                a[row][depth] = Element::value(from_a[reg], which);
            }
        for (int reg = 0; reg < 2; reg++)
            for (int which = 0; which < PACKED; which++) {
                int depth = quad * PACKED + which + reg * (DEPTH / 2);
                b[depth][group] = Element::value(from_b[reg], which);
            }
    }

    void accumulate(int lane, float* d) const {
        int group = lane / 4, quad = lane % 4;
        for (int reg = 0; reg < 4; reg++) {
            int row = group + reg / 2 * 8, column = quad * 2 + reg % 2;
            float sum = d[reg];
            for (int depth = 0; depth < DEPTH; depth++) sum += a[row][depth] * b[depth][column];
            d[reg] = sum;
        }
    }
};

}  // namespace sf
