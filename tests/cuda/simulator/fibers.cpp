// The switch between two stacks on x86-64; the other processors use ucontext.
#include "fibers.h"

#ifndef SF_UCONTEXT
asm(R"(
    .text
    .hidden sf_switch_stack
    .globl sf_switch_stack
    .type sf_switch_stack, @function
sf_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size sf_switch_stack, . - sf_switch_stack
)");
#endif
