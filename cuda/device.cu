// The device: opening, copies, recording. memory.cu has its memory, the operations
// have a file each.
#include <string.h>

#include "common.cuh"
#include "gemm.cuh"

// Bytes of staging memory. Together the parts hold the positions of a window, or the
// tokens of a step and the few uploads beside them, so that the host brings them there
// while the GPU is still at the work before. A part goes to the GPU piece by piece, as
// it is filled.
#ifndef RPG_ON_HOST
static constexpr size_t staging_part = 8 << 20, staging_piece = 1 << 20;
#else
static constexpr size_t staging_part = 128 << 10, staging_piece = 32 << 10;  // so that tests take several
#endif
static constexpr int staging_parts = sizeof(rpg_device::staged) / sizeof(cudaEvent_t);

static thread_local char open_error[512];

static int failed(char *text, size_t size, const char *what, cudaError_t status) {
  snprintf(text, size, "%s: %s (%d)", what, cudaGetErrorString(status), static_cast<int>(status));
  return static_cast<int>(status);
}

int rpg_failed(rpg_device *dev, const char *what, cudaError_t status) {
  cudaGetLastError();  // or the next launch would report it
  return failed(dev->error, sizeof dev->error, what, status);
}

int rpg_abi(void) { return RPG_ABI; }

const char *rpg_error_text(const rpg_device *dev) { return dev ? dev->error : open_error; }

// pinned takes memory of the host that the GPU reads and writes.
template <typename T>
static int pinned(rpg_device *dev, T **address, size_t bytes) {
  void *at = nullptr;
  const cudaError_t status = cudaHostAlloc(&at, bytes, cudaHostAllocPortable);
  *address = static_cast<T *>(at);
  if (status == cudaSuccess) return 0;
  char what[64];
  snprintf(what, sizeof what, "pinned memory of %zu bytes", bytes);
  return rpg_failed(dev, what, status);
}

// prepare is rpg_open once it is known that there is a driver and a GPU.
static int prepare(rpg_device *dev) {
  TRY(dev, cudaSetDevice(dev->ordinal));
  int major = 0;
  TRY(dev, cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, dev->ordinal));
  if (major < 8) {
    snprintf(dev->error, sizeof dev->error, "expected a GPU of compute capability 8.0 or newer, found %d.x", major);
    return RPG_E_TOO_OLD;
  }
  TRY(dev, cudaDeviceGetAttribute(&dev->processors, cudaDevAttrMultiProcessorCount, dev->ordinal));
  TRY(dev, cudaStreamCreateWithFlags(&dev->stream, cudaStreamNonBlocking));
  if (int bad = pinned(dev, &dev->fault, sizeof *dev->fault)) return bad;
  *dev->fault = 0;
  if (int bad = pinned(dev, &dev->staging, staging_parts * staging_part)) return bad;
  for (cudaEvent_t &event : dev->staged) TRY(dev, cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return blas_open(dev);
}

int rpg_open(int ordinal, int bf16, rpg_device **out) {
  *out = nullptr;
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count == 0) status = cudaErrorNoDevice;
  if (status == cudaSuccess && (ordinal < 0 || ordinal >= count)) status = cudaErrorInvalidDevice;
  if (status != cudaSuccess) return failed(open_error, sizeof open_error, "cudaGetDeviceCount", status);

  rpg_device *dev = new rpg_device();
  dev->ordinal = ordinal;
  dev->bf16 = bf16 != 0;
  if (int bad = prepare(dev)) {
    memcpy(open_error, dev->error, sizeof open_error);
    rpg_close(dev);
    return bad;
  }
  *out = dev;
  return 0;
}

// release frees everything that is there, and returns the first failure.
static cudaError_t release(rpg_device *dev) {
  cudaError_t first = cudaSuccess;
  const auto note = [&first](cudaError_t status) {
    if (first == cudaSuccess) first = status;
  };
  if (dev->stream) {
    note(cudaSetDevice(dev->ordinal));  // also for cuBLASLt
    note(cudaStreamSynchronize(dev->stream));
  }
  blas_close(dev);
  note(memory_close(dev));
  for (cudaEvent_t event : dev->staged)
    if (event) note(cudaEventDestroy(event));
  if (dev->staging) note(cudaFreeHost(dev->staging));
  if (dev->fault) note(cudaFreeHost(dev->fault));
  if (dev->stream) note(cudaStreamDestroy(dev->stream));
  return first;
}

int rpg_close(rpg_device *dev) {
  const cudaError_t status = release(dev);
  if (dev->stream) cudaGetLastError();  // or this thread's next launch, for another device, would report it
  delete dev;
  return static_cast<int>(status);
}

int rpg_get_info(rpg_device *dev, struct rpg_info *info) {
  memset(info, 0, sizeof *info);
  if (dev->count) {
    snprintf(info->name, sizeof info->name, "no GPU");
    info->bf16 = dev->bf16;
    info->processors = dev->processors;
    return 0;
  }
  TRY(dev, cudaSetDevice(dev->ordinal));
  cudaDeviceProp properties;
  TRY(dev, cudaGetDeviceProperties(&properties, dev->ordinal));
  snprintf(info->name, sizeof info->name, "%s", properties.name);
  memcpy(info->products_by, dev->products_by, sizeof info->products_by);
  info->major = properties.major;
  info->minor = properties.minor;
  info->processors = dev->processors;
  info->bf16 = dev->bf16;
  TRY(dev, cudaDriverGetVersion(&info->driver));
  TRY(dev, cudaRuntimeGetVersion(&info->runtime));
  size_t available, total;
  TRY(dev, cudaMemGetInfo(&available, &total));
  info->memory_free = available;
  info->memory_total = total;
  return 0;
}

