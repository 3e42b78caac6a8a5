// Who of a warp goes on, and what lanes wait for.
//
// The lanes of a warp that are at the same instruction are a group. Of the groups
// that can go on the one at the lowest instruction does, until it comes to where
// another one is; so lanes that a branch parts meet again where it ends.
#include <algorithm>

#include "count.h"
#include "warp.h"

namespace ptx {
namespace {

// park puts a group aside; leave ends lanes, which may let others go on.
void park(Warp &w, int pc, uint32_t mask, bool waits) {
  if (mask) w.groups.push_back({pc, mask, waits});
}
void leave(Warp &w, uint32_t mask) {
  w.alive &= ~mask;
  for (Group &g : w.groups) g.waits = false;
}

// meet_members does an instruction for those lanes of a group whose mask is there,
// and parks all.
void meet_members(Warp &w, const Instruction &in, int pc, uint32_t group, uint32_t active) {
  park(w, pc + 1, group & ~active, false);
  const uint32_t *masks = w.from<uint32_t>(in.mask);
  for (uint32_t left = active; left;) {
    const uint32_t mask = masks[__builtin_ctz(left)];
    uint32_t same = 0;
    each_active(left, [&](int l) { same |= uint32_t(masks[l] == mask) << l; });
    left &= ~same;
    if (same & ~mask)
      fault(w, in, __builtin_ctz(same & ~mask), "the mask %08x of a warp operation does not name the lane itself", mask);
    if (mask & w.alive & ~same) {
      park(w, pc, same, true);
      continue;
    }
    if (w.block->counts) w.block->counts->execute(pc, same);
    in.run(w, in, same);
    park(w, pc + 1, same, false);
  }
}

// all_named tells whether the masks of the active lanes name every lane.
bool all_named(const Warp &w, const Instruction &in, uint32_t active) {
  const uint32_t *masks = w.from<uint32_t>(in.mask);
  uint32_t missing = 0;
  for (int l = 0; l < lanes; l++) missing |= active >> l & 1 ? ~masks[l] : 0;
  return missing == 0;
}

// next takes the group at the lowest instruction among those that can go on,
// together with all that are at the same; false where none can.
bool next(Warp &w, int &pc, uint32_t &mask, int &limit) {
  pc = -1;
  for (const Group &g : w.groups)
    if (!g.waits && (pc < 0 || g.pc < pc)) pc = g.pc;
  if (pc < 0) return false;
  mask = 0;
  limit = INT32_MAX;
  size_t kept = 0;
  for (const Group &g : w.groups) {
    if (g.pc == pc) {
      mask |= g.mask;
    } else {
      if (g.pc > pc) limit = std::min(limit, g.pc);
      w.groups[kept++] = g;
    }
  }
  w.groups.resize(kept);
  return true;
}

// advance takes one group as far as it goes.
void advance(Warp &w, int pc, uint32_t mask, int limit) {
  const Instruction *code = w.block->kernel->code.data();
  Counts *counts = w.block->counts;
  for (;;) {
    if (pc >= limit) return park(w, pc, mask, false);
    const Instruction &in = code[pc];
    uint32_t active = mask;
    if (in.guard >= 0) active &= in.unless ? ~w.predicates[in.guard] : w.predicates[in.guard];
    if (counts && in.kind <= Kind::leave) counts->execute(pc, in.kind == Kind::branch ? mask : active);
    switch (in.kind) {
      case Kind::plain:
        if (active) in.run(w, in, active);
        pc++;
        break;
      case Kind::branch:
        if (active != mask) {
          if (active) {
            park(w, in.target, active, false);
            return park(w, pc + 1, mask & ~active, false);
          }
          pc++;
        } else {
          pc = in.target;
          if (!w.groups.empty()) return park(w, pc, mask, false);
        }
        break;
      case Kind::leave:
        leave(w, active);
        mask &= ~active;
        if (!w.groups.empty() || !mask) return park(w, pc + 1, mask, false);
        pc++;
        break;
      case Kind::members:
        // By far the most common: all that are left meet.
        if (active != w.alive || !all_named(w, in, active)) return meet_members(w, in, pc, mask, active);
        if (counts) counts->execute(pc, active);
        in.run(w, in, active);
        pc++;
        break;
      case Kind::aligned:
        if (active && active != mask)
          fault(w, in, __builtin_ctz(mask & ~active), "an .aligned instruction of the warp that only some lanes do");
        if (active && w.alive != everyone)
          fault(w, in, __builtin_ctz(active), "an .aligned instruction of a warp with lanes that have ended or never were");
        if (active && active != everyone) return park(w, pc, mask, true);
        if (counts) counts->execute(pc, active);
        if (active) in.run(w, in, active);
        pc++;
        break;
      case Kind::barrier:
        if (active && active != mask)
          fault(w, in, __builtin_ctz(mask & ~active), "a barrier that only some lanes of a warp do");
        if (active && active != w.alive) return park(w, pc, mask, true);
        if (counts) counts->execute(pc, active);
        if (active) {
          w.at_barrier = true;
          return park(w, pc + 1, mask, false);
        }
        pc++;
        break;
    }
  }
}

}  // namespace

void run_warp(Warp &w) {
  int pc = 0, limit = 0;
  uint32_t mask = 0;
  while (!w.at_barrier && next(w, pc, mask, limit)) advance(w, pc, mask, limit);
  if (w.at_barrier || !w.alive) return;
  const Group &g = w.groups[0];
  const Instruction &in = w.block->kernel->code[g.pc];
  std::string others;
  for (size_t i = 1; i < w.groups.size(); i++) {
    char lanes_of[16];
    snprintf(lanes_of, sizeof lanes_of, "%08x", w.groups[i].mask);
    others += std::string("; lanes ") + lanes_of + " wait in line ";
    others += std::to_string(w.block->kernel->code[w.groups[i].pc].line);
  }
  fault(w, in, __builtin_ctz(g.mask), "deadlock: lanes %08x wait here for the others of %08x%s", g.mask, w.alive,
        others.c_str());
}

}  // namespace ptx
