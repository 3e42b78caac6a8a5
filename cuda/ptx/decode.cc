// From statements to instructions with handlers.
#include <algorithm>
#include <cstdlib>

#include "names.h"
#include "warp.h"

namespace ptx {

bool rough() {
  const char *text = getenv("RPG_PTX_ROUGH");
  return text && *text;
}

const Shape *plain_opcode(std::string_view opcode) {
  static const Shapes all = [] {
    Shapes made;
    add_integers(made);
    add_floats(made);
    add_conversions(made);
    add_warp_operations(made);
    add_copies(made);
    return made;
  }();
  const auto found = all.find(opcode);
  return found == all.end() ? nullptr : &found->second;
}

namespace {

using Operands = std::vector<std::string_view>;

// split cuts at commas that stand in no brackets.
Operands split(std::string_view text) {
  Operands parts;
  int depth = 0;
  size_t from = 0;
  text = trimmed(text);
  if (text.empty()) return parts;
  for (size_t i = 0; i <= text.size(); i++) {
    if (i < text.size() && strchr("([{", text[i])) depth++;
    if (i < text.size() && strchr(")]}", text[i])) depth--;
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      parts.push_back(trimmed(text.substr(from, i - from)));
      from = i + 1;
    }
  }
  return parts;
}

std::string_view inside(std::string_view brackets) { return brackets.substr(1, brackets.size() - 2); }

class Decoder {
 public:
  Decoder(const Module &module, const Text &text, Kernel &kernel)
      : names_(module, text, kernel), text_(text), kernel_(kernel) {}

  void kernel(const Function &f) {
    names_.lay_out(f);
    Frame frame = {};
    frame.function = &f;
    body(frame);
    Instruction end;  // where a body ends without ret
    end.kind = Kind::leave;
    end.what = Class::branch;
    kernel_.code.push_back(end);
    if (kernel_.cell_shift > 2) kernel_.cell_shift = 2;
  }

 private:
  Names names_;
  const Text &text_;
  Kernel &kernel_;

  [[noreturn]] void unknown(const Statement &s, const std::string &what) { names_.unknown(s, what); }

  void body(Frame &f) {
    for (const Statement &s : f.function->body) {
      if (s.text == "{" || s.text == "}") continue;
      if (s.text.back() == ':') {
        f.labels[s.text.substr(0, s.text.size() - 1)] = static_cast<int>(kernel_.code.size());
      } else if (s.text[0] == '.') {
        directive(f, s);
      } else {
        instruction(f, s);
      }
    }
    for (const auto &[at, s] : f.jumps) {
      const std::string_view label = trimmed(s.text.substr(s.text.find_last_of(" \t")));
      const auto found = f.labels.find(label);
      if (found == f.labels.end()) unknown(s, "a label that is nowhere");
      kernel_.code[at].target = found->second;
    }
    for (size_t at : f.returns) kernel_.code[at].target = static_cast<int>(kernel_.code.size());
  }

  void directive(Frame &f, const Statement &s) {
    std::string_view rest = s.text;
    const std::string_view what = word(rest);
    if (what == ".reg") {
      names_.declare_registers(f, s);
    } else if (what == ".param") {
      const Declared d = declared(kernel_.module->file, s.line, rest);
      const char width = d.element == 2 ? 'h' : d.element == 4 ? 'w' : d.element == 8 && !d.array ? 'l' : 0;
      if (!width || d.array) unknown(s, "a parameter of a call that is no single value");
      f.slots[d.name] = {width, names_.new_register(width)};
    } else if (what != ".pragma" && what != ".shared") {
      unknown(s, "a directive that is not known");
    }
  }

  void instruction(Frame &f, const Statement &s) {
    Instruction in;
    in.line = s.line;
    in.source = s.source;
    std::string_view rest = s.text;
    if (rest[0] == '@') {
      std::string_view guard = word(rest).substr(1);
      in.unless = guard[0] == '!';
      const Register p = names_.find_register(f, guard.substr(in.unless));
      if (p.width != 'p') unknown(s, "a guard that is no predicate");
      in.guard = p.place;
    }
    const std::string_view opcode = word(rest);
    const std::string_view family = opcode.substr(0, opcode.find('.'));
    const Operands operands = split(rest);
    if (family == "bra") {
      in.kind = Kind::branch;
      in.what = Class::branch;
      f.jumps.push_back({kernel_.code.size(), s});
    } else if (family == "ret" || family == "exit") {
      leave(f, family == "ret", in);
    } else if (family == "call") {
      if (in.guard >= 0) unknown(s, "a call with a guard");
      return call(f, s, operands);
    } else if (opcode == "bar.sync" || opcode == "barrier.sync") {
      if (operands.size() != 1 || operands[0] != "0") unknown(s, "a barrier that is not number 0 for all threads");
      in.kind = Kind::barrier;
      in.what = Class::barrier;
    } else if (family == "ld" || family == "st") {
      access(f, s, opcode, operands, in);
    } else if (opcode.substr(0, 9) == "cp.async.") {
      copy(f, s, opcode, operands, in);
    } else if (family == "mov" && operands.size() == 2 && (operands[0][0] == '{' || operands[1][0] == '{')) {
      const bool packs = operands[1][0] == '{';
      plain(f, s, (packs ? "pack." : "unpack.") + std::string(opcode.substr(4)), operands, in);
    } else {
      plain(f, s, opcode, operands, in);
    }
    kernel_.code.push_back(in);
  }