// ---- copies -----------------------------------------------------------------

// copy_values and round_values fill a part of the staging memory. round_values has
// no branch, so that the compiler makes vector instructions of it.
static void copy_values(unsigned char *to, const unsigned char *from, size_t n) { memcpy(to, from, n); }

static void round_values(uint16_t *to, const float *from, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t b;
    memcpy(&b, from + i, sizeof b);
    const uint32_t rounded = (b + 0x7fff + (b >> 16 & 1)) >> 16;
    to[i] = static_cast<uint16_t>((b & 0x7fffffff) > 0x7f800000 ? 0x7fff : rounded);
  }
}

// staged uploads n values, each of which becomes a T as fill says.
template <typename T, typename From>
static int staged(rpg_device *dev, void *dst, const From *src, uint64_t n, void fill(T *, const From *, size_t)) {
  if (dev->count) return 0;
  TRY(dev, cudaSetDevice(dev->ordinal));
  constexpr uint64_t most = staging_part / sizeof(T), piece = staging_piece / sizeof(T);
  for (uint64_t first = 0; first < n; first += most) {
    const uint64_t end = n - first < most ? n : first + most;
    T *stage = reinterpret_cast<T *>(dev->staging + dev->part * staging_part);
    cudaEvent_t passed = dev->staged[dev->part];
    TRY(dev, cudaEventSynchronize(passed));
    for (uint64_t at = first; at < end; at += piece, stage += piece) {
      const size_t part = end - at < piece ? end - at : piece;
      fill(stage, src + at, part);
      TRY(dev, cudaMemcpyAsync(static_cast<T *>(dst) + at, stage, part * sizeof(T), cudaMemcpyHostToDevice, dev->stream));
    }
    TRY(dev, cudaEventRecord(passed, dev->stream));
    dev->part = (dev->part + 1) % staging_parts;
  }
  return 0;
}

int rpg_upload(rpg_device *dev, void *dst, const void *src, uint64_t bytes) {
  return staged(dev, dst, static_cast<const unsigned char *>(src), bytes, copy_values);
}

int rpg_upload_rounded(rpg_device *dev, void *dst, const float *src, uint64_t n) {
  return staged(dev, dst, src, n, round_values);
}

int rpg_download(rpg_device *dev, void *dst, const void *src, uint64_t bytes) {
  if (dev->count) {
    memset(dst, 0, bytes);
    return 0;
  }
  TRY(dev, cudaSetDevice(dev->ordinal));
  TRY(dev, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToHost, dev->stream));
  return rpg_sync(dev);
}

int rpg_copy_queued(rpg_device *dev, void *dst, const void *src, uint64_t bytes) {
  if (dev->count) return 0;
  TRY(dev, cudaSetDevice(dev->ordinal));
  TRY(dev, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDefault, dev->stream));
  return 0;
}

int rpg_sync(rpg_device *dev) {
  if (dev->count) return 0;
  TRY(dev, cudaSetDevice(dev->ordinal));
  TRY(dev, cudaStreamSynchronize(dev->stream));
  const int fault = *static_cast<volatile int *>(dev->fault);
  if (fault == RPG_E_ROW) snprintf(dev->error, sizeof dev->error, "compute: row number out of range");
  if (fault == RPG_E_VALID) snprintf(dev->error, sizeof dev->error, "compute: number of valid values out of range");
  return fault;
}

// ---- recording ----------------------------------------------------------------

struct rpg_graph {
  cudaGraphExec_t work;
};

int rpg_record(rpg_device *dev) {
  if (!dev->count) {
    TRY(dev, cudaSetDevice(dev->ordinal));
    // In the other modes the recording must end on the thread that began it, and Go
    // moves the caller from one thread to another.
    TRY(dev, cudaStreamBeginCapture(dev->stream, cudaStreamCaptureModeRelaxed));
  }
  dev->recording = true;
  return 0;
}

int rpg_record_end(rpg_device *dev, rpg_graph **graph) {
  *graph = nullptr;
  dev->recording = false;
  if (dev->count) {
    *graph = new rpg_graph{};
    dev->graphs++;
    return 0;
  }
  TRY(dev, cudaSetDevice(dev->ordinal));
  cudaGraph_t recorded = nullptr;
  TRY(dev, cudaStreamEndCapture(dev->stream, &recorded));
  cudaGraphExec_t work = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&work, recorded, 0);
  TRY(dev, cudaGraphDestroy(recorded));
  TRY(dev, status);
  *graph = new rpg_graph{work};
  dev->graphs++;
  return 0;
}

int rpg_replay(rpg_device *dev, rpg_graph *graph) {
  if (dev->count) return 0;
  TRY(dev, cudaSetDevice(dev->ordinal));
  TRY(dev, cudaGraphLaunch(graph->work, dev->stream));
  return 0;
}

int rpg_graph_free(rpg_device *dev, rpg_graph *graph) {
  cudaGraphExec_t work = graph->work;
  delete graph;
  dev->graphs--;
  if (dev->count) return 0;
  TRY(dev, cudaSetDevice(dev->ordinal));
  TRY(dev, cudaGraphExecDestroy(work));
  return 0;
}
