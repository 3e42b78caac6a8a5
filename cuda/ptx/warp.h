// The state of a block that runs, and how handlers reach their operands.
#pragma once

#include <random>

#include "program.h"

namespace ptx {

constexpr int lanes = 32;
constexpr uint32_t everyone = 0xffffffffu;

struct Block;
class Watched;

// Group is lanes of one warp that are at one instruction.
struct Group {
  int pc;
  uint32_t mask;
  bool waits;  // for lanes of other groups
};

// Copy is 16 bytes under way to shared memory.
struct Copy {
  uint32_t to;
  int lane;
  uint32_t group;
  unsigned char bytes[16];
};

struct Warp {
  Block *block;
  int number;
  char *registers;
  uint32_t *predicates;
  const char *constants;
  uint32_t alive;
  uint32_t time;  // meetings of bar.warp.sync since the block's last barrier
  bool at_barrier;
  std::vector<Group> groups;
  std::vector<Copy> copies;
  uint32_t committed[lanes];  // groups of copies that a lane has ended

  template <class T>
  T *to(Place p) const {
    return reinterpret_cast<T *>(registers + p);
  }
  template <class T>
  const T *from(Place p) const {
    return reinterpret_cast<const T *>(p >= 0 ? registers + p : constants + ~p);
  }
  uint32_t predicate(Place p) const { return p >= 0 ? predicates[p] : p == ~1 ? everyone : 0; }
  void set_predicate(Place p, uint32_t value, uint32_t active) const {
    predicates[p] = (predicates[p] & ~active) | (value & active);
  }
  // addresses gives what [register+offset] is for each lane.
  void addresses(const Instruction &in, Place p, uint64_t *all) const {
    if (in.wide) {
      const uint64_t *base = from<uint64_t>(p);
      for (int l = 0; l < lanes; l++) all[l] = base[l] + static_cast<uint64_t>(in.offset);
    } else {
      const uint32_t *base = from<uint32_t>(p);
      for (int l = 0; l < lanes; l++) all[l] = base[l] + static_cast<uint32_t>(in.offset);
    }
  }
};

// Cell is what is known of a few bytes of memory, as many as a kernel's narrowest
// access has. Times are the
// number of the barrier before (epoch) and, in it, of the warp's own meeting.
struct Cell {
  uint32_t write_epoch, write_time, read_epoch, read_time;
  uint32_t blocks_read;  // of global memory: the epoch of a block before that read it
  int32_t write_pc, read_pc;
  uint16_t writer;   // number of the thread
  uint16_t reader;   // the warp times 64, and the lane or many_lanes; or many_warps
  bool under_way;    // a cp.async that has not been waited for
};
constexpr uint16_t many_lanes = 32, many_warps = 0xffff;

struct Range {
  uint64_t begin, end;
};

// Block is one block that runs, on one thread of the machine.
struct Block {
  const Kernel *kernel;
  size3 grid, size, at;
  const char *parameters;
  memory_of bounds;
  std::vector<Warp> warps;
  std::vector<char> registers, shared;
  std::vector<uint32_t> predicates;
  std::vector<Cell> cells;
  size_t shared_bytes;
  uint32_t epoch = 0, first;  // barriers so far, in all blocks; before this block
  Range ranges[64] = {};      // of allocations used last, by instruction
  Counts *counts;             // null where nothing is counted
  Watched *watched;           // null where races in global memory are not looked for
  std::mt19937 random{1};
};

// run_warp goes on with a warp until it waits for others, or has ended.
void run_warp(Warp &warp);

// number_of is the number of an instruction in its kernel.
inline int number_of(const Warp &w, const Instruction &in) {
  return static_cast<int>(&in - w.block->kernel->code.data());
}

// fault ends the process with what a lane did wrong, and where.
[[noreturn]] void fault(const Warp &warp, const Instruction &in, int lane, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// each_active calls f with the number of every lane in active.
template <class F>
inline void each_active(uint32_t active, F f) {
  for (uint32_t left = active; left; left &= left - 1) f(__builtin_ctz(left));
}

// check_global ends the process unless all of bytes at address are in one allocation.
inline void check_global(Warp &warp, const Instruction &in, int lane, uint64_t address, size_t bytes);

void read_shared(Warp &warp, const Instruction &in, int lane, uint64_t address, size_t bytes);
void write_shared(Warp &warp, const Instruction &in, int lane, uint64_t address, size_t bytes);

// The counters of accesses. address has that of every lane in active.
void count_global(Warp &warp, const Instruction &in, uint32_t active, const uint64_t *address, size_t bytes, bool write);
void count_shared(Warp &warp, const Instruction &in, uint32_t active, const uint64_t *address, size_t bytes);

// find_range looks an address up that is in no range used last.
void find_range(Warp &warp, const Instruction &in, int lane, uint64_t address, size_t bytes, Range &known);

inline void check_global(Warp &warp, const Instruction &in, int lane, uint64_t address, size_t bytes) {
  if (address & (bytes - 1))
    fault(warp, in, lane, "address 0x%llx is not aligned to %zu bytes", (unsigned long long)address, bytes);
  Range &known = warp.block->ranges[in.line & 63];
  if (address < known.begin || address + bytes > known.end) find_range(warp, in, lane, address, bytes, known);
}

}  // namespace ptx
