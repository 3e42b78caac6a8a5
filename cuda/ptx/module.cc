// Modules: their variables and kernels by name.
#include <cstdlib>

#include "count.h"
#include "names.h"

namespace ptx {

void decode(const Module &module, const Text &text, const Function &f, Kernel &kernel);
void remember(const Kernel &kernel);  // for counted

namespace {

Variable made(const std::string &file, const Declared &d) {
  Variable v;
  v.bytes = d.element * d.count;
  v.memory = std::make_unique<char[]>(v.bytes + 16);
  std::string_view rest = d.values;
  if (rest.empty()) return v;
  if (rest.front() != '{') refuse(file, 0, "a value of " + std::string(d.name) + " that is no list");
  rest = rest.substr(1, rest.size() - 2);
  for (size_t i = 0; !rest.empty(); i++) {
    const size_t comma = rest.find(',');
    long long n = 0;
    if (i >= d.count || !number(trimmed(rest.substr(0, comma)), n))
      refuse(file, 0, "a value of " + std::string(d.name) + " that is no number");
    memcpy(v.memory.get() + i * d.element, &n, d.element);
    rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
  }
  return v;
}

}  // namespace

const Module *load(const char *text, size_t bytes, const char *file) {
  Module *m = new Module;  // which lives as long as the process
  m->file = file;
  m->text.assign(text, bytes);
  while (!m->text.empty() && m->text.back() == 0) m->text.pop_back();
  Text parsed = parse(m->file, m->text);
  m->sources = std::move(parsed.sources);
  for (const ModuleVariable &v : parsed.variables)
    if (v.space != ".shared") m->variables[std::string(v.what.name)] = made(m->file, v.what);
  for (const Function &f : parsed.functions) {
    if (!f.entry) continue;
    Kernel &k = m->kernels[std::string(f.name)];
    k.counts = std::make_shared<Counts>();
    decode(*m, parsed, f, k);
    remember(k);
  }
  return m;
}

const Kernel *find(const Module *m, const char *mangled) {
  const auto found = m->kernels.find(mangled);
  return found == m->kernels.end() ? nullptr : &found->second;
}

void *variable(const Module *m, const char *name, size_t *bytes) {
  const auto found = m->variables.find(name);
  if (found == m->variables.end()) return nullptr;
  if (bytes) *bytes = found->second.bytes;
  return found->second.memory.get();
}

size_t parameter_bytes(const Kernel *k) { return k->parameter_bytes; }
const std::vector<parameter> &parameters(const Kernel *k) { return k->parameters; }
size_t static_shared_bytes(const Kernel *k) { return k->shared_bytes; }
unsigned most_threads(const Kernel *k) { return k->most_threads; }

}  // namespace ptx
