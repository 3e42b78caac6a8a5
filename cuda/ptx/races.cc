#include "races.h"

namespace ptx {
namespace {

int line_of(const Warp &w, int pc) { return w.block->kernel->code[pc].line; }

[[noreturn]] void race(Warp &w, const Instruction &in, int lane, uint64_t address, const char *what, const char *who,
                       const char *does, int pc) {
  fault(w, in, lane, "race: %s of bytes at 0x%llx that another %s %s in line %d, without a barrier between", what,
        (unsigned long long)address, who, does, line_of(w, pc));
}

// check_writer ends the process unless what was last written to a cell is ordered
// before what a lane does now.
inline void check_writer(Warp &w, const Instruction &in, int lane, uint64_t address, const Cell &c, uint32_t since,
                         const char *what) {
  const Block &b = *w.block;
  if (c.write_epoch < since) return;
  if (c.write_epoch < b.first) race(w, in, lane, address, what, "block", "writes", c.write_pc);
  if (c.write_epoch != b.epoch || c.writer == unsigned(w.number * lanes + lane)) return;
  if (c.writer / lanes == unsigned(w.number) && c.write_time < w.time) return;
  race(w, in, lane, address, what, c.writer / lanes == unsigned(w.number) ? "lane" : "warp", "writes", c.write_pc);
}

// check_readers does the same for those that have read a cell.
inline void check_readers(Warp &w, const Instruction &in, int lane, uint64_t address, const Cell &c, uint32_t since) {
  const Block &b = *w.block;
  if (c.blocks_read >= since || (c.read_epoch >= since && c.read_epoch < b.first))
    race(w, in, lane, address, "write", "block", "reads", c.read_pc);
  if (c.read_epoch != b.epoch) return;
  if (c.reader == many_warps || c.reader / 64 != unsigned(w.number)) race(w, in, lane, address, "write", "warp", "reads", c.read_pc);
  if (c.reader % 64 != unsigned(lane) && c.read_time >= w.time) race(w, in, lane, address, "write", "lane", "reads", c.read_pc);
}

}  // namespace

void note_read(Warp &w, const Instruction &in, int lane, uint64_t address, Cell &c, uint32_t since) {
  const Block &b = *w.block;
  check_writer(w, in, lane, address, c, since, "read");
  if (c.read_epoch != b.epoch) {
    if (c.read_epoch >= since && c.read_epoch < b.first) c.blocks_read = c.read_epoch;
    c.reader = w.number * 64 + lane;
    c.read_epoch = b.epoch;
  } else if (c.reader == many_warps || c.reader / 64 != unsigned(w.number)) {
    c.reader = many_warps;
  } else if (c.reader % 64 != unsigned(lane)) {
    c.reader = w.number * 64 + (c.read_time < w.time ? lane : many_lanes);
  }
  c.read_time = w.time;
  c.read_pc = number_of(w, in);
}

void note_write(Warp &w, const Instruction &in, int lane, uint64_t address, Cell &c, uint32_t since) {
  check_writer(w, in, lane, address, c, since, "write");
  check_readers(w, in, lane, address, c, since);
  c.write_epoch = w.block->epoch;
  c.write_time = w.time;
  c.writer = w.number * lanes + lane;
  c.write_pc = number_of(w, in);
}

void watch_read(Warp &w, const Instruction &in, int lane, uint64_t address, size_t bytes) {
  Watched &all = *w.block->watched;
  all.each(address, bytes, [&](uint64_t at, Cell &c) { note_read(w, in, lane, at, c, all.since()); });
}

void watch_write(Warp &w, const Instruction &in, int lane, uint64_t address, size_t bytes) {
  Watched &all = *w.block->watched;
  all.each(address, bytes, [&](uint64_t at, Cell &c) { note_write(w, in, lane, at, c, all.since()); });
}

}  // namespace ptx
