// Memory of the device and pinned memory of the host: guarded, poisoned, and copied lazily.
#include <string.h>

#include <algorithm>
#include <map>

#include "driver.h"

namespace sf {
namespace {

constexpr size_t DEVICE_ALIGNMENT = 256, HOST_ALIGNMENT = 64;
constexpr uint64_t DEVICE_BYTES = 2ull << 30;

// By address. What was freed keeps its addresses, so that a later use is known for what it is.
struct Allocations {
    std::map<uintptr_t, std::unique_ptr<Region>> all;
    uint64_t live = 0;
    int count = 0;

    Region* holding(uintptr_t address, size_t bytes) {
        auto after = all.upper_bound(address);
        if (after == all.begin()) return nullptr;
        Region* region = std::prev(after)->second.get();
        bool is_inside = !region->is_freed && region->holds((void*)address, bytes);
        return is_inside ? region : nullptr;
    }
    Region* starting(uintptr_t address) {
        auto at = all.find(address);
        return at == all.end() || at->second->is_freed ? nullptr : at->second.get();
    }
    void* add(size_t bytes, size_t alignment, const char* name) {
        auto region = std::make_unique<Region>(
            map_region(bytes, alignment, name + std::to_string(count++), false));
        char* data = region->data;
        if (!data) return nullptr;
        live += bytes;
        announce(region.get());
        all[(uintptr_t)data] = std::move(region);
        return data;
    }
    CUresult remove(uintptr_t address) {
        Region* region = starting(address);
        if (!region) return failed(CUDA_ERROR_INVALID_VALUE, describe((void*)address));
        bool was_intact = is_intact(*region);
        live -= region->bytes;
        retire_region(*region);
        if (was_intact) return CUDA_SUCCESS;
        return failed(CUDA_ERROR_ILLEGAL_ADDRESS, "something was written beside " + region->name);
    }
};
Allocations device, pinned;

uint64_t device_bytes() { return setting("SIM_MEMORY", DEVICE_BYTES); }

// Never ends before its work, so that nothing is freed under a kernel that is still to run.
CUresult release(Allocations& allocations, uintptr_t address) {
    if (!address) return CUDA_SUCCESS;
    if (CUresult status = refuse_while_capturing()) return status;
    if (CUresult status = run_everything()) return status;
    return allocations.remove(address);
}

CUresult allocate(CUdeviceptr* address, size_t bytes) {
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    if (device.live + bytes > device_bytes()) return CUDA_ERROR_OUT_OF_MEMORY;
    void* data = device.add(bytes, DEVICE_ALIGNMENT, "allocation ");
    *address = (CUdeviceptr)data;
    return data ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

bool is_pinned(const void* address, size_t bytes) {
    return pinned.holding((uintptr_t)address, bytes) != nullptr;
}

CUresult outside(CUdeviceptr address, size_t bytes) {
    return failed(CUDA_ERROR_INVALID_VALUE, std::to_string(bytes) + " bytes from " +
                                                describe((const void*)address) +
                                                " are not inside one allocation");
}

bool is_device(CUdeviceptr address, size_t bytes) {
    return device.holding((uintptr_t)address, bytes) != nullptr;
}

bool is_capturing(CUstream handle) {
    CUstream stream = stream_of(handle);
    return stream && stream->capture;
}

CUresult enqueue_copy(CUstream stream, void* to, const void* from, size_t bytes) {
    return enqueue(stream, {{}, [=] {
                                memmove(to, from, bytes);
                                return CUDA_SUCCESS;
                            }});
}

template <class Word>
CUresult fill(CUdeviceptr address, Word value, size_t count, CUstream stream) {
    size_t bytes = count * sizeof(Word);
    if (!is_device(address, bytes)) return outside(address, bytes);
    return enqueue(stream, {{}, [=] {
                                std::fill_n((Word*)address, count, value);
                                return CUDA_SUCCESS;
                            }});
}

}  // namespace
}  // namespace sf

using namespace sf;

API cuDeviceTotalMem(size_t* bytes, CUdevice) {
    *bytes = device_bytes();
    return CUDA_SUCCESS;
}

API cuMemGetInfo(size_t* free, size_t* total) {
    return guarded([&] {
        *total = device_bytes();
        *free = *total - std::min<uint64_t>(device.live, *total);
        return CUDA_SUCCESS;
    });
}

API cuMemAlloc(CUdeviceptr* address, size_t bytes) {
    return guarded([&] {
        CUresult status = refuse_while_capturing();
        return status ? status : allocate(address, bytes);
    });
}

API cuMemFree(CUdeviceptr address) {
    return guarded([&] { return release(device, (uintptr_t)address); });
}

API cuMemAllocAsync(CUdeviceptr* address, size_t bytes, CUstream stream) {
    return guarded([&] {
        if (!stream_of(stream)) return CUDA_ERROR_INVALID_HANDLE;
        return is_capturing(stream) ? CUDA_ERROR_NOT_SUPPORTED : allocate(address, bytes);
    });
}

API cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
    return guarded([&] {
        if (!device.starting((uintptr_t)address)) return CUDA_ERROR_INVALID_VALUE;
        return enqueue(stream, {{}, [=] { return device.remove((uintptr_t)address); }});
    });
}

