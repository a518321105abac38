// One launch of one kernel, as a program of its own: ThreadSanitizer is there from the start.
//
// Arguments: blocks, threads, shared bytes, order, seed, how many arrays, their files,
// and the sizes. Results are thrown away: what matters is what the sanitizer says.
#include <stdio.h>
#include <stdlib.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "scheduler.h"

extern "C" const sf::Entry SF_ENTRY;

int main(int, char** words) {
    auto next = [&] { return strtoll(*++words, nullptr, 10); };
    sf::Launch launch{};
    launch.entry = &SF_ENTRY;
    launch.blocks = (int32_t)next();
    launch.threads = (int32_t)next();
    launch.shared = (size_t)next();
    launch.order = (sf::Order)next();
    launch.seed = (uint64_t)next();
    std::vector<sf::Region> arrays((size_t)next());
    std::vector<int64_t> sizes((size_t)launch.entry->parameters - arrays.size());
    std::vector<void*> parameters;
    for (sf::Region& array : arrays) {
        std::ifstream file(*++words, std::ios::binary);
        std::string bytes{std::istreambuf_iterator<char>(file), {}};
        array = sf::map_region(bytes.size(), 16, "an argument", false);
        bytes.copy(array.data, bytes.size());
        sf::announce(&array);
        parameters.push_back(&array.data);
    }
    for (int64_t& size : sizes) size = next(), parameters.push_back(&size);
    launch.parameters = parameters.data();
    sf::Outcome outcome = sf::run(launch);
    if (!outcome) printf("%s\n", outcome.message.c_str());
    return outcome ? 0 : 1;
}
