// Runs the blocks of a kernel. A worker, one thread of the machine, takes one
// block after another; the threads of a block are fibers that run until they
// wait for each other. A thread that never waits costs two switches and no stack
// of its own: stacks go back as soon as their thread has ended.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "queue.h"
#include "tsan.h"

// shim_switch saves the stack pointer to *from and goes on where `to` was saved.
extern "C" void shim_switch(void **from, void *to);
asm(R"(
.text
.globl shim_switch
.hidden shim_switch
.type shim_switch,@function
shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size shim_switch, .-shim_switch
)");

namespace shim {

thread_local Place *place;

namespace {

enum Order { forward, reverse, mixed };
enum State : uint8_t { fresh, ready, at_barrier, at_meeting, ended };

struct Fiber {
  Place place;
  State state;
  void *stack = nullptr;  // its lowest address
  void *pointer;          // where it goes on
  const char *file;
  int line;
  void *tsan = nullptr;
  unsigned warp_barriers;  // so far
};

// Meeting is a warp operation that some lanes of mask have reached. Lanes read
// what the others gave while the next meeting fills the other half.
struct Meeting {
  uint32_t mask, arrived;
  unsigned turn;
  int line;
  uint64_t given[2][32];
};

struct Warp {
  uint32_t alive;
  Meeting meetings[4];  // of different masks
  char barriers[2];     // what TSan orders by
};

// Variable is one SHARED of the block.
struct Variable {
  const void *tag;
  size_t at;
};

constexpr size_t stack_bytes = 128 << 10;
constexpr size_t shared_bytes = 48 << 10;  // of all SHARED, as nvcc allows, and of all without asking
constexpr size_t most_shared = 99 << 10;   // of all
constexpr size_t most_variables = 64;

struct Worker {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::vector<int> order;  // of the warps
  std::vector<void *> stacks;
  std::mt19937 random{1};
  const std::function<void()> *kernel;
  Fiber *running;
  void *scheduler;
  int alive, waiting;  // threads of this block; waiting at a barrier
  std::vector<Variable> variables;
  size_t shared_used = shared_bytes;
  alignas(256) unsigned char shared[shared_bytes];
  alignas(256) unsigned char dynamic[most_shared];
  size_t left_shared;  // how much SHARED may take
  void *tsan = nullptr;
  char barriers[2], begin, end;  // what TSan orders by
  unsigned barrier_turn = 0;

  Worker() { variables.reserve(most_variables); }
  void run(dim3 grid, dim3 block, uint64_t number, size_t dynamic_bytes, Order way);

