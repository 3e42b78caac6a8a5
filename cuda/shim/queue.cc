// The host functions for streams, events and graphs, for copies and launches. A stream
// does its work at once, or records it. With RPG_SHIM_LATE it does work only when
// something waits for it: as late as a GPU may.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "queue.h"
#include "tsan.h"

using work = std::function<void()>;

struct CUstream_st {
  bool recording = false;
  std::thread::id recorder;  // the thread that must end the recording, none for any
  std::vector<work> recorded;
  std::deque<work> waiting;
  uint64_t queued = 0;  // works in all, of which the last ones wait
};
struct CUevent_st {
  cudaStream_t stream = nullptr;  // null before it is recorded
  uint64_t after = 0;             // so many works of the stream
};
struct CUgraph_st {
  std::vector<work> steps;
};
struct CUgraphExec_st {
  std::vector<work> steps;
};

namespace {

// done stands for all work so far: for TSan, one call comes after another,
// whichever threads they come from.
[[maybe_unused]] char done;

void perform(const work &one) {
  TSAN(__tsan_acquire(&done));
  one();
  TSAN(__tsan_release(&done));
}

// lost is whether the GPU is lost: then nothing works any more.
bool lost = false;

thread_local cudaError_t last_error = cudaSuccess;

std::mutex late;  // of all streams that there are, and of what waits
std::set<cudaStream_t> streams;

// queue does the work, records it, or leaves it for later.
cudaError_t queue(cudaStream_t stream, work one) {
  if (lost) return cudaErrorLaunchFailure;
  if (stream->recording) {
    stream->recorded.push_back(std::move(one));
  } else if (shim::setting("RPG_SHIM_LATE", 0)) {
    std::lock_guard<std::mutex> locked(late);
    stream->waiting.push_back(std::move(one));
    stream->queued++;
  } else {
    perform(one);
  }
  return cudaSuccess;
}

// wait_for does what waits of a stream's first `until` works.
cudaError_t wait_for(cudaStream_t stream, uint64_t until) {
  std::lock_guard<std::mutex> locked(late);
  while (!lost && !stream->waiting.empty() && stream->queued - stream->waiting.size() < until) {
    const work one = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    perform(one);
  }
  if (lost) stream->waiting.clear();
  return lost ? cudaErrorLaunchFailure : cudaSuccess;
}

}  // namespace

void shim::wait_for_all() {
  TSAN(__tsan_acquire(&done));
  std::set<cudaStream_t> all;
  {
    std::lock_guard<std::mutex> locked(late);
    all = streams;
  }
  for (cudaStream_t stream : all) wait_for(stream, stream->queued);
}

bool shim::work_waits() {
  std::lock_guard<std::mutex> locked(late);
  for (cudaStream_t stream : streams)
    if (!stream->waiting.empty()) return true;
  return false;
}

// ---- kernels and copies ---------------------------------------------------------

cudaError_t shim::queue_kernel(cudaStream_t stream, const char *name, dim3 grid, dim3 block, size_t dynamic_bytes,
                               work kernel) {
  const uint64_t threads = uint64_t(block.x) * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535 ||
      dynamic_bytes > 99 << 10) {  // what every GPU from 8.0 has
    fprintf(stderr, "shim: %s: no GPU starts %u×%u×%u blocks of %u×%u×%u threads with %zu bytes\n", name, grid.x, grid.y,
            grid.z, block.x, block.y, block.z, dynamic_bytes);
    return last_error = cudaErrorInvalidConfiguration;
  }
  const cudaError_t status = queue(stream, std::move(kernel));
  if (status != cudaSuccess) last_error = status;
  return status;
}

cudaError_t cudaGetLastError() {
  const cudaError_t status = last_error;
  last_error = cudaSuccess;
  return status;
}

// cudaMemcpyAsync reads memory that is neither the GPU's nor pinned at once. Into such
// memory it writes late: CUDA allows both.
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  uint64_t begin, end;
  if (stream->recording || shim::allocation_of(reinterpret_cast<uint64_t>(src), &begin, &end))
    return queue(stream, [=] { memmove(dst, src, bytes); });
  const unsigned char *from = static_cast<const unsigned char *>(src);
  const auto read = std::make_shared<std::vector<unsigned char>>(from, from + bytes);
  return queue(stream, [=] { memcpy(dst, read->data(), bytes); });
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream) {
  return queue(stream, [=] { memset(dst, value, bytes); });
}

// ---- streams, events, graphs ----------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  *stream = new CUstream_st;
  std::lock_guard<std::mutex> locked(late);
  streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  wait_for(stream, stream->queued);
  std::lock_guard<std::mutex> locked(late);
  streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (lost) return cudaErrorLaunchFailure;
  return stream->recording ? cudaErrorStreamCaptureUnsupported : wait_for(stream, stream->queued);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) { return *event = new CUevent_st, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  *event = {stream, stream->queued};
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return event->stream ? wait_for(event->stream, event->after) : cudaSuccess;
}

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
  *graph = new CUgraph_st{std::move(stream->recorded)};
  stream->recorded.clear();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long) {
  *out = new CUgraphExec_st{graph->steps};
  return cudaSuccess;
}

// cudaGraphLaunch queues the graph as one work, which has what it needs: the graph may
// be destroyed meanwhile.
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  static long launches = 0;
  const bool last = ++launches == shim::setting("RPG_SHIM_LOST", 0);
  const cudaError_t status = queue(stream, [last, steps = graph->steps] {
    lost = lost || last;
    for (const work &step : steps)
      if (!lost) step();
  });
  return lost ? cudaErrorLaunchFailure : status;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) { return delete graph, cudaSuccess; }
