// The host functions: memory between guards, filled with NaN, and streams that do
// their work at once or record it.
#include "host.h"

#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "tsan.h"

struct ShimStream {
  bool recording = false;
  std::thread::id recorder;  // the thread that must end the recording, none for any
  std::vector<std::function<void()>> recorded;
};
struct ShimGraph {
  std::vector<std::function<void()>> work;
};

long shim::setting(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text && *text ? strtol(text, nullptr, 10) : otherwise;
}

// done stands for all work so far: for TSan, one call comes after another,
// whichever threads they come from.
[[maybe_unused]] static char done;

static void perform(const std::function<void()> &work) {
  TSAN(__tsan_acquire(&done));
  work();
  TSAN(__tsan_release(&done));
}

// lost is whether the GPU is lost: then nothing works any more.
static bool lost = false;

// queue does the work, or records it.
static cudaError_t queue(cudaStream_t stream, std::function<void()> work) {
  if (lost) return cudaErrorLaunchFailure;
  if (stream->recording)
    stream->recorded.push_back(std::move(work));
  else
    perform(work);
  return cudaSuccess;
}

cudaError_t shim::launch(cudaStream_t stream, const char *name, dim3 grid, dim3 block, size_t dynamic_bytes, bool asked,
                         std::function<void()> kernel) {
  const uint64_t threads = uint64_t(block.x) * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535 ||
      dynamic_bytes > static_cast<size_t>(asked ? 99 : 48) << 10) {  // what every GPU from 8.0 has
    fprintf(stderr, "shim: %s: no GPU starts %u×%u×%u blocks of %u×%u×%u threads with %zu bytes\n", name, grid.x, grid.y,
            grid.z, block.x, block.y, block.z, dynamic_bytes);
    return cudaErrorInvalidConfiguration;
  }
  return queue(stream, [=] { run_blocks(grid, block, dynamic_bytes, asked, kernel); });
}

// ---- devices ------------------------------------------------------------------

const char *cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    case cudaErrorStreamCaptureWrongThread: return "attempt to terminate a thread-local capture sequence from another thread";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    default: return "invalid argument";
  }
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

// device is the calling thread's GPU. A new thread of CUDA has the first one; here it
// has none, so that what goes to the first by mistake is seen.
static thread_local int device = -1;

cudaError_t cudaSetDevice(int ordinal) {
  if (ordinal != 0) return cudaErrorInvalidDevice;
  return device = ordinal, cudaSuccess;
}

// For tests: the calling thread's GPU, and a thread that is as new.
extern "C" __attribute__((visibility("default"))) int shim_device() { return device; }
extern "C" __attribute__((visibility("default"))) void shim_new_thread() { device = -1; }

cudaError_t cudaGetDeviceCount(int *count) {
  *count = 1;
  return static_cast<cudaError_t>(shim::setting("RPG_SHIM_OPEN", cudaSuccess));
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? static_cast<int>(shim::setting("RPG_SHIM_MAJOR", 8)) : 2;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int ordinal) {
  snprintf(properties->name, sizeof properties->name, "host shim");
  properties->minor = 0;
  return cudaDeviceGetAttribute(&properties->major, cudaDevAttrComputeCapabilityMajor, ordinal);
}

cudaError_t cudaDriverGetVersion(int *version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *version) { return *version = 13000, cudaSuccess; }

// ---- memory ---------------------------------------------------------------------

namespace {

constexpr size_t guard = 256;             // bytes before and after
constexpr unsigned char guard_byte = 0xa5;

struct Memory {
  std::mutex lock;
  std::map<void *, size_t> live;
  size_t used = 0, most = 0;
  long allocations = 0;
  size_t total() { return static_cast<size_t>(shim::setting("RPG_SHIM_MEMORY", 4L << 30)); }
};
Memory memory;

void check_guards(void *address, size_t bytes) {
  const unsigned char *p = static_cast<unsigned char *>(address);
  for (size_t i = 0; i < guard; i++) {
    const bool before = p[i - guard] != guard_byte, after = p[bytes + i] != guard_byte;
    if (!before && !after) continue;
    fprintf(stderr, "shim: a kernel wrote %s %zu bytes of device memory\n", before ? "before" : "beyond", bytes);
    abort();
  }
}

}  // namespace

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  std::lock_guard<std::mutex> locked(memory.lock);
  *total = memory.total();
  *available = *total - memory.used;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **address, size_t bytes) {
  std::lock_guard<std::mutex> locked(memory.lock);
  *address = nullptr;
  const long last = shim::setting("RPG_SHIM_ALLOCATIONS", 0);
  if (memory.used + bytes > memory.total() || (last && ++memory.allocations > last)) return cudaErrorMemoryAllocation;
  const size_t all = (bytes + 2 * guard + 255) / 256 * 256;
  unsigned char *p = static_cast<unsigned char *>(aligned_alloc(256, all));
  if (!p) return cudaErrorMemoryAllocation;
  memset(p, guard_byte, all);
  memset(p + guard, 0xff, bytes);  // NaN
  *address = p + guard;
  memory.live[*address] = bytes;
  memory.used += bytes;
  if (memory.most < memory.used) memory.most = memory.used;
  return cudaSuccess;
}

cudaError_t cudaFree(void *address) {
  if (!address) return cudaSuccess;
  TSAN(__tsan_acquire(&done));
  std::lock_guard<std::mutex> locked(memory.lock);
  const auto at = memory.live.find(address);
  if (at == memory.live.end()) return cudaErrorInvalidValue;
  check_guards(address, at->second);
  memory.used -= at->second;
  memory.live.erase(at);
  free(static_cast<unsigned char *>(address) - guard);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **address, size_t bytes, unsigned) { return cudaMalloc(address, bytes); }
cudaError_t cudaFreeHost(void *address) { return cudaFree(address); }

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return queue(stream, [=] { memmove(dst, src, bytes); });
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream) {
  return queue(stream, [=] { memset(dst, value, bytes); });
}

// shim_most gives the most bytes that were taken at once since it was called last.
extern "C" __attribute__((visibility("default"))) uint64_t shim_most() {
  std::lock_guard<std::mutex> locked(memory.lock);
  const size_t most = memory.most;
  memory.most = memory.used;
  return most;
}

// ---- streams, events, graphs ----------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) { return *stream = new ShimStream, cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t stream) { return delete stream, cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (lost) return cudaErrorLaunchFailure;
  return stream->recording ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

struct ShimEvent {};
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) { return *event = new ShimEvent, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (stream->recording) return cudaErrorStreamCaptureUnsupported;
  stream->recording = true;
  stream->recorder = mode == cudaStreamCaptureModeRelaxed ? std::thread::id() : std::this_thread::get_id();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  const bool mine = stream->recorder == std::thread::id() || stream->recorder == std::this_thread::get_id();
  if (!mine) return cudaErrorStreamCaptureWrongThread;
  stream->recording = false;
  *graph = new ShimGraph{std::move(stream->recorded)};
  stream->recorded.clear();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *work, cudaGraph_t graph, unsigned long long) {
  *work = new ShimGraph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t work, cudaStream_t) {
  static long launches = 0;
  lost = lost || ++launches == shim::setting("RPG_SHIM_LOST", 0);
  if (lost) return cudaErrorLaunchFailure;
  for (const auto &step : work->work) perform(step);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t work) { return delete work, cudaSuccess; }
