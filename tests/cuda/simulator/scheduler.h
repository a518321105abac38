// Blocks, warps and threads of one launch, and how a launch ends.
#pragma once
#include <deque>
#include <string>
#include <vector>

#include "fibers.h"
#include "machine.h"
#include "memory.h"

namespace sf {

enum class Order : int32_t { forward, backward, random };

struct Launch {
    const Entry* entry;
    void** parameters;
    int32_t blocks, threads;
    size_t shared;  // dynamic shared memory in bytes
    Order order;
    uint64_t seed;
};

enum class Fault : int32_t { none, failed, illegal_address, misaligned, not_launched };

struct Outcome {
    Fault fault = Fault::none;
    std::string message;
    explicit operator bool() const { return fault == Fault::none; }
};

constexpr size_t MOST_SHARED = 227 << 10, MOST_STATIC_SHARED = 48 << 10;

// Runs all threads of a launch to their end, or to the first fault.
Outcome run(const Launch& launch);

// Ends the running launch; `message` is formatted as by printf.
[[noreturn]] void fail(Fault fault, const char* message, ...)
    __attribute__((format(printf, 2, 3)));

enum class State : int32_t { ready, in_meeting, at_barrier, finished };

struct Copy {
    void* to;
    const void* from;
    int whole, bytes, group, line;
};

struct Block;
struct Thread {
    Fiber fiber;
    char* stack = nullptr;
    Block* block = nullptr;
    int32_t index = 0;
    State state = State::finished;
    Offer* offer = nullptr;
    int32_t line = 0;  // of what it last asked the machine for
    uint32_t barriers = 0, warp_barriers = 0;
    std::vector<Copy> copies;
    int32_t group = 0;
};

constexpr int WARP = 32;

struct SharedArray {
    const void* declaration;
    size_t bytes;
    Region region;
};

// Clocks for ThreadSanitizer, a pair used in turn: with a single one, the next arrival of a fast
// thread would seem to come before the departure of a slow one, and hide a race.
struct Clocks {
    char at[2];
};

struct Block {
    int32_t number = 0, live = 0;
    std::vector<Thread> threads;
    std::deque<SharedArray> arrays;
    Clocks barrier{};
    std::vector<Clocks> warps;
    size_t static_shared = 0;

    explicit Block(int32_t count);
    ~Block();
    void begin(int32_t which);
    void run();
    void check_shared() const;

  private:
    bool advance_warp(int32_t warp);
    bool complete_meeting(int32_t warp);
    void check_barrier() const;
};

// The fiber that runs, or on whose behalf the scheduler works, and its launch.
Thread& running_thread();
const Launch& running_launch();

// True now and then, under a random schedule only.
bool sometimes();

// Gives the memory of an array back.
void discard(SharedArray& array);

// The meeting itself: reads what all lanes offer and writes what each takes away.
void perform(Thread* lanes);
const char* name_of(Meeting kind);

}  // namespace sf
