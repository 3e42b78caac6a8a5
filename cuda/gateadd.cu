#include "rows.cuh"

static __global__ void __launch_bounds__(threads) gate_add(struct rpg_gate_add a) {
  each_cell<4>(a.y.rows, a.y.cols, [&](int64_t i, int64_t j) {
    a.y.data[i * a.y.stride + j] =
        a.h.data[i * a.h.stride + j] + a.r.data[i * a.r.stride + j] * a.u.data[i * a.u.stride + j];
  });
}

int rpg_gate_add(rpg_device *dev, const struct rpg_gate_add *a) {
  LAUNCH(dev, gate_add, cells<4>(a->y.rows, a->y.cols), threads, 0, *a);
  return 0;
}

static __global__ void __launch_bounds__(threads) gate_add_backward(struct rpg_gate_add_backward a) {
  each_cell<4>(a.dy.rows, a.dy.cols, [&](int64_t i, int64_t j) {
    const float dy = a.dy.data[i * a.dy.stride + j];
    const float u = a.u.data[i * a.u.stride + j], r = a.r.data[i * a.r.stride + j];
    a.du.data[i * a.du.stride + j] = r * dy;
    a.dr.data[i * a.dr.stride + j] = u * dy;
  });
}

int rpg_gate_add_backward(rpg_device *dev, const struct rpg_gate_add_backward *a) {
  LAUNCH(dev, gate_add_backward, cells<4>(a->dy.rows, a->dy.cols), threads, 0, *a);
  return 0;
}