API cuMemHostAlloc(void** address, size_t bytes, unsigned) {
    return guarded([&] {
        if (!bytes) return CUDA_ERROR_INVALID_VALUE;
        *address = pinned.add(bytes, HOST_ALIGNMENT, "pinned memory ");
        return *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    });
}

API cuMemFreeHost(void* address) {
    return guarded([&] { return release(pinned, (uintptr_t)address); });
}

// From pinned memory when its turn comes; other memory is read before the call returns.
API cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
    return guarded([&] {
        if (!is_device(to, bytes)) return outside(to, bytes);
        if (is_pinned(from, bytes) || is_capturing(stream))
            return enqueue_copy(stream, (void*)to, from, bytes);
        auto taken = std::make_shared<std::string>((const char*)from, bytes);
        return enqueue(stream, {{}, [=] {
                                    memcpy((void*)to, taken->data(), bytes);
                                    return CUDA_SUCCESS;
                                }});
    });
}

// Into memory that is not pinned, the call returns when it is done.
API cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return guarded([&] {
        if (!is_device(from, bytes)) return outside(from, bytes);
        CUresult status = enqueue_copy(stream, to, (const void*)from, bytes);
        if (status || is_pinned(to, bytes) || is_capturing(stream)) return status;
        Queue& queue = stream_of(stream)->queue();
        return queue.run_until(queue.given);
    });
}

API cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return guarded([&] {
        if (!is_device(to, bytes)) return outside(to, bytes);
        if (!is_device(from, bytes)) return outside(from, bytes);
        return enqueue_copy(stream, (void*)to, (const void*)from, bytes);
    });
}

API cuMemsetD8Async(CUdeviceptr address, unsigned char value, size_t count, CUstream stream) {
    return guarded([&] { return fill(address, value, count, stream); });
}

API cuMemsetD32Async(CUdeviceptr address, unsigned value, size_t count, CUstream stream) {
    return guarded([&] { return fill(address, value, count, stream); });
}

API cuPointerGetAttribute(void* value, CUpointer_attribute which, CUdeviceptr address) {
    return guarded([&] {
        Region* here = device.holding((uintptr_t)address, 1);
        Region* there = here ? nullptr : pinned.holding((uintptr_t)address, 1);
        Region* region = here ? here : there;
        if (!region) return CUDA_ERROR_INVALID_VALUE;
        switch (which) {
            case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
                *(unsigned*)value = here ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
                return CUDA_SUCCESS;
            case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
                *(int*)value = current_context()->ordinal;
                return CUDA_SUCCESS;
            case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
                *(void**)value = region->data;
                return CUDA_SUCCESS;
            case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
                *(size_t*)value = region->bytes;
                return CUDA_SUCCESS;
            default: return CUDA_ERROR_INVALID_VALUE;
        }
    });
}
