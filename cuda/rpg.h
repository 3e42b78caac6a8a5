// The interface of librpgcuda.so: plain C, called from Go. Package cuda mirrors
// every struct in ops_*.go; layout_test.go compares the two.
//
// Every function returns 0, else a status: a cudaError_t or one of RPG_E_*.
// rpg_error_text then says what failed. Work is queued on the device's one
// stream and may fail later: the status comes from rpg_download or rpg_sync, and
// from every later call.
//
// A device is used from one thread at a time, any thread. Pointers named float*
// and the like are device memory unless said otherwise; sizes and strides count
// values, not bytes. An operation must not be called with sizes or pointers
// that its struct does not allow: the Go side checks them.
#ifndef RPG_H
#define RPG_H

#include <stdint.h>

// Raised by every change of this file that an older caller would misread.
#define RPG_ABI 3

#define RPG_API extern "C" __attribute__((visibility("default")))

enum {
  RPG_E_TOO_OLD = 10001,  // the GPU's compute capability is below 8.0
  RPG_E_ROW = 10002,      // a row number was out of range
  RPG_E_BLAS = 10003,     // there is no cuBLASLt, and the environment demands it
  RPG_E_VALID = 10004,    // a number of valid values was out of range
};

struct rpg_device;
struct rpg_graph;  // recorded work

RPG_API int rpg_abi(void);

// rpg_error_text says why the last call for this device failed; for a null
// device, why the calling thread's last rpg_open did. The text lives until the
// next call.
RPG_API const char *rpg_error_text(const rpg_device *dev);

// rpg_open makes device number `ordinal` ready. With bf16, operands of matrix
// products and convolutions may be rounded to bf16; sums stay float32.
RPG_API int rpg_open(int ordinal, int bf16, rpg_device **dev);
// rpg_close frees what the device itself took; buffers and graphs come before.
// After it there is no text for its status.
RPG_API int rpg_close(rpg_device *dev);

// rpg_open_counter makes a device that needs no GPU and does nothing: it counts the
// memory that the same calls would take on a GPU of so many processors. What is
// downloaded from it is 0. rpg_counted gives the most bytes that were taken at once, of
// any device.
RPG_API int rpg_open_counter(int processors, int bf16, rpg_device **dev);
RPG_API int rpg_counted(rpg_device *dev, uint64_t *bytes);

struct rpg_info {
  char name[256];
  char products_by[64];     // what does matrix products: own kernels or cuBLASLt
  int32_t major, minor;     // compute capability
  int32_t processors;       // streaming multiprocessors
  int32_t driver, runtime;  // 13000 is CUDA 13.0; driver: the newest it knows
  int32_t bf16;             // as rpg_open was told
  uint64_t memory_free, memory_total;  // bytes, now
};
RPG_API int rpg_get_info(rpg_device *dev, struct rpg_info *info);

// rpg_alloc gives zeroed device memory.
RPG_API int rpg_alloc(rpg_device *dev, uint64_t bytes, void **address);
RPG_API int rpg_free(rpg_device *dev, void *address);

// rpg_upload and rpg_upload_rounded return when src may be reused; rpg_download
// when dst is filled. src and dst may be any host memory. rpg_upload_rounded takes
// n values and stores them as bf16, 2 n bytes: rounded to the nearest, ties to even,
// and what is not a number as 0x7fff. rpg_copy_queued copies within device memory,
// in the stream's order.
RPG_API int rpg_upload(rpg_device *dev, void *dst, const void *src, uint64_t bytes);
RPG_API int rpg_upload_rounded(rpg_device *dev, void *dst, const float *src, uint64_t n);
RPG_API int rpg_download(rpg_device *dev, void *dst, const void *src, uint64_t bytes);
RPG_API int rpg_copy_queued(rpg_device *dev, void *dst, const void *src, uint64_t bytes);
RPG_API int rpg_sync(rpg_device *dev);

// Between rpg_record and rpg_record_end, operations and rpg_copy_queued are not
// done but recorded. rpg_alloc, rpg_upload, rpg_upload_rounded, rpg_download and
// rpg_sync must not be called. An operation whose workspace is not large enough yet fails: do it
// once before. After a failure rpg_record_end still ends the recording.
RPG_API int rpg_record(rpg_device *dev);
RPG_API int rpg_record_end(rpg_device *dev, rpg_graph **graph);
RPG_API int rpg_replay(rpg_device *dev, rpg_graph *graph);
RPG_API int rpg_graph_free(rpg_device *dev, rpg_graph *graph);

