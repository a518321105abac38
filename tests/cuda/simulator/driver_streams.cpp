// Streams, events, and the queues of work behind them.
#include <time.h>

#include <algorithm>

#include "driver.h"

namespace sf {

void Queue::put(std::function<CUresult()> run) { waiting.push_back({std::move(run), ++given}); }

// Runs what stands first. A failure breaks the context: nothing behind it runs any more.
CUresult Queue::advance() {
    Work work = std::move(waiting.front());
    waiting.pop_front();
    done = work.number;
    CUresult status = work.run();
    if (status && !state().lost) state().lost = status;
    return status;
}

CUresult Queue::run_until(uint64_t number) {
    while (!waiting.empty() && waiting.front().number <= number)
        if (CUresult status = advance()) return status;
    return CUDA_SUCCESS;
}

namespace {

double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

CUstream default_stream(CUcontext context) {
    if (context->default_stream) return context->default_stream;
    auto made = std::make_unique<CUstream_st>();
    made->context = context;
    return context->default_stream = state().streams.add(std::move(made));
}

bool is_done(const CUevent_st& event) { return !event.queue || event.queue->done >= event.number; }

}  // namespace

CUstream stream_of(CUstream handle) {
    bool is_default = !handle || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD;
    if (is_default) return default_stream(current_context());
    return state().streams.holds(handle) ? handle : nullptr;
}

CUresult run_node(CUgraphNode_st& node) { return node.other ? node.other() : node.call.run(); }

CUresult enqueue(CUstream handle, CUgraphNode_st node) {
    CUstream stream = stream_of(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) {
        if (stream->capture->is_spoilt) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        node.after = stream->newest;
        auto& nodes = stream->capture->graph->nodes;
        nodes.push_back(std::make_unique<CUgraphNode_st>(std::move(node)));
        stream->newest = {nodes.back().get()};
    } else {
        auto kept = std::make_shared<CUgraphNode_st>(std::move(node));
        stream->queue().put([kept] { return run_node(*kept); });
    }
    return CUDA_SUCCESS;
}

// Calls that may wait for a stream must not be made while any of them records.
CUresult refuse_while_capturing() {
    CUresult status = CUDA_SUCCESS;
    for (auto& stream : state().streams)
        if (stream->capture && stream->capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED) {
            stream->capture->is_spoilt = true;
            status = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    return status;
}

CUresult run_everything() {
    for (auto& stream : state().streams)
        if (stream->capture) {
            stream->capture->is_spoilt = true;
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    for (auto& context : state().contexts)
        if (CUresult status = context->queue.run_until(context->queue.given)) return status;
    for (auto& stream : state().streams)
        if (CUresult status = stream->own.run_until(stream->own.given)) return status;
    return CUDA_SUCCESS;
}

}  // namespace sf

using namespace sf;

API cuStreamCreate(CUstream* stream, unsigned flags) {
    return guarded([&] {
        auto made = std::make_unique<CUstream_st>();
        made->context = current_context();
        made->waits_for_default = !(flags & CU_STREAM_NON_BLOCKING);
        *stream = state().streams.add(std::move(made));
        return CUDA_SUCCESS;
    });
}

// What is on the stream is still done.
API cuStreamDestroy(CUstream stream) {
    return guarded([&] {
        if (!state().streams.holds(stream)) return CUDA_ERROR_INVALID_HANDLE;
        CUresult status = stream->own.run_until(stream->own.given);
        for (auto& event : state().events)
            if (event->queue == &stream->own) event->queue = nullptr;
        state().streams.remove(stream);
        return status;
    });
}

API cuStreamSynchronize(CUstream handle) {
    return guarded([&] {
        CUstream stream = stream_of(handle);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        if (stream->capture) {
            stream->capture->is_spoilt = true;
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
        return stream->queue().run_until(stream->queue().given);
    });
}

// Whoever asks again and again sees one thing done at a time.
API cuStreamQuery(CUstream handle) {
    return guarded([&] {
        CUstream stream = stream_of(handle);
        if (!stream) return CUDA_ERROR_INVALID_HANDLE;
        if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        if (stream->queue().waiting.empty()) return CUDA_SUCCESS;
        CUresult status = stream->queue().advance();
        return status ? status : CUDA_ERROR_NOT_READY;
    });
}

// A stream that waits for an event of a capture joins it; what it records comes after both. Events
// from before a capture order nothing in it.
API cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
    return guarded([&] {
        CUstream stream = stream_of(handle);
        if (!stream || !state().events.holds(event)) return CUDA_ERROR_INVALID_HANDLE;
        if (event->capture) {
            if (stream != handle) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
            if (!event->capture->graph) return CUDA_ERROR_INVALID_VALUE;
            if (!stream->capture) stream->capture = event->capture, stream->newest.clear();
            if (stream->capture != event->capture) return CUDA_ERROR_STREAM_CAPTURE_MERGE;
            for (CUgraphNode node : event->newest)
                if (std::find(stream->newest.begin(), stream->newest.end(), node) ==
                    stream->newest.end())
                    stream->newest.push_back(node);
            return CUDA_SUCCESS;
        }
        if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
        Queue* queue = event->queue;
        uint64_t number = event->number;
        auto wait = [=] { return queue ? queue->run_until(number) : CUDA_SUCCESS; };
        return enqueue(stream, {{}, wait});
    });
}

API cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
    return guarded([&] {
        return enqueue(stream, {{}, [=] {
                                    function(data);
                                    return CUDA_SUCCESS;
                                }});
    });
}

API cuEventCreate(CUevent* event, unsigned flags) {
    return guarded([&] {
        auto made = std::make_unique<CUevent_st>();
        made->has_time = !(flags & CU_EVENT_DISABLE_TIMING);
        *event = state().events.add(std::move(made));
        return CUDA_SUCCESS;
    });
}

API cuEventDestroy(CUevent event) {
    return guarded([&] {
        return state().events.remove(event) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    });
}

API cuEventRecord(CUevent event, CUstream handle) {
    return guarded([&] {
        CUstream stream = stream_of(handle);
        if (!stream || !state().events.holds(event)) return CUDA_ERROR_INVALID_HANDLE;
        event->capture = stream->capture;
        event->newest = stream->newest;
        if (stream->capture) return event->queue = nullptr, CUDA_SUCCESS;
        auto time = event->milliseconds = std::make_shared<double>(-1);
        auto record = [time] {
            *time = now();
            return CUDA_SUCCESS;
        };
        CUresult status = enqueue(stream, {{}, record});
        event->queue = &stream->queue(), event->number = event->queue->given;
        return status;
    });
}

API cuEventQuery(CUevent event) {
    return guarded([&] {
        if (!state().events.holds(event)) return CUDA_ERROR_INVALID_HANDLE;
        if (is_done(*event)) return CUDA_SUCCESS;
        CUresult status = event->queue->advance();
        return status ? status : CUDA_ERROR_NOT_READY;
    });
}

API cuEventSynchronize(CUevent event) {
    return guarded([&] {
        if (!state().events.holds(event)) return CUDA_ERROR_INVALID_HANDLE;
        return event->queue ? event->queue->run_until(event->number) : CUDA_SUCCESS;
    });
}

API cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
    return guarded([&] {
        if (!state().events.holds(start) || !state().events.holds(end))
            return CUDA_ERROR_INVALID_HANDLE;
        if (!start->queue || !end->queue || !start->has_time || !end->has_time)
            return CUDA_ERROR_INVALID_HANDLE;
        if (!is_done(*start) || !is_done(*end)) return CUDA_ERROR_NOT_READY;
        *milliseconds = (float)(*end->milliseconds - *start->milliseconds);
        return CUDA_SUCCESS;
    });
}
