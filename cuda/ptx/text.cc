#include "text.h"

#include <cstdlib>

#include "program.h"

namespace ptx {

std::string_view trimmed(std::string_view t) {
  const char *blank = " \t\r\n";
  const size_t first = t.find_first_not_of(blank);
  if (first == t.npos) return {};
  return t.substr(first, t.find_last_not_of(blank) - first + 1);
}

std::string_view word(std::string_view &rest) {
  rest = trimmed(rest);
  const std::string_view w = rest.substr(0, rest.find_first_of(" \t\r\n"));
  rest = trimmed(rest.substr(w.size()));
  return w;
}

bool number(std::string_view t, long long &value) {
  const std::string s(t);
  char *end = nullptr;
  if (s.empty() || !(s[0] == '-' || (s[0] >= '0' && s[0] <= '9'))) return false;
  // Hexadecimal constants may have all 64 bits.
  value = s[0] == '-' ? strtoll(s.c_str(), &end, 0) : static_cast<long long>(strtoull(s.c_str(), &end, 0));
  return *end == 0 || (*end == 'U' && end[1] == 0);
}

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

Declared declared(const std::string &file, int line, std::string_view text) {
  Declared d = {};
  d.count = 1;
  const size_t equals = text.find('=');
  if (equals != text.npos) {
    d.values = trimmed(text.substr(equals + 1));
    text = trimmed(text.substr(0, equals));
  }
  std::string_view rest = text;
  for (;;) {
    const std::string_view w = word(rest);
    long long n = 0;
    if (w == ".align") {
      if (!number(word(rest), n)) refuse(file, line, "an alignment that is no number");
      d.align = n;
    } else if (w.size() > 1 && w[0] == '.' && d.element == 0) {
      if (!number(w.substr(2), n) || n % 8) refuse(file, line, "a variable of type " + std::string(w));
      d.element = n / 8;
    } else if (!w.empty() && w[0] != '.' && d.element) {
      d.name = w;
      break;
    } else {
      refuse(file, line, "a declaration that is not known: " + std::string(text));
    }
  }
  if (!rest.empty()) refuse(file, line, "a declaration that is not known: " + std::string(text));
  const size_t open = d.name.find('[');
  if (open != d.name.npos) {
    long long n = 0;
    const std::string_view count = trimmed(d.name.substr(open + 1, d.name.find(']') - open - 1));
    if (!count.empty() && !number(count, n)) refuse(file, line, "an array whose length is no number: " + std::string(text));
    d.count = n;
    d.array = true;
    d.name = d.name.substr(0, open);
  }
  if (!d.align) d.align = d.element;
  return d;
}

namespace {

class Parser {
 public:
  Parser(const std::string &file, const std::string &text) : file_(file), at_(text.data()), end_(at_ + text.size()) {}

  Text all() {
    for (;;) {
      blank();
      if (at_ == end_) break;
      statement();
    }
    for (const auto &[file, line] : places_)  // as .file may come at the end
      text_.sources.push_back((files_.count(file) ? files_[file] : "?") + ":" + std::to_string(line));
    return std::move(text_);
  }

 private:
  const std::string &file_;
  const char *at_, *end_;
  int line_ = 1, source_ = -1;
  Text text_;
  std::unordered_map<long long, std::string> files_;
  std::vector<std::pair<long long, long long>> places_;

  [[noreturn]] void unknown(const std::string &what) { refuse(file_, line_, what); }

  bool starts(std::string_view with) const {
    return size_t(end_ - at_) >= with.size() && std::string_view(at_, with.size()) == with;
  }
  void step() {
    if (*at_ == '\n') line_++;
    at_++;
  }
  // blank goes over white space and comments.
  void blank() {
    while (at_ < end_) {
      if (starts("//")) {
        while (at_ < end_ && *at_ != '\n') at_++;
      } else if (starts("/*")) {
        while (at_ < end_ && !starts("*/")) step();
        if (at_ == end_) unknown("a comment without an end");
        at_ += 2;
      } else if (*at_ == ' ' || *at_ == '\t' || *at_ == '\r' || *at_ == '\n') {
        step();
      } else {
        return;
      }
    }
  }
  std::string_view until(std::string_view any) {
    const char *from = at_;
    while (at_ < end_ && any.find(*at_) == any.npos) step();
    if (at_ == end_) unknown("an end of the text where one of " + std::string(any) + " must come");
    return trimmed({from, size_t(at_ - from)});
  }
  std::string_view rest_of_line() {
    const char *from = at_;
    while (at_ < end_ && *at_ != '\n') at_++;
    return trimmed({from, size_t(at_ - from)});
  }
  std::string_view next_word() {
    blank();
    const char *from = at_;
    while (at_ < end_ && !strchr(" \t\r\n(){};,", *at_)) at_++;
    return {from, size_t(at_ - from)};
  }

