// A copy of float32 values is the driver's; one that rounds to bf16 is a kernel's,
// of which a thread takes 4 values, at once where both sides are aligned to that.
#include "tensor.cuh"

namespace {

struct alignas(8) two_pairs {
  uint32_t first, second;
};

__global__ void __launch_bounds__(threads) round_values(bf16_t *dst, const float *src, int64_t n, bool aligned) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * 4;
  if (aligned && i + 4 <= n) {
    const float4 v = *reinterpret_cast<const float4 *>(src + i);
    *reinterpret_cast<two_pairs *>(dst + i) = {bf16_pair(v.x, v.y), bf16_pair(v.z, v.w)};
    return;
  }
  for (int64_t k = i; k < n && k < i + 4; k++) dst[k] = static_cast<bf16_t>(bf16_pair(src[k], 0));
}

}  // namespace

int rpg_copy(rpg_device *dev, const struct rpg_copy *a) {
  if (a->rounded) {
    const bool aligned = reinterpret_cast<uintptr_t>(a->dst) % 8 == 0 && reinterpret_cast<uintptr_t>(a->src) % 16 == 0;
    LAUNCH(dev, round_values, spans(a->n), threads, 0, static_cast<bf16_t *>(a->dst), a->src, a->n, aligned);
    return 0;
  }
  if (dev->count) return 0;
  TRY(dev, cudaSetDevice(dev->ordinal));
  TRY(dev, cudaMemcpyAsync(a->dst, a->src, a->n * sizeof(float), cudaMemcpyDeviceToDevice, dev->stream));
  return 0;
}
