// A libcublasLt for tests, on the host: column after column, as cublasLt.h of CUDA
// 13.1 says it, for what cublas.cu asks and nothing else. It ends the process
// when a call is not as the header demands. FAKE_REFUSE=heuristic or =matmul lets
// that function fail.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define API extern "C" __attribute__((visibility("default")))

enum { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_NOT_SUPPORTED = 15 };
enum { CUDA_R_32F = 0, CUDA_R_16BF = 14, CUBLAS_COMPUTE_32F = 68 };
enum { DESC_TRANSA = 3, DESC_TRANSB = 4, DESC_EPILOGUE = 7, DESC_BIAS_POINTER = 8 };
enum { EPILOGUE_DEFAULT = 1, EPILOGUE_BIAS = 4 };
enum { PREF_MAX_WORKSPACE_BYTES = 1, PREF_REDUCTION_SCHEME_MASK = 3, PREF_MIN_ALIGNMENT_A_BYTES = 5 };

struct Desc {
  int32_t trans[2] = {0, 0};
  uint32_t epilogue = EPILOGUE_DEFAULT;
  const float *bias = nullptr;
};
struct Layout {
  int type;
  uint64_t rows, cols;
  int64_t ld;
  uint64_t trans_rows(int32_t trans) const { return trans ? cols : rows; }
  uint64_t trans_cols(int32_t trans) const { return trans ? rows : cols; }
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t reduction = 7, alignment[4] = {256, 256, 256, 256};
};
struct Algorithm {
  uint64_t magic, workspace;
  uint32_t alignment[4];
  uint64_t bias, unused[3];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(Heuristic) == 96, "as in cublasLt.h");

static int matmuls, heuristics, open;

static void need(bool yes, const char *what) {
  if (yes) return;
  fprintf(stderr, "fake cuBLASLt: %s\n", what);
  abort();
}
static bool refuses(const char *what) {
  const char *refused = getenv("FAKE_REFUSE");
  return refused && !strcmp(refused, what);
}
static int (*device)();
// on_device: the calling thread's GPU must be that of the work.
static void on_device() { need(!device || device() == 0, "the calling thread has another GPU"); }
template <class T>
static void take(T *to, const void *from, size_t bytes) {
  need(bytes == sizeof *to, "an attribute has another size");
  memcpy(to, from, bytes);
}
// aligned says whether p is, to a power of 2.
static bool aligned(const void *p, uint64_t to) { return to && (to & (to - 1)) == 0 && reinterpret_cast<uintptr_t>(p) % to == 0; }

// For the test: products done, heuristics asked, and objects that were not destroyed.
API int fake_matmuls() { return matmuls; }
API int fake_heuristics() { return heuristics; }
API int fake_open() { return open; }
// fake_watch brings the function that says which GPU the calling thread has.
API int fake_watch(int (*f)()) { return device = f, 0; }

API int cublasLtCreate(void **handle) { return on_device(), open++, *handle = &matmuls, 0; }
API int cublasLtDestroy(void *handle) { return on_device(), need(handle == &matmuls, "not a handle"), open--, 0; }
API size_t cublasLtGetVersion() { return 130100; }

API int cublasLtMatmulDescCreate(Desc **desc, int compute, int scale) {
  need(compute == CUBLAS_COMPUTE_32F && scale == CUDA_R_32F, "another type of sums");
  return open++, *desc = new Desc, 0;
}
API int cublasLtMatmulDescDestroy(Desc *desc) { return open--, delete desc, 0; }
API int cublasLtMatmulDescSetAttribute(Desc *desc, int attribute, const void *value, size_t bytes) {
  switch (attribute) {
    case DESC_TRANSA: return take(&desc->trans[0], value, bytes), 0;
    case DESC_TRANSB: return take(&desc->trans[1], value, bytes), 0;
    case DESC_EPILOGUE: return take(&desc->epilogue, value, bytes), 0;
    case DESC_BIAS_POINTER: return take(&desc->bias, value, bytes), 0;
  }
  return need(false, "an unknown attribute of a product"), 0;
}

API int cublasLtMatrixLayoutCreate(Layout **layout, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  need(type == CUDA_R_32F || type == CUDA_R_16BF, "another type of values");
  need(rows > 0 && cols > 0 && ld >= static_cast<int64_t>(rows), "columns that overlap");
  return open++, *layout = new Layout{type, rows, cols, ld}, 0;
}
API int cublasLtMatrixLayoutDestroy(Layout *layout) { return open--, delete layout, 0; }

