"""The fork-join pool as LLVM text: every thread claims chunks of the one current job.

`symfuse_parallel(fn, ctx, chunks, threads)` calls `fn(ctx, chunk, chunks)` for each chunk. The
state of a job is one 64-bit word, `epoch << 32 | next`: which job it is, and its next chunk to
hand out. A thread claims a chunk by compare-and-swap of the word with the word plus one. Why this
is safe:

1. A claim belongs to the job whose fields were read. The caller *closes* the word (new epoch,
   `next` beyond any number of chunks), writes the job's fields, and *opens* the word with `next`
   at 0. The fields are stored with release, and loaded with acquire between the load of the word
   and the swap: a thread that saw a field of a newer job also sees that the word was closed, and
   its swap fails. So a thread that sleeps through a job can neither run nor spoil a later one,
   unless it sleeps through 2**32 of them in the middle of one claim.
2. The caller never waits for a thread that has not begun. It claims chunks like all others until
   none is left, and then waits until `done`, raised after each finished chunk, is the number of
   chunks: only running chunks can be missing. What they wrote is visible by release and acquire.
3. No wake-up is lost. A worker counts itself among `sleepers` and then sleeps only if `jobs` is
   still the number that it saw; the caller raises `jobs` and then looks at `sleepers`. Both are
   sequentially consistent, so one of the two notices the other.
4. `busy` is taken by a single try. Whoever finds it taken (a chunk that calls the pool again, a
   second thread of the program) runs its chunks alone, so nobody can wait in a circle.

Workers are created when a job first wants them, and numbered from 1; a job for n threads lets in
the workers below n, whatever earlier jobs asked for. Each sleeps under a bit of its own (modulo
32), so a job wakes those that it lets in.

Where a sleeper wakes up is settled by `beds`.
"""

from __future__ import annotations

from string import Template

from msgspec import Struct

from symfuse.runtime.host.threads import PARALLEL, RESET

from .beds import PLACES, beds_ir

__all__ = ["pool_ir"]

_SPINS_OF_AN_IDLE_WORKER = 1500
_SPINS_OF_A_WAITING_CALLER = 4000


class _System(Struct, frozen=True):
    """What the text takes from the processor and the operating system."""

    futex: int
    pause: str


_SYSTEMS = {
    ("linux", "x86_64"): _System(futex=202, pause="@llvm.x86.sse2.pause()"),
    ("linux", "aarch64"): _System(futex=98, pause="@llvm.aarch64.isb(i32 15)"),
}


def pool_ir(platform: str, architecture: str) -> str:
    """The pool for a platform (as `sys.platform`); without futexes it is a serial loop."""
    names = {"parallel": PARALLEL, "reset": RESET}
    system = _SYSTEMS.get((platform, architecture))
    if system is None:
        return Template(_SERIAL + _SERIAL_ENTRY).substitute(names)
    words = {
        "futex": system.futex,
        "pause": f"call void {system.pause}",
        "idle_spins": _SPINS_OF_AN_IDLE_WORKER,
        "wait_spins": _SPINS_OF_A_WAITING_CALLER,
        "places": PLACES,
    }
    text = _STATE + _FUTEX + _SERIAL + _CLAIM + _WORKER + _HIRE + _OPEN + _WAIT + _ENTRY
    return beds_ir() + Template(text).substitute(names, **words)


# Each word that threads fight for has a cache line of its own.
_STATE = """
@pool.word     = internal global i64 0, align 64    ; epoch << 32 | next chunk
@pool.done     = internal global i32 0, align 64    ; finished chunks of the current job
@pool.jobs     = internal global i32 0, align 64    ; what idle workers watch: the number of jobs
@pool.sleepers = internal global i32 0, align 64
@pool.busy     = internal global i32 0, align 64
@pool.workers  = internal global i32 0, align 4     ; created so far; belongs to who holds busy
@pool.fn       = internal global ptr null, align 64 ; the job: written while the word is closed
@pool.ctx      = internal global ptr null, align 8
@pool.chunks   = internal global i32 0, align 4
@pool.threads  = internal global i32 0, align 4

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @sched_yield()
declare i64 @syscall(i64, ...)
"""

_FUTEX = """
; Sleeps while `jobs` has this value (operation 137), or wakes sleepers under these bits (138).
define internal void @pool.futex(i32 %operation, i32 %value, i32 %bits) #0 {
  %status = call i64 (i64, ...) @syscall(i64 $futex, ptr @pool.jobs, i32 %operation, i32 %value,
                                         ptr null, ptr null, i32 %bits)
  ret void
}
"""

