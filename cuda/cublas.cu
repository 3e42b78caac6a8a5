// cuBLASLt for products, opened at run time where a machine has it. Its matrices
// are column after column, so that C, row after row, is Cᵀ to it, and
// Cᵀ = op(B)ᵀ·op(A)ᵀ. What it chooses for a shape is kept. Sums that it splits go
// through the workspace and are added in a fixed order.
#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "cublas.cuh"
#include "gemm.cuh"

#if defined(__CUDACC__) && __has_include(<cublasLt.h>)
#include <cublasLt.h>
#define SAME(ours, theirs) static_assert(static_cast<int>(lt::ours) == static_cast<int>(theirs), #theirs)
SAME(success, CUBLAS_STATUS_SUCCESS);
SAME(op_n, CUBLAS_OP_N);
SAME(op_t, CUBLAS_OP_T);
SAME(compute_32f, CUBLAS_COMPUTE_32F);
SAME(type_32f, CUDA_R_32F);
SAME(type_16bf, CUDA_R_16BF);
SAME(desc_transa, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(desc_transb, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(desc_epilogue, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME(desc_bias_pointer, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME(epilogue_bias, CUBLASLT_EPILOGUE_BIAS);
SAME(pref_max_workspace_bytes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(pref_reduction_scheme_mask, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME(pref_min_alignment_a, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(pref_min_alignment_b, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME(pref_min_alignment_c, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME(pref_min_alignment_d, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME(reduction_scheme_compute_type, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
static_assert(sizeof(lt::algorithm) == sizeof(cublasLtMatmulAlgo_t), "cublasLtMatmulAlgo_t");
static_assert(sizeof(lt::heuristic) == sizeof(cublasLtMatmulHeuristicResult_t), "cublasLtMatmulHeuristicResult_t");
static_assert(offsetof(lt::heuristic, state) == offsetof(cublasLtMatmulHeuristicResult_t, state), "state");
static_assert(sizeof(cublasStatus_t) == sizeof(int) && sizeof(cudaDataType_t) == sizeof(int), "enums are passed as int");
#endif

struct blas_plan {
  lt::desc desc = nullptr;
  lt::layout a = nullptr, b = nullptr, c = nullptr;  // as cuBLASLt names them
  lt::heuristic found = {};
  bool usable = false;
};

namespace {

// shape is all that a choice depends on: sizes, strides, alignments, what is
// transposed, and whether there is a bias.
using shape = std::tuple<int, int, int, int64_t, int64_t, int64_t, int, int, int, int, bool, bool, bool>;

constexpr uint64_t most_workspace = 32 << 20;  // bytes, as much as cuBLAS takes for itself on a GPU of 2022

}  // namespace

struct rpg_blas {
  void *library = nullptr;
  lt::functions call = {};
  lt::handle handle = nullptr;
  std::map<shape, blas_plan> plans;
};

namespace {

// places are where cuBLASLt may be: as the dynamic linker finds it, then in CUDA's
// folder, then where Python wheels put it.
std::vector<std::string> places() {
  const auto text = [](const char *name) { return std::string(getenv(name) ? getenv(name) : ""); };
  if (const std::string one = text("RPG_CUBLASLT"); !one.empty()) return {one};
  std::vector<std::string> all = {"libcublasLt.so.13", "libcublasLt.so.12"};
  const auto add = [&all](const std::string &pattern) {
    glob_t found = {};
    if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
      for (size_t i = 0; i < found.gl_pathc; i++) all.push_back(found.gl_pathv[i]);
    globfree(&found);
  };
  for (const std::string &home : {text("CUDA_HOME"), std::string("/usr/local/cuda")})
    if (!home.empty()) add(home + "/lib64/libcublasLt.so.1[23]");
  for (const std::string &root : {text("VIRTUAL_ENV"), text("CONDA_PREFIX"), text("HOME") + "/.local", std::string("/usr/local"), std::string("/usr")})
    for (const char *folder : {"cu13/lib/libcublasLt.so.13", "cublas/lib/libcublasLt.so.12"})
      if (!root.empty()) add(root + "/lib/python3*/*-packages/nvidia/" + folder);
  return all;
}

// load fills blas->call, and says whether all functions are there.
bool load(rpg_blas *blas) {
  for (const std::string &place : places())
    if ((blas->library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL))) break;
  if (!blas->library) return false;
  bool all = true;
#define FUNCTION(name)                                                                \
  do {                                                                                \
    void *at = dlsym(blas->library, "cublasLt" #name);                                \
    memcpy(&blas->call.name, &at, sizeof at);                                         \
    all = all && at;                                                                  \
  } while (0)
  FUNCTION(Create);
  FUNCTION(Destroy);
  FUNCTION(GetVersion);
  FUNCTION(MatmulDescCreate);
  FUNCTION(MatmulDescDestroy);
  FUNCTION(MatmulDescSetAttribute);
  FUNCTION(MatrixLayoutCreate);
  FUNCTION(MatrixLayoutDestroy);
  FUNCTION(MatmulPreferenceCreate);
  FUNCTION(MatmulPreferenceDestroy);
  FUNCTION(MatmulPreferenceSetAttribute);
  FUNCTION(MatmulAlgoGetHeuristic);
  FUNCTION(Matmul);
#undef FUNCTION
  return all && blas->call.Create(&blas->handle) == lt::success;
}

void release(rpg_blas *blas, blas_plan &p) {
  for (lt::layout layout : {p.a, p.b, p.c})
    if (layout) blas->call.MatrixLayoutDestroy(layout);
  if (p.desc) blas->call.MatmulDescDestroy(p.desc);
}

void close(rpg_blas *blas) {
  for (auto &plan : blas->plans) release(blas, plan.second);
  if (blas->handle) blas->call.Destroy(blas->handle);
  delete blas;  // the library stays: those of CUDA do not expect to be unloaded
}

// alignment is that of an address, in bytes, up to 16.
template <class T>
int alignment(const T *p) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(p) | 16;
  return static_cast<int>(at & (~at + 1));
}

template <class T>
shape shape_of(const gemm_task<T> &g) {
  return {g.m, g.n, g.k, g.a.stride, g.b.stride, g.c_stride, alignment(g.a.data), alignment(g.b.data), alignment(g.c),
          g.bias ? alignment(g.bias) : 0, g.trans_a, g.trans_b, g.beta};
}

// make asks for the best way, and says whether there is one.
template <class T>
bool make(rpg_blas *blas, const gemm_task<T> &g, blas_plan &p) {
  const lt::functions &call = blas->call;
  const int type = sizeof(T) == sizeof(float) ? lt::type_32f : lt::type_16bf;
  const int trans_a = g.trans_b ? lt::op_t : lt::op_n, trans_b = g.trans_a ? lt::op_t : lt::op_n;
  bool ok = call.MatmulDescCreate(&p.desc, lt::compute_32f, lt::type_32f) == lt::success;
  const auto set = [&](int attribute, auto value) {
    ok = ok && call.MatmulDescSetAttribute(p.desc, attribute, &value, sizeof value) == lt::success;
  };
  set(lt::desc_transa, int32_t(trans_a));
  set(lt::desc_transb, int32_t(trans_b));
  if (g.bias) {
    set(lt::desc_epilogue, uint32_t(lt::epilogue_bias));
    set(lt::desc_bias_pointer, g.bias);
  }
  const auto layout = [&](lt::layout *out, int of, uint64_t rows, uint64_t cols, int64_t stride) {
    ok = ok && call.MatrixLayoutCreate(out, of, cols, rows, stride) == lt::success;
  };
  layout(&p.a, type, g.b.rows, g.b.cols, g.b.stride);
  layout(&p.b, type, g.a.rows, g.a.cols, g.a.stride);
  layout(&p.c, lt::type_32f, g.m, g.n, g.c_stride);

  lt::preference preference = nullptr;
  ok = ok && call.MatmulPreferenceCreate(&preference) == lt::success;
  const auto prefer = [&](int attribute, auto value) {
    ok = ok && call.MatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value) == lt::success;
  };
  prefer(lt::pref_max_workspace_bytes, most_workspace);
  prefer(lt::pref_reduction_scheme_mask, uint32_t(lt::reduction_scheme_compute_type));
  prefer(lt::pref_min_alignment_a, uint32_t(alignment(g.b.data)));
  prefer(lt::pref_min_alignment_b, uint32_t(alignment(g.a.data)));
  prefer(lt::pref_min_alignment_c, uint32_t(alignment(g.c)));
  prefer(lt::pref_min_alignment_d, uint32_t(alignment(g.c)));
  int found = 0;
  ok = ok && call.MatmulAlgoGetHeuristic(blas->handle, p.desc, p.a, p.b, p.c, p.c, preference, 1, &p.found, &found) == lt::success;
  if (preference) call.MatmulPreferenceDestroy(preference);
  return ok && found == 1 && p.found.state == lt::success && p.found.workspace_bytes <= most_workspace;
}

}  // namespace

int blas_open(rpg_device *dev) {
  snprintf(dev->products_by, sizeof dev->products_by, "own kernels");
  const char *wish = getenv("RPG_CUDA_BLAS");
  if (wish && !strcmp(wish, "own")) return 0;
#ifdef RPG_ON_HOST
  if (!getenv("RPG_CUBLASLT")) return 0;  // the memory here is not that of a GPU
#endif
  rpg_blas *blas = new rpg_blas();
  if (load(blas)) {
    const size_t version = blas->call.GetVersion();
    snprintf(dev->products_by, sizeof dev->products_by, "cuBLASLt %zu.%zu.%zu", version / 10000, version / 100 % 100, version % 100);
    dev->blas = blas;
    return 0;
  }
  close(blas);
  if (!wish || strcmp(wish, "lt")) return 0;
  snprintf(dev->error, sizeof dev->error, "RPG_CUDA_BLAS=lt: expected libcublasLt.so.13 or .12 that opens, found none; RPG_CUBLASLT may name it");
  return RPG_E_BLAS;
}

void blas_close(rpg_device *dev) {
  if (dev->blas) close(dev->blas);
  dev->blas = nullptr;
}

template <class T>
blas_plan *blas_find(rpg_device *dev, const gemm_task<T> &g, size_t *bytes) {
  // A repeated row is no matrix for it, and with k = 0 there is nothing to do.
  if (!dev->blas || g.k == 0 || g.a.stride < g.a.cols || g.b.stride < g.b.cols) return nullptr;
  const auto [at, fresh] = dev->blas->plans.try_emplace(shape_of(g));
  blas_plan &p = at->second;
  // It finds ways for the GPU of the calling thread.
  if (fresh) p.usable = cudaSetDevice(dev->ordinal) == cudaSuccess && make(dev->blas, g, p);
  *bytes = p.usable ? p.found.workspace_bytes : 0;
  return p.usable ? &p : nullptr;
}

template <class T>
bool blas_run(rpg_device *dev, blas_plan *p, const gemm_task<T> &g, void *workspace) {
  const lt::functions &call = dev->blas->call;
  const float alpha = 1, beta = g.beta;
  if (cudaSetDevice(dev->ordinal) != cudaSuccess) return false;
  if (g.bias && call.MatmulDescSetAttribute(p->desc, lt::desc_bias_pointer, &g.bias, sizeof g.bias) != lt::success) return false;
  p->usable = call.Matmul(dev->blas->handle, p->desc, &alpha, g.b.data, p->a, g.a.data, p->b, &beta, g.c, p->c, g.c, p->c, &p->found.algorithm,
                          workspace, p->found.workspace_bytes, dev->stream) == lt::success;
  return p->usable;
}

template blas_plan *blas_find(rpg_device *, const gemm_task<float> &, size_t *);
template blas_plan *blas_find(rpg_device *, const gemm_task<uint16_t> &, size_t *);
template bool blas_run(rpg_device *, blas_plan *, const gemm_task<float> &, void *);
template bool blas_run(rpg_device *, blas_plan *, const gemm_task<uint16_t> &, void *);
