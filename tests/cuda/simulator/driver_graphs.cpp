// Captures and their replay. A graph here is a sequence: the order in which it was captured.
#include <algorithm>

#include "driver.h"

using namespace sf;

API cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) {
    return guarded([&] {
        CUstream stream = stream_of(handle);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        bool is_default = stream != handle;
        if (is_default) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        if (stream->captured) return CUDA_ERROR_ILLEGAL_STATE;
        stream->captured = std::make_unique<CUgraph_st>();
        stream->mode = mode;
        return CUDA_SUCCESS;
    });
}

API cuStreamEndCapture(CUstream stream, CUgraph* graph) {
    return guarded([&] {
        *graph = nullptr;
        if (!state().streams.holds(stream)) return CUDA_ERROR_INVALID_HANDLE;
        if (!stream->captured) return CUDA_ERROR_ILLEGAL_STATE;
        auto captured = std::move(stream->captured);
        if (std::exchange(stream->is_spoilt, false)) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        *graph = state().graphs.add(std::move(captured));
        return CUDA_SUCCESS;
    });
}

API cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
    return guarded([&] {
        CUstream stream = stream_of(handle);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        *status = stream->is_spoilt    ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                  : stream->captured ? CU_STREAM_CAPTURE_STATUS_ACTIVE
                                     : CU_STREAM_CAPTURE_STATUS_NONE;
        return CUDA_SUCCESS;
    });
}

// Of the graph so far, what work on the stream would come after: its newest node.
API cuStreamGetCaptureInfo(CUstream handle, CUstreamCaptureStatus* status, cuuint64_t* number,
                           CUgraph* graph, const CUgraphNode** dependencies,
                           const CUgraphEdgeData** edges, size_t* count) {
    if (CUresult error = cuStreamIsCapturing(handle, status)) return error;
    return guarded([&] {
        CUgraph captured = stream_of(handle)->captured.get();
        if (number) *number = (cuuint64_t)(uintptr_t)captured;
        if (graph) *graph = captured;
        if (edges) *edges = nullptr;
        if (dependencies) *dependencies = captured ? &captured->newest : nullptr;
        if (count) *count = captured && captured->newest ? 1 : 0;
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
        for (const CUgraphNode_st& node : executable->nodes)
            if (CUresult status = enqueue(stream, node)) return status;
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
