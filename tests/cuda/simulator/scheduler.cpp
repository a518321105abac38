// Runs the blocks of a launch one after another, and the threads of a block until all of them wait.
#include "scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "faults.h"

namespace sf {

Here here;

namespace {

const size_t STACK = 64 << 10, STACK_GUARD = 4 << 10;

// One launch runs at a time; what its fibers need to find lies here.
const Launch* launch;
Thread* running;
Fiber scheduler;
Outcome outcome;
sigjmp_buf ended;
uint64_t random_state;
// Blocks come after the start of the launch and before its end, and not one after the other: that
// they run in some order here orders nothing.
char begun, finished;

uint32_t random_below(uint32_t count) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % count;
}

// The order in which this schedule visits `count` things.
std::vector<int32_t> visits(int32_t count) {
    std::vector<int32_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    if (launch->order == Order::backward) std::reverse(order.begin(), order.end());
    if (launch->order == Order::random)
        for (int32_t left = count; left > 1; left--)
            std::swap(order[left - 1], order[random_below(left)]);
    return order;
}

}  // namespace

bool sometimes() { return launch->order == Order::random && random_below(4) == 0; }

namespace {

void run_thread() {
    happens_after(&begun);
    launch->entry->run(launch->parameters);
    happens_before(&finished);
    running->state = State::finished;
    running->block->live--;
    switch_fibers(running->fiber, scheduler);
    __builtin_unreachable();
}

void resume(Thread& thread) {
    running = &thread;
    here.thread = thread.index;
    switch_fibers(scheduler, thread.fiber);
}

void wait(State state, int line) {
    running->state = state;
    running->line = line;
    switch_fibers(running->fiber, scheduler);
}

char* map_stack() {
    void* memory = mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mprotect(memory, STACK_GUARD, PROT_NONE);  // a stack that overflows is a fault, not a riddle
    return (char*)memory;
}

// To the sanitizer, a thread of another block is another thread, with a stack of its own.
void renew_for_sanitizer(Thread& thread) {
    if (!__tsan_create_fiber) return;
    if (thread.fiber.sanitizer) {
        __tsan_destroy_fiber(thread.fiber.sanitizer);
        munmap(thread.stack, STACK);
        thread.stack = map_stack();
    }
    thread.fiber.sanitizer = __tsan_create_fiber(0);
    std::string name = "thread " + std::to_string(thread.index) + " of block " +
                       std::to_string(thread.block->number);
    __tsan_set_fiber_name(thread.fiber.sanitizer, name.c_str());
}

// Stacks and threads cost system calls, so a block is kept for later launches of as many threads.
std::unique_ptr<Block> kept;

void run_blocks() {
    if (!kept || (int32_t)kept->threads.size() != launch->threads)
        kept = std::make_unique<Block>(launch->threads);
    for (int32_t number : visits(launch->blocks)) {
        kept->begin(number);
        kept->run();
    }
}

const char* refusal(const Launch& wanted) {
    if (wanted.blocks < 1) return "a launch of no blocks";
    if (wanted.threads < 1 || wanted.threads > 1024) return "a block has 1 to 1024 threads";
    if (wanted.threads > wanted.entry->threads) return "more threads than SF_KERNEL declares";
    if (wanted.shared > MOST_SHARED) return "more than 227 KiB of dynamic shared memory";
    return nullptr;
}

}  // namespace

void fail(Fault fault, const char* message, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, message);
    vsnprintf(text, sizeof text, message, arguments);
    va_end(arguments);
    outcome.fault = fault;
    outcome.message = text;
    if (running)
        outcome.message += " (block " + std::to_string(running->block->number) + ", thread " +
                           std::to_string(running->index) + ")";
    siglongjmp(ended, 1);
}

Outcome run(const Launch& wanted) {
    if (const char* reason = refusal(wanted)) return {Fault::not_launched, reason};
    launch = &wanted;
    running = nullptr;
    outcome = {};
    random_state = wanted.seed * 0x9e3779b97f4a7c15u + 1;
    here.blocks = wanted.blocks;
    if (__tsan_get_current_fiber) scheduler.sanitizer = __tsan_get_current_fiber();
    happens_before(&begun);
    FaultHandler handler;
    if (sigsetjmp(ended, 1) == 0)
        run_blocks();
    else
        kept.reset();  // its shared memory may be spoilt
    happens_after(&finished);
    return outcome;
}

Thread& running_thread() { return *running; }
const Launch& running_launch() { return *launch; }

Block::Block(int32_t count) : threads(count), warps((count + WARP - 1) / WARP) {
    for (int32_t index = 0; index < count; index++) {
        Thread& thread = threads[index];
        thread.index = index;
        thread.block = this;
        thread.stack = map_stack();
    }
}

