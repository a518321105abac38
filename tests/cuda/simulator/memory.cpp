// Guarded memory, and what an address belongs to.
#include "memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace sf {
namespace {

const size_t PAGE = (size_t)sysconf(_SC_PAGESIZE);
const size_t GUARD = 16 << 20;  // forbidden on either side: addresses cost nothing
const size_t BEFORE = 64;       // bytes in front of the data that are checked for stray writes

std::vector<const Region*>& announced() {
    static std::vector<const Region*> regions;
    return regions;
}

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

bool is_poison(const char* from, const char* to) {
    return std::all_of(from, to, [](char byte) { return (uint8_t)byte == POISON; });
}

}  // namespace

bool Region::holds(const void* address, size_t count) const {
    auto at = (uintptr_t)address, start = (uintptr_t)data;
    return at >= start && at - start <= bytes && count <= bytes - (at - start);
}

Region map_region(size_t bytes, size_t alignment, std::string name, bool shared_with_children) {
    Region region;
    size_t room = round_up(round_up(bytes, alignment) + BEFORE, PAGE);
    int sharing = shared_with_children ? MAP_SHARED : MAP_PRIVATE;
    void* mapping = mmap(nullptr, room + 2 * GUARD, PROT_NONE,
                         sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) return region;
    region.mapping = (char*)mapping;
    region.mapped = room + 2 * GUARD;
    region.data = region.mapping + GUARD + room - round_up(bytes, alignment);
    region.bytes = bytes;
    region.name = std::move(name);
    mprotect(region.mapping + GUARD, room, PROT_READ | PROT_WRITE);
    memset(region.data - BEFORE, POISON, region.mapping + GUARD + room - region.data + BEFORE);
    return region;
}

void unmap_region(Region& region) {
    if (region.mapping) munmap(region.mapping, region.mapped);
    region = Region{};
}

void retire_region(Region& region) {
    mmap(region.mapping, region.mapped, PROT_NONE,
         MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    region.is_freed = true;
}

bool is_intact(const Region& region) {
    const char* end = region.mapping + region.mapped - GUARD;
    return is_poison(region.data - BEFORE, region.data) && is_poison(region.data + region.bytes, end);
}

void announce(const Region* region) { announced().push_back(region); }

void withdraw(const Region* region) {
    auto& regions = announced();
    regions.erase(std::remove(regions.begin(), regions.end(), region), regions.end());
}

std::string describe(const void* address) {
    auto at = (const char*)address;
    for (const Region* region : announced()) {
        if (at < region->mapping || at >= region->mapping + region->mapped) continue;
        std::string whole = region->name + " of " + std::to_string(region->bytes) + " bytes";
        if (region->is_freed) return whole + ", which was freed";
        if (at < region->data) return std::to_string(region->data - at) + " bytes before " + whole;
        return "byte " + std::to_string(at - region->data) + " of " + whole;
    }
    return (uintptr_t)address < PAGE ? "a null pointer" : "no memory of the device";
}

}  // namespace sf