 private:
  void prepare(dim3 grid, dim3 block, uint64_t number, size_t dynamic_bytes);
  bool run_warp(int warp, Order way);
  void resume(Fiber &f);
  void open_barrier();
  void report_deadlock();
};

thread_local Worker *worker;

// leave goes back to the scheduler.
void leave() {
  TSAN(__tsan_switch_to_fiber(worker->tsan, 1));
  shim_switch(&worker->running->pointer, worker->scheduler);
}

// start is where every fiber begins.
void start() {
  TSAN(__tsan_acquire(&worker->begin));
  (*worker->kernel)();
  TSAN(__tsan_release(&worker->end));
  Fiber &f = *worker->running;
  f.state = ended;
  worker->alive--;
  worker->warps[(&f - worker->fibers.data()) / 32].alive &= ~(1u << f.place.lane);
  leave();
  abort();  // never resumed
}

void *new_stack() {
  void *p = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p != MAP_FAILED) return p;
  fprintf(stderr, "shim: no memory for the stacks of a block\n");
  abort();
}

void Worker::resume(Fiber &f) {
  if (f.state == fresh) {
    if (!f.stack) {
      if (stacks.empty()) stacks.push_back(new_stack());
      f.stack = stacks.back();
      stacks.pop_back();
    }
    // What shim_switch takes off: six registers and where to go on. Then the stack
    // is aligned as in a function that was just called.
    void **top = reinterpret_cast<void **>(static_cast<char *>(f.stack) + stack_bytes) - 9;
    memset(top - 7, 0, 16 * sizeof *top);
    top[-1] = reinterpret_cast<void *>(start);
    f.pointer = top - 7;
    f.state = ready;
    TSAN(if (!f.tsan) f.tsan = __tsan_create_fiber(0));
  }
  running = &f;
  place = &f.place;
  TSAN(__tsan_switch_to_fiber(f.tsan, 1));
  shim_switch(&scheduler, f.pointer);
#ifndef RPG_SHIM_TSAN  // which would take two threads on one stack for a race
  if (f.state == ended) {
    stacks.push_back(f.stack);
    f.stack = nullptr;
  }
#endif
}

void Worker::prepare(dim3 grid, dim3 block, uint64_t number, size_t dynamic_bytes) {
  const int count = block.x * block.y * block.z;
  if (fibers.size() < size_t(count)) fibers.resize(count);
  warps.assign((count + 31) / 32, Warp{});
  order.resize(warps.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = static_cast<int>(i);
  alive = count;
  waiting = 0;
  variables.clear();
  memset(shared, 0xff, shared_used);  // NaN, as in the beginning
  shared_used = 0;
  memset(dynamic, 0xff, dynamic_bytes);
  const uint3 at = {unsigned(number % grid.x), unsigned(number / grid.x % grid.y), unsigned(number / grid.x / grid.y)};
  for (int i = 0; i < count; i++) {
    Fiber &f = fibers[i];
    f.state = fresh;
    f.warp_barriers = 0;
    const uint3 thread = {unsigned(i) % block.x, unsigned(i) / block.x % block.y, unsigned(i) / block.x / block.y};
    f.place = Place{thread, at, block, grid, i % 32};
    warps[i / 32].alive |= 1u << i % 32;
  }
}

// run_warp lets the threads of a warp go as far as they can, alone: the schedule
// that most often shows a missing barrier. It says whether any did.
bool Worker::run_warp(int warp, Order way) {
  const int first = warp * 32;
  bool any = false;
  for (bool more = true; more;) {
    more = false;
    const int turn = way == mixed ? static_cast<int>(random() % 32) : 0;
    for (int k = 0; k < 32; k++) {
      const int lane = way == reverse ? 31 - k : (k + turn) % 32;
      if (!(warps[warp].alive >> lane & 1)) continue;
      Fiber &f = fibers[first + lane];
      if (f.state > ready) continue;
      resume(f);
      more = any = true;
    }
  }
  return any;
}

// open_barrier lets all go on, once all that are alive wait at the same barrier.
void Worker::open_barrier() {
  const Fiber *one = nullptr;
  for (size_t i = 0; i < warps.size() * 32; i++) {
    if (!(warps[i / 32].alive >> i % 32 & 1)) continue;
    Fiber &f = fibers[i];
    if (one && (f.line != one->line || f.file != one->file)) {
      place = &f.place;
      die("threads of one block wait at different __syncthreads", f.file, f.line);
    }
    one = &f;
    f.state = ready;
  }
  waiting = 0;
  barrier_turn++;
}

void Worker::report_deadlock() {
  for (size_t i = 0; i < warps.size() * 32; i++) {
    if (!(warps[i / 32].alive >> i % 32 & 1)) continue;
    Fiber &f = fibers[i];
    place = &f.place;
    die(f.state == at_barrier ? "deadlock: some threads only wait at __syncthreads"
                              : "deadlock: some lanes only reach a warp operation",
        f.file, f.line);
  }
}

void Worker::run(dim3 grid, dim3 block, uint64_t number, size_t dynamic_bytes, Order way) {
  prepare(grid, block, number, dynamic_bytes);
  TSAN(tsan = __tsan_get_current_fiber());
  TSAN(__tsan_release(&begin));
  while (alive > 0) {
    if (way == mixed) std::shuffle(order.begin(), order.end(), random);
    if (way == reverse) std::sort(order.begin(), order.end(), std::greater<int>());
    bool any = false;
    for (int warp : order) any |= run_warp(warp, way);
    if (alive > 0 && waiting == alive)
      open_barrier();
    else if (!any)
      report_deadlock();
  }
  TSAN(__tsan_acquire(&end));
}

Order chosen_order() {
  const char *name = getenv("RPG_SHIM_ORDER");
  if (!name || !*name || !strcmp(name, "forward")) return forward;
  if (!strcmp(name, "reverse")) return reverse;
  if (!strcmp(name, "random")) return mixed;
  fprintf(stderr, "shim: RPG_SHIM_ORDER: expected forward, reverse or random, found %s\n", name);
  abort();
}

std::vector<Worker *> workers;

}  // namespace

const char *const device_name = "host shim";

// run_blocks does all blocks of a kernel, on several threads of the machine.
static void run_blocks(dim3 grid, dim3 block, size_t dynamic_bytes, bool asked,
                       const std::function<void()> &kernel) {
  const Order way = chosen_order();
  const uint64_t count = uint64_t(grid.x) * grid.y * grid.z, threads = count * block.x * block.y * block.z;
  uint64_t wanted = setting("RPG_SHIM_WORKERS", std::thread::hardware_concurrency());
  if (threads < 4096) wanted = 1;  // for which starting a thread takes longer
  wanted = std::max<uint64_t>(1, std::min(wanted, count));
  while (workers.size() < wanted) workers.push_back(new Worker);

  std::vector<uint64_t> numbers;  // of the blocks, in the order in which they begin
  if (way == mixed) {
    numbers.resize(count);
    for (uint64_t i = 0; i < count; i++) numbers[i] = i;
    std::shuffle(numbers.begin(), numbers.end(), workers[0]->random);
  }
  std::atomic<uint64_t> next{0};
  const auto work = [&](Worker *w) {
    worker = w;
    w->kernel = &kernel;
    w->left_shared = std::min(shared_bytes, (asked ? most_shared : shared_bytes) - dynamic_bytes);
    for (uint64_t i; (i = next++) < count;)
      w->run(grid, block, way == mixed ? numbers[i] : way == reverse ? count - 1 - i : i, dynamic_bytes, way);
  };
  std::vector<std::thread> others;
  for (uint64_t i = 1; i < wanted; i++) others.emplace_back(work, workers[i]);
  work(workers[0]);
  for (std::thread &t : others) t.join();
}

cudaError_t launch(cudaStream_t stream, const char *name, dim3 grid, dim3 block, size_t dynamic_bytes, bool asked,
                   const std::function<void()> &kernel) {
  if (!asked && dynamic_bytes > shared_bytes) {
    fprintf(stderr, "shim: %s: %zu bytes of shared memory without asking\n", name, dynamic_bytes);
    return cudaErrorInvalidConfiguration;
  }
  return queue_kernel(stream, name, grid, block, dynamic_bytes, [=] { run_blocks(grid, block, dynamic_bytes, asked, kernel); });
}

void die(const char *what, const char *file, int line) {
  fprintf(stderr, "shim: %s: %s:%d, block %u,%u,%u thread %u,%u,%u\n", what, file, line, blockIdx.x, blockIdx.y, blockIdx.z,
          threadIdx.x, threadIdx.y, threadIdx.z);
  abort();
}

void barrier(const char *file, int line) {
  Fiber &f = *worker->running;
  f.file = file;
  f.line = line;
  f.state = at_barrier;
  worker->waiting++;
  // Two in turn: who leaves late must not see what others did after it.
  TSAN(char *turn = &worker->barriers[worker->barrier_turn & 1]; __tsan_release(turn));
  leave();
  TSAN(__tsan_acquire(turn));
}

const uint64_t *meet(uint32_t mask, uint64_t value, const char *file, int line) {
  Fiber &f = *worker->running;
  const size_t number = &f - worker->fibers.data();
  Warp &warp = worker->warps[number / 32];
  const int lane = f.place.lane;
  if (!(mask >> lane & 1)) die("a lane is not in the mask of its own warp operation", file, line);
  if (mask & ~warp.alive) die("the mask of a warp operation names a lane that has ended or never was", file, line);
  Meeting *m = nullptr;
  for (Meeting &old : warp.meetings)
    if (old.mask == mask) m = &old;
  for (Meeting &unused : warp.meetings)
    if (!m && unused.arrived == 0) (m = &unused)->mask = mask;
  if (!m) die("lanes of one warp wait with more than 4 masks", file, line);
  if (m->arrived == 0) m->line = line;
  if (m->line != line) die("lanes of one warp meet at different warp operations", file, line);

  uint64_t *given = m->given[m->turn & 1];
  given[lane] = value;
  m->arrived |= 1u << lane;
  if (m->arrived != mask) {
    f.file = file;
    f.line = line;
    f.state = at_meeting;
    leave();
    return given;
  }
  m->arrived = 0;
  m->turn++;
  for (int other = 0; other < 32; other++)
    if (other != lane && mask >> other & 1) worker->fibers[number / 32 * 32 + other].state = ready;
  return given;
}

void warp_barrier(const char *file, int line) {
  Fiber &f = *worker->running;
  // Two in turn, as in barrier. Shuffles, which are meetings too, order nothing.
  TSAN(char *turn = &worker->warps[(&f - worker->fibers.data()) / 32].barriers[f.warp_barriers & 1]; __tsan_release(turn));
  meet(0xffffffffu, 0, file, line);
  TSAN(__tsan_acquire(turn));
  f.warp_barriers++;
}

void *shared(const void *tag, size_t bytes, const char *file, int line) {
  for (const Variable &v : worker->variables)
    if (v.tag == tag) return worker->shared + v.at;
  const size_t at = worker->shared_used, size = (bytes + 15) / 16 * 16;
  if (at + size > worker->left_shared) die("more shared memory than a block has, or more than 48 KiB without asking", file, line);
  if (worker->variables.size() == most_variables) die("too many shared variables", file, line);
  worker->variables.push_back({tag, at});
  worker->shared_used = at + size;
  return worker->shared + at;
}

void *dynamic_shared() { return worker->dynamic; }

}  // namespace shim
