// Decoding of what reaches memory or another function.
#include <algorithm>

#include "decode.h"

namespace ptx {
namespace {

unsigned size_of(std::string_view type) {
  const std::string_view digits = type.substr(1);
  return digits == "8" ? 1 : digits == "16" ? 2 : digits == "32" ? 4 : 8;
}
char width_of(std::string_view type) { return size_of(type) <= 2 ? 'h' : size_of(type) == 4 ? 'w' : 'l'; }

}  // namespace

void Decoder::access(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in) {
  const bool load = opcode[0] == 'l';
  std::string_view space, type, rest = opcode.substr(3);
  int values = 1;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    rest = part.size() < rest.size() ? rest.substr(part.size() + 1) : std::string_view();
    if (part == "global" || part == "shared" || part == "param")
      space = part;
    else if (part == "v2" || part == "v4")
      values = part[1] - '0';
    else if (part == "volatile")
      in.unordered = true;
    else if (part != "nc") {
      if (!type.empty()) unknown(s, "an access that is not known");
      type = part;
    }
  }
  if (space.empty() || type.empty() || operands.size() != 2) unknown(s, "an access that is not known");
  const Operands vector = flat({operands[load ? 0 : 1]});
  if (vector.size() != size_t(values)) unknown(s, "another number of values than expected");
  const std::string_view where = operands[load ? 1 : 0];
  if (space == "param" && slot(f, s, load, type, where, vector, in)) return;

  in.values = static_cast<uint8_t>(values);
  names_.address(f, s, where, in, in.from[0]);
  char width = 0;
  for (int i = 0; i < values; i++) {
    const Register r = names_.find_register(f, vector[i]);
    const char own = r.width ? r.width : width_of(type);
    if (width && own != width) unknown(s, "values of several widths");
    width = own;
    if (load)
      in.to[i] = destination(f, s, vector[i], width);
    else
      in.from[1 + i] = names_.value(f, s, vector[i], width);
  }
  in.run = load ? load_handler(space[0], type, width) : store_handler(space[0], type, width);
  if (!in.run) unknown(s, "an access that is not known");
  in.what = space == "global" ? (load ? Class::load_global : Class::store_global)
            : space == "shared" ? (load ? Class::load_shared : Class::store_shared)
                                : Class::load_parameter;
  const int width_shift = __builtin_ctz(unsigned(values) * size_of(type));
  if (space == "shared") kernel_.cell_shift = std::min(kernel_.cell_shift, width_shift);
  if (space == "global") kernel_.global_shift = std::min(kernel_.global_shift, width_shift);
}

bool Decoder::slot(Frame &f, const Statement &s, bool load, std::string_view type, std::string_view where,
          const Operands &vector, Instruction &in) {
  std::string_view name = trimmed(inside(where));
  const size_t plus = name.find('+');
  const auto found = f.slots.find(trimmed(name.substr(0, plus)));
  if (found == f.slots.end()) return false;
  const Register r = found->second;
  if (vector.size() != 1 || width_of(type) != r.width || size_of(type) != bytes_of(r.width) ||
      (plus != name.npos && trimmed(name.substr(plus + 1)) != "0"))
    unknown(s, "an access to part of a parameter");
  use(*plain_opcode(r.width == 'h' ? "mov.b16" : r.width == 'w' ? "mov.b32" : "mov.b64"), in);
  in.to[0] = load ? destination(f, s, vector[0], r.width) : r.place;
  in.from[0] = load ? r.place : names_.value(f, s, vector[0], r.width);
  return true;
}

void Decoder::copy(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in) {
  const Shape *shape = plain_opcode(opcode);
  if (!shape) unknown(s, "an instruction that is not known");
  if (shape->to[0] || shape->from[0] || operands.empty()) return plain(f, s, opcode, operands, in);
  use(*shape, in);
  if (operands.size() < 3 || operands.size() > 4 || operands[2] != "16") unknown(s, "a copy that is not of 16 bytes");
  Instruction source;
  names_.address(f, s, operands[1], source, in.from[1]);
  names_.address(f, s, operands[0], in, in.from[0]);
  if (source.offset || !source.wide) unknown(s, "a copy from an address that is not a register of 64 bits");
  in.from[2] = operands.size() == 4 ? names_.value(f, s, operands[3], 'w') : names_.constant('w', 16);
}

void Decoder::call(Frame &f, const Statement &s, Operands operands) {
  std::string_view result;
  if (!operands.empty() && operands[0][0] == '(') {
    result = trimmed(inside(operands[0]));
    operands.erase(operands.begin());
  }
  if (operands.empty() || operands.size() > 2) unknown(s, "a call that is not known");
  const auto callee = std::find_if(text_.functions.begin(), text_.functions.end(),
                                   [&](const Function &c) { return !c.entry && c.name == operands[0]; });
  if (callee == text_.functions.end()) unknown(s, "a function that is nowhere");
  if (f.calls > 16) unknown(s, "a function that calls itself");
  Frame inner = {};
  inner.function = &*callee;
  inner.calls = f.calls + 1;
  const auto give = [&](std::string_view theirs, std::string_view ours) {
    const auto found = f.slots.find(ours);
    if (found == f.slots.end()) unknown(s, "an argument that is not known");
    inner.slots[theirs] = found->second;
  };
  if (result.empty() != callee->result.empty()) unknown(s, "a call with another result than the function's");
  if (!result.empty()) give(callee->result, result);
  const Operands given =
      operands.size() == 2 ? split(inside(operands[1])) : Operands();
  if (given.size() != callee->parameters.size()) unknown(s, "a call with another number of arguments than expected");
  for (size_t i = 0; i < given.size(); i++) give(callee->parameters[i].name, given[i]);
  body(inner);
}

}  // namespace ptx