Block::~Block() {
    for (Thread& thread : threads) munmap(thread.stack, STACK);
    for (SharedArray& array : arrays) discard(array);
}

void Block::begin(int32_t which) {
    number = which;
    live = (int32_t)threads.size();
    static_shared = 0;
    running = nullptr;
    for (SharedArray& array : arrays) {
        array.declaration = nullptr;
        if (__tsan_create_fiber) discard(array);  // blocks share no addresses
    }
    for (Thread& thread : threads) {
        renew_for_sanitizer(thread);
        prepare(thread.fiber, thread.stack + STACK_GUARD, STACK - STACK_GUARD, run_thread);
        thread.state = State::ready;
        thread.barriers = thread.warp_barriers = 0;
        thread.group = 0;
        thread.copies.clear();
    }
    happens_before(&begun);
}

void Block::run() {
    here.block = number;
    for (;;) {
        bool left_early = false;
        for (int32_t warp : visits((int32_t)warps.size())) left_early |= advance_warp(warp);
        if (left_early) continue;
        if (!live) break;
        check_barrier();
        for (Thread& thread : threads)
            if (thread.state != State::finished) thread.state = State::ready;
    }
    check_shared();
}

// Runs the lanes of a warp until they wait for other warps; true if it stops short of that, so that
// a random schedule mixes the warps also between two barriers.
bool Block::advance_warp(int32_t warp) {
    int32_t first = warp * WARP, count = std::min((int32_t)threads.size() - first, WARP);
    do {
        for (int32_t lane : visits(count))
            if (threads[first + lane].state == State::ready) resume(threads[first + lane]);
        running = nullptr;
        if (!complete_meeting(warp)) return false;
    } while (!sometimes());
    return true;
}

// When the last lane has arrived; a lane that cannot arrive any more is an error at once.
bool Block::complete_meeting(int32_t warp) {
    Thread* lanes = &threads[warp * WARP];
    int32_t count = std::min((int32_t)threads.size() - warp * WARP, WARP);
    Thread* met = std::find_if(lanes, lanes + count,
                               [](Thread& t) { return t.state == State::in_meeting; });
    if (met == lanes + count) return false;
    running = met;
    const char* what = name_of(met->offer->kind);
    if (count < WARP)
        fail(Fault::failed, "%s at line %d in a warp of %d lanes", what, met->line, count);
    for (int32_t lane = 0; lane < WARP; lane++) {
        const Thread& other = lanes[lane];
        if (other.state == State::finished)
            fail(Fault::failed, "%s at line %d: lane %d has ended", what, met->line, lane);
        if (other.state != State::in_meeting)
            fail(Fault::failed, "%s at line %d: lane %d waits in a barrier at line %d", what,
                 met->line, lane, other.line);
        if (other.offer->kind != met->offer->kind || other.line != met->line)
            fail(Fault::failed, "%s at line %d: lane %d is in %s at line %d", what, met->line, lane,
                 name_of(other.offer->kind), other.line);
    }
    perform(lanes);
    running = nullptr;
    for (int32_t lane = 0; lane < WARP; lane++) lanes[lane].state = State::ready;
    return true;
}

// Every thread waits in a barrier or has ended by now. It must be the same barrier for all: a device
// would let threads that ended count as arrived, but no kernel here is meant to use that.
void Block::check_barrier() const {
    const Thread* first = nullptr;
    for (const Thread& thread : threads)
        if (!first && thread.state != State::finished) first = &thread;
    for (const Thread& thread : threads) {
        if (thread.state == State::finished)
            fail(Fault::failed, "divergent barriers: thread %d waits at line %d, thread %d has ended",
                 first->index, first->line, thread.index);
        if (thread.line != first->line || thread.state != first->state)
            fail(Fault::failed, "divergent barriers: thread %d waits at line %d, thread %d at line %d",
                 first->index, first->line, thread.index, thread.line);
    }
}

void barrier(int line) {
    char* clock = &running->block->barrier.at[running->barriers++ & 1];
    happens_before(clock);
    wait(State::at_barrier, line);
    happens_after(clock);
}

void meet(Offer& offer) {
    Clocks& clocks = running->block->warps[running->index / WARP];
    bool orders_memory = offer.kind == Meeting::warp_barrier;
    char* clock = &clocks.at[running->warp_barriers & 1];
    if (orders_memory) running->warp_barriers++, happens_before(clock);
    if (offer.row && __tsan_read_range) __tsan_read_range((void*)offer.row, 16);
    running->offer = &offer;
    wait(State::in_meeting, offer.line);
    if (orders_memory) happens_after(clock);
}

}  // namespace sf
