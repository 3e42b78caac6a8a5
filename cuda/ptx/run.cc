// Blocks and warps: who goes on, and what lanes wait for.
//
// The lanes of a warp that are at the same instruction are a group. Of the groups
// that can go on the one at the lowest instruction does, until it comes to where
// another one is; so lanes that a branch parts meet again where it ends.
#include <cxxabi.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "count.h"
#include "warp.h"

namespace ptx {

std::string demangled(const std::string &name) {
  int status = 0;
  char *readable = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  const std::string s = status == 0 ? readable : name;
  free(readable);
  return s;
}

namespace {

// line_text is a line of the PTX text.
std::string line_text(const Module &m, int line) {
  size_t at = 0;
  for (int i = 1; i < line && at != m.text.npos; i++) at = m.text.find('\n', at) + 1;
  const std::string s = m.text.substr(at, m.text.find('\n', at) - at);
  return s.substr(std::min(s.size(), s.find_first_not_of(" \t")));
}

std::mutex dying;

}  // namespace

void fault(const Warp &w, const Instruction &in, int lane, const char *format, ...) {
  std::lock_guard<std::mutex> lock(dying);
  const Block &b = *w.block;
  const Module &m = *b.kernel->module;
  char what[512];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  const unsigned n = w.number * lanes + lane;
  fprintf(stderr, "ptx: %s: %s line %d", demangled(b.kernel->name).c_str(), m.file.c_str(), in.line);
  if (in.source >= 0) fprintf(stderr, " (%s)", m.sources[in.source].c_str());
  fprintf(stderr, ", block %u,%u,%u thread %u,%u,%u: %s\n    %s\n", b.at.x, b.at.y, b.at.z, n % b.size.x, n / b.size.x % b.size.y,
          n / b.size.x / b.size.y, what, line_text(m, in.line).c_str());
  abort();
}

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

// park puts a group aside; leave ends lanes, which may let others go on.
void park(Warp &w, int pc, uint32_t mask, bool waits) {
  if (mask) w.groups.push_back({pc, mask, waits});
}
void leave(Warp &w, uint32_t mask) {
  w.alive &= ~mask;
  for (Group &g : w.groups) g.waits = false;
}

// meet_members does an instruction for those lanes of a group whose mask is there,
// and parks all.
void meet_members(Warp &w, const Instruction &in, int pc, uint32_t group, uint32_t active) {
  park(w, pc + 1, group & ~active, false);
  const uint32_t *masks = w.from<uint32_t>(in.mask);
  for (uint32_t left = active; left;) {
    const uint32_t mask = masks[__builtin_ctz(left)];
    uint32_t same = 0;
    each_active(left, [&](int l) { same |= uint32_t(masks[l] == mask) << l; });
    left &= ~same;
    if (same & ~mask) fault(w, in, __builtin_ctz(same & ~mask), "the mask %08x of a warp operation does not name the lane itself", mask);
    if (mask & w.alive & ~same) {
      park(w, pc, same, true);
      continue;
    }
    in.run(w, in, same);
    park(w, pc + 1, same, false);
  }
}

// next takes the group at the lowest instruction among those that can go on,
// together with all that are at the same; false where none can.
bool next(Warp &w, int &pc, uint32_t &mask, int &limit) {
  pc = -1;
  for (const Group &g : w.groups)
    if (!g.waits && (pc < 0 || g.pc < pc)) pc = g.pc;
  if (pc < 0) return false;
  mask = 0;
  limit = INT32_MAX;
  size_t kept = 0;
  for (const Group &g : w.groups) {
    if (g.pc == pc) {
      mask |= g.mask;
    } else {
      if (g.pc > pc) limit = std::min(limit, g.pc);
      w.groups[kept++] = g;
    }
  }
  w.groups.resize(kept);
  return true;
}

// advance takes one group as far as it goes.
void advance(Warp &w, int pc, uint32_t mask, int limit) {
  const Instruction *code = w.block->kernel->code.data();
  Counts *counts = w.block->counts;
  for (;;) {
    if (pc >= limit) return park(w, pc, mask, false);
    const Instruction &in = code[pc];
    uint32_t active = mask;
    if (in.guard >= 0) active &= in.unless ? ~w.predicates[in.guard] : w.predicates[in.guard];
    if (counts && in.kind <= Kind::leave) {
      counts->executed[pc]++;
      counts->lanes[pc] += __builtin_popcount(in.kind == Kind::branch ? mask : active);
    }
    switch (in.kind) {
      case Kind::plain:
        if (active) in.run(w, in, active);
        pc++;
        break;
      case Kind::branch:
        if (active != mask) {
          if (active) {
            park(w, in.target, active, false);
            return park(w, pc + 1, mask & ~active, false);
          }
          pc++;
        } else {
          pc = in.target;
          if (!w.groups.empty()) return park(w, pc, mask, false);
        }
        break;
      case Kind::leave:
        leave(w, active);
        mask &= ~active;
        if (!w.groups.empty() || !mask) return park(w, pc + 1, mask, false);
        pc++;
        break;
      case Kind::members:
        if (in.guard < 0 && mask == w.alive && *w.from<uint32_t>(in.mask) == everyone) {  // by far the most common
          const uint32_t *masks = w.from<uint32_t>(in.mask);
          bool all = true;
          for (int l = 0; l < lanes; l++) all &= masks[l] == everyone || !(mask >> l & 1);
          if (all) {
            if (counts) counts->executed[pc]++, counts->lanes[pc] += __builtin_popcount(mask);
            in.run(w, in, mask);
            pc++;
            break;
          }
        }
        if (counts) counts->executed[pc]++, counts->lanes[pc] += __builtin_popcount(active);
        return meet_members(w, in, pc, mask, active);
      case Kind::aligned:
        if (active && active != mask) fault(w, in, __builtin_ctz(mask & ~active), "an .aligned instruction of the warp that only some lanes do");
        if (active && w.alive != everyone) fault(w, in, __builtin_ctz(active), "an .aligned instruction of the warp of which some lanes have ended or never were");
        if (active && active != everyone) return park(w, pc, mask, true);
        if (counts) counts->executed[pc]++, counts->lanes[pc] += __builtin_popcount(active);
        if (active) in.run(w, in, active);
        pc++;
        break;
      case Kind::barrier:
        if (active && active != mask) fault(w, in, __builtin_ctz(mask & ~active), "a barrier that only some lanes of a warp do");
        if (active && active != w.alive) return park(w, pc, mask, true);
        if (counts) counts->executed[pc]++, counts->lanes[pc] += __builtin_popcount(active);
        if (active) {
          w.at_barrier = true;
          return park(w, pc + 1, mask, false);
        }
        pc++;
        break;
    }
  }
}

// run_warp goes on until the warp waits for others, or has ended.
void run_warp(Warp &w) {
  int pc = 0, limit = 0;
  uint32_t mask = 0;
  while (!w.at_barrier && next(w, pc, mask, limit)) advance(w, pc, mask, limit);
  if (w.at_barrier || !w.alive) return;
  const Group &g = w.groups[0];
  const Instruction &in = w.block->kernel->code[g.pc];
  std::string others;
  for (size_t i = 1; i < w.groups.size(); i++)
    others += "; lanes " + [](uint32_t m) { char s[16]; snprintf(s, sizeof s, "%08x", m); return std::string(s); }(w.groups[i].mask) +
              " wait in line " + std::to_string(w.block->kernel->code[w.groups[i].pc].line);
  fault(w, in, __builtin_ctz(g.mask), "deadlock: lanes %08x wait here for the others of %08x%s", g.mask, w.alive, others.c_str());
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
        const unsigned all[specials] = {n % b.size.x, n / b.size.x % b.size.y, n / b.size.x / b.size.y, b.size.x, b.size.y, b.size.z,
                                        b.at.x, b.at.y, b.at.z, b.grid.x, b.grid.y, b.grid.z, l};
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
    b.counts = counts.empty() ? nullptr : &counts[i];
    if (b.counts) {
      b.counts->executed.resize(k.code.size());
      b.counts->lanes.resize(k.code.size());
    }
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
