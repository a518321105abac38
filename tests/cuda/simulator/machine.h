// What a kernel asks of the simulated machine that runs it; `simulator.h` spells it as the preamble
// does. Every thread of a block is a fiber, and whatever threads do together is a point where fibers
// meet: nothing else lets another thread run, so a kernel that works only because of when its threads
// run fails under one schedule or another.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace sf {

// The running thread, copied here whenever a fiber resumes.
struct Here {
    int32_t thread, block, blocks;
};
extern Here here;

// The threads of a block meet. `line` is where in the text of the kernel.
void barrier(int line);

enum class Meeting : int32_t {
    warp_barrier, shuffle, ballot, mma_bf16, mma_f16, mma_tf32, load_matrix, load_matrix_transposed
};

// What one lane brings to a meeting of its warp, and takes away. Only the members that the kind of
// meeting needs are set: words to exchange and the lane to read, fragments, or the address of a row.
struct Offer {
    Meeting kind;
    int32_t line;
    uint64_t word = 0;
    int32_t lane = 0;
    float* d = nullptr;
    const uint32_t *a = nullptr, *b = nullptr;
    const void* row = nullptr;
    uint32_t* registers = nullptr;
    int32_t matrices = 0;
};
void meet(Offer& offer);

// Shared memory of this block: one array for each declaration, known by an address of its own.
void* shared_array(const void* declaration, size_t bytes);
char* dynamic_shared();

// Copies into shared memory that are carried out when they must be, or as early as they can be.
void copy_async(void* shared, const void* global, int whole, int bytes, int line);
void copy_commit();
void copy_wait(int groups);

// Ends the launch unless `address` is a multiple of `bytes`.
void check_alignment(const void* address, size_t bytes, const char* what, int line);

// One kernel as its module exports it: launched with pointers to its parameters, as the driver does.
struct Entry {
    void (*run)(void** parameters);
    const size_t* parameter_bytes;
    int32_t parameters;
    int32_t threads;
};

}  // namespace sf
