// One kernel on arrays of the caller, in a child process: whatever it does, the caller survives.
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "modules.h"
#include "scheduler.h"

namespace sf {
namespace {

struct Job {
    const char *text, *name;
    int32_t blocks, threads, order;
    uint64_t shared, seed;
    int32_t arrays, sizes;
    void* const* data;
    const uint64_t* bytes;
    const int64_t* values;
    int32_t seconds;
};

// What the child leaves behind, in memory that both see.
struct Report {
    int32_t is_complete;
    Fault fault;
    char message[2048];
};

constexpr size_t ALIGNMENT = 16;  // the least that the arrays of a caller have

class Arguments {
  public:
    explicit Arguments(const Job& job) : job_(job), regions_(job.arrays) {
        for (int32_t i = 0; i < job.arrays; i++) {
            std::string name = "argument " + std::to_string(i);
            regions_[i] = map_region(job.bytes[i], ALIGNMENT, name, true);
            memcpy(regions_[i].data, job.data[i], job.bytes[i]);
            announce(&regions_[i]);
            parameters_.push_back(&regions_[i].data);
        }
        for (int32_t i = 0; i < job.sizes; i++) parameters_.push_back((void*)&job.values[i]);
    }
    ~Arguments() {
        for (Region& region : regions_) withdraw(&region), unmap_region(region);
    }
    void** parameters() { return parameters_.data(); }

    void copy_back() const {
        for (int32_t i = 0; i < job_.arrays; i++)
            memcpy(job_.data[i], regions_[i].data, job_.bytes[i]);
    }
    const Region* overrun() const {
        for (const Region& region : regions_)
            if (!is_intact(region)) return &region;
        return nullptr;
    }

  private:
    const Job& job_;
    std::vector<Region> regions_;
    std::vector<void*> parameters_;
};

Outcome run_checked(const Job& job, const Entry& entry, Arguments& arguments) {
    Launch launch{&entry,     arguments.parameters(), job.blocks, job.threads,
                  job.shared, (Order)job.order,       job.seed};
    Outcome outcome = run(launch);
    if (const Region* region = outcome ? arguments.overrun() : nullptr)
        return {Fault::illegal_address, "the kernel writes beside " + region->name};
    return outcome;
}

[[noreturn]] void run_child(const Job& job, const Entry& entry, Arguments& arguments,
                            Report& report) {
    signal(SIGALRM, SIG_DFL);
    alarm(job.seconds);
    Outcome outcome = run_checked(job, entry, arguments);
    report.fault = outcome.fault;
    strncpy(report.message, outcome.message.c_str(), sizeof report.message - 1);
    report.is_complete = 1;
    _exit(0);
}

std::string death(int status) {
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "the kernel does not end";
    return "the kernel kills its process: status " + std::to_string(status);
}

Outcome run_in_child(const Job& job, const Entry& entry) {
    Arguments arguments(job);
    Region memory = map_region(sizeof(Report), alignof(Report), "", true);
    auto& report = *(Report*)memory.data;
    report = {};
    pid_t child = fork();
    if (child == 0) run_child(job, entry, arguments, report);
    int status = 0;
    waitpid(child, &status, 0);
    Outcome outcome{report.fault, report.message};
    if (!report.is_complete) outcome = {Fault::failed, death(status)};
    if (outcome) arguments.copy_back();
    unmap_region(memory);
    return outcome;
}

Outcome simulate(const Job& job) {
    std::string errors;
    auto module = load_module(job.text, errors);
    if (!module) return {Fault::not_launched, "the text does not compile:\n" + errors};
    const Entry* entry = module->entry(job.name);
    if (!entry) return {Fault::not_launched, "the text exports no such kernel"};
    if (entry->parameters != job.arrays + job.sizes)
        return {Fault::not_launched, "the kernel takes " + std::to_string(entry->parameters) +
                                         " parameters, not " +
                                         std::to_string(job.arrays + job.sizes)};
    Outcome outcome = run_in_child(job, *entry);
    outcome.message = module->quoting(outcome.message);
    return outcome;
}

}  // namespace
}  // namespace sf

// Writes what went wrong into `message` and gives its kind; 0 if nothing did.
extern "C" __attribute__((visibility("default"))) int32_t sf_simulate(const sf::Job* job,
                                                                      char* message, size_t room) {
    sf::Outcome outcome = sf::simulate(*job);
    strncpy(message, outcome.message.c_str(), room - 1);
    return (int32_t)outcome.fault;
}
