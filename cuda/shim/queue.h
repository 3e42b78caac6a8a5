// What the two halves of CUDA's host functions, host.cc and queue.cc, have for each
// other and for those that run kernels: block.cc here, ../ptx for what nvcc made.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <functional>

#ifdef RPG_PTX
#include <cuda_runtime_api.h>
#else
#include "host.h"
#endif

namespace shim {

// device_name is what the one GPU is called.
extern const char *const device_name;

// queue_kernel does a whole kernel, or leaves it for later. name is for messages.
cudaError_t queue_kernel(cudaStream_t stream, const char *name, dim3 grid, dim3 block, size_t dynamic_bytes,
                         std::function<void()> kernel);

// wait_for_all does the work that waits, of all streams; work_waits says whether
// there is any.
void wait_for_all();
bool work_waits();

// allocation_of gives the bounds of the memory of the GPU, or pinned memory, that
// an address lies in, and whether it does.
bool allocation_of(uint64_t address, uint64_t *begin, uint64_t *end);

// setting is the number in an environment variable, or its default.
long setting(const char *name, long otherwise);

}  // namespace shim
