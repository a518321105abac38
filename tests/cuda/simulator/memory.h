// Memory with pages around it that nobody may touch.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <string>

namespace sf {

constexpr uint8_t POISON = 0xff;  // reads as NaN in every float, and as -1

struct Region {
    char* mapping = nullptr;
    size_t mapped = 0;
    char* data = nullptr;
    size_t bytes = 0;
    std::string name;
    bool is_freed = false;

    bool holds(const void* address, size_t count) const;
};

// Maps `bytes` that end at a forbidden page, as near as `alignment` lets them, filled with poison.
// `shared_with_children` keeps one memory for this process and those that it forks.
Region map_region(size_t bytes, size_t alignment, std::string name, bool shared_with_children);
void unmap_region(Region& region);

// Takes the memory away but keeps its addresses, so that later use is recognised for what it is.
void retire_region(Region& region);

// Whether the poison around the data, up to the forbidden pages, is as it was.
bool is_intact(const Region& region);

// Regions whose names stand in messages about bad addresses.
void announce(const Region* region);
void withdraw(const Region* region);
std::string describe(const void* address);

}  // namespace sf
