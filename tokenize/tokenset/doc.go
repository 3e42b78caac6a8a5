// Package tokenset keeps the tokens of a whole zoo in one safetensors file, for
// generators that are not ours: any program that can read a table of floats can
// learn from it, and what it makes comes back as weights.
//
// The file holds
//
//	tokens   F32 [count, L, D]  row k are the tokens of model k, padding zeros
//	valid    I32 [L]            real values in each token, 1 to D
//
// and in the header's metadata, all as text:
//
//	rpg.format   "rpg.tokens/1"
//	rpg.layout   layout and statistics as in layout.json (docs/layout.md)
//	rpg.sources  JSON list of the names of the models, one for each row
//
// A generator keeps the metadata and writes tokens of any count. Valid and
// rpg.sources may be left out; what is there must be right.
//
// Both ways models pass through memory in pieces: neither the set nor a model
// is ever loaded whole. Read write.go, then set.go.
package tokenset
