#include "names.h"

#include <cstdlib>

#include "warp.h"

namespace ptx {

size_t bytes_of(char width) { return width == 'h' ? 2 : width == 'w' ? 4 : 8; }

void Names::unknown(const Statement &s, const std::string &what) const {
  refuse(module_.file, s.line, what + ": " + std::string(s.text));
}

namespace {
size_t up(size_t n, size_t align) { return align ? (n + align - 1) / align * align : n; }
}  // namespace

void Names::lay_out(const Function &f) {
  for (const Declared &p : f.parameters) {
    const size_t bytes = p.element * p.count;
    const size_t at = up(kernel_.parameter_bytes, p.align);
    symbols_[std::string(p.name)] = at;
    kernel_.parameters.push_back({at, bytes});
    kernel_.parameter_bytes = at + bytes;
  }
  size_t next = 0;
  const auto place = [&](const Declared &d) {
    next = up(next, d.align);
    symbols_[std::string(d.name)] = next;
    next += d.element * d.count;
  };
  for (const Statement &s : f.body) {
    if (s.text.substr(0, 8) != ".shared ") continue;
    std::string_view rest = s.text;
    word(rest);
    place(declared(module_.file, s.line, rest));
  }
  const auto used = [&](std::string_view name) {
    for (const Statement &s : f.body)
      if (s.text.find(name) != s.text.npos) return true;
    return false;
  };
  for (const ModuleVariable &v : text_.variables)
    if (v.space == ".shared" && !v.outside && used(v.what.name)) place(v.what);
  for (const ModuleVariable &v : text_.variables) {
    if (v.space != ".shared" || !v.outside || !used(v.what.name)) continue;
    next = up(next, v.what.align);  // what the launch asks for begins here
    symbols_[std::string(v.what.name)] = next;
    kernel_.dynamic = true;
  }
  kernel_.shared_bytes = next;
}

Place Names::new_register(char width) {
  if (width == 'p') return kernel_.predicates++;
  const size_t at = kernel_.register_bytes;
  kernel_.register_bytes += bytes_of(width) * lanes;
  return static_cast<Place>(at);
}

// declare_registers reads .reg .b32 %r<10> and .reg .b32 %temp.
void Names::declare_registers(Frame &f, const Statement &s) {
  std::string_view rest = s.text;
  word(rest);
  const std::string_view type = word(rest);
  const std::string_view digits = type.size() > 2 ? type.substr(2) : "";
  const char width = type == ".pred" ? 'p' : digits == "16" ? 'h' : digits == "32" ? 'w' : digits == "64" ? 'l' : 0;
  if (!width) unknown(s, "a type of register that is not known");
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view name = trimmed(rest.substr(0, comma));
    rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
    const size_t open = name.find('<');
    long long n = 0;
    if (open == name.npos) {
      f.registers[name] = {width, new_register(width)};
    } else if (number(name.substr(open + 1, name.find('>') - open - 1), n) && n > 0 && n < 1 << 20) {
      f.sets[name.substr(0, open)] = {width, std::vector<Place>(n, -1)};
    } else {
      unknown(s, "registers without a number");
    }
  }
}

Register Names::special(std::string_view name) {
  static const std::unordered_map<std::string_view, int> all = {
      {"%tid.x", tid_x},       {"%tid.y", tid_y},       {"%tid.z", tid_z},       {"%ntid.x", ntid_x},
      {"%ntid.y", ntid_y},     {"%ntid.z", ntid_z},     {"%ctaid.x", ctaid_x},   {"%ctaid.y", ctaid_y},
      {"%ctaid.z", ctaid_z},   {"%nctaid.x", nctaid_x}, {"%nctaid.y", nctaid_y}, {"%nctaid.z", nctaid_z},
      {"%laneid", laneid}};
  const auto found = all.find(name);
  if (found == all.end()) return {0, -1};
  Place &p = kernel_.special[found->second];
  if (p < 0) p = new_register('w');
  return {'w', p};
}

Register Names::find_register(Frame &f, std::string_view name) {
  if (const auto one = f.registers.find(name); one != f.registers.end()) return one->second;
  const size_t last = name.find_last_not_of("0123456789");
  if (last != name.npos && last + 1 < name.size()) {
    if (const auto set = f.sets.find(name.substr(0, last + 1)); set != f.sets.end()) {
      const size_t n = strtoul(std::string(name.substr(last + 1)).c_str(), nullptr, 10);
      if (n >= set->second.places.size()) return {0, -1};
      Place &p = set->second.places[n];
      if (p < 0) p = new_register(set->second.width);
      return {set->second.width, p};
    }
  }
  return special(name);
}

bool Names::symbol(std::string_view name, uint64_t &address) const {
  const std::string key(name);
  if (const auto s = symbols_.find(key); s != symbols_.end()) {
    address = s->second;
    return true;
  }
  if (const auto v = module_.variables.find(key); v != module_.variables.end()) {
    address = reinterpret_cast<uint64_t>(v->second.memory.get());
    return true;
  }
  return false;
}

Place Names::constant(char width, uint64_t bits) {
  if (width == 'p') return bits ? ~1 : ~0;
  const auto [known, fresh] = constants_.insert({{width, bits}, 0});
  if (fresh) {
    known->second = ~static_cast<Place>(kernel_.constants.size());
    const char *raw = reinterpret_cast<const char *>(&bits);
    for (int l = 0; l < lanes; l++) kernel_.constants.insert(kernel_.constants.end(), raw, raw + bytes_of(width));
  }
  return known->second;
}

Place Names::value(Frame &f, const Statement &s, std::string_view operand, char width) {
  if (const Register r = find_register(f, operand); r.width) {
    if (r.width != width) unknown(s, "a register of another width than the instruction's");
    return r.place;
  }
  long long n = 0;
  uint64_t address = 0;
  if (operand.size() > 2 && operand[0] == '0' && strchr("fFdD", operand[1])) {
    const bool single = operand[1] == 'f' || operand[1] == 'F';
    if (single != (width == 'w') || operand.size() != (single ? 10u : 18u))
      unknown(s, "a number of another width than the instruction's");
    return constant(width, strtoull(std::string(operand.substr(2)).c_str(), nullptr, 16));
  }
  if (number(operand, n)) {
    uint64_t bits = static_cast<uint64_t>(n);
    if (width == 'h') bits &= 0xffff;
    if (width == 'w') bits &= 0xffffffff;
    return constant(width, bits);
  }
  if ((width == 'w' || width == 'l') && symbol(operand, address)) return constant(width, address);
  unknown(s, "an operand that is not known, " + std::string(operand));
}

void Names::address(Frame &f, const Statement &s, std::string_view operand, Instruction &in, Place &place) {
  if (operand.size() < 3 || operand.front() != '[' || operand.back() != ']') unknown(s, "an address that is not known");
  operand = trimmed(operand.substr(1, operand.size() - 2));
  const size_t plus = operand.find('+');
  const std::string_view base = trimmed(operand.substr(0, plus));
  long long offset = 0;
  if (plus != operand.npos && !number(trimmed(operand.substr(plus + 1)), offset)) unknown(s, "an offset that is no number");
  in.offset = offset;
  const Register r = find_register(f, base);
  in.wide = r.width != 'w';
  if (r.width == 'w' || r.width == 'l')
    place = r.place;
  else
    place = value(f, s, base, 'l');
}

}  // namespace ptx