// A row-major matrix: element (i, j) is data[i*stride + j]. data is null where
// a matrix is absent.
struct rpg_matrix {
  float *data;
  int64_t rows, cols, stride;
};

// ---- operations, in the order of compute.Device --------------------------
//
// Scalars that change from step to step stand in a struct named rpg_OP_now, at
// the end. With `later` null the kernel takes `now`, which is the value at the
// call; else it reads *later, device memory, when it runs. So a recorded step can
// be replayed with other values.

struct rpg_zero {  // x = 0
  float *x;
  int64_t n;
};
RPG_API int rpg_zero(rpg_device *dev, const struct rpg_zero *a);

struct rpg_copy {  // dst = src
  void *dst;       // float32, or bf16: rounded
  const float *src;
  int64_t n;
  int32_t rounded;
};
RPG_API int rpg_copy(rpg_device *dev, const struct rpg_copy *a);

struct rpg_add {  // y += x
  float *y;
  const float *x;
  int64_t n;
};
RPG_API int rpg_add(rpg_device *dev, const struct rpg_add *a);

struct rpg_combine_now {
  float a, b, c;
};
struct rpg_combine {  // dst = a·x + b·y + c·z; y and z may be null
  float *dst;
  const float *x, *y, *z;
  int64_t n;
  const struct rpg_combine_now *later;
  struct rpg_combine_now now;
};
RPG_API int rpg_combine(rpg_device *dev, const struct rpg_combine *a);

struct rpg_gemm {  // C = beta·C + op(A)·op(B) + bias
  struct rpg_matrix c, a, b;  // a and b may repeat a row
  const float *bias;          // [c.cols], may be null
  int32_t trans_a, trans_b, beta;  // 0 or 1
  int32_t rounded_b;               // 1: b is of bf16, for a device opened with it
};
RPG_API int rpg_gemm(rpg_device *dev, const struct rpg_gemm *a);

struct rpg_column_sums {  // dst[j] += Σ_i x[i,j]
  float *dst;
  struct rpg_matrix x;
};
RPG_API int rpg_column_sums(rpg_device *dev, const struct rpg_column_sums *a);

struct rpg_silu {  // y = x/(1+exp(-x))
  float *y;
  const float *x;
  int64_t n;
};
RPG_API int rpg_silu(rpg_device *dev, const struct rpg_silu *a);

struct rpg_silu_backward {  // dx = dy·SiLU'(x)
  float *dx;
  const float *dy, *x;
  int64_t n;
};
RPG_API int rpg_silu_backward(rpg_device *dev, const struct rpg_silu_backward *a);

struct rpg_gather {  // dst[i,:] = beta·dst[i,:] + src[rows[i],:]
  struct rpg_matrix dst, src;
  const int32_t *rows;  // [dst.rows]
  int32_t beta;         // 0 or 1
};
RPG_API int rpg_gather(rpg_device *dev, const struct rpg_gather *a);

struct rpg_scatter_add {  // dst[rows[i],:] += src[i,:], in the order of i
  struct rpg_matrix dst, src;
  const int32_t *rows;  // [src.rows]
};
RPG_API int rpg_scatter_add(rpg_device *dev, const struct rpg_scatter_add *a);

struct rpg_causal_conv {  // y = SiLU(bias + causal convolution of each channel)
  int64_t n, l, k;        // k is at most 32
  struct rpg_matrix x, y;
  const float *w, *bias;     // [x.cols, k], [x.cols]
  struct rpg_matrix before;  // may be absent
};
RPG_API int rpg_causal_conv(rpg_device *dev, const struct rpg_causal_conv *a);

struct rpg_causal_conv_backward {  // dx is overwritten, dw and dbias accumulate
  struct rpg_causal_conv forward;  // without y
  struct rpg_matrix dy, dx;
  float *dw, *dbias;
  struct rpg_matrix dbefore;  // overwritten; may be absent
};
RPG_API int rpg_causal_conv_backward(rpg_device *dev, const struct rpg_causal_conv_backward *a);

struct rpg_ssd {  // see compute.SSD
  int64_t n, l, h, p, s;
  int64_t chunk;  // at most l, unless l is 0
  struct rpg_matrix x, b, c, dt, y;
  const float *dt_bias, *a_log, *d;
  float *states;
  const float *start;  // may be null; may be end
  float *end;          // may be null
};
RPG_API int rpg_ssd(rpg_device *dev, const struct rpg_ssd *a);