_SERIAL = """
define internal void @pool.serial(ptr %fn, ptr %ctx, i32 %chunks) #0 {
entry:
  %any = icmp sgt i32 %chunks, 0
  br i1 %any, label %each, label %finished
each:
  %chunk = phi i32 [ 0, %entry ], [ %following, %each ]
  call void %fn(ptr %ctx, i32 %chunk, i32 %chunks)
  %following = add nsw i32 %chunk, 1
  %more = icmp slt i32 %following, %chunks
  br i1 %more, label %each, label %finished
finished:
  ret void
}
"""

_CLAIM = """
; Runs chunks of the current job until none is left, or it does not let this thread in.
define internal void @pool.work(i32 %rank) #0 {
entry:
  br label %look
look:
  %word = load atomic i64, ptr @pool.word acquire, align 8
  %fn = load atomic ptr, ptr @pool.fn acquire, align 8
  %ctx = load atomic ptr, ptr @pool.ctx acquire, align 8
  %chunks = load atomic i32, ptr @pool.chunks acquire, align 4
  %threads = load atomic i32, ptr @pool.threads acquire, align 4
  %chunk = trunc i64 %word to i32
  %left = icmp slt i32 %chunk, %chunks
  %welcome = icmp slt i32 %rank, %threads
  %go = and i1 %left, %welcome
  br i1 %go, label %claim, label %leave
claim:
  %advanced = add i64 %word, 1
  %swap = cmpxchg ptr @pool.word, i64 %word, i64 %advanced acq_rel monotonic
  %mine = extractvalue { i64, i1 } %swap, 1
  br i1 %mine, label %run, label %look
run:
  call void %fn(ptr %ctx, i32 %chunk, i32 %chunks)
  %before = atomicrmw add ptr @pool.done, i32 1 release
  br label %look
leave:
  ret void
}
"""

_WORKER = """
; The life of a worker: watch for a job for a while, then sleep; work; again.
define internal ptr @pool.worker(ptr %argument) #0 {
entry:
  %rank64 = ptrtoint ptr %argument to i64
  %rank = trunc i64 %rank64 to i32
  %position = and i32 %rank, 31
  %bit = shl i32 1, %position
  %bed = getelementptr %pool.bed, ptr @pool.beds, i32 %rank
  %asleep = getelementptr %pool.bed, ptr %bed, i32 0, i32 1
  br label %idle
idle:
  %seen = phi i32 [ 0, %entry ], [ %jobs, %wake ]
  br label %watch
watch:
  %spins = phi i32 [ 0, %idle ], [ %more, %spin ]
  %watched = load atomic i32, ptr @pool.jobs acquire, align 4
  %quiet = icmp eq i32 %watched, %seen
  br i1 %quiet, label %spin, label %wake
spin:
  $pause
  %more = add nuw nsw i32 %spins, 1
  %patient = icmp ult i32 %more, $idle_spins
  br i1 %patient, label %watch, label %lie
lie:
  call void @pool.reunite(ptr %bed)
  store atomic i32 1, ptr %asleep release, align 4
  %up = atomicrmw add ptr @pool.sleepers, i32 1 seq_cst
  br label %sleep
sleep:
  call void @pool.futex(i32 137, i32 %seen, i32 %bit)
  %found = load atomic i32, ptr @pool.jobs seq_cst, align 4
  %nothing = icmp eq i32 %found, %seen
  br i1 %nothing, label %sleep, label %rise
rise:
  %down = atomicrmw sub ptr @pool.sleepers, i32 1 seq_cst
  store atomic i32 0, ptr %asleep release, align 4
  call void @pool.reunite(ptr %bed)
  br label %wake
wake:
  %jobs = phi i32 [ %watched, %watch ], [ %found, %rise ]
  call void @pool.work(i32 %rank)
  br label %idle
}
"""

_HIRE = """
; Makes workers until there are enough for a job of so many threads, or the system refuses one.
define internal void @pool.hire(i32 %threads) #0 {
entry:
  %present = load i32, ptr @pool.workers, align 4
  br label %check
check:
  %workers = phi i32 [ %present, %entry ], [ %rank, %hired ]
  %rank = add nsw i32 %workers, 1
  %needed = icmp slt i32 %rank, %threads
  br i1 %needed, label %create, label %enough
create:
  %rank64 = zext i32 %rank to i64
  %argument = inttoptr i64 %rank64 to ptr
  %bed = getelementptr %pool.bed, ptr @pool.beds, i32 %rank
  store %pool.bed zeroinitializer, ptr %bed, align 8
  %refused = call i32 @pthread_create(ptr %bed, ptr null, ptr @pool.worker, ptr %argument)
  %created = icmp eq i32 %refused, 0
  br i1 %created, label %hired, label %enough
hired:
  %thread = load i64, ptr %bed, align 8
  %detached = call i32 @pthread_detach(i64 %thread)
  store i32 %rank, ptr @pool.workers, align 4
  br label %check
enough:
  ret void
}
"""

