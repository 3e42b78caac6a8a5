// The few types, numbers and functions of cublasLt.h (CUDA 12 and 13) that
// cublas.cu uses: the library is opened at run time, and its header is not needed.
// Where the compiler finds the header, cublas.cu compares them.
#pragma once

#include "common.cuh"

namespace lt {

enum : int {
  success = 0,                 // CUBLAS_STATUS_SUCCESS
  op_n = 0, op_t = 1,          // CUBLAS_OP_*
  compute_32f = 68,            // CUBLAS_COMPUTE_32F
  type_32f = 0, type_16bf = 14,  // CUDA_R_*
  desc_transa = 3, desc_transb = 4, desc_epilogue = 7, desc_bias_pointer = 8,  // CUBLASLT_MATMUL_DESC_*
  epilogue_bias = 4,           // CUBLASLT_EPILOGUE_BIAS
  pref_max_workspace_bytes = 1, pref_reduction_scheme_mask = 3,  // CUBLASLT_MATMUL_PREF_*
  pref_min_alignment_a = 5, pref_min_alignment_b = 6, pref_min_alignment_c = 7, pref_min_alignment_d = 8,
  reduction_scheme_compute_type = 2,  // CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
};

struct algorithm {  // cublasLtMatmulAlgo_t
  uint64_t data[8];
};
struct heuristic {  // cublasLtMatmulHeuristicResult_t
  struct algorithm algorithm;
  size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};

// Handles and descriptors are pointers to what only the library knows; enums are
// passed as int.
typedef void *handle, *desc, *layout, *preference;

struct functions {
  int (*Create)(handle *);
  int (*Destroy)(handle);
  size_t (*GetVersion)();
  int (*MatmulDescCreate)(desc *, int compute, int scale);
  int (*MatmulDescDestroy)(desc);
  int (*MatmulDescSetAttribute)(desc, int attribute, const void *value, size_t bytes);
  int (*MatrixLayoutCreate)(layout *, int type, uint64_t rows, uint64_t cols, int64_t ld);
  int (*MatrixLayoutDestroy)(layout);
  int (*MatmulPreferenceCreate)(preference *);
  int (*MatmulPreferenceDestroy)(preference);
  int (*MatmulPreferenceSetAttribute)(preference, int attribute, const void *value, size_t bytes);
  int (*MatmulAlgoGetHeuristic)(handle, desc, layout a, layout b, layout c, layout d, preference, int wanted, heuristic *, int *found);
  int (*Matmul)(handle, desc, const void *alpha, const void *a, layout, const void *b, layout, const void *beta, const void *c, layout,
                void *d, layout, const algorithm *, void *workspace, size_t bytes, cudaStream_t);
};

}  // namespace lt
