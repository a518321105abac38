// Shared memory of a block, and the copies that fill it while its threads go on.
#include <string.h>

#include <algorithm>

#include "scheduler.h"

namespace sf {
namespace {

// Every array has forbidden pages around it. A mapping serves one block after the other.
void* array_of(Block& block, const void* declaration, size_t bytes, const char* name) {
    SharedArray* unused = nullptr;
    for (SharedArray& array : block.arrays) {
        if (array.declaration == declaration) return array.region.data;
        if (!array.declaration && array.region.mapping && array.bytes == bytes) unused = &array;
    }
    Unwatched unwatched;
    if (!unused) {
        block.arrays.push_back({nullptr, bytes, map_region(bytes, 128, name, false)});
        unused = &block.arrays.back();
        announce(&unused->region);
    }
    memset(unused->region.data, POISON, bytes);
    unused->declaration = declaration;
    return unused->region.data;
}

void start(Thread& thread, const Copy& copy) {
    Unwatched unwatched;
    thread.copies.push_back(copy);
}

void carry_out(const Copy& copy) {
    running_thread().line = copy.line;
    memcpy(copy.to, copy.from, copy.bytes);
    memset((char*)copy.to + copy.bytes, 0, copy.whole - copy.bytes);
}

// Those of groups before `end`; in the order in which they were started.
void carry_out_before(int group, std::vector<Copy>& copies) {
    auto late = std::find_if(copies.begin(), copies.end(),
                             [=](const Copy& copy) { return copy.group >= group; });
    std::for_each(copies.begin(), late, carry_out);
    Unwatched unwatched;
    copies.erase(copies.begin(), late);
}

}  // namespace

void discard(SharedArray& array) {
    withdraw(&array.region);
    unmap_region(array.region);
}

void Block::check_shared() const {
    for (const SharedArray& array : arrays)
        if (array.declaration && !is_intact(array.region))
            fail(Fault::illegal_address, "block %d writes beside %s of %zu bytes", number,
                 array.region.name.c_str(), array.bytes);
}

void* shared_array(const void* declaration, size_t bytes) {
    Block& block = *running_thread().block;
    for (SharedArray& array : block.arrays)
        if (array.declaration == declaration) return array.region.data;
    block.static_shared += bytes;
    if (block.static_shared > MOST_STATIC_SHARED)
        fail(Fault::not_launched, "%zu bytes of static shared memory, of which there are 48 KiB",
             block.static_shared);
    return array_of(block, declaration, bytes, "a shared array");
}

char* dynamic_shared() {
    static const char declaration = 0;
    Block& block = *running_thread().block;
    return (char*)array_of(block, &declaration, running_launch().shared, "dynamic shared memory");
}

void copy_async(void* shared, const void* global, int whole, int bytes, int line) {
    check_alignment(shared, whole, "sf_copy_async", line);
    if (bytes) check_alignment(global, whole, "sf_copy_async", line);
    Thread& thread = running_thread();
    start(thread, {shared, global, whole, bytes, thread.group, line});
    // A device may copy at once or as late as at the wait: results must not depend on it.
    if (running_launch().order == Order::backward || sometimes())
        carry_out_before(thread.group + 1, thread.copies);
}

void copy_commit() { running_thread().group++; }

void copy_wait(int groups) {
    Thread& thread = running_thread();
    carry_out_before(thread.group - groups, thread.copies);
}

void check_alignment(const void* address, size_t bytes, const char* what, int line) {
    if ((uintptr_t)address % bytes)
        fail(Fault::misaligned, "%s of %zu bytes at line %d is misaligned: %s", what, bytes, line,
             describe(address).c_str());
}

}  // namespace sf
