// Blocks: the order in which they and their warps run, on threads of the machine.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "count.h"
#include "races.h"

namespace ptx {
namespace {

enum class Order { forward, reverse, mixed };

Order chosen_order() {
  const char *name = getenv("RPG_SHIM_ORDER");
  if (!name || !*name || !strcmp(name, "forward")) return Order::forward;
  if (!strcmp(name, "reverse")) return Order::reverse;
  if (!strcmp(name, "random")) return Order::mixed;
  fprintf(stderr, "ptx: RPG_SHIM_ORDER: expected forward, reverse or random, found %s\n", name);
  abort();
}

void prepare(Block &b, const Kernel &k, uint64_t number, size_t dynamic_bytes) {
  const unsigned threads = b.size.x * b.size.y * b.size.z, warps = (threads + lanes - 1) / lanes;
  b.at = {unsigned(number % b.grid.x), unsigned(number / b.grid.x % b.grid.y), unsigned(number / b.grid.x / b.grid.y)};
  b.shared_bytes = k.shared_bytes + dynamic_bytes;
  if (b.shared.size() < b.shared_bytes + 16) b.shared.resize(b.shared_bytes + 16);
  const size_t cells = (b.shared_bytes >> k.cell_shift) + 16;
  if (b.cells.size() < cells) b.cells.resize(cells);
  b.first = ++b.epoch;
  const size_t stride = k.register_bytes + 64;
  if (b.registers.size() < stride * warps + 64) b.registers.resize(stride * warps + 64);
  b.predicates.resize(std::max(b.predicates.size(), size_t(k.predicates) * warps));
  // What a register has before it is written is open: here NaN, and no address.
  memset(b.registers.data(), 0xff, stride * warps + 64);
  std::fill_n(b.predicates.begin(), size_t(k.predicates) * warps, 0x5a5a5a5a);
  char *registers = b.registers.data();
  registers += -reinterpret_cast<uintptr_t>(registers) & 63;
  b.warps.resize(warps);
  for (unsigned i = 0; i < warps; i++) {
    Warp &w = b.warps[i];
    w.block = &b;
    w.number = i;
    w.registers = registers + stride / 64 * 64 * i;
    w.predicates = b.predicates.data() + size_t(k.predicates) * i;
    w.constants = k.constants.data();
    const unsigned left = threads - i * lanes;
    w.alive = left >= lanes ? everyone : (1u << left) - 1;
    w.time = 0;
    w.at_barrier = false;
    w.groups.assign(1, {0, w.alive, false});
    w.copies.clear();
    std::fill(std::begin(w.committed), std::end(w.committed), 0);
    for (int s = 0; s < specials; s++) {
      if (k.special[s] < 0) continue;
      uint32_t *v = w.to<uint32_t>(k.special[s]);
      for (unsigned l = 0; l < lanes; l++) {
        const unsigned n = i * lanes + l;
        const size3 at = {n % b.size.x, n / b.size.x % b.size.y, n / b.size.x / b.size.y};
        const unsigned all[specials] = {at.x,   at.y,   at.z,   b.size.x, b.size.y, b.size.z, b.at.x,
                                        b.at.y, b.at.z, b.grid.x, b.grid.y, b.grid.z, l};
        v[l] = all[s];
      }
    }
  }
}

// run_block lets each warp go as far as it can, alone, before the next one does:
// the schedule that most often shows a missing barrier.
void run_block(Block &b, const Kernel &k, uint64_t number, size_t dynamic_bytes, Order way) {
  prepare(b, k, number, dynamic_bytes);
  std::vector<unsigned> order(b.warps.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = way == Order::reverse ? order.size() - 1 - i : i;
  for (;;) {
    if (way == Order::mixed) std::shuffle(order.begin(), order.end(), b.random);
    bool alive = false;
    for (unsigned i : order) {
      if (b.warps[i].alive) run_warp(b.warps[i]);
      alive |= b.warps[i].alive != 0;
    }
    if (!alive) return;
    // Every warp that has not ended waits at the barrier now, which opens.
    b.epoch++;
    for (Warp &w : b.warps) {
      w.at_barrier = false;
      w.time = 0;
    }
  }
}

unsigned workers_wanted() {
  const char *text = getenv("RPG_SHIM_WORKERS");
  const long n = text ? atol(text) : 0;
  return n > 0 ? static_cast<unsigned>(n) : std::max(1u, std::thread::hardware_concurrency());
}

std::vector<std::unique_ptr<Block>> workers;  // kept for the next kernel
std::mutex running;

}  // namespace

void run(const Kernel *kernel, size3 grid, size3 block, size_t dynamic_bytes, const void *parameters, memory_of bounds) {
  std::lock_guard<std::mutex> lock(running);
  const Kernel &k = *kernel;
  const uint64_t count = uint64_t(grid.x) * grid.y * grid.z, threads = uint64_t(block.x) * block.y * block.z;
  if (threads == 0 || threads > (k.most_threads ? k.most_threads : 1024)) {
    fprintf(stderr, "ptx: %s: blocks of %llu threads, at most %u are allowed\n", demangled(k.name).c_str(),
            (unsigned long long)threads, k.most_threads ? k.most_threads : 1024);
    abort();
  }
  const Order way = chosen_order();
  uint64_t wanted = std::min<uint64_t>(workers_wanted(), count);
  if (count * threads < 4096) wanted = 1;  // for which starting a thread takes longer
  const char *races = getenv("RPG_PTX_RACES");
  if (races && *races) wanted = std::min<uint64_t>(wanted, 1);
  while (workers.size() < std::max<uint64_t>(wanted, 1)) workers.push_back(std::make_unique<Block>());

  std::vector<uint64_t> numbers;  // of the blocks, in the order in which they begin
  if (way == Order::mixed) {
    numbers.resize(count);
    for (uint64_t i = 0; i < count; i++) numbers[i] = i;
    std::shuffle(numbers.begin(), numbers.end(), workers[0]->random);
  }
  std::vector<Counts> counts(counting_now() ? wanted : 0);
  std::atomic<uint64_t> at{0};
  const auto work = [&](unsigned i) {
    Block &b = *workers[i];
    b.kernel = kernel;
    b.grid = grid;
    b.size = block;
    b.parameters = static_cast<const char *>(parameters);
    b.bounds = bounds;
    Watched watched(k.global_shift, b.epoch + 1);
    b.watched = races && *races ? &watched : nullptr;
    b.counts = counts.empty() ? nullptr : &counts[i];
    if (b.counts) b.counts->sites.resize(k.code.size());
    std::fill(std::begin(b.ranges), std::end(b.ranges), Range{});  // allocations may have changed
    for (uint64_t n; (n = at++) < count;)
      run_block(b, k, way == Order::mixed ? numbers[n] : way == Order::reverse ? count - 1 - n : n, dynamic_bytes, way);
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < wanted; i++) others.emplace_back(work, i);
  if (wanted) work(0);
  for (std::thread &t : others) t.join();
  if (counts.empty()) return;
  for (size_t i = 1; i < counts.size(); i++) counts[0].add(counts[i]);
  counts[0].launches = 1;
  counts[0].blocks = count;
  counts[0].end_launch();
  k.counts->add(counts[0]);
  record(k);
}

}  // namespace ptx
