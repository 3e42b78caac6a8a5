// GatedRMSNorm and its backward pass, a team of threads for each row.
#include "rows.cuh"

template <int team>
static __global__ void __launch_bounds__(threads) gated_rms_norm(struct rpg_gated_rms_norm a) {
  const int64_t row = row_of_team<team>(), cols = a.x.cols;
  if (row >= a.x.rows) return;
  const float *x = a.x.data + row * a.x.stride, *z = a.z.data + row * a.z.stride;
  const auto gated = [&](int64_t j) { return x[j] * z[j] * sigmoid(z[j]); };
  const double squares = row_sum<team>(cols, [&](int64_t j) {
    const float g = gated(j);
    return g * g;
  });
  const float inverse = inverse_root(squares, cols, a.eps);
  float *y = a.y.data + row * a.y.stride;
  for (int64_t j = place_in_team<team>(); j < cols; j += team) y[j] = gated(j) * inverse * a.w[j];
}

int rpg_gated_rms_norm(rpg_device *dev, const struct rpg_gated_rms_norm *a) {
  LAUNCH_ROWS(dev, gated_rms_norm, a->x.rows, a->x.cols, *a);
  return 0;
}

// The backward pass adds up dw over groups of rows, each in a line of the
// workspace, and then over the lines.
static constexpr int64_t most_groups = 512;

// A team takes the rows of one group after another. With r = 1/sqrt(mean(g²)+eps),
// dg = r·dy·w - g·r³·mean(dy·w·g).
template <int team>
static __global__ void __launch_bounds__(threads)
    gated_rms_norm_backward(struct rpg_gated_rms_norm_backward a, int64_t group, float *lines) {
  const int64_t cols = a.x.cols, first = row_of_team<team>() * group;
  float *line = lines + row_of_team<team>() * cols;
  for (int64_t row = first; row < first + group && row < a.x.rows; row++) {
    const float *x = a.x.data + row * a.x.stride, *z = a.z.data + row * a.z.stride;
    const float *dy = a.dy.data + row * a.dy.stride;
    const auto gated = [&](int64_t j) { return x[j] * z[j] * sigmoid(z[j]); };
    const double squares = row_sum<team>(cols, [&](int64_t j) {
      const float g = gated(j);
      return g * g;
    });
    const double dot = row_sum<team>(cols, [&](int64_t j) { return dy[j] * a.w[j] * gated(j); });
    const float r = inverse_root(squares, cols, a.eps);
    const float mean = static_cast<float>(dot / static_cast<double>(cols) * r * r * r);
    float *dx = a.dx.data + row * a.dx.stride, *dz = a.dz.data + row * a.dz.stride;
    for (int64_t j = place_in_team<team>(); j < cols; j += team) {
      const float s = sigmoid(z[j]), silu = z[j] * s, g = x[j] * silu;
      const float part = dy[j] * g * r;
      line[j] = row == first ? part : line[j] + part;
      const float dg = r * dy[j] * a.w[j] - g * mean;
      const float dz_j = dg * x[j] * s * (1 + z[j] * (1 - s));
      dx[j] = dg * silu;
      dz[j] = dz_j;
    }
  }
}

int rpg_gated_rms_norm_backward(rpg_device *dev, const struct rpg_gated_rms_norm_backward *a) {
  const int64_t rows = a->x.rows, cols = a->x.cols;
  const int64_t group = rows > most_groups ? ceil_div(rows, most_groups) : 1, groups = ceil_div(rows, group);
  void *space;
  if (int bad = rpg_workspace(dev, groups * cols * sizeof(float), &space)) return bad;
  float *lines = static_cast<float *>(space);
  LAUNCH_ROWS(dev, gated_rms_norm_backward, groups, cols, *a, group, lines);
  LAUNCH(dev, add_rows<float>, dim3(ceil_div(cols, threads)), threads, 0, lines, groups, cols, a->dw);
  return 0;
}
