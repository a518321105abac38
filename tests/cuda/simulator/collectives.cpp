// What the 32 lanes of a warp do together, carried out once when the last of them has arrived.
#include <string.h>

#include "scheduler.h"
#include "tensor_core.h"

namespace sf {
namespace {

void shuffle(Thread* lanes) {
    uint64_t words[WARP];
    for (int lane = 0; lane < WARP; lane++) words[lane] = lanes[lane].offer->word;
    for (int lane = 0; lane < WARP; lane++) {
        Offer& offer = *lanes[lane].offer;
        offer.word = words[offer.lane];
    }
}

void ballot(Thread* lanes) {
    uint64_t votes = 0;
    for (int lane = 0; lane < WARP; lane++) votes |= (uint64_t)(lanes[lane].offer->word & 1) << lane;
    for (int lane = 0; lane < WARP; lane++) lanes[lane].offer->word = votes;
}

// `halves[matrix][row]` come from the lanes in order; a lane takes two neighbours of a row, or of a
// column when transposed.
void load_matrix(Thread* lanes, bool transposed) {
    uint16_t halves[4][8][8];
    int matrices = lanes->offer->matrices;
    for (int lane = 0; lane < matrices * 8; lane++)
        memcpy(halves[lane / 8][lane % 8], lanes[lane].offer->row, 16);
    for (int lane = 0; lane < WARP; lane++)
        for (int matrix = 0; matrix < matrices; matrix++) {
            int major = lane / 4, minor = lane % 4 * 2;
            auto& m = halves[matrix];
            uint32_t low = transposed ? m[minor][major] : m[major][minor];
            uint32_t high = transposed ? m[minor + 1][major] : m[major][minor + 1];
            lanes[lane].offer->registers[matrix] = low | high << 16;
        }
}

template <class Element>
void multiply(Thread* lanes) {
    Product<Element> product;
    for (int lane = 0; lane < WARP; lane++) {
        const Offer& offer = *lanes[lane].offer;
        product.gather(lane, offer.a, offer.b);
    }
    for (int lane = 0; lane < WARP; lane++) product.accumulate(lane, lanes[lane].offer->d);
}

}  // namespace

const char* name_of(Meeting kind) {
    static const char* const names[] = {
        "sf_warp_barrier", "sf_shuffle",     "sf_ballot",      "sf_mma_bf16",
        "sf_mma_f16",      "sf_mma_tf32",    "sf_load_matrix", "sf_load_matrix_transposed",
    };
    return names[(int)kind];
}

void perform(Thread* lanes) {
    switch (lanes->offer->kind) {
        case Meeting::warp_barrier: return;
        case Meeting::shuffle: return shuffle(lanes);
        case Meeting::ballot: return ballot(lanes);
        case Meeting::mma_bf16: return multiply<Bf16>(lanes);
        case Meeting::mma_f16: return multiply<F16>(lanes);
        case Meeting::mma_tf32: return multiply<Tf32>(lanes);
        case Meeting::load_matrix: return load_matrix(lanes, false);
        case Meeting::load_matrix_transposed: return load_matrix(lanes, true);
    }
}

}  // namespace sf
