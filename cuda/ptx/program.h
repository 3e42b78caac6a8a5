// A kernel as it is run: instructions with handlers and operands that are places
// in a warp's registers.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ptx.h"

namespace ptx {

struct Warp;
struct Instruction;

// Handler does an instruction for the lanes in active, at least one.
using Handler = void (*)(Warp &warp, const Instruction &in, uint32_t active);

// Kind is what an instruction means for the order of things.
enum class Kind : uint8_t {
  plain,
  branch,
  leave,    // ret and exit
  members,  // waits for the lanes of a mask
  aligned,  // waits for all 32 lanes
  barrier,  // waits for all threads of the block
};

// Class is what is counted together.
enum class Class : uint8_t {
  integer,  // and logic, comparison and selection
  f32,
  f64,
  special,  // division, roots, ex2, and conversion from or to floating point
  move,
  shuffle,  // and vote
  load_global,
  store_global,
  load_shared,
  store_shared,
  load_parameter,
  load_matrix,
  mma,
  copy_async,  // and its groups
  barrier,
  branch,
  count,
};

// A Place of a value: at or above 0 the offset of its 32 lanes in the registers
// of a warp; below 0, ~place is the offset in the kernel's constants. Predicates
// are one word for all lanes, by number; ~0 and ~1 are false and true.
using Place = int32_t;

struct Instruction {
  Handler run = nullptr;
  Place to[4] = {}, from[14] = {};
  Place mask = 0;        // of the lanes that must take part, where kind is members
  int64_t offset = 0;    // of an address
  int32_t target = 0;    // of a branch
  int32_t guard = -1;    // a predicate, -1 for none
  bool unless = false;   // the guard is negated
  bool wide = false;     // the address is 64 bits wide
  bool unordered = false;  // .volatile, of which several threads may be at once
  uint8_t values = 1;    // of a vector
  uint8_t flops = 0;     // of a lane
  Kind kind = Kind::plain;
  Class what = Class::integer;
  int line = 0;          // in the PTX text
  int source = -1;       // number in Module::sources, -1 for none
};

// The special registers, with a place of their own in the registers of a warp.
enum Special {
  tid_x, tid_y, tid_z, ntid_x, ntid_y, ntid_z,
  ctaid_x, ctaid_y, ctaid_z, nctaid_x, nctaid_y, nctaid_z,
  laneid,
  specials,
};

struct Counts;

struct Kernel {
  const Module *module = nullptr;
  std::string name;
  std::vector<Instruction> code;
  std::vector<parameter> parameters;
  size_t parameter_bytes = 0;
  std::vector<char> constants;
  size_t register_bytes = 0;
  int predicates = 0;
  Place special[specials];  // -1 where it is not used
  size_t shared_bytes = 0;  // of its own variables; the launch's come after them
  bool dynamic = false;
  int cell_shift = 4;       // 2^cell_shift is the narrowest access of shared memory,
  int global_shift = 4;     // and of global memory
  unsigned most_threads = 0;
  std::shared_ptr<Counts> counts;
};

struct Variable {
  std::unique_ptr<char[]> memory;
  size_t bytes;
};

struct Module {
  std::string file, text;
  std::unordered_map<std::string, Kernel> kernels;
  std::unordered_map<std::string, Variable> variables;  // in .global and .const
  std::vector<std::string> sources;                     // FILE:LINE, from .loc
};

// refuse ends the process as the text has something at line that is not known.
[[noreturn]] void refuse(const std::string &file, int line, const std::string &what);

// rough tells whether RPG_PTX_ROUGH is set.
bool rough();

// demangled is a name as it stands in the source.
std::string demangled(const std::string &name);

// Shape is an opcode that needs nothing but its operands: the widths of what it
// writes and reads, a letter each: p predicate, h 16, w 32, l 64 bits.
struct Shape {
  Handler run;
  const char *to, *from;
  Class what;
  uint8_t flops = 0;
  Kind kind = Kind::plain;
};

// plain_opcode finds the shape of an opcode, null where it is not known.
const Shape *plain_opcode(std::string_view opcode);

// load_handler and store_handler give the handlers of a space (g global, s shared,
// p parameters), a type in memory and the width of a register: null for none.
Handler load_handler(char space, std::string_view type, char width);
Handler store_handler(char space, std::string_view type, char width);

using Shapes = std::unordered_map<std::string_view, Shape>;
void add_integers(Shapes &to);
void add_floats(Shapes &to);
void add_conversions(Shapes &to);
void add_warp_operations(Shapes &to);
void add_copies(Shapes &to);

}  // namespace ptx
