// What orders accesses of memory. Two of the same bytes by different threads, one of
// them a write, need a barrier of the block between them; of one warp, bar.warp.sync is
// enough. Shuffles, votes and products order nothing, and nothing orders two blocks.
#pragma once

#include "warp.h"

namespace ptx {

// note_read and note_write enter what a lane does to a cell, and end the process where
// nothing orders it after what the cell tells of. `since` is the epoch from which on
// that is the same memory: the block's first of shared, the launch's of global memory.
void note_read(Warp &w, const Instruction &in, int lane, uint64_t address, Cell &c, uint32_t since);
void note_write(Warp &w, const Instruction &in, int lane, uint64_t address, Cell &c, uint32_t since);

// Watched is the cells of global memory that one launch touches, by pages.
class Watched {
 public:
  Watched(int shift, uint32_t since) : shift_(shift), since_(since) {}
  uint32_t since() const { return since_; }
  template <class F>
  void each(uint64_t address, size_t bytes, F f) {
    for (uint64_t i = address >> shift_; i <= (address + bytes - 1) >> shift_; i++) {
      if (i / page_cells != last_) {
        std::unique_ptr<Cell[]> &page = pages_[last_ = i / page_cells];
        if (!page) page.reset(new Cell[page_cells]());
        cells_ = page.get();
      }
      f(i << shift_, cells_[i % page_cells]);
    }
  }

 private:
  static constexpr uint64_t page_cells = 1024;
  int shift_;
  uint32_t since_;
  uint64_t last_ = ~0ull;
  Cell *cells_ = nullptr;
  std::unordered_map<uint64_t, std::unique_ptr<Cell[]>> pages_;
};

void watch_read(Warp &w, const Instruction &in, int lane, uint64_t address, size_t bytes);
void watch_write(Warp &w, const Instruction &in, int lane, uint64_t address, size_t bytes);

}  // namespace ptx
