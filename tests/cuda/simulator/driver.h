// A driver of simulated devices, under the names of libcuda.
//
// It is as lazy as a real one may be: nothing on a stream runs before somebody waits for it, so that
// a missing wait shows; and it is as strict: a bad range, a stale handle or a call that a capture
// forbids is an error here even where a real driver would not notice.
#pragma once
#ifdef SF_CUDA_HEADER
#include <cuda.h>
#else
#include "cuda_declarations.h"
#endif

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "memory.h"
#include "modules.h"

#define API extern "C" __attribute__((visibility("default"))) CUresult CUDAAPI

namespace sf {

// One thing to do on a stream; `number` tells how many came before it.
struct Work {
    std::function<CUresult()> run;
    uint64_t number = 0;
};

// Work in the order in which it was given. Streams that wait for the default stream, and it for
// them, share one queue: that is one of the orders that a device may choose.
struct Queue {
    std::deque<Work> waiting;
    uint64_t given = 0, done = 0;

    void put(std::function<CUresult()> run);
    CUresult advance();
    CUresult run_until(uint64_t number);
};

// A kernel with its parameters, which are copied when it is launched or its node is changed.
struct Call {
    CUfunction function = nullptr;
    unsigned blocks = 0, threads = 0, shared = 0;
    std::vector<std::vector<char>> parameters;

    CUresult run();
};

// What streams record together: the one that has begun it, and those that have joined by an event.
struct Capture {
    std::unique_ptr<CUgraph_st> graph;
    CUstream origin = nullptr;
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
    bool is_spoilt = false;  // by something that a capture forbids
};

}  // namespace sf

struct CUctx_st {
    int ordinal = 0;
    sf::Queue queue;
    CUstream default_stream = nullptr;
    unsigned retained = 0;
};

struct CUstream_st {
    CUcontext context = nullptr;
    bool waits_for_default = true;
    sf::Queue own;
    std::shared_ptr<sf::Capture> capture;
    std::vector<CUgraphNode> newest;  // what the next node that it records comes after

    sf::Queue& queue() { return waits_for_default ? context->queue : own; }
};

struct CUevent_st {
    sf::Queue* queue = nullptr;
    uint64_t number = 0;
    bool has_time = true;
    std::shared_ptr<sf::Capture> capture;  // if it was recorded in one, with what came before
    std::vector<CUgraphNode> newest;
    std::shared_ptr<double> milliseconds = std::make_shared<double>(-1);
};

struct CUmod_st {
    std::unique_ptr<sf::Module> module;
    std::vector<std::unique_ptr<CUfunc_st>> functions;
};

struct CUfunc_st {
    CUmodule module = nullptr;
    std::string name;
    const sf::Entry* entry = nullptr;
    int dynamic_limit = 48 << 10;
};

// Either a kernel or something else to run, and the nodes of its graph that come before.
struct CUgraphNode_st {
    sf::Call call;
    std::function<CUresult()> other;
    std::vector<CUgraphNode> after = {};
};

struct CUgraph_st {
    std::vector<std::unique_ptr<CUgraphNode_st>> nodes;
};

struct CUgraphExec_st {
    std::vector<CUgraphNode> origins;
    std::vector<CUgraphNode_st> nodes;
};

namespace sf {

// The objects behind handles that are valid.
template <class T>
class Handles {
  public:
    T* add(std::unique_ptr<T> object) {
        T* handle = object.get();
        objects_.insert(std::move(object));
        return handle;
    }
    bool holds(const T* handle) const { return find(handle) != objects_.end(); }
    bool remove(const T* handle) {
        auto at = find(handle);
        if (at == objects_.end()) return false;
        objects_.erase(at);
        return true;
    }
    auto begin() const { return objects_.begin(); }
    auto end() const { return objects_.end(); }

  private:
    auto find(const T* handle) const {
        return std::find_if(objects_.begin(), objects_.end(),
                            [=](const std::unique_ptr<T>& object) { return object.get() == handle; });
    }
    std::set<std::unique_ptr<T>> objects_;
};

// Everything the driver knows.
struct Driver {
    std::recursive_mutex mutex;
    bool is_ready = false;
    CUresult lost = CUDA_SUCCESS;  // what every call answers after a kernel has broken its context
    std::string detail;            // what went wrong, in the simulator's words
    std::vector<std::unique_ptr<CUctx_st>> contexts;
    Handles<CUstream_st> streams;
    Handles<CUevent_st> events;
    Handles<CUmod_st> modules;
    Handles<CUgraph_st> graphs;
    Handles<CUgraphExec_st> executables;
    uint64_t launches = 0;
};
Driver& state();

// The value of an environment variable, read whenever it matters, so that a test may change it.
uint64_t setting(const char* name, uint64_t otherwise);

CUcontext current_context();
CUresult failed(CUresult status, const std::string& detail);

// The body of an entry point: alone in the driver, and only where the driver can be used.
template <class Body>
CUresult guarded(Body body, bool needs_context = true) {
    std::lock_guard<std::recursive_mutex> alone(state().mutex);
    if (!state().is_ready) return CUDA_ERROR_NOT_INITIALIZED;
    if (state().lost) return state().lost;
    state().detail.clear();
    if (needs_context && !current_context()) return CUDA_ERROR_INVALID_CONTEXT;
    return body();
}

// The stream behind a handle, the default one where it is null.
CUstream stream_of(CUstream handle);

// Puts work on a stream, or into the graph that the stream is capturing.
CUresult enqueue(CUstream stream, CUgraphNode_st node);
CUresult run_node(CUgraphNode_st& node);

// Waits for everything; an error where a capture is under way, which it spoils.
CUresult run_everything();
CUresult refuse_while_capturing();

// Gives a captured kernel other parameters.
CUresult change_call(Call& call, const CUDA_KERNEL_NODE_PARAMS& wanted);

}  // namespace sf
