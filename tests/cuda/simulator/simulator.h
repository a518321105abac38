// The machine half of the preamble: the same names, carried out on the processor.
//
// This header is included before the text of a kernel. It must name every primitive that the preamble
// wraps for a device; what the preamble builds from them is the same text in both worlds.
#pragma once
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <utility>

#include "halves.h"
#include "machine.h"

#define SF_FUNCTION inline __attribute__((always_inline))
#define SF_UNROLL
#define SF_LINE int line = __builtin_LINE()

// A kernel is a function that its module lists with the sizes of its parameters.
#define SF_KERNEL(name, threads, ...)                \
    static constexpr int name##_threads = (threads); \
    static void name
#define SF_EXPORT(name, ...)                                                                     \
    extern "C" __attribute__((visibility("default"))) const sf::Entry sf_entry_##name = {        \
        sf::Call<decltype(&name)>::run<&name>, sf::Call<decltype(&name)>::bytes,                 \
        sf::Call<decltype(&name)>::count, name##_threads}

// The declaration's own variable tells it from all others.
#define SF_SHARED(T, name, count)      \
    static const char name##_site = 0; \
    T* const name = (T*)sf::shared_array(&name##_site, sizeof(T) * (count))
#define SF_DYNAMIC_SHARED(name) char* const name = sf::dynamic_shared()

namespace sf {

template <class Function>
struct Call;
template <class... Types>
struct Call<void (*)(Types...)> {
    static constexpr int count = sizeof...(Types);
    static constexpr size_t bytes[] = {sizeof(Types)..., 0};

    template <void (*kernel)(Types...)>
    static void run(void** parameters) {
        apply<kernel>(parameters, std::index_sequence_for<Types...>{});
    }
    template <void (*kernel)(Types...), size_t... I>
    static void apply(void** parameters, std::index_sequence<I...>) {
        kernel(*(Types*)parameters[I]...);
    }
};

template <class T>
inline T shuffle(T value, int lane, int line) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    Offer offer{Meeting::shuffle, line};
    offer.lane = lane;
    memcpy(&offer.word, &value, sizeof value);
    meet(offer);
    memcpy(&value, &offer.word, sizeof value);
    return value;
}

inline void multiply(Meeting kind, float* d, const uint32_t* a, const uint32_t* b, int line) {
    Offer offer{kind, line};
    offer.d = d, offer.a = a, offer.b = b;
    meet(offer);
}

inline void load_matrix(Meeting kind, int matrices, uint32_t* r, const void* row, int line) {
    if (here.thread % 32 < matrices * 8) check_alignment(row, 16, "sf_load_matrix", line);
    Offer offer{kind, line};
    offer.registers = r, offer.row = row, offer.matrices = matrices;
    meet(offer);
}

}  // namespace sf

template <class T, int N>
struct sf_vector;

SF_FUNCTION int sf_thread() { return sf::here.thread; }
SF_FUNCTION int sf_block() { return sf::here.block; }
SF_FUNCTION int sf_blocks() { return sf::here.blocks; }
SF_FUNCTION void sf_barrier(SF_LINE) { sf::barrier(line); }
SF_FUNCTION void sf_warp_barrier(SF_LINE) {
    sf::Offer offer{sf::Meeting::warp_barrier, line};
    sf::meet(offer);
}

template <class To, class From>
SF_FUNCTION To sf_bits_as(From x) {
    static_assert(sizeof(To) == sizeof(From), "bits are kept, so sizes are equal");
    To result;
    memcpy(&result, &x, sizeof result);
    return result;
}

template <class T, int N>
SF_FUNCTION sf_vector<T, N> sf_load(const T* from, SF_LINE) {
    sf::check_alignment(from, sizeof(T) * N, "sf_load", line);
    return *(const sf_vector<T, N>*)from;
}
template <class T, int N>
SF_FUNCTION void sf_store(T* to, sf_vector<T, N> value, SF_LINE) {
    sf::check_alignment(to, sizeof(T) * N, "sf_store", line);
    *(sf_vector<T, N>*)to = value;
}

// A lane beyond either end of the warp gets its own value back, as on a device.
template <class T>
SF_FUNCTION T sf_shuffle(T value, int lane, SF_LINE) {
    return sf::shuffle(value, lane & 31, line);
}
template <class T>
SF_FUNCTION T sf_shuffle_xor(T value, int mask, SF_LINE) {
    return sf::shuffle(value, (sf_thread() ^ mask) & 31, line);
}
template <class T>
SF_FUNCTION T sf_shuffle_down(T value, int lanes, SF_LINE) {
    int lane = sf_thread() & 31;
    return sf::shuffle(value, lane + lanes < 32 ? lane + lanes : lane, line);
}
template <class T>
SF_FUNCTION T sf_shuffle_up(T value, int lanes, SF_LINE) {
    int lane = sf_thread() & 31;
    return sf::shuffle(value, lane >= lanes ? lane - lanes : lane, line);
}
SF_FUNCTION unsigned sf_ballot(bool vote, SF_LINE) {
    sf::Offer offer{sf::Meeting::ballot, line};
    offer.word = vote;
    sf::meet(offer);
    return (unsigned)offer.word;
}

template <int BYTES>
SF_FUNCTION void sf_copy_async(void* shared, const void* global, int bytes = BYTES, SF_LINE) {
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "4, 8 or 16 bytes at a time");
    sf::copy_async(shared, global, BYTES, bytes, line);
}
SF_FUNCTION void sf_copy_commit() { sf::copy_commit(); }
template <int N>
SF_FUNCTION void sf_copy_wait() { sf::copy_wait(N); }

SF_FUNCTION float sf_f16_value(unsigned short bits) { return sf::f16_value(bits); }
SF_FUNCTION unsigned short sf_f16_bits(float value) { return sf::f16_bits(value); }
SF_FUNCTION unsigned short sf_bf16_bits(float value) { return sf::bf16_bits(value); }
SF_FUNCTION unsigned sf_tf32_bits(float value) { return sf::tf32_bits(value); }

SF_FUNCTION void sf_mma_bf16(float* d, const unsigned* a, const unsigned* b, SF_LINE) {
    sf::multiply(sf::Meeting::mma_bf16, d, a, b, line);
}
SF_FUNCTION void sf_mma_f16(float* d, const unsigned* a, const unsigned* b, SF_LINE) {
    sf::multiply(sf::Meeting::mma_f16, d, a, b, line);
}
SF_FUNCTION void sf_mma_tf32(float* d, const unsigned* a, const unsigned* b, SF_LINE) {
    sf::multiply(sf::Meeting::mma_tf32, d, a, b, line);
}

SF_FUNCTION void sf_load_matrix_x4(unsigned* r, const void* shared, SF_LINE) {
    sf::load_matrix(sf::Meeting::load_matrix, 4, r, shared, line);
}
SF_FUNCTION void sf_load_matrix_x4_transposed(unsigned* r, const void* shared, SF_LINE) {
    sf::load_matrix(sf::Meeting::load_matrix_transposed, 4, r, shared, line);
}
SF_FUNCTION void sf_load_matrix_x2(unsigned* r, const void* shared, SF_LINE) {
    sf::load_matrix(sf::Meeting::load_matrix, 2, r, shared, line);
}
SF_FUNCTION void sf_load_matrix_x2_transposed(unsigned* r, const void* shared, SF_LINE) {
    sf::load_matrix(sf::Meeting::load_matrix_transposed, 2, r, shared, line);
}

#undef SF_LINE
