"""Where the workers of the pool wake up, as LLVM text: not on the core of their caller.

There the two would only take turns. Linux puts them there on virtual machines, where an idle core
that the host has given away does not count as free: a product of half a millisecond took as long
with two threads as with one whenever the worker had slept. So the caller takes its own core from
those that sleep, before it raises `jobs`, and each gives it back to itself when it has seen the new
number; what others change of its affinity in the meantime stays, but for that one core. Who wakes
up while its core is being taken gives it back before it sleeps again, which may be for long: until
then nothing more is taken from it. Taking costs the caller about a microsecond for each, so of many
workers only the first few are moved.
"""

from __future__ import annotations

from string import Template

__all__ = ["PLACES", "beds_ir"]

PLACES = 256  # the caller and its workers, at most
_CORES = 1024  # bits of `cpu_set_t`
_MOVED = 16  # workers, at most, that one caller moves


def beds_ir() -> str:
    """`@pool.part(threads)`, which a caller calls first, and `@pool.reunite(bed)`, which a worker
    calls when it has risen from its place in `@pool.beds`, and before it lies down; `@pool.workers`
    is how many there are.
    """
    words = {
        "places": PLACES,
        "cores": _CORES,
        "mask_bytes": _CORES // 8,
        "beyond_moved": _MOVED + 1,
    }
    return Template(_TEXT).substitute(words)


_TEXT = """
; Of each worker, by its number: the thread, whether it sleeps, and one more than the core that its
; caller has taken from it.
%pool.bed = type { i64, i32, i32 }
@pool.beds = internal global [$places x %pool.bed] zeroinitializer, align 64

declare i32 @pthread_getaffinity_np(i64, i64, ptr)
declare i32 @pthread_setaffinity_np(i64, i64, ptr)
declare i32 @sched_getcpu()

; Lets a thread run on a core, or forbids it; whether that changed anything. The system refuses to
; leave a thread no core at all.
define internal i1 @pool.allow(i64 %thread, i32 %core, i1 %allowed) #0 {
entry:
  %mask = alloca [$mask_bytes x i8], align 8
  %known = icmp ult i32 %core, $cores
  br i1 %known, label %read, label %same
read:
  %unread = call i32 @pthread_getaffinity_np(i64 %thread, i64 $mask_bytes, ptr %mask)
  %is_read = icmp eq i32 %unread, 0
  br i1 %is_read, label %look, label %same
look:
  %index = lshr i32 %core, 3
  %byte = getelementptr i8, ptr %mask, i32 %index
  %old = load i8, ptr %byte, align 1
  %position32 = and i32 %core, 7
  %position = trunc i32 %position32 to i8
  %bit = shl i8 1, %position
  %present = and i8 %old, %bit
  %was_allowed = icmp ne i8 %present, 0
  %differs = xor i1 %was_allowed, %allowed
  br i1 %differs, label %change, label %same
change:
  %new = xor i8 %old, %bit
  store i8 %new, ptr %byte, align 1
  %refused = call i32 @pthread_setaffinity_np(i64 %thread, i64 $mask_bytes, ptr %mask)
  %done = icmp eq i32 %refused, 0
  ret i1 %done
same:
  ret i1 false
}

; Takes the core of the caller from the sleeping workers below `threads`, the first few of them.
define internal void @pool.part(i32 %threads) #0 {
entry:
  %workers = load i32, ptr @pool.workers, align 4
  %beyond = add i32 %workers, 1
  %present = call i32 @llvm.smin.i32(i32 %threads, i32 %beyond)
  %last = call i32 @llvm.smin.i32(i32 %present, i32 $beyond_moved)
  %core = call i32 @sched_getcpu()
  %taken = add i32 %core, 1
  br label %each
each:
  %rank = phi i32 [ 1, %entry ], [ %following, %look ], [ %following, %move ], [ %following, %note ]
  %following = add nuw nsw i32 %rank, 1
  %more = icmp slt i32 %rank, %last
  br i1 %more, label %look, label %finished
look:
  %bed = getelementptr %pool.bed, ptr @pool.beds, i32 %rank
  %asleep_at = getelementptr %pool.bed, ptr %bed, i32 0, i32 1
  %asleep = load atomic i32, ptr %asleep_at acquire, align 4
  %sleeps = icmp ne i32 %asleep, 0
  %taken_at = getelementptr %pool.bed, ptr %bed, i32 0, i32 2
  %before = load atomic i32, ptr %taken_at acquire, align 4
  %whole = icmp eq i32 %before, 0
  %go = and i1 %sleeps, %whole
  br i1 %go, label %move, label %each
move:
  %thread = load i64, ptr %bed, align 8
  %moved = call i1 @pool.allow(i64 %thread, i32 %core, i1 false)
  br i1 %moved, label %note, label %each
note:
  store atomic i32 %taken, ptr %taken_at release, align 4
  br label %each
finished:
  ret void
}

; Gives the worker the core back that has been taken from it.
define internal void @pool.reunite(ptr %bed) #0 {
entry:
  %taken_at = getelementptr %pool.bed, ptr %bed, i32 0, i32 2
  %taken = load atomic i32, ptr %taken_at acquire, align 4
  %moved = icmp ne i32 %taken, 0
  br i1 %moved, label %give, label %finished
give:
  %core = sub i32 %taken, 1
  %thread = load i64, ptr %bed, align 8
  %given = call i1 @pool.allow(i64 %thread, i32 %core, i1 true)
  store atomic i32 0, ptr %taken_at release, align 4
  br label %finished
finished:
  ret void
}
"""
