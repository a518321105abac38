// Turns SIGSEGV and its like into an outcome that names address, access and line.
#include "faults.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "scheduler.h"

namespace sf {
namespace {

const int SIGNALS[3] = {SIGSEGV, SIGBUS, SIGFPE};
const size_t STACK = 256 << 10;

const void* instruction_of(const ucontext_t* context) {
#if defined(__x86_64__)
    return (const void*)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (const void*)context->uc_mcontext.pc;
#else
    return nullptr;
#endif
}

const char* access_of(const ucontext_t* context) {
#if defined(__x86_64__)
    return context->uc_mcontext.gregs[REG_ERR] & 2 ? "writes" : "reads";
#else
    return "touches";
#endif
}

// The line of an instruction of the kernel by `addr2line`, from the table that -g1 leaves in its
// module; or the line at which the thread asked the machine for what the machine was doing.
int line_of(const void* instruction) {
    Dl_info info, kernel;
    bool is_known = instruction && dladdr(instruction, &info) &&
                    dladdr((const void*)running_launch().entry->run, &kernel);
    if (!is_known || info.dli_fbase != kernel.dli_fbase) return running_thread().line;
    char command[512], answer[512] = "";
    snprintf(command, sizeof command, "addr2line -e '%s' %#zx 2>/dev/null", info.dli_fname,
             (size_t)((const char*)instruction - (const char*)info.dli_fbase));
    FILE* pipe = popen(command, "r");
    if (!pipe) return 0;
    char* read = fgets(answer, sizeof answer, pipe);
    pclose(pipe);
    const char* number = read ? strrchr(read, ':') : nullptr;
    return number ? atoi(number + 1) : 0;
}

void on_signal(int signal, siginfo_t* info, void* context) {
    auto machine = (const ucontext_t*)context;
    int line = line_of(instruction_of(machine));
    if (signal == SIGFPE) fail(Fault::failed, "a division of integers by zero at line %d", line);
    fail(Fault::illegal_address, "the kernel %s %s at line %d", access_of(machine),
         describe(info->si_addr).c_str(), line);
}

}  // namespace

FaultHandler::FaultHandler() {
    // On a stack of its own: that of the fiber may be what overflowed.
    static char* memory = (char*)malloc(STACK);
    stack_t stack{};
    stack.ss_sp = memory;
    stack.ss_size = STACK;
    sigaltstack(&stack, &stack_before_);
    struct sigaction action{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 3; i++) sigaction(SIGNALS[i], &action, &before_[i]);
}

FaultHandler::~FaultHandler() {
    for (int i = 0; i < 3; i++) sigaction(SIGNALS[i], &before_[i], nullptr);
    sigaltstack(&stack_before_, nullptr);
}

}  // namespace sf
