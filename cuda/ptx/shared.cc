// Shared memory: what may be read and written, and copies that are under way.
#include "lanes.h"
#include "races.h"

namespace ptx {
namespace {

void check_place(Warp &w, const Instruction &in, int lane, uint64_t address, size_t bytes) {
  if (address & (bytes - 1))
    fault(w, in, lane, "shared address %llu is not aligned to %zu bytes", (unsigned long long)address, bytes);
  if (address + bytes > w.block->shared_bytes || address > w.block->shared_bytes)
    fault(w, in, lane, "%zu bytes at %llu are not in the %zu bytes of shared memory", bytes, (unsigned long long)address,
          w.block->shared_bytes);
}

// check_brought ends the process where a copy into a cell may still be under way.
inline void check_brought(Warp &w, const Instruction &in, int lane, uint64_t address, const Cell &c, const char *what) {
  if (!c.under_way || c.write_epoch < w.block->first) return;
  fault(w, in, lane, "%s of shared bytes at %llu that the cp.async of thread %u in line %d may not have brought yet", what,
        (unsigned long long)address, c.writer, w.block->kernel->code[c.write_pc].line);
}

void copy(Warp &w, const Instruction &in, uint32_t active) {
  uint64_t to[lanes];
  w.addresses(in, in.from[0], to);
  const uint64_t *source = w.from<uint64_t>(in.from[1]);
  const uint32_t *size = w.from<uint32_t>(in.from[2]);
  Block &b = *w.block;
  const int shift = b.kernel->cell_shift;
  each_active(active, [&](int l) {
    check_place(w, in, l, to[l], 16);
    if (source[l] & 15) fault(w, in, l, "address 0x%llx is not aligned to 16 bytes", (unsigned long long)source[l]);
    if (size[l] > 16) fault(w, in, l, "a copy of %u bytes, where 16 are the most", size[l]);
    Copy c = {static_cast<uint32_t>(to[l]), l, w.committed[l], {}};
    if (size[l] > 0) {
      Range &known = b.ranges[in.line & 63];
      if (source[l] < known.begin || source[l] + size[l] > known.end) find_range(w, in, l, source[l], size[l], known);
      memcpy(c.bytes, reinterpret_cast<const void *>(source[l]), size[l]);
      if (b.watched) watch_read(w, in, l, source[l], size[l]);
    }
    for (uint64_t i = to[l] >> shift; i < (to[l] + 16) >> shift; i++) {
      Cell &cell = b.cells[i];
      check_brought(w, in, l, i << shift, cell, "copy");
      note_write(w, in, l, i << shift, cell, b.first);
      cell.under_way = true;
    }
    w.copies.push_back(c);
  });
  if (b.counts) {
    uint32_t reading = 0;
    each_active(active, [&](int l) { reading |= uint32_t(size[l] > 0) << l; });
    if (reading) count_global(w, in, reading, source, 16, false);
    count_shared(w, in, active, to, 16);
  }
}

void commit(Warp &w, const Instruction &, uint32_t active) {
  each_active(active, [&](int l) { w.committed[l]++; });
}

// wait brings what the active lanes' groups copy, all but their last `left` groups.
void wait(Warp &w, const Instruction &in, uint32_t active) {
  Block &b = *w.block;
  const int shift = b.kernel->cell_shift;
  const uint32_t left = *w.from<uint32_t>(in.from[0]);
  size_t kept = 0;
  for (const Copy &c : w.copies) {
    if (!(active >> c.lane & 1) || c.group + left >= w.committed[c.lane]) {
      w.copies[kept++] = c;
      continue;
    }
    memcpy(b.shared.data() + c.to, c.bytes, 16);
    for (uint32_t i = c.to >> shift; i < (c.to + 16) >> shift; i++) {
      Cell &cell = b.cells[i];
      cell.under_way = false;
      cell.write_epoch = b.epoch;
      cell.write_time = w.time;
    }
  }
  w.copies.resize(kept);
}

}  // namespace

void read_shared(Warp &w, const Instruction &in, int lane, uint64_t address, size_t bytes) {
  check_place(w, in, lane, address, bytes);
  Block &b = *w.block;
  const int shift = b.kernel->cell_shift;
  for (uint64_t i = address >> shift; i < (address + bytes) >> shift; i++) {
    Cell &c = b.cells[i];
    if (c.write_epoch < b.first)
      fault(w, in, lane, "read of shared bytes at %llu that this block has not written", (unsigned long long)(i << shift));
    check_brought(w, in, lane, i << shift, c, "read");
    note_read(w, in, lane, i << shift, c, b.first);
  }
}

void write_shared(Warp &w, const Instruction &in, int lane, uint64_t address, size_t bytes) {
  check_place(w, in, lane, address, bytes);
  Block &b = *w.block;
  const int shift = b.kernel->cell_shift;
  for (uint64_t i = address >> shift; i < (address + bytes) >> shift; i++) {
    Cell &c = b.cells[i];
    check_brought(w, in, lane, i << shift, c, "write");
    note_write(w, in, lane, i << shift, c, b.first);
    c.under_way = false;
  }
}

void add_copies(Shapes &to) {
  to["cp.async.cg.shared.global"] = {copy, "", "", Class::copy_async};
  to["cp.async.commit_group"] = {commit, "", "", Class::copy_async};
  to["cp.async.wait_group"] = {wait, "", "w", Class::copy_async};
}

}  // namespace ptx
