#include "common.cuh"

int rpg_zero(rpg_device *dev, const struct rpg_zero *a) {
  if (dev->count) return 0;
  TRY(dev, cudaSetDevice(dev->ordinal));
  TRY(dev, cudaMemsetAsync(a->x, 0, a->n * sizeof(float), dev->stream));
  return 0;
}
