// Messages: what went wrong, and where.
#include <cxxabi.h>

#include <algorithm>
#include <cstdarg>
#include <cstdlib>
#include <mutex>

#include "warp.h"

namespace ptx {

void refuse(const std::string &file, int line, const std::string &what) {
  fprintf(stderr, "ptx: %s line %d: %s\n", file.c_str(), line, what.c_str());
  abort();
}

std::string demangled(const std::string &name) {
  int status = 0;
  char *readable = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  const std::string s = status == 0 ? readable : name;
  free(readable);
  return s;
}

namespace {

// line_text is a line of the PTX text.
std::string line_text(const Module &m, int line) {
  size_t at = 0;
  for (int i = 1; i < line && at != m.text.npos; i++) at = m.text.find('\n', at) + 1;
  const std::string s = m.text.substr(at, m.text.find('\n', at) - at);
  return s.substr(std::min(s.size(), s.find_first_not_of(" \t")));
}

std::mutex dying;

}  // namespace

void fault(const Warp &w, const Instruction &in, int lane, const char *format, ...) {
  std::lock_guard<std::mutex> lock(dying);
  const Block &b = *w.block;
  const Module &m = *b.kernel->module;
  char what[512];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  const unsigned n = w.number * lanes + lane;
  fprintf(stderr, "ptx: %s: %s line %d", demangled(b.kernel->name).c_str(), m.file.c_str(), in.line);
  if (in.source >= 0) fprintf(stderr, " (%s)", m.sources[in.source].c_str());
  fprintf(stderr, ", block %u,%u,%u thread %u,%u,%u: %s\n    %s\n", b.at.x, b.at.y, b.at.z, n % b.size.x,
          n / b.size.x % b.size.y, n / b.size.x / b.size.y, what, line_text(m, in.line).c_str());
  abort();
}

}  // namespace ptx