struct rpg_ssd_backward {  // see compute.SSDBackward
  struct rpg_ssd forward;  // without y; end is read where there is a dend
  struct rpg_matrix dy, dx, db, dc, ddt;
  float *ddt_bias, *da_log, *dd;
  float *dstart;      // may be null; may be dend
  const float *dend;  // may be null
};
RPG_API int rpg_ssd_backward(rpg_device *dev, const struct rpg_ssd_backward *a);

struct rpg_gated_rms_norm {  // g = x·SiLU(z); y = g / sqrt(mean(g²)+eps) · w
  struct rpg_matrix y, x, z;
  const float *w;
  float eps;
};
RPG_API int rpg_gated_rms_norm(rpg_device *dev, const struct rpg_gated_rms_norm *a);

struct rpg_gated_rms_norm_backward {  // dx and dz are overwritten, dw accumulates
  struct rpg_matrix dx, dz, dy, x, z;
  float *dw;
  const float *w;
  float eps;
};
RPG_API int rpg_gated_rms_norm_backward(rpg_device *dev, const struct rpg_gated_rms_norm_backward *a);

struct rpg_lstm {  // see compute.LSTM
  int64_t n, l, m;
  struct rpg_matrix gates, h, c;
  const float *w;      // [4m, m]
  const float *start;  // may be null; may be end
  float *end;          // may be null
};
RPG_API int rpg_lstm(rpg_device *dev, const struct rpg_lstm *a);

struct rpg_lstm_backward {  // see compute.LSTMBackward
  struct rpg_lstm forward;  // without h and end
  struct rpg_matrix dh, dgates;
  float *dstart;      // may be null; may be dend
  const float *dend;  // may be null
};
RPG_API int rpg_lstm_backward(rpg_device *dev, const struct rpg_lstm_backward *a);

struct rpg_attention {  // see compute.Attention
  int64_t n, l, h, p, first;
  struct rpg_matrix q, k, v, y, lse;
};
RPG_API int rpg_attention(rpg_device *dev, const struct rpg_attention *a);

struct rpg_attention_backward {  // see compute.AttentionBackward
  struct rpg_attention forward;
  struct rpg_matrix dy, dq, dk, dv;
};
RPG_API int rpg_attention_backward(rpg_device *dev, const struct rpg_attention_backward *a);

struct rpg_layer_norm {  // y = normalized(x)·(1+scale) + shift
  struct rpg_matrix y, x, shift, scale;  // the last two may both be absent
  float eps;
};
RPG_API int rpg_layer_norm(rpg_device *dev, const struct rpg_layer_norm *a);

struct rpg_layer_norm_backward {  // dx accumulates, dshift and dscale are overwritten
  struct rpg_matrix dx, dshift, dscale, dy, x, scale;
  float eps;
};
RPG_API int rpg_layer_norm_backward(rpg_device *dev, const struct rpg_layer_norm_backward *a);

struct rpg_gate_add {  // y = h + r·u
  struct rpg_matrix y, h, u, r;
};
RPG_API int rpg_gate_add(rpg_device *dev, const struct rpg_gate_add *a);

struct rpg_gate_add_backward {  // du = r·dy, dr = u·dy
  struct rpg_matrix du, dr, dy, u, r;
};
RPG_API int rpg_gate_add_backward(rpg_device *dev, const struct rpg_gate_add_backward *a);

struct rpg_time_features {  // y[i,:] = cos and sin of t[i]·10000^(-k/half), half = y.cols/2
  struct rpg_matrix y;
  const float *t;  // [y.rows]
};
RPG_API int rpg_time_features(rpg_device *dev, const struct rpg_time_features *a);

struct rpg_normal_now {
  uint64_t seed, stream;
};
struct rpg_normal {  // x[i] is normal number i of the stream
  float *x;
  int64_t n;
  const struct rpg_normal_now *later;
  struct rpg_normal_now now;
};
RPG_API int rpg_normal(rpg_device *dev, const struct rpg_normal *a);

struct rpg_normal_rows_now {
  uint64_t offset;
};
struct rpg_normal_rows {  // row i is rpg_normal of its seed and its stream + offset
  struct rpg_matrix x;
  const int32_t *keys;  // [x.rows, 4]: seed and stream, low words first
  const struct rpg_normal_rows_now *later;
  struct rpg_normal_rows_now now;
};
RPG_API int rpg_normal_rows(rpg_device *dev, const struct rpg_normal_rows *a);

