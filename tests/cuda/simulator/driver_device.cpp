// The driver itself: devices, contexts, and what errors are called.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "driver.h"

namespace sf {

Driver& state() {
    static Driver* everything = new Driver;  // never destroyed: handles outlive static objects
    return *everything;
}

uint64_t setting(const char* name, uint64_t otherwise) {
    const char* value = getenv(name);
    return value && *value ? strtoull(value, nullptr, 10) : otherwise;
}

namespace {

thread_local std::vector<CUcontext> current;

int device_count() { return (int)setting("SIM_DEVICES", 1); }

struct Told {
    CUresult status;
    const char *name, *text;
};
const Told ERRORS[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {CUDA_ERROR_MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CUDA_ERROR_ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE",
     "the operation cannot be performed in the present state"},
};

const Told* told(CUresult status) {
    for (const Told& error : ERRORS)
        if (error.status == status) return &error;
    return nullptr;
}

// As a device of the generation that symfuse is written for; the capability tells it for what it is.
int attribute(CUdevice_attribute which) {
    switch (which) {
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return 0;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return 0;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return 132;
        case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return 50 << 20;
        case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return 1024;
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return 2048;
        case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: return 65536;
        case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 65536;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return 227 << 10;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return 228 << 10;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7fffffff;
        case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return 1'000'000;
        case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH: return 1;
        case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
        default: return -1;
    }
}

bool is_context(CUcontext context) {
    auto& all = state().contexts;
    return std::any_of(all.begin(), all.end(), [=](auto& one) { return one.get() == context; });
}

}  // namespace

CUcontext current_context() { return current.empty() ? nullptr : current.back(); }

CUresult failed(CUresult status, const std::string& detail) {
    state().detail = detail;
    return status;
}

}  // namespace sf

using namespace sf;

API cuInit(unsigned) {
    std::lock_guard<std::recursive_mutex> alone(state().mutex);
    if (!device_count()) return CUDA_ERROR_NO_DEVICE;
    state().is_ready = true;
    return CUDA_SUCCESS;
}

API cuDriverGetVersion(int* version) {
    *version = (int)setting("SIM_VERSION", 13000);
    return CUDA_SUCCESS;
}

API cuDeviceGetCount(int* count) {
    *count = device_count();
    return CUDA_SUCCESS;
}

API cuDeviceGet(CUdevice* device, int ordinal) {
    if (ordinal < 0 || ordinal >= device_count()) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

API cuDeviceGetName(char* name, int room, CUdevice) {
    snprintf(name, (size_t)room, "simulated device");
    return CUDA_SUCCESS;
}

API cuDeviceGetAttribute(int* value, CUdevice_attribute which, CUdevice) {
    *value = attribute(which);
    return *value < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
    return guarded([&] {
        auto& all = state().contexts;
        while ((int)all.size() <= device) {
            all.push_back(std::make_unique<CUctx_st>());
            all.back()->ordinal = (int)all.size() - 1;
        }
        *context = all[(size_t)device].get();
        (*context)->retained++;
        return CUDA_SUCCESS;
    }, false);
}

API cuDevicePrimaryCtxRelease(CUdevice device) {
    return guarded([&] {
        if (device < 0 || device >= (int)state().contexts.size()) return CUDA_ERROR_INVALID_DEVICE;
        auto& retained = state().contexts[(size_t)device]->retained;
        if (!retained) return CUDA_ERROR_INVALID_CONTEXT;
        retained--;
        return CUDA_SUCCESS;
    }, false);
}

API cuCtxGetCurrent(CUcontext* context) {
    *context = current_context();
    return CUDA_SUCCESS;
}

API cuCtxSetCurrent(CUcontext context) {
    return guarded([&] {
        if (context && !is_context(context)) return CUDA_ERROR_INVALID_CONTEXT;
        if (!current.empty()) current.pop_back();
        if (context) current.push_back(context);
        return CUDA_SUCCESS;
    }, false);
}

API cuCtxPushCurrent(CUcontext context) {
    return guarded([&] {
        if (!is_context(context)) return CUDA_ERROR_INVALID_CONTEXT;
        current.push_back(context);
        return CUDA_SUCCESS;
    }, false);
}

API cuCtxPopCurrent(CUcontext* context) {
    return guarded([&] {
        if (context) *context = current_context();
        current.pop_back();
        return CUDA_SUCCESS;
    });
}

API cuCtxSynchronize() { return guarded(run_everything); }

API cuGetErrorName(CUresult status, const char** name) {
    const Told* error = told(status);
    *name = error ? error->name : nullptr;
    return error ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// With what the simulator found, where it found something.
API cuGetErrorString(CUresult status, const char** text) {
    static thread_local std::string words;
    const Told* error = told(status);
    if (!error) return CUDA_ERROR_INVALID_VALUE;
    std::lock_guard<std::recursive_mutex> alone(state().mutex);
    const std::string& detail = state().detail;
    words = detail.empty() ? error->text : std::string(error->text) + ": " + detail;
    *text = words.c_str();
    return CUDA_SUCCESS;
}

// For tests: forgets what broke, as a new process would, and what was still to be done.
extern "C" __attribute__((visibility("default"))) void sf_driver_reset() {
    std::lock_guard<std::recursive_mutex> alone(state().mutex);
    state().lost = CUDA_SUCCESS;
    state().detail.clear();
    for (auto& context : state().contexts) context->queue.waiting.clear();
    for (auto& stream : state().streams) stream->own.waiting.clear(), stream->capture.reset();
}

// For tests: how many kernels have run.
extern "C" __attribute__((visibility("default"))) uint64_t sf_driver_launches() {
    return state().launches;
}
