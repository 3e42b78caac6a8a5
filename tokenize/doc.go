// Package tokenize turns the weights of a model into tokens, the rows of numbers
// that the generator learns and makes, and turns tokens back into weights.
//
// Read layout.go (which values lie in which token), stats.go and transform.go
// (how values are normalized), build.go (both are learned from a zoo in one
// pass), tokenizer.go (Encode and Decode), positions.go (what tells tokens
// apart) and json.go (the file in a run folder).
//
// A weight is flattened row by row, normalized with one mean and one standard
// deviation, and cut into ceil(elements/D) tokens of D values; the last token is
// filled up with zeros. Layout.Valid tells how many values of each token are
// real. A weight that holds one and the same value everywhere in the zoo takes
// no token and comes back as that value.
//
// The variance of a BatchNormalization goes through a logarithm first, so that
// it is positive again whatever the generator makes.
//
// # Exactness
//
// Decode gives back what Encode was given. Arithmetic is float64, tokens are
// float32: a token t stands for a weight within |t| times 2^-24 standard
// deviations before the result is rounded to float32. That is within 1e-6 of
// the tensor's standard deviation for values up to 8 standard deviations from
// the mean, and for values farther out within the spacing of float32 there.
//
// # Letters
//
// L tokens in a model, D values in a token, M width of a position, i a token's
// number within its weight, j the number of the weight.
package tokenize
