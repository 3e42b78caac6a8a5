// LayerNorm and its backward pass, a team of threads for each row.
#include "rows.cuh"

// moments gives the mean of a row and 1/sqrt(var+eps).
template <int team>
static __device__ __forceinline__ void moments(const float *x, int64_t cols, float eps, float *mean, float *inverse) {
  const float m = static_cast<float>(row_sum<team>(cols, [&](int64_t j) { return x[j]; }) / static_cast<double>(cols));
  const double squares = row_sum<team>(cols, [&](int64_t j) { return (x[j] - m) * (x[j] - m); });
  *mean = m;
  *inverse = inverse_root(squares, cols, eps);
}

template <int team>
static __global__ void __launch_bounds__(threads) layer_norm(struct rpg_layer_norm a) {
  const int64_t row = row_of_team<team>(), cols = a.x.cols;
  if (row >= a.x.rows) return;
  const float *x = a.x.data + row * a.x.stride;
  float *y = a.y.data + row * a.y.stride;
  float mean, inverse;
  moments<team>(x, cols, a.eps, &mean, &inverse);
  if (!a.scale.data) {
    for (int64_t j = place_in_team<team>(); j < cols; j += team) y[j] = (x[j] - mean) * inverse;
    return;
  }
  const float *scale = a.scale.data + row * a.scale.stride, *shift = a.shift.data + row * a.shift.stride;
  for (int64_t j = place_in_team<team>(); j < cols; j += team)
    y[j] = (x[j] - mean) * inverse * (1 + scale[j]) + shift[j];
}

int rpg_layer_norm(rpg_device *dev, const struct rpg_layer_norm *a) {
  LAUNCH_ROWS(dev, layer_norm, a->x.rows, a->x.cols, *a);
  return 0;
}

// With n the normalized row, g = dy·(1+scale) and means over the row,
// dx += (g - mean(g) - n·mean(g·n)) / sqrt(var+eps).
template <int team>
static __global__ void __launch_bounds__(threads) layer_norm_backward(struct rpg_layer_norm_backward a) {
  const int64_t row = row_of_team<team>(), cols = a.x.cols;
  if (row >= a.x.rows) return;
  const float *x = a.x.data + row * a.x.stride, *dy = a.dy.data + row * a.dy.stride;
  const float *scale = a.scale.data ? a.scale.data + row * a.scale.stride : nullptr;
  float mean, inverse;
  moments<team>(x, cols, a.eps, &mean, &inverse);
  const auto g = [&](int64_t j) { return scale ? dy[j] * (1 + scale[j]) : dy[j]; };
  const auto normal = [&](int64_t j) { return (x[j] - mean) * inverse; };
  const float along = static_cast<float>(row_sum<team>(cols, g) / static_cast<double>(cols));
  const float product =
      static_cast<float>(row_sum<team>(cols, [&](int64_t j) { return g(j) * normal(j); }) / static_cast<double>(cols));
  float *dx = a.dx.data + row * a.dx.stride;
  for (int64_t j = place_in_team<team>(); j < cols; j += team) {
    const float n = normal(j);
    dx[j] += (g(j) - along - n * product) * inverse;
    if (!scale) continue;
    a.dscale.data[row * a.dscale.stride + j] = dy[j] * n;
    a.dshift.data[row * a.dshift.stride + j] = dy[j];
  }
}

int rpg_layer_norm_backward(rpg_device *dev, const struct rpg_layer_norm_backward *a) {
  LAUNCH_ROWS(dev, layer_norm_backward, a->x.rows, a->x.cols, *a);
  return 0;
}
