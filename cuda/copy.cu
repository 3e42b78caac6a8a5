#include "common.cuh"

int rpg_copy(rpg_device *dev, const struct rpg_copy *a) {
  if (dev->count) return 0;
  TRY(dev, cudaSetDevice(dev->ordinal));
  TRY(dev, cudaMemcpyAsync(a->dst, a->src, a->n * sizeof(float), cudaMemcpyDeviceToDevice, dev->stream));
  return 0;
}
