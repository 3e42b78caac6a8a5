// What the names in the body of a kernel stand for.
#pragma once

#include <map>

#include "program.h"
#include "text.h"

namespace ptx {

struct Register {
  char width;  // p, h, w or l
  Place place;
};

// Frame is the names of one function: of a kernel, or of a .func that is called in
// it, whose statements take the place of the call.
struct Frame {
  const Function *function;
  int calls;  // that it is inside
  std::unordered_map<std::string_view, Register> registers;  // declared one by one
  struct Set {
    char width;
    std::vector<Place> places;  // -1 until it is used
  };
  std::unordered_map<std::string_view, Set> sets;       // %r<10>, by what stands before the number
  std::unordered_map<std::string_view, Register> slots;  // .param variables of calls
  std::unordered_map<std::string_view, int> labels;
  std::vector<std::pair<size_t, Statement>> jumps;  // instructions whose target is a label
  std::vector<size_t> returns;                      // of a .func
};

// Names gives places to what a kernel names.
class Names {
 public:
  Names(const Module &module, const Text &text, Kernel &kernel) : module_(module), text_(text), kernel_(kernel) {}

  // lay_out gives every variable in .shared that the kernel uses its address.
  void lay_out(const Function &f);

  void declare_registers(Frame &f, const Statement &s);
  Place new_register(char width);

  // find_register gives the register of a name, or one with width 0.
  Register find_register(Frame &f, std::string_view name);

  // value is the place of an operand that is read as one of a width.
  Place value(Frame &f, const Statement &s, std::string_view operand, char width);
  Place constant(char width, uint64_t bits);

  // address sets what [base+offset] means.
  void address(Frame &f, const Statement &s, std::string_view operand, Instruction &in, Place &place);

  [[noreturn]] void unknown(const Statement &s, const std::string &what) const;

 private:
  const Module &module_;
  const Text &text_;
  Kernel &kernel_;
  std::map<std::pair<char, uint64_t>, Place> constants_;
  std::unordered_map<std::string, uint64_t> symbols_;  // offsets of parameters and shared variables

  bool symbol(std::string_view name, uint64_t &address) const;
  Register special(std::string_view name);
};

size_t bytes_of(char width);

}  // namespace ptx