  void leave(Frame &f, bool back, Instruction &in) {
    in.what = Class::branch;
    in.kind = Kind::leave;
    if (!back || !f.calls) return;
    in.kind = Kind::branch;
    f.returns.push_back(kernel_.code.size());
  }

  void use(const Shape &shape, Instruction &in) {
    in.run = shape.run;
    in.what = shape.what;
    in.flops = shape.flops;
    in.kind = shape.kind;
  }

  // flat takes the vectors of operands apart. A shape names each value.
  Operands flat(const Operands &operands) {
    Operands all;
    for (std::string_view o : operands) {
      if (!o.empty() && o[0] == '{')
        for (std::string_view v : split(inside(o))) all.push_back(v);
      else if (const size_t bar = o.find('|'); bar != o.npos)
        all.insert(all.end(), {trimmed(o.substr(0, bar)), trimmed(o.substr(bar + 1))});
      else
        all.push_back(o);
    }
    return all;
  }

  void plain(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in) {
    const Shape *shape = plain_opcode(opcode);
    if (!shape) unknown(s, "an instruction that is not known");
    use(*shape, in);
    Operands all = flat(operands);
    const std::string_view to = shape->to, from = shape->from;
    // A shuffle may leave its predicate out.
    if (in.what == Class::shuffle && to == "wp" && all.size() == 5) {
      all.insert(all.begin() + 1, "_");
    }
    if (all.size() != to.size() + from.size()) unknown(s, "another number of operands than expected");
    size_t at = 0;
    for (size_t i = 0; i < to.size(); i++, at++) in.to[i] = destination(f, s, all[at], to[i]);
    for (size_t i = 0; i < from.size(); i++, at++) {
      if (from[i] == 'a') {
        names_.address(f, s, all[at], in, in.from[i]);
      } else {
        const bool wider = opcode.substr(0, 4) == "cvt." && wider_than(f, all[at], from[i]);
        in.from[i] = wider ? narrowed(f, all[at], from[i], in) : names_.value(f, s, all[at], from[i]);
      }
    }
    if (in.kind == Kind::members) in.mask = in.from[from.size() - 1];
  }

  // A cvt may have a register that is wider than what it converts.
  bool wider_than(Frame &f, std::string_view name, char width) {
    const Register r = names_.find_register(f, name);
    return r.width && r.width != 'p' && bytes_of(r.width) > bytes_of(width);
  }
  Place narrowed(Frame &f, std::string_view name, char width, const Instruction &before) {
    const Register r = names_.find_register(f, name);
    Instruction in = before;
    use(*plain_opcode(width == 'w' ? "cvt.u32.u64" : r.width == 'w' ? "cvt.u16.u32" : "cvt.u16.u64"), in);
    in.what = Class::move;
    in.to[0] = names_.new_register(width);
    in.from[0] = r.place;
    kernel_.code.push_back(in);
    return in.to[0];
  }

  Place destination(Frame &f, const Statement &s, std::string_view name, char width) {
    if (name == "_") return width == 'p' ? -1 : names_.new_register(width);
    const Register r = names_.find_register(f, name);
    if (r.width != width) unknown(s, "a register of another width than the instruction's");
    return r.place;
  }

  void access(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in) {
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

  static unsigned size_of(std::string_view type) {
    const std::string_view digits = type.substr(1);
    return digits == "8" ? 1 : digits == "16" ? 2 : digits == "32" ? 4 : 8;
  }
  static char width_of(std::string_view type) { return size_of(type) <= 2 ? 'h' : size_of(type) == 4 ? 'w' : 'l'; }

  // slot makes a move of an access to a parameter of a call; false where it is none.
  bool slot(Frame &f, const Statement &s, bool load, std::string_view type, std::string_view where,
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

  void copy(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in) {
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

  void call(Frame &f, const Statement &s, Operands operands) {
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
};

}  // namespace

void decode(const Module &module, const Text &text, const Function &f, Kernel &kernel) {
  std::fill(std::begin(kernel.special), std::end(kernel.special), -1);
  kernel.module = &module;
  kernel.name = f.name;
  kernel.most_threads = f.most_threads;
  Decoder(module, text, kernel).kernel(f);
}

}  // namespace ptx