  // line_directive goes over .loc, .file and .section, which end with their line or
  // their braces; false where the next is none of these.
  bool line_directive() {
    if (starts(".loc")) {
      std::string_view rest = rest_of_line();
      word(rest);
      long long file = 0, line = 0;
      if (!number(word(rest), file) || !number(word(rest), line)) unknown("a .loc without numbers");
      places_.push_back({file, line});
      source_ = static_cast<int>(places_.size()) - 1;
      return true;
    }
    if (starts(".file")) {
      std::string_view rest = rest_of_line();
      word(rest);
      long long n = 0;
      if (!number(word(rest), n)) unknown("a .file without a number");
      const size_t slash = rest.rfind('/');
      const std::string_view name = rest.substr(slash == rest.npos ? rest.find('"') + 1 : slash + 1);
      files_[n] = name.substr(0, name.find('"'));
      return true;
    }
    if (starts(".section")) {
      until("{");
      until("}");
      at_++;
      return true;
    }
    return false;
  }

  void statement() {
    if (starts(".version") || starts(".target") || starts(".address_size")) {
      rest_of_line();
      return;
    }
    if (line_directive()) return;
    bool outside = false;
    for (;;) {
      const std::string_view w = next_word();
      if (w == ".visible" || w == ".weak") continue;
      if (w == ".extern") {
        outside = true;
      } else if (w == ".entry" || w == ".func") {
        return function(w == ".entry");
      } else if (w == ".global" || w == ".const" || w == ".shared") {
        const int line = line_;
        const std::string_view what = until(";");
        at_++;
        text_.variables.push_back({declared(file_, line, what), w, outside});
        return;
      } else {
        unknown("a statement that is not known: " + std::string(w));
      }
    }
  }

  void parameters(std::vector<Declared> &to) {
    blank();
    if (at_ == end_ || *at_ != '(') return;
    at_++;
    for (;;) {
      std::string_view p = until(",)");
      if (!p.empty()) {
        if (word(p) != ".param") unknown("a parameter that is not known");
        to.push_back(declared(file_, line_, p));
      }
      if (*at_++ == ')') return;
    }
  }

  void function(bool entry) {
    Function f = {};
    f.entry = entry;
    f.line = line_;
    std::vector<Declared> results;
    blank();
    if (!entry) parameters(results);
    if (results.size() > 1) unknown("a function with several results");
    if (!results.empty()) f.result = results[0].name;
    f.name = next_word();
    parameters(f.parameters);
    for (;;) {
      blank();
      if (at_ < end_ && *at_ == ';') {  // declared, and defined further on
        at_++;
        return;
      }
      if (at_ < end_ && *at_ == '{') break;
      const std::string_view w = next_word();
      const std::string_view values = rest_of_line();
      if (w == ".maxntid" || w == ".reqntid") {
        unsigned x = 1, y = 1, z = 1;
        sscanf(std::string(values).c_str(), "%u , %u , %u", &x, &y, &z);
        f.most_threads = x * y * z;
      } else if (w != ".minnctapersm" && w != ".maxnreg" && w != ".noreturn") {
        unknown("a directive that is not known: " + std::string(w));
      }
    }
    at_++;
    body(f);
    text_.functions.push_back(std::move(f));
  }

  // body takes the statements up to the brace that ends a function. A brace of a
  // scope in it is a statement of its own.
  void body(Function &f) {
    for (int depth = 1;;) {
      blank();
      if (at_ == end_) unknown("a function without an end");
      if (*at_ == '{' || *at_ == '}') {
        depth += *at_ == '{' ? 1 : -1;
        if (depth == 0) {
          at_++;
          return;
        }
        f.body.push_back({{at_, 1}, line_, source_});
        at_++;
        continue;
      }
      if (line_directive()) continue;
      const int line = line_;
      const char *from = at_;
      while (at_ < end_ && *at_ != ';' && *at_ != ':') {
        step();
        while (starts("::")) at_ += 2;  // as in .shared::cta
      }
      if (at_ == end_) unknown("a statement without an end");
      const bool label = *at_++ == ':';
      f.body.push_back({trimmed({from, size_t(at_ - from) - !label}), line, source_});
    }
  }
};

}  // namespace

Text parse(const std::string &file, const std::string &text) { return Parser(file, text).all(); }

}  // namespace ptx
