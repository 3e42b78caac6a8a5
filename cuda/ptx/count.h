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

struct Counts {
  uint64_t launches = 0, blocks = 0;
  std::vector<uint64_t> executed, lanes;  // by instruction: of warps and of active lanes
  uint64_t load_requests = 0, load_sectors = 0, load_bytes = 0;
  uint64_t store_requests = 0, store_sectors = 0, store_bytes = 0;
  uint64_t distinct_read = 0, distinct_written = 0;  // sectors
  uint64_t shared_requests = 0, shared_wavefronts = 0, shared_ideal = 0;
  std::unordered_map<uint64_t, Touched> pages;  // of this launch

  void add(const Counts &other);
  void end_launch();  // counts the pages and forgets them
};

bool counting_now();

// record writes what a kernel did so far to the file of RPG_PTX_COUNTS, if any.
void record(const Kernel &kernel);

}  // namespace ptx
