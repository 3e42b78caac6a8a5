// Gemm: C = beta·C + op(A)·op(B) + bias. By cuBLASLt where it is there and does
// the product, else by the own kernels; with bf16 after rounding both factors.
#include "gemm.cuh"

// add_parts adds the sums of all parts of k, in their order.
template <class T>
static __global__ void __launch_bounds__(threads) add_parts(gemm_task<T> g, gemm_split s) {
  const int64_t size = static_cast<int64_t>(g.m) * g.n;
  each_value(size, [&](int64_t i) {
    const int64_t col = i % g.n;
    float *c = g.c + i / g.n * g.c_stride + col;
    float sum = s.sums[i];
    for (int part = 1; part < s.parts; part++) sum += s.sums[part * size + i];
    if (g.beta) sum += *c;
    if (g.bias) sum += g.bias[col];
    *c = sum;
  });
}

// split chooses tiles and parts so that every multiprocessor has a block to do
// where the product is large enough for that, for long sums of few values too.
static gemm_split split(const rpg_device *dev, const gemm_task<float> &g) {
  constexpr int shortest = 512;  // products of a part: then writing its sums is little beside
  const int64_t most = g.k / shortest > 1 ? g.k / shortest : 1;
  const auto tiles = [&g](int tile) { return ceil_div(g.m, tile) * ceil_div(g.n, tile); };
  gemm_split s = {};
  s.tile = tiles(128) * most >= dev->processors ? 128 : 64;
  const int64_t wanted = tiles(s.tile) >= dev->processors ? 1 : ceil_div(2 * dev->processors, tiles(s.tile));
  s.depth = static_cast<int>(ceil_div(ceil_div(g.k, wanted < most ? wanted : most), 32) * 32);
  s.parts = s.depth ? static_cast<int>(ceil_div(g.k, s.depth)) : 1;
  return s;
}

static int multiply(rpg_device *dev, const gemm_task<float> &g, const gemm_split &s) { return gemm_float32(dev, g, s); }
static int multiply(rpg_device *dev, const gemm_task<uint16_t> &g, const gemm_split &s) { return gemm_bf16(dev, g, s); }

// own does the product with the own kernels and split_bytes of workspace.
template <class T>
static int own(rpg_device *dev, const gemm_task<T> &g, gemm_split s, void *workspace) {
  s.sums = static_cast<float *>(workspace);
  s.aligned = s.parts > 1 ? g.n % 4 == 0 : g.c_stride % 4 == 0 && reinterpret_cast<uintptr_t>(g.c) % 16 == 0;
  if (int bad = multiply(dev, g, s)) return bad;
  if (s.parts > 1) LAUNCH(dev, add_parts<T>, spans(static_cast<int64_t>(g.m) * g.n), threads, 0, g, s);
  return 0;
}

static size_t split_bytes(const gemm_split &s, int64_t m, int64_t n) { return s.parts > 1 ? s.parts * m * n * sizeof(float) : 0; }

// product does g by the plan, or else with the own kernels.
template <class T>
static int product(rpg_device *dev, const gemm_task<T> &g, blas_plan *plan, void *workspace, const gemm_split &s) {
  if (plan && blas_run(dev, plan, g, workspace)) return 0;
  return own(dev, g, s, workspace);
}

// take gives workspace, null for none.
static int take(rpg_device *dev, size_t bytes, void **workspace) {
  *workspace = nullptr;
  return bytes ? rpg_workspace(dev, bytes, workspace) : 0;
}

// in_float32 and in_bf16 take the workspace for both ways, as cuBLASLt may still
// refuse when it is called.
static int in_float32(rpg_device *dev, const gemm_task<float> &g) {
  size_t bytes = 0;
  blas_plan *plan = blas_find(dev, g, &bytes);
  const gemm_split s = split(dev, g);
  const size_t sums = split_bytes(s, g.m, g.n);
  void *workspace;
  if (int bad = take(dev, sums > bytes ? sums : bytes, &workspace)) return bad;
  return product(dev, g, plan, workspace, s);
}

static int in_bf16(rpg_device *dev, const gemm_task<float> &g) {
  size_t bytes = 0;
  blas_plan *plan = blas_find(dev, gemm_rounded(g, nullptr), &bytes);
  const gemm_split s = split(dev, g);
  const size_t sums = split_bytes(s, g.m, g.n), factors = gemm_rounded_bytes(g);
  void *workspace;
  if (int bad = take(dev, factors + (sums > bytes ? sums : bytes), &workspace)) return bad;
  const gemm_task<uint16_t> rounded = gemm_rounded(g, workspace);
  if (int bad = gemm_round(dev, g, rounded)) return bad;
  return product(dev, rounded, plan, static_cast<unsigned char *>(workspace) + factors, s);
}

int rpg_gemm(rpg_device *dev, const struct rpg_gemm *a) {
  const int64_t m = a->c.rows, n = a->c.cols, k = a->trans_a ? a->a.rows : a->a.cols;
  if (m == 0 || n == 0) return 0;
  if (m > gemm_longest || n > gemm_longest || k > gemm_longest)
    return rpg_failed(dev, "a matrix product of 2^31 rows, columns or more", cudaErrorInvalidValue);
  const auto factor = [](const rpg_matrix &x) { return gemm_factor<float>{x.data, x.rows, x.cols, x.stride}; };
  const gemm_task<float> g = {a->c.data, a->c.stride, factor(a->a), factor(a->b), a->bias, static_cast<int>(m), static_cast<int>(n),
                              static_cast<int>(k), a->trans_a != 0, a->trans_b != 0, a->beta != 0, a->rounded_b != 0};
  return dev->bf16 ? in_bf16(dev, g) : in_float32(dev, g);
}
