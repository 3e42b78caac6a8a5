// What the kernels did. A line of JSON for each kernel:
//
//   kernel             its name, and launches and blocks of it
//   instructions       of warps, all of them; and by class in a list of their own.
//                      They are PTX's: ptxas makes several of one division or square
//                      root, and none of many moves
//   average_lanes      that were active in an instruction
//   f32_flops, f64_flops, mma_flops: 2 for a fused multiply-add, 1 for another sum,
//                      product, quotient or comparison; 4096 for an m16n8k16
//   load_requests      instructions of warps that load global memory, cp.async too;
//   load_sectors       different sectors of 32 bytes in each of them, added up;
//   load_bytes         bytes that lanes asked for: 32 * sectors / bytes is 1 where
//                      accesses are coalesced; and the same for stores
//   distinct_read_sectors, distinct_written_sectors: different in a launch, added up
//                      over the launches: what a perfect cache would move
//   shared_requests    instructions of warps on shared memory, ldmatrix and cp.async too
//   shared_wavefronts  passes they take: in one, each of the 32 banks of 4 bytes
//                      serves one word, for any number of lanes. Accesses of 8 bytes
//                      go by half warps, of 16 by quarters, and ldmatrix by matrices
//   shared_ideal       passes they would take without conflicts of banks
//   worst_shared       the three places of the source with the most passes above the
//                      ideal, with what they are
//   worst_global       those with the most bytes moved and not asked for
#include "count.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include "warp.h"

namespace ptx {
namespace {

const char *const class_names[] = {"integer", "f32", "f64", "special", "move", "shuffle", "load_global", "store_global",
    "load_shared", "store_shared", "load_parameter", "load_matrix", "mma", "copy_async", "barrier", "branch"};
static_assert(sizeof class_names / sizeof *class_names == size_t(Class::count), "a name for each class");

std::vector<const Kernel *> known;
std::mutex known_lock;

// The file that RPG_PTX_COUNTS names, -1 where there is none. It has a record for
// each kernel, which is written again after each launch: a Go program ends without
// telling its libraries.
constexpr size_t record_bytes = 4096;
int file = -1;
std::vector<const Kernel *> recorded;

bool switched() {
  const char *path = getenv("RPG_PTX_COUNTS");
  if (!path || !*path) return false;
  file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) {
    perror("ptx: RPG_PTX_COUNTS");
    abort();
  }
  return true;
}

bool &state() {
  static bool on = switched();
  return on;
}

}  // namespace

bool counting_now() { return state(); }
void counting(bool on) { state() = on; }

void remember(const Kernel &kernel) {
  std::lock_guard<std::mutex> lock(known_lock);
  known.push_back(&kernel);
}

void Site::add(const Site &o) {
  executed += o.executed;
  lanes += o.lanes;
  global_requests += o.global_requests;
  sectors += o.sectors;
  bytes += o.bytes;
  shared_requests += o.shared_requests;
  wavefronts += o.wavefronts;
  ideal += o.ideal;
}

void Counts::add(const Counts &o) {
  launches += o.launches;
  blocks += o.blocks;
  sites.resize(std::max(sites.size(), o.sites.size()));
  for (size_t i = 0; i < o.sites.size(); i++) sites[i].add(o.sites[i]);
  distinct_read += o.distinct_read;
  distinct_written += o.distinct_written;
  for (const auto &[page, touched] : o.pages) {
    Touched &t = pages[page];
    t.read |= touched.read;
    t.written |= touched.written;
  }
}

void Counts::end_launch() {
  for (const auto &[page, touched] : pages) {
    distinct_read += __builtin_popcountll(touched.read);
    distinct_written += __builtin_popcountll(touched.written);
  }
  pages.clear();
}

void count_global(Warp &w, const Instruction &in, uint32_t active, const uint64_t *address, size_t bytes, bool write) {
  Counts &c = *w.block->counts;
  uint64_t sectors[lanes];
  int n = 0;
  uint64_t last = ~0ull;
  each_active(active, [&](int l) {
    const uint64_t sector = address[l] / 32;  // which holds all, as accesses are aligned
    if (sector != last) sectors[n++] = last = sector;
  });
  std::sort(sectors, sectors + n);
  n = static_cast<int>(std::unique(sectors, sectors + n) - sectors);
  Site &site = c.sites[number_of(w, in)];
  site.global_requests++;
  site.sectors += n;
  site.bytes += bytes * __builtin_popcount(active);
  Touched *page = nullptr;
  uint64_t number = ~0ull;
  for (int i = 0; i < n; i++) {
    if (sectors[i] / 64 != number) page = &c.pages[number = sectors[i] / 64];
    (write ? page->written : page->read) |= 1ull << sectors[i] % 64;
  }
}

void count_shared(Warp &w, const Instruction &in, uint32_t active, const uint64_t *address, size_t bytes) {
  Site &site = w.block->counts->sites[number_of(w, in)];
  site.shared_requests++;
  const int together = bytes == 16 ? 8 : bytes == 8 ? 16 : 32;
  for (int first = 0; first < lanes; first += together) {
    uint64_t words[lanes * 4];
    int n = 0;
    for (int l = first; l < first + together; l++) {
      if (!(active >> l & 1)) continue;
      for (uint64_t word = address[l] / 4; word <= (address[l] + bytes - 1) / 4; word++) words[n++] = word;
    }
    if (n == 0) continue;
    std::sort(words, words + n);
    n = static_cast<int>(std::unique(words, words + n) - words);
    int in_bank[32] = {}, most = 0;
    for (int i = 0; i < n; i++) most = std::max(most, ++in_bank[words[i] % 32]);
    site.wavefronts += most;
    site.ideal += (n + 31) / 32;
  }
}