API int cublasLtMatmulPreferenceCreate(Preference **preference) { return open++, *preference = new Preference, 0; }
API int cublasLtMatmulPreferenceDestroy(Preference *preference) { return open--, delete preference, 0; }
API int cublasLtMatmulPreferenceSetAttribute(Preference *p, int attribute, const void *value, size_t bytes) {
  if (attribute == PREF_MAX_WORKSPACE_BYTES) return take(&p->workspace, value, bytes), 0;
  if (attribute == PREF_REDUCTION_SCHEME_MASK) return take(&p->reduction, value, bytes), 0;
  const int matrix = attribute - PREF_MIN_ALIGNMENT_A_BYTES;
  need(matrix >= 0 && matrix < 4, "an unknown preference");
  return take(&p->alignment[matrix], value, bytes), 0;
}

API int cublasLtMatmulAlgoGetHeuristic(void *, Desc *desc, Layout *a, Layout *b, Layout *c, Layout *d, Preference *p, int wanted, Heuristic *out,
                                       int *found) {
  on_device();
  heuristics++;
  *found = 0;
  if (refuses("heuristic")) return CUBLAS_STATUS_NOT_SUPPORTED;
  need(wanted == 1, "more than one way is wanted");
  need(c == d && c->type == CUDA_R_32F && a->type == b->type, "types that do not fit");
  need(p->reduction == 2, "sums may be added in any order");
  const uint64_t m = a->trans_rows(desc->trans[0]), k = a->trans_cols(desc->trans[0]);
  need(m == d->rows && k == b->trans_rows(desc->trans[1]) && b->trans_cols(desc->trans[1]) == d->cols, "sizes that do not fit");
  memset(out, 0, sizeof *out);
  out->algorithm = {42, 1000, {p->alignment[0], p->alignment[1], p->alignment[2], p->alignment[3]}, 0, {}};
  while (desc->bias && aligned(desc->bias, out->algorithm.bias ? 2 * out->algorithm.bias : 1) && out->algorithm.bias < 16)
    out->algorithm.bias = out->algorithm.bias ? 2 * out->algorithm.bias : 1;
  need(p->workspace >= 1000, "too little workspace");
  out->workspace = 1000;
  return *found = 1, 0;
}

static float value(const void *data, const Layout *l, int32_t trans, uint64_t row, uint64_t col) {
  const uint64_t at = trans ? row * l->ld + col : col * l->ld + row;
  if (l->type == CUDA_R_32F) return static_cast<const float *>(data)[at];
  const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t *>(data)[at]) << 16;
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

API int cublasLtMatmul(void *, Desc *desc, const float *alpha, const void *a, Layout *la, const void *b, Layout *lb, const float *beta,
                       const float *c, Layout *lc, float *d, Layout *ld, const Algorithm *way, void *workspace, size_t bytes, void *) {
  on_device();
  if (refuses("matmul")) return CUBLAS_STATUS_NOT_SUPPORTED;
  matmuls++;
  need(way->magic == 42 && bytes >= way->workspace && aligned(workspace, 256), "not the way that was found, or not its workspace");
  need(aligned(a, way->alignment[0]) && aligned(b, way->alignment[1]) && aligned(c, way->alignment[2]) && aligned(d, way->alignment[3]),
       "a matrix is less aligned than was said");
  need(c == d && lc == ld, "C is not D");
  need((desc->epilogue == EPILOGUE_BIAS) == (way->bias > 0) && (!way->bias || aligned(desc->bias, way->bias)), "another bias than was said");
  memset(workspace, 0xff, way->workspace);
  for (uint64_t col = 0; col < ld->cols; col++)
    for (uint64_t row = 0; row < ld->rows; row++) {
      double sum = 0;
      for (uint64_t k = 0; k < (desc->trans[0] ? la->rows : la->cols); k++)
        sum += static_cast<double>(value(a, la, desc->trans[0], row, k)) * value(b, lb, desc->trans[1], k, col);
      sum *= *alpha;
      if (*beta != 0) sum += *beta * c[col * lc->ld + row];
      if (desc->epilogue == EPILOGUE_BIAS) sum += desc->bias[row];
      d[col * ld->ld + row] = static_cast<float>(sum);
    }
  return 0;
}
