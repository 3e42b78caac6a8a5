// Loads and stores of global and shared memory, and loads of parameters.
#include "lanes.h"
#include "races.h"

namespace ptx {

void find_range(Warp &w, const Instruction &in, int lane, uint64_t address, size_t bytes, Range &known) {
  for (const auto &[name, v] : w.block->kernel->module->variables) {
    const uint64_t begin = reinterpret_cast<uint64_t>(v.memory.get());
    if (address >= begin && address + bytes <= begin + v.bytes) {
      known = {begin, begin + v.bytes};
      return;
    }
  }
  uint64_t begin = 0, end = 0;
  if (!w.block->bounds(address, &begin, &end) || address < begin || address >= end)
    fault(w, in, lane, "address 0x%llx of global memory is in no allocation", (unsigned long long)address);
  if (address + bytes > end)
    fault(w, in, lane, "%zu bytes at 0x%llx of global memory end after their allocation, at 0x%llx", bytes,
          (unsigned long long)address, (unsigned long long)end);
  known = {begin, end};
}

namespace {

template <class Mem, class Reg>
void load_global(Warp &w, const Instruction &in, uint32_t active) {
  uint64_t at[lanes];
  w.addresses(in, in.from[0], at);
  const size_t bytes = in.values * sizeof(Mem);
  each_active(active, [&](int l) { check_global(w, in, l, at[l], bytes); });
  if (w.block->counts) count_global(w, in, active, at, bytes, false);
  if (w.block->watched && !in.unordered) each_active(active, [&](int l) { watch_read(w, in, l, at[l], bytes); });
  for (int i = 0; i < in.values; i++) {
    Reg *d = w.to<Reg>(in.to[i]);
    each_active(active, [&](int l) { d[l] = static_cast<Reg>(reinterpret_cast<const Mem *>(at[l])[i]); });
  }
}

template <class Mem, class Reg>
void store_global(Warp &w, const Instruction &in, uint32_t active) {
  uint64_t at[lanes];
  w.addresses(in, in.from[0], at);
  const size_t bytes = in.values * sizeof(Mem);
  each_active(active, [&](int l) { check_global(w, in, l, at[l], bytes); });
  if (w.block->counts) count_global(w, in, active, at, bytes, true);
  if (w.block->watched && !in.unordered) each_active(active, [&](int l) { watch_write(w, in, l, at[l], bytes); });
  for (int i = 0; i < in.values; i++) {
    const Reg *v = w.from<Reg>(in.from[1 + i]);
    each_active(active, [&](int l) { reinterpret_cast<Mem *>(at[l])[i] = static_cast<Mem>(v[l]); });
  }
}

template <class Mem, class Reg>
void load_shared(Warp &w, const Instruction &in, uint32_t active) {
  uint64_t at[lanes];
  w.addresses(in, in.from[0], at);
  const size_t bytes = in.values * sizeof(Mem);
  each_active(active, [&](int l) { read_shared(w, in, l, at[l], bytes); });
  if (w.block->counts) count_shared(w, in, active, at, bytes);
  const char *shared = w.block->shared.data();
  for (int i = 0; i < in.values; i++) {
    Reg *d = w.to<Reg>(in.to[i]);
    each_active(active, [&](int l) { d[l] = static_cast<Reg>(reinterpret_cast<const Mem *>(shared + at[l])[i]); });
  }
}

template <class Mem, class Reg>
void store_shared(Warp &w, const Instruction &in, uint32_t active) {
  uint64_t at[lanes];
  w.addresses(in, in.from[0], at);
  const size_t bytes = in.values * sizeof(Mem);
  each_active(active, [&](int l) { write_shared(w, in, l, at[l], bytes); });
  if (w.block->counts) count_shared(w, in, active, at, bytes);
  char *shared = w.block->shared.data();
  for (int i = 0; i < in.values; i++) {
    const Reg *v = w.from<Reg>(in.from[1 + i]);
    each_active(active, [&](int l) { reinterpret_cast<Mem *>(shared + at[l])[i] = static_cast<Mem>(v[l]); });
  }
}

template <class Mem, class Reg>
void load_parameter(Warp &w, const Instruction &in, uint32_t active) {
  uint64_t at[lanes];
  w.addresses(in, in.from[0], at);
  const size_t bytes = in.values * sizeof(Mem), all = w.block->kernel->parameter_bytes;
  each_active(active, [&](int l) {
    if (at[l] & (bytes - 1)) fault(w, in, l, "parameter offset %lld is not aligned to %zu bytes", (long long)at[l], bytes);
    if (at[l] > all || at[l] + bytes > all)
      fault(w, in, l, "%zu bytes at offset %lld are not in the %zu bytes of parameters", bytes, (long long)at[l], all);
  });
  for (int i = 0; i < in.values; i++) {
    Reg *d = w.to<Reg>(in.to[i]);
    each_active(active, [&](int l) {
      Mem v;
      memcpy(&v, w.block->parameters + at[l] + i * sizeof(Mem), sizeof v);
      d[l] = static_cast<Reg>(v);
    });
  }
}

// of_type calls f with a value of the type in memory.
template <class F>
Handler of_type(std::string_view type, F f) {
  if (type == "b8" || type == "u8") return f(uint8_t());
  if (type == "s8") return f(int8_t());
  if (type == "b16" || type == "u16") return f(uint16_t());
  if (type == "s16") return f(int16_t());
  if (type == "b32" || type == "u32" || type == "f32") return f(uint32_t());
  if (type == "s32") return f(int32_t());
  if (type == "b64" || type == "u64" || type == "s64" || type == "f64") return f(uint64_t());
  return nullptr;
}

template <class Mem, class Reg>
Handler load_from(char space) {
  return space == 'g' ? load_global<Mem, Reg> : space == 's' ? load_shared<Mem, Reg> : load_parameter<Mem, Reg>;
}
template <class Mem, class Reg>
Handler store_to(char space) {
  return space == 'g' ? store_global<Mem, Reg> : space == 's' ? store_shared<Mem, Reg> : nullptr;
}

}  // namespace

Handler load_handler(char space, std::string_view type, char width) {
  return of_type(type, [=](auto value) -> Handler {
    using Mem = decltype(value);
    if (width == 'h' && sizeof(Mem) <= 2) return load_from<Mem, uint16_t>(space);
    if (width == 'w' && sizeof(Mem) <= 4) return load_from<Mem, uint32_t>(space);
    return width == 'l' ? load_from<Mem, uint64_t>(space) : nullptr;
  });
}

Handler store_handler(char space, std::string_view type, char width) {
  return of_type(type, [=](auto value) -> Handler {
    using Mem = decltype(value);
    if (width == 'h' && sizeof(Mem) <= 2) return store_to<Mem, uint16_t>(space);
    if (width == 'w' && sizeof(Mem) <= 4) return store_to<Mem, uint32_t>(space);
    return width == 'l' ? store_to<Mem, uint64_t>(space) : nullptr;
  });
}

}  // namespace ptx
