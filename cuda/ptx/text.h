// The text of a PTX module, cut into statements.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ptx {

// Statement is an instruction, a label or a declaration in the body of a function.
struct Statement {
  std::string_view text;  // without the semicolon
  int line;
  int source;  // number in Text::sources, -1 for none
};

struct Declared {  // a variable: .align 4 .b8 name[16] = {1, 2}
  std::string_view name, values;
  size_t align, element, count;  // element is in bytes; count is 0 for name[]
  bool array;
};

// Function is an .entry or a .func with its body.
struct Function {
  std::string_view name;
  bool entry;
  int line;
  std::vector<Declared> parameters;
  std::string_view result;  // name of what a .func returns
  unsigned most_threads = 0;
  std::vector<Statement> body;
};

struct ModuleVariable {
  Declared what;
  std::string_view space;  // .global, .const or .shared
  bool outside;            // .extern
};

struct Text {
  std::vector<Function> functions;
  std::vector<ModuleVariable> variables;
  std::vector<std::string> sources;
};

Text parse(const std::string &file, const std::string &text);

// declared reads a declaration, from its .align or type on.
Declared declared(const std::string &file, int line, std::string_view text);

// Words of a text, from left to right.
std::string_view trimmed(std::string_view text);
std::string_view word(std::string_view &rest);  // up to white space
bool number(std::string_view text, long long &value);

using Operands = std::vector<std::string_view>;
Operands split(std::string_view text);  // at commas that stand in no brackets
std::string_view inside(std::string_view brackets);

}  // namespace ptx
