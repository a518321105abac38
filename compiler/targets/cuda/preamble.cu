// What generated kernels are written in: the only names they may use beside plain C++.
//
// The text of a kernel stands behind this file and is compiled as it is by two compilers. For a
// device, the machine half below wraps its instructions. With SF_SIMULATOR defined, a header that was
// included before supplies the same names, and the kernel runs on the processor, thread by thread.

typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;

// The halves are stored and moved as bits; arithmetic is done in f32.
struct sf_f16 {
    u16 bits;
};
struct sf_bf16 {
    u16 bits;
};

// N neighbours in memory that are moved by one access.
template <class T, int N>
struct alignas(sizeof(T) * N) sf_vector {
    T at[N];
};

#ifndef SF_SIMULATOR

#define SF_FUNCTION __device__ __forceinline__
// After the threads of a block: how many blocks at least shall find room in a multiprocessor.
#define SF_KERNEL(name, ...) extern "C" __global__ void __launch_bounds__(__VA_ARGS__) name
#define SF_EXPORT(name, ...)
#define SF_UNROLL _Pragma("unroll")
#define SF_SHARED(T, name, count) __shared__ alignas(128) T name[count]
#define SF_DYNAMIC_SHARED(name) extern __shared__ __align__(128) char name[]

SF_FUNCTION i32 sf_thread() { return threadIdx.x; }
SF_FUNCTION i32 sf_block() { return blockIdx.x; }
SF_FUNCTION i32 sf_blocks() { return gridDim.x; }
SF_FUNCTION void sf_barrier() { __syncthreads(); }
SF_FUNCTION void sf_warp_barrier() { __syncwarp(); }

template <class To, class From>
SF_FUNCTION To sf_bits_as(From x) {
    static_assert(sizeof(To) == sizeof(From), "bits are kept, so sizes are equal");
    To result;
    memcpy(&result, &x, sizeof result);
    return result;
}

// Machine words of 1 to 16 bytes. The optimiser keeps an access to one of these whole, which it does
// not promise for a struct; and unlike inline assembly it may still move it.
template <int BYTES>
struct sf_word;
template <> struct sf_word<1> { typedef u8 type; };
template <> struct sf_word<2> { typedef u16 type; };
template <> struct sf_word<4> { typedef u32 type; };
template <> struct sf_word<8> { typedef uint2 type; };
template <> struct sf_word<16> { typedef uint4 type; };

template <class T, int N>
SF_FUNCTION sf_vector<T, N> sf_load(const T* from) {
    typedef typename sf_word<sizeof(T) * N>::type word;
    return sf_bits_as<sf_vector<T, N>>(*(const word*)from);
}

template <class T, int N>
SF_FUNCTION void sf_store(T* to, sf_vector<T, N> value) {
    typedef typename sf_word<sizeof(T) * N>::type word;
    *(word*)to = sf_bits_as<word>(value);
}

