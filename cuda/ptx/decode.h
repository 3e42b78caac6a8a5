// From the statements of a kernel to its instructions.
#pragma once

#include "names.h"

namespace ptx {

class Decoder {
 public:
  Decoder(const Module &module, const Text &text, Kernel &kernel)
      : names_(module, text, kernel), text_(text), kernel_(kernel) {}

  void kernel(const Function &f);

 private:
  Names names_;
  const Text &text_;
  Kernel &kernel_;

  [[noreturn]] void unknown(const Statement &s, const std::string &what);
  void body(Frame &f);
  void directive(Frame &f, const Statement &s);
  void instruction(Frame &f, const Statement &s);
  void leave(Frame &f, bool back, Instruction &in);
  void use(const Shape &shape, Instruction &in);
  // flat takes the vectors of operands apart. A shape names each value.
  Operands flat(const Operands &operands);
  void plain(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in);
  // A cvt may have a register that is wider than what it converts.
  bool wider_than(Frame &f, std::string_view name, char width);
  Place narrowed(Frame &f, std::string_view name, char width, const Instruction &before);
  Place destination(Frame &f, const Statement &s, std::string_view name, char width);
  void access(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in);
  // slot makes a move of an access to a parameter of a call; false where it is none.
  bool slot(Frame &f, const Statement &s, bool load, std::string_view type, std::string_view where,
            const Operands &vector, Instruction &in);
  void copy(Frame &f, const Statement &s, std::string_view opcode, const Operands &operands, Instruction &in);
  void call(Frame &f, const Statement &s, Operands operands);
};

}  // namespace ptx