enum { RPG_PREDICT_EPS = 0, RPG_PREDICT_V = 1, RPG_PREDICT_X0 = 2 };

struct rpg_diffuse {  // xt = a·x0 + b·eps; target is what is to be predicted
  struct rpg_matrix xt, target, x0, eps;
  const float *a, *b;  // [x0.rows]
  int32_t prediction;  // RPG_PREDICT_*
};
RPG_API int rpg_diffuse(rpg_device *dev, const struct rpg_diffuse *a);

struct rpg_masked_mse {  // see Device.MaskedMSE
  float *loss;
  struct rpg_matrix dpred, pred, target;
  const int32_t *valid;  // [pred.rows]
};
RPG_API int rpg_masked_mse(rpg_device *dev, const struct rpg_masked_mse *a);

struct rpg_squared_sum {  // dst[0] = Σ x², in float64
  float *dst;
  const float *x;
  int64_t n;
};
RPG_API int rpg_squared_sum(rpg_device *dev, const struct rpg_squared_sum *a);

struct rpg_adam_w_now {
  float rate, root, keep;  // LR/(1-Beta1^Step), 1/sqrt(1-Beta2^Step), 1 - LR·Decay
  float new_ema;           // 1-EMADecay
};
struct rpg_adam_w {  // see compute.AdamW; norm and ema may be null
  float *p;
  const float *g;
  float *m, *v;
  const float *norm;
  float *ema;
  int64_t n;
  float max_norm, new1, new2, eps;  // new1 is 1-Beta1
  const struct rpg_adam_w_now *later;
  struct rpg_adam_w_now now;
};
RPG_API int rpg_adam_w(rpg_device *dev, const struct rpg_adam_w *a);

struct rpg_adam_w8 {  // see compute.AdamW8; norm and ema may be null
  float *p;
  const float *g;
  uint8_t *m_codes, *v_codes;  // [n]
  float *m_scale, *v_scale;    // [ceil(n/256)]
  const float *norm;
  float *ema;
  int64_t n;
  float max_norm, new1, new2, eps;  // new1 is 1-Beta1
  const struct rpg_adam_w_now *later;
  struct rpg_adam_w_now now;
};
RPG_API int rpg_adam_w8(rpg_device *dev, const struct rpg_adam_w8 *a);

struct rpg_ema_now {
  float decay;
};
struct rpg_ema {  // ema = decay·ema + (1-decay)·p
  float *ema;
  const float *p;
  int64_t n;
  const struct rpg_ema_now *later;
  struct rpg_ema_now now;
};
RPG_API int rpg_ema(rpg_device *dev, const struct rpg_ema *a);

// A BatchNorm, scale null: none. All arrays are [C]; see compute.BatchNorm.
struct rpg_batch_norm {
  const float *scale, *bias;
  float eps, momentum;
  float *mean, *inv_std, *running_mean, *running_var;
  float *dscale, *dbias, *along, *level;  // dscale null: no sums are wanted
};

// The signals of tokens, row after row: value j of row i is data[i*stride + j].
struct rpg_signals {
  void *data;       // null: absent
  int64_t stride;
  int32_t rounded;  // 1: of bf16, else of float32
};

struct rpg_conv_layer {  // see compute.ConvLayer
  int64_t tokens, in, out, k, d;
  struct rpg_signals x, skip, y;
  struct rpg_batch_norm x_norm, skip_norm, y_norm;
  struct rpg_matrix cond, time, w;
  const float *bias;
  const void *packed;  // null, or what rpg_pack_conv_layer wrote
  int32_t elu;
};
RPG_API int rpg_conv_layer(rpg_device *dev, const struct rpg_conv_layer *a);

// rpg_packed_bytes says how much memory rpg_pack_conv_layer fills, of which
// `to` is the start.
RPG_API int rpg_packed_bytes(rpg_device *dev, const struct rpg_conv_layer *a, uint64_t *bytes);
RPG_API int rpg_pack_conv_layer(rpg_device *dev, const struct rpg_conv_layer *a, void *to);

struct rpg_conv_layer_backward {  // see compute.ConvLayerBackward
  struct rpg_conv_layer of;
  struct rpg_signals dy, dx, raw;  // dx and raw may be absent
  struct rpg_matrix dcond, dtime;
  struct rpg_matrix dw;  // absent: dx and what goes to x_norm alone is wanted
  float *dbias;          // null without dw
  int32_t add_dx;
};
RPG_API int rpg_conv_layer_backward(rpg_device *dev, const struct rpg_conv_layer_backward *a);

#endif