_OPEN = """
; Describes the job and opens it; returns with sleeping workers woken.
define internal void @pool.open(ptr %fn, ptr %ctx, i32 %chunks, i32 %threads) #0 {
entry:
  %last = load atomic i32, ptr @pool.jobs monotonic, align 4
  %job = add i32 %last, 1
  %job64 = zext i32 %job to i64
  %opened = shl i64 %job64, 32
  %closed = or i64 %opened, 2147483647
  store atomic i64 %closed, ptr @pool.word monotonic, align 8
  store atomic ptr %fn, ptr @pool.fn release, align 8
  store atomic ptr %ctx, ptr @pool.ctx release, align 8
  store atomic i32 %chunks, ptr @pool.chunks release, align 4
  store atomic i32 %threads, ptr @pool.threads release, align 4
  store atomic i32 0, ptr @pool.done monotonic, align 4
  store atomic i64 %opened, ptr @pool.word release, align 8
  %abed = load atomic i32, ptr @pool.sleepers monotonic, align 4
  %any = icmp sgt i32 %abed, 0
  br i1 %any, label %part, label %announce
part:
  call void @pool.part(i32 %threads)
  br label %announce
announce:
  store atomic i32 %job, ptr @pool.jobs seq_cst, align 4
  %sleepers = load atomic i32, ptr @pool.sleepers seq_cst, align 4
  %asleep = icmp sgt i32 %sleepers, 0
  br i1 %asleep, label %rouse, label %woken
rouse:
  %few = icmp ult i32 %threads, 32
  %shift = select i1 %few, i32 %threads, i32 0
  %beyond = shl i32 1, %shift
  %bits = sub i32 %beyond, 1
  %mask = select i1 %few, i32 %bits, i32 -1
  call void @pool.futex(i32 138, i32 2147483647, i32 %mask)
  br label %woken
woken:
  ret void
}
"""

_WAIT = """
; Returns when all chunks are finished; after a while it lets other threads have the core.
define internal void @pool.wait(i32 %chunks) #0 {
entry:
  br label %look
look:
  %spins = phi i32 [ 0, %entry ], [ %more, %spin ], [ %spins, %yield ]
  %done = load atomic i32, ptr @pool.done acquire, align 4
  %all = icmp eq i32 %done, %chunks
  br i1 %all, label %finished, label %unfinished
unfinished:
  %patient = icmp ult i32 %spins, $wait_spins
  br i1 %patient, label %spin, label %yield
spin:
  $pause
  %more = add nuw nsw i32 %spins, 1
  br label %look
yield:
  %yielded = call i32 @sched_yield()
  br label %look
finished:
  ret void
}
"""

_ENTRY = """
define void @$parallel(ptr %fn, ptr %ctx, i32 %chunks, i32 %threads) #0 {
entry:
  %wanted = call i32 @llvm.smin.i32(i32 %chunks, i32 %threads)
  %useful = call i32 @llvm.smin.i32(i32 %wanted, i32 $places)
  %worth = icmp sgt i32 %useful, 1
  br i1 %worth, label %try, label %alone
try:
  %swap = cmpxchg ptr @pool.busy, i32 0, i32 1 acquire monotonic
  %free = extractvalue { i32, i1 } %swap, 1
  br i1 %free, label %together, label %alone
alone:
  call void @pool.serial(ptr %fn, ptr %ctx, i32 %chunks)
  ret void
together:
  call void @pool.hire(i32 %useful)
  call void @pool.open(ptr %fn, ptr %ctx, i32 %chunks, i32 %useful)
  call void @pool.work(i32 0)
  call void @pool.wait(i32 %chunks)
  store atomic i32 0, ptr @pool.busy release, align 4
  ret void
}

; For a forked child, which has one thread: no workers, no job, nobody inside.
define void @$reset() #0 {
  store i64 0, ptr @pool.word, align 8
  store i32 0, ptr @pool.chunks, align 4
  store i32 0, ptr @pool.jobs, align 4
  store i32 0, ptr @pool.sleepers, align 4
  store i32 0, ptr @pool.workers, align 4
  store i32 0, ptr @pool.busy, align 4
  ret void
}
"""

_SERIAL_ENTRY = """
define void @$parallel(ptr %fn, ptr %ctx, i32 %chunks, i32 %threads) #0 {
  call void @pool.serial(ptr %fn, ptr %ctx, i32 %chunks)
  ret void
}

define void @$reset() #0 {
  ret void
}
"""
