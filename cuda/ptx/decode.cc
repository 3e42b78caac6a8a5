// From statements to instructions with handlers.
#include <algorithm>
#include <cstdlib>

#include "decode.h"
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

void Decoder::kernel(const Function &f) {
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

void Decoder::unknown(const Statement &s, const std::string &what) { names_.unknown(s, what); }

void Decoder::body(Frame &f) {
  for (const Statement &s : f.function->body) {
    if (s.text.empty() || s.text == "{" || s.text == "}") continue;
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

void Decoder::directive(Frame &f, const Statement &s) {
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

void Decoder::instruction(Frame &f, const Statement &s) {
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

void Decoder::leave(Frame &f, bool back, Instruction &in) {
  in.what = Class::branch;
  in.kind = Kind::leave;
  if (!back || !f.calls) return;
  in.kind = Kind::branch;
  f.returns.push_back(kernel_.code.size());
}

void Decoder::use(const Shape &shape, Instruction &in) {
  in.run = shape.run;
  in.what = shape.what;
  in.flops = shape.flops;
  in.kind = shape.kind;
}

Operands Decoder::flat(const Operands &operands) {
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

void Decoder::plain(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in) {
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

bool Decoder::wider_than(Frame &f, std::string_view name, char width) {
  const Register r = names_.find_register(f, name);
  return r.width && r.width != 'p' && bytes_of(r.width) > bytes_of(width);
}

Place Decoder::narrowed(Frame &f, std::string_view name, char width, const Instruction &before) {
  const Register r = names_.find_register(f, name);
  Instruction in = before;
  use(*plain_opcode(width == 'w' ? "cvt.u32.u64" : r.width == 'w' ? "cvt.u16.u32" : "cvt.u16.u64"), in);
  in.what = Class::move;
  in.to[0] = names_.new_register(width);
  in.from[0] = r.place;
  kernel_.code.push_back(in);
  return in.to[0];
}

Place Decoder::destination(Frame &f, const Statement &s, std::string_view name, char width) {
  if (name == "_") return width == 'p' ? -1 : names_.new_register(width);
  const Register r = names_.find_register(f, name);
  if (r.width != width) unknown(s, "a register of another width than the instruction's");
  return r.place;
}

void decode(const Module &module, const Text &text, const Function &f, Kernel &kernel) {
  std::fill(std::begin(kernel.special), std::end(kernel.special), -1);
  kernel.module = &module;
  kernel.name = f.name;
  kernel.most_threads = f.most_threads;
  Decoder(module, text, kernel).kernel(f);
}

}  // namespace ptx