// Shuffles move words of 4 or 8 bytes; smaller values travel in the low bits of one.
#define SF_SHUFFLE(name, intrinsic, second)                                                       \
    template <class T>                                                                            \
    SF_FUNCTION T name(T value, i32 second) {                                                     \
        static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");                         \
        u64 word = 0;                                                                             \
        memcpy(&word, &value, sizeof value);                                                      \
        if (sizeof(T) == 8)                                                                       \
            word = intrinsic(0xffffffffu, word, second);                                          \
        else                                                                                      \
            word = intrinsic(0xffffffffu, (u32)word, second);                                     \
        memcpy(&value, &word, sizeof value);                                                      \
        return value;                                                                             \
    }
SF_SHUFFLE(sf_shuffle, __shfl_sync, lane)
SF_SHUFFLE(sf_shuffle_xor, __shfl_xor_sync, mask)
SF_SHUFFLE(sf_shuffle_down, __shfl_down_sync, lanes)
SF_SHUFFLE(sf_shuffle_up, __shfl_up_sync, lanes)
#undef SF_SHUFFLE

SF_FUNCTION u32 sf_ballot(bool vote) { return __ballot_sync(0xffffffffu, vote); }

SF_FUNCTION u32 sf_shared_address(const void* shared) {
    return (u32)__cvta_generic_to_shared(shared);
}

// Starts to copy `bytes` of BYTES bytes and fills the rest with zeros. Where `bytes` is 0, nothing is
// read.
template <i32 BYTES>
SF_FUNCTION void sf_copy_async(void* shared, const void* global, i32 bytes = BYTES) {
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "4, 8 or 16 bytes at a time");
    u32 to = sf_shared_address(shared);
    u64 from = __cvta_generic_to_global(global);
    if constexpr (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                     :: "r"(to), "l"(from), "r"(bytes) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                     :: "r"(to), "l"(from), "n"(BYTES), "r"(bytes) : "memory");
}
SF_FUNCTION void sf_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most N of the groups that this thread committed are under way.
template <i32 N>
SF_FUNCTION void sf_copy_wait() { asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory"); }

SF_FUNCTION f32 sf_f16_value(u16 bits) {
    f32 value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
SF_FUNCTION u16 sf_f16_bits(f32 value) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
SF_FUNCTION u16 sf_bf16_bits(f32 value) {
    u16 bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
// The 19 leading bits that a tensor core reads of an f32, rounded to nearest instead of cut off.
SF_FUNCTION u32 sf_tf32_bits(f32 value) {
    u32 bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
    return bits;
}

// d (16×8) += a (16×k) · b (k×8), spread over the lanes of a warp as PTX lays the fragments out.
// Volatile, because a product must not be moved into a branch that only some lanes take.
#define SF_MMA_16(name, type)                                                                     \
    SF_FUNCTION void name(f32* d, const u32* a, const u32* b) {                                   \
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 "               \
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"            \
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                             \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));         \
    }
SF_MMA_16(sf_mma_bf16, "bf16")
SF_MMA_16(sf_mma_f16, "f16")
#undef SF_MMA_16

SF_FUNCTION void sf_mma_tf32(f32* d, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Matrices of 8×8 halves: lane l gives the address of row l % 8 of matrix l / 8 and gets, of each
// matrix, the two elements that it holds in a fragment.
#define SF_LOAD_MATRIX_X4(name, variant)                                                          \
    SF_FUNCTION void name(u32* r, const void* shared) {                                           \
        asm volatile("ldmatrix.sync.aligned.m8n8.x4" variant ".shared.b16 "                       \
                     "{%0, %1, %2, %3}, [%4];"                                                    \
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                             \
                     : "r"(sf_shared_address(shared)) : "memory");                                \
    }
#define SF_LOAD_MATRIX_X2(name, variant)                                                          \
    SF_FUNCTION void name(u32* r, const void* shared) {                                           \
        asm volatile("ldmatrix.sync.aligned.m8n8.x2" variant ".shared.b16 {%0, %1}, [%2];"        \
                     : "=r"(r[0]), "=r"(r[1])                                                     \
                     : "r"(sf_shared_address(shared)) : "memory");                                \
    }
SF_LOAD_MATRIX_X4(sf_load_matrix_x4, "")
SF_LOAD_MATRIX_X4(sf_load_matrix_x4_transposed, ".trans")
SF_LOAD_MATRIX_X2(sf_load_matrix_x2, "")
SF_LOAD_MATRIX_X2(sf_load_matrix_x2_transposed, ".trans")
#undef SF_LOAD_MATRIX_X4
#undef SF_LOAD_MATRIX_X2

#endif  // SF_SIMULATOR

SF_FUNCTION f32 sf_to_f32(f32 x) { return x; }
SF_FUNCTION f32 sf_to_f32(sf_f16 x) { return sf_f16_value(x.bits); }
SF_FUNCTION f32 sf_to_f32(sf_bf16 x) { return sf_bits_as<f32>((u32)x.bits << 16); }

template <class T>
SF_FUNCTION T sf_from_f32(f32 x) { return T(x); }
template <>
SF_FUNCTION sf_f16 sf_from_f32<sf_f16>(f32 x) { return sf_f16{sf_f16_bits(x)}; }
template <>
SF_FUNCTION sf_bf16 sf_from_f32<sf_bf16>(f32 x) { return sf_bf16{sf_bf16_bits(x)}; }

// Two halves as a register of a fragment: the first in the low bits.
template <class Half>
SF_FUNCTION u32 sf_pair(Half low, Half high) { return low.bits | (u32)high.bits << 16; }
