// Modules and launches. A module's image is the text of its kernels, which is compiled when loaded.
#include <string.h>

#include <algorithm>

#include "driver.h"
#include "scheduler.h"

namespace sf {
namespace {

CUresult status_of(Fault fault) {
    switch (fault) {
        case Fault::none: return CUDA_SUCCESS;
        case Fault::illegal_address: return CUDA_ERROR_ILLEGAL_ADDRESS;
        case Fault::misaligned: return CUDA_ERROR_MISALIGNED_ADDRESS;
        case Fault::not_launched: return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
        case Fault::failed: break;
    }
    return CUDA_ERROR_LAUNCH_FAILED;
}

// SIM_SCHEDULE is 0 forward, 1 backward, and from 2 on the seed of a random order.
void choose_schedule(Launch& launch) {
    uint64_t wanted = setting("SIM_SCHEDULE", 0);
    launch.order = (Order)std::min<uint64_t>(wanted, 2);
    launch.seed = wanted;
}

bool is_function(CUfunction function) {
    for (auto& module : state().modules)
        for (auto& known : module->functions)
            if (known.get() == function) return true;
    return false;
}

// Parameters are taken here and now, as the real driver does.
CUresult take_parameters(Call& call, void** parameters) {
    const Entry& entry = *call.function->entry;
    call.parameters.clear();
    for (int32_t i = 0; i < entry.parameters; i++) {
        if (!parameters || !parameters[i]) return CUDA_ERROR_INVALID_VALUE;
        auto from = (const char*)parameters[i];
        call.parameters.emplace_back(from, from + entry.parameter_bytes[i]);
    }
    return CUDA_SUCCESS;
}

const char* refusal(const Call& call, unsigned other_dimensions) {
    if (!call.blocks || call.blocks > 0x7fffffff) return "a grid has 1 to 2147483647 blocks";
    if (!call.threads || call.threads > 1024) return "a block has 1 to 1024 threads";
    if (other_dimensions != 1) return "the simulated device has grids and blocks of one dimension";
    if ((int)call.threads > call.function->entry->threads)
        return "more threads than SF_KERNEL declares";
    if ((int)call.shared > call.function->dynamic_limit)
        return "more dynamic shared memory than the function was allowed";
    return nullptr;
}

CUresult make_call(Call& call, unsigned other_dimensions, void** parameters) {
    if (!is_function(call.function)) return CUDA_ERROR_INVALID_HANDLE;
    if (const char* reason = refusal(call, other_dimensions))
        return failed(CUDA_ERROR_INVALID_VALUE, call.function->name + ": " + reason);
    return take_parameters(call, parameters);
}

int attribute(const CUfunc_st& function, CUfunction_attribute which) {
    switch (which) {
        case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return function.entry->threads;
        case CU_FUNC_ATTRIBUTE_NUM_REGS: return 32;
        case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: return function.dynamic_limit;
        default: return 0;
    }
}

}  // namespace

CUresult Call::run() {
    if (!is_function(function)) return failed(CUDA_ERROR_INVALID_HANDLE, "its module was unloaded");
    const char* broken = getenv("SIM_FAULT");
    if (broken && function->name == broken)
        return failed(CUDA_ERROR_LAUNCH_FAILED, "as was asked for");
    std::vector<void*> addresses;
    for (auto& parameter : parameters) addresses.push_back(parameter.data());
    Launch launch{};
    launch.entry = function->entry;
    launch.parameters = addresses.data();
    launch.blocks = (int32_t)blocks;
    launch.threads = (int32_t)threads;
    launch.shared = shared;
    choose_schedule(launch);
    state().launches++;
    Outcome outcome = sf::run(launch);
    if (outcome) return CUDA_SUCCESS;
    std::string message = function->module->module->quoting(outcome.message);
    return failed(status_of(outcome.fault), function->name + ": " + message);
}

CUresult change_call(Call& call, const CUDA_KERNEL_NODE_PARAMS& wanted) {
    Call changed;
    changed.function = wanted.func;
    changed.blocks = wanted.gridDimX;
    changed.threads = wanted.blockDimX;
    changed.shared = wanted.sharedMemBytes;
    unsigned others = wanted.gridDimY * wanted.gridDimZ * wanted.blockDimY * wanted.blockDimZ;
    if (CUresult status = make_call(changed, others, wanted.kernelParams)) return status;
    call = std::move(changed);
    return CUDA_SUCCESS;
}

}  // namespace sf

using namespace sf;

API cuModuleLoadData(CUmodule* handle, const void* image) {
    return guarded([&] {
        std::string errors, text = (const char*)image;
        bool is_text = std::all_of(text.begin(), text.end(), [](char c) { return (uint8_t)c >= 9; });
        if (!is_text || text.find("SF_EXPORT") == std::string::npos)
            return failed(CUDA_ERROR_INVALID_IMAGE, "an image is the text of kernels");
        auto module = load_module(text, errors);
        if (!module) return failed(CUDA_ERROR_INVALID_IMAGE, errors);
        auto made = std::make_unique<CUmod_st>();
        made->module = std::move(module);
        *handle = state().modules.add(std::move(made));
        return CUDA_SUCCESS;
    });
}

API cuModuleUnload(CUmodule module) {
    return guarded([&] {
        if (CUresult status = run_everything()) return status;
        return state().modules.remove(module) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    });
}

API cuModuleGetFunction(CUfunction* handle, CUmodule module, const char* name) {
    return guarded([&] {
        if (!state().modules.holds(module)) return CUDA_ERROR_INVALID_HANDLE;
        const Entry* entry = module->module->entry(name);
        if (!entry) return failed(CUDA_ERROR_NOT_FOUND, name);
        auto made = std::make_unique<CUfunc_st>();
        made->module = module;
        made->name = name;
        made->entry = entry;
        *handle = made.get();
        module->functions.push_back(std::move(made));
        return CUDA_SUCCESS;
    });
}

API cuFuncSetAttribute(CUfunction function, CUfunction_attribute which, int value) {
    return guarded([&] {
        if (!is_function(function)) return CUDA_ERROR_INVALID_HANDLE;
        if (which == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
            if (value < 0 || value > (int)MOST_SHARED) return CUDA_ERROR_INVALID_VALUE;
            function->dynamic_limit = value;
        }
        return CUDA_SUCCESS;
    });
}

API cuFuncGetAttribute(int* value, CUfunction_attribute which, CUfunction function) {
    return guarded([&] {
        if (!is_function(function)) return CUDA_ERROR_INVALID_HANDLE;
        *value = attribute(*function, which);
        return CUDA_SUCCESS;
    });
}

API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function, int threads,
                                                size_t shared) {
    return guarded([&] {
        if (!is_function(function)) return CUDA_ERROR_INVALID_HANDLE;
        if (threads < 1 || threads > 1024) return CUDA_ERROR_INVALID_VALUE;
        int by_threads = 2048 / ((threads + 31) / 32 * 32);
        int by_shared = (228 << 10) / ((int)shared + 1024);
        *blocks = std::min({by_threads, by_shared, 32});
        return CUDA_SUCCESS;
    });
}

API cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                   CUstream stream, void** parameters, void**) {
    return guarded([&] {
        Call call{function, grid_x, block_x, shared, {}};
        CUresult status = make_call(call, grid_y * grid_z * block_y * block_z, parameters);
        return status ? status : enqueue(stream, {std::move(call), nullptr});
    });
}

