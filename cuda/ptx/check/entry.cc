// The interpreter for tests in Go: its functions with plain names, and global
// memory that the test hands over.
#include <cstdio>
#include <vector>

#include "ptx/ptx.h"

namespace {
struct Range {
  uint64_t begin, end;
};
std::vector<Range> ranges;

bool bounds(uint64_t address, uint64_t *begin, uint64_t *end) {
  for (const Range &r : ranges) {
    if (address < r.begin || address >= r.end) continue;
    *begin = r.begin;
    *end = r.end;
    return true;
  }
  return false;
}
}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT const void *check_load(const char *text, uint64_t bytes) { return ptx::load(text, bytes, "test.ptx"); }

// check_run runs a kernel with memory of count ranges; false where there is none of
// that name. shape is the grid and the block.
EXPORT uint64_t check_run(const void *module, const char *name, const uint32_t *shape, uint64_t dynamic_bytes,
                          const void *parameters, const uint64_t *memory, uint64_t count) {
  const ptx::Kernel *k = ptx::find(static_cast<const ptx::Module *>(module), name);
  if (!k) return 0;
  ranges.clear();
  for (uint64_t i = 0; i < count; i++) ranges.push_back({memory[2 * i], memory[2 * i + 1]});
  ptx::run(k, {shape[0], shape[1], shape[2]}, {shape[3], shape[4], shape[5]}, dynamic_bytes, parameters, bounds);
  return 1;
}

EXPORT void check_counting(uint64_t on) { ptx::counting(on != 0); }

EXPORT uint64_t check_counted(const char *path) {
  FILE *out = fopen(path, "w");
  if (!out) return 0;
  ptx::counted(out);
  return fclose(out) == 0;
}
