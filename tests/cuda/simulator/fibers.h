// Fibers: stacks of their own between which the program switches by hand.
#pragma once
#include <stddef.h>
#include <stdint.h>
#if !defined(__x86_64__) || defined(SF_PORTABLE_FIBERS)
#define SF_UCONTEXT
#include <ucontext.h>
#endif

// ThreadSanitizer is told of every switch, where it is linked in: else these names are null.
extern "C" {
void* __tsan_create_fiber(unsigned) __attribute__((weak));
void __tsan_destroy_fiber(void*) __attribute__((weak));
void* __tsan_get_current_fiber() __attribute__((weak));
void __tsan_switch_to_fiber(void*, unsigned) __attribute__((weak));
void __tsan_set_fiber_name(void*, const char*) __attribute__((weak));
void __tsan_acquire(void*) __attribute__((weak));
void __tsan_release(void*) __attribute__((weak));
void __tsan_read_range(void*, unsigned long) __attribute__((weak));
void AnnotateIgnoreReadsBegin(const char*, int) __attribute__((weak));
void AnnotateIgnoreReadsEnd(const char*, int) __attribute__((weak));
void AnnotateIgnoreWritesBegin(const char*, int) __attribute__((weak));
void AnnotateIgnoreWritesEnd(const char*, int) __attribute__((weak));
}

namespace sf {

struct Fiber {
#ifdef SF_UCONTEXT
    ucontext_t context;
#else
    void* stack_pointer;
#endif
    void* sanitizer = nullptr;
};

#ifdef SF_UCONTEXT

inline void prepare(Fiber& fiber, char* stack, size_t bytes, void (*run)()) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack;
    fiber.context.uc_stack.ss_size = bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run, 0);
}
inline void switch_context(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }

#else

// Saves the registers that a function must keep on the stack, leaves its stack pointer in *save, and
// does the reverse with the other stack: 16 instructions, where ucontext makes two system calls.
extern "C" void sf_switch_stack(void** save, void* load);

inline void prepare(Fiber& fiber, char* stack, size_t bytes, void (*run)()) {
    void** top = (void**)((uintptr_t)(stack + bytes) & ~(uintptr_t)15);
    *--top = nullptr;  // where `run` would return to: it never does, but its stack must be aligned
    *--top = (void*)run;
    for (int kept = 0; kept < 6; kept++) *--top = nullptr;
    fiber.stack_pointer = top;
}
inline void switch_context(Fiber& from, Fiber& to) {
    sf_switch_stack(&from.stack_pointer, to.stack_pointer);
}

#endif

// Without ordering the two: a switch is no synchronisation of the simulated threads.
inline void switch_fibers(Fiber& from, Fiber& to) {
    if (__tsan_switch_to_fiber) __tsan_switch_to_fiber(to.sanitizer, 1);
    switch_context(from, to);
}

inline void happens_before(void* clock) {
    if (__tsan_release) __tsan_release(clock);
}
inline void happens_after(void* clock) {
    if (__tsan_acquire) __tsan_acquire(clock);
}

// While one lives, what the machine does on behalf of a fiber is none of the sanitizer's business.
struct Unwatched {
    Unwatched() {
        if (!AnnotateIgnoreReadsBegin) return;
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~Unwatched() {
        if (!AnnotateIgnoreReadsEnd) return;
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
};

}  // namespace sf