namespace {

// worst lists the places in the source with the most of something, at most three. The
// copies of one statement that unrolling makes are one place.
template <class F>
std::string worst(const Kernel &k, F most) {
  std::map<std::string, Site> places;
  for (size_t i = 0; i < k.counts->sites.size(); i++) {
    const Instruction &in = k.code[i];
    const std::string at = in.source >= 0 ? k.module->sources[in.source] : "line " + std::to_string(in.line);
    if (most(k.counts->sites[i])) places[at + "\", \"what\": \"" + class_names[size_t(in.what)]].add(k.counts->sites[i]);
  }
  std::vector<std::pair<std::string, Site>> order(places.begin(), places.end());
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto &a, const auto &b) { return most(a.second) > most(b.second); });
  std::string list = "[";
  for (size_t i = 0; i < std::min<size_t>(order.size(), 3); i++) {
    const auto &[at, s] = order[i];
    list += std::string(i ? ", " : "") + "{\"at\": \"" + at + "\"";
    const std::pair<const char *, uint64_t> numbers[] = {{"requests", s.global_requests + s.shared_requests},
                                                         {"sectors", s.sectors},
                                                         {"bytes", s.bytes},
                                                         {"wavefronts", s.wavefronts},
                                                         {"ideal", s.ideal}};
    for (const auto &[key, value] : numbers)
      list += std::string(", \"") + key + "\": " + std::to_string(value);
    list += "}";
  }
  return list + "]";
}

// line_for is what a kernel did, without an end of line.
std::string line_for(const Kernel &k) {
  const Counts &c = *k.counts;
  uint64_t all = 0, active = 0, by_class[size_t(Class::count)] = {}, f32 = 0, f64 = 0, mma = 0;
  Site load = {}, store = {}, shared = {};
  for (size_t i = 0; i < c.sites.size(); i++) {
    const Instruction &in = k.code[i];
    const Site &site = c.sites[i];
    all += site.executed;
    active += site.lanes;
    by_class[size_t(in.what)] += site.executed;
    (in.what == Class::mma ? mma : in.what == Class::f64 ? f64 : f32) += site.lanes * in.flops;
    Site &global = in.what == Class::store_global ? store : load;
    global.add(site);
    shared.add(site);
  }
  std::string line, name = demangled(k.name).substr(0, 1500);
  std::replace(name.begin(), name.end(), '"', '\'');
  const auto put = [&](const char *key, uint64_t value) {
    line += std::string(", \"") + key + "\": " + std::to_string(value);
  };
  line = "{\"kernel\": \"" + name + "\", \"file\": \"" + k.module->file + "\"";
  put("launches", c.launches);
  put("blocks", c.blocks);
  put("instructions", all);
  line += ", \"average_lanes\": " + std::to_string(all ? double(active) / all : 0.0) + ", \"classes\": {";
  for (size_t i = 0; i < size_t(Class::count); i++)
    line += std::string(i ? ", \"" : "\"") + class_names[i] + "\": " + std::to_string(by_class[i]);
  line += "}";
  put("f32_flops", f32);
  put("f64_flops", f64);
  put("mma_flops", mma);
  put("load_requests", load.global_requests);
  put("load_sectors", load.sectors);
  put("load_bytes", load.bytes);
  put("store_requests", store.global_requests);
  put("store_sectors", store.sectors);
  put("store_bytes", store.bytes);
  put("distinct_read_sectors", c.distinct_read);
  put("distinct_written_sectors", c.distinct_written);
  put("shared_requests", shared.shared_requests);
  put("shared_wavefronts", shared.wavefronts);
  put("shared_ideal", shared.ideal);
  line += ", \"worst_shared\": " + worst(k, [](const Site &a) { return a.wavefronts - a.ideal; });
  line += ", \"worst_global\": " +
          worst(k, [](const Site &a) { return 32 * a.sectors > a.bytes ? 32 * a.sectors - a.bytes : 0; });
  return line + "}";
}

}  // namespace

void record(const Kernel &k) {
  if (file < 0) return;
  size_t at = std::find(recorded.begin(), recorded.end(), &k) - recorded.begin();
  if (at == recorded.size()) recorded.push_back(&k);
  std::string line = line_for(k);
  line.resize(record_bytes - 1, ' ');
  line += '\n';
  if (pwrite(file, line.data(), line.size(), static_cast<off_t>(at * record_bytes)) != ssize_t(line.size())) {
    perror("ptx: RPG_PTX_COUNTS");
    abort();
  }
}

void counted(FILE *out) {
  std::lock_guard<std::mutex> lock(known_lock);
  for (const Kernel *k : known)
    if (k->counts->launches) fprintf(out, "%s\n", line_for(*k).c_str());
}

}  // namespace ptx
