// Captures and their replay, in any order in which each node runs after those that it waits for.
#include <algorithm>
#include <random>
#include <set>

#include "driver.h"

using namespace sf;

namespace {

// The nodes that come before a node, those before these, and so on.
std::set<CUgraphNode> all_before(std::vector<CUgraphNode> waiting) {
    std::set<CUgraphNode> found;
    while (!waiting.empty()) {
        CUgraphNode node = waiting.back();
        waiting.pop_back();
        if (found.insert(node).second)
            waiting.insert(waiting.end(), node->after.begin(), node->after.end());
    }
    return found;
}

// One of the orders that a device may choose: as captured, the last of what may run first, or by lot.
std::vector<size_t> an_order(const CUgraphExec_st& graph) {
    uint64_t schedule = setting("SIM_SCHEDULE", 0);
    std::mt19937_64 random(schedule);
    std::vector<size_t> order;
    std::set<CUgraphNode> done;
    while (order.size() < graph.nodes.size()) {
        std::vector<size_t> ready;
        for (size_t i = 0; i < graph.nodes.size(); i++) {
            auto& after = graph.nodes[i].after;
            bool may_run = std::all_of(after.begin(), after.end(),
                                       [&](CUgraphNode node) { return done.count(node) > 0; });
            if (may_run && !done.count(graph.origins[i])) ready.push_back(i);
        }
        size_t at = schedule == 0 ? 0 : schedule == 1 ? ready.size() - 1 : random() % ready.size();
        order.push_back(ready[at]);
        done.insert(graph.origins[ready[at]]);
    }
    return order;
}

}  // namespace

API cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) {
    return guarded([&] {
        CUstream stream = stream_of(handle);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        bool is_default = stream != handle;
        if (is_default) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
        stream->capture = std::make_shared<Capture>();
        stream->capture->graph = std::make_unique<CUgraph_st>();
        stream->capture->origin = stream;
        stream->capture->mode = mode;
        stream->newest.clear();
        return CUDA_SUCCESS;
    });
}

// What other streams have recorded must be waited for by the stream that has begun the capture.
API cuStreamEndCapture(CUstream stream, CUgraph* graph) {
    return guarded([&] {
        *graph = nullptr;
        if (!state().streams.holds(stream)) return CUDA_ERROR_INVALID_HANDLE;
        if (!stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
        if (stream->capture->origin != stream) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
        auto capture = stream->capture;
        auto captured = std::move(capture->graph);
        bool is_joined = all_before(stream->newest).size() == captured->nodes.size();
        for (auto& one : state().streams)
            if (one->capture == capture) one->capture = nullptr, one->newest.clear();
        if (capture->is_spoilt) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        if (!is_joined) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
        *graph = state().graphs.add(std::move(captured));
        return CUDA_SUCCESS;
    });
}

API cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
    return guarded([&] {
        CUstream stream = stream_of(handle);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        *status = !stream->capture             ? CU_STREAM_CAPTURE_STATUS_NONE
                  : stream->capture->is_spoilt ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                               : CU_STREAM_CAPTURE_STATUS_ACTIVE;
        return CUDA_SUCCESS;
    });
}

// Of the graph so far, what work on the stream would come after.
API cuStreamGetCaptureInfo(CUstream handle, CUstreamCaptureStatus* status, cuuint64_t* number,
                           CUgraph* graph, const CUgraphNode** dependencies,
                           const CUgraphEdgeData** edges, size_t* count) {
    if (CUresult error = cuStreamIsCapturing(handle, status)) return error;
    return guarded([&] {
        CUstream stream = stream_of(handle);
        CUgraph captured = stream->capture ? stream->capture->graph.get() : nullptr;
        if (number) *number = (cuuint64_t)(uintptr_t)captured;
        if (graph) *graph = captured;
        if (edges) *edges = nullptr;
        if (dependencies) *dependencies = captured ? stream->newest.data() : nullptr;
        if (count) *count = stream->newest.size();
        return CUDA_SUCCESS;
    });
}

API cuGraphGetEdges(CUgraph graph, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData*,
                    size_t* count) {
    return guarded([&] {
        if (!state().graphs.holds(graph)) return CUDA_ERROR_INVALID_HANDLE;
        size_t number = 0;
        for (auto& node : graph->nodes)
            for (CUgraphNode before : node->after) {
                if (from && to && number < *count) from[number] = before, to[number] = node.get();
                number++;
            }
        *count = number;
        return CUDA_SUCCESS;
    });
}

API cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
    return guarded([&] {
        if (!state().graphs.holds(graph)) return CUDA_ERROR_INVALID_HANDLE;
        if (!nodes) *count = graph->nodes.size();
        for (size_t i = 0; nodes && i < *count; i++)
            nodes[i] = i < graph->nodes.size() ? graph->nodes[i].get() : nullptr;
        return CUDA_SUCCESS;
    });
}

API cuGraphInstantiate(CUgraphExec* executable, CUgraph graph, unsigned long long) {
    return guarded([&] {
        if (!state().graphs.holds(graph)) return CUDA_ERROR_INVALID_HANDLE;
        auto made = std::make_unique<CUgraphExec_st>();
        for (auto& node : graph->nodes) {
            made->origins.push_back(node.get());
            made->nodes.push_back(*node);
        }
        *executable = state().executables.add(std::move(made));
        return CUDA_SUCCESS;
    });
}

// Launches that were made before keep what they were given.
API cuGraphExecKernelNodeSetParams(CUgraphExec executable, CUgraphNode node,
                                   const CUDA_KERNEL_NODE_PARAMS* wanted) {
    return guarded([&] {
        if (!state().executables.holds(executable)) return CUDA_ERROR_INVALID_HANDLE;
        auto& origins = executable->origins;
        auto at = std::find(origins.begin(), origins.end(), node);
        if (at == origins.end()) return CUDA_ERROR_INVALID_VALUE;
        CUgraphNode_st& found = executable->nodes[(size_t)(at - origins.begin())];
        return found.other ? CUDA_ERROR_INVALID_VALUE : change_call(found.call, *wanted);
    });
}

API cuGraphUpload(CUgraphExec executable, CUstream stream) {
    return guarded([&] {
        bool is_known = state().executables.holds(executable) && stream_of(stream);
        return is_known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    });
}

API cuGraphLaunch(CUgraphExec executable, CUstream stream) {
    return guarded([&] {
        if (!state().executables.holds(executable)) return CUDA_ERROR_INVALID_HANDLE;
        for (size_t at : an_order(*executable))
            if (CUresult status = enqueue(stream, executable->nodes[at])) return status;
        return CUDA_SUCCESS;
    });
}

API cuGraphDestroy(CUgraph graph) {
    return guarded([&] {
        return state().graphs.remove(graph) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    });
}

API cuGraphExecDestroy(CUgraphExec executable) {
    return guarded([&] {
        return state().executables.remove(executable) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    });
}
