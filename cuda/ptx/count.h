// The counters of one kernel, or of one thread of the machine that runs its blocks.
#pragma once

#include <unordered_map>
#include <vector>

#include "program.h"

namespace ptx {

// Touched is which 32-byte sectors of a page of 2 KiB were touched, a bit each.
struct Touched {
  uint64_t read, written;
};

// Site is what one instruction did.
struct Site {
  uint64_t executed, lanes;  // by warps; of active lanes
  uint64_t global_requests, sectors, bytes;
  uint64_t shared_requests, wavefronts, ideal;

  void add(const Site &other);
};

struct Counts {
  uint64_t launches = 0, blocks = 0;
  std::vector<Site> sites;                    // by instruction
  uint64_t distinct_read = 0, distinct_written = 0;  // sectors
  std::unordered_map<uint64_t, Touched> pages;       // of this launch

  void execute(int pc, uint32_t active) {
    sites[pc].executed++;
    sites[pc].lanes += __builtin_popcount(active);
  }
  void add(const Counts &other);
  void end_launch();  // counts the pages and forgets them
};

bool counting_now();

// record writes what a kernel did so far to the file of RPG_PTX_COUNTS, if any.
void record(const Kernel &kernel);

}  // namespace ptx
