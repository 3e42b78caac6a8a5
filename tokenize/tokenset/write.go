package tokenset

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"rpg/internal/atomicfile"
	"rpg/internal/safetensors"
	"rpg/onnxio"
	"rpg/tokenize"
)

// Format is the version of the file, the value of rpg.format.
const Format = "rpg.tokens/1"

// The names in the file.
const (
	tensorTokens = "tokens"
	tensorValid  = "valid"
	metaFormat   = "rpg.format"
	metaLayout   = "rpg.layout"
	metaSources  = "rpg.sources"
)

// pieceValues is about how many values of tokens are in memory at once.
const pieceValues = 1 << 20

// Write writes the tokens of the models, in their order, to the file path, which
// appears complete or not at all. names are written as the models' sources.
// progress, if not nil, is called after each model. Without force an existing
// file is refused with an error that wraps atomicfile.ErrExists.
//
// It returns the errors of Tokenizer.Fits and Tokenizer.Encode, and that of ctx.
func Write(ctx context.Context, path string, t *tokenize.Tokenizer, models []*onnxio.Model, names []string, force bool, progress func(done, total int)) error {
	if len(models) == 0 || len(models) != len(names) {
		panic("tokenset: as many names as models, and at least one")
	}
	for _, m := range models {
		if err := t.Fits(m); err != nil {
			return err
		}
	}
	L, D := t.Layout.Tokens(), t.Layout.TokenDim
	if len(models) > math.MaxInt64/8/(L*D) {
		return fmt.Errorf("tokenset: %s: %d models of %d values are too many", path, len(models), L*D)
	}
	layout, err := t.Marshal()
	if err != nil {
		return err
	}
	sources, err := json.Marshal(names)
	if err != nil {
		return fmt.Errorf("tokenset: %w", err)
	}
	entries := []safetensors.Entry{
		safetensors.NewEntry(tensorTokens, safetensors.F32, len(models), L, D),
		safetensors.NewEntry(tensorValid, safetensors.I32, L),
	}
	metadata := map[string]string{metaFormat: Format, metaLayout: string(layout), metaSources: string(sources)}
	return atomicfile.Write(path, force, func(w io.Writer) error {
		out, err := safetensors.NewWriter(w, entries, metadata)
		if err != nil {
			return err
		}
		piece := make([]float32, D*min(L, max(1, pieceValues/D)))
		for k, m := range models {
			if err := writeModel(ctx, out, t, m, piece); err != nil {
				return err
			}
			if progress != nil {
				progress(k+1, len(models))
			}
		}
		if err := out.WriteI32(t.Layout.Valid()); err != nil {
			return err
		}
		return out.Close()
	})
}

// writeModel writes the tokens of one model; piece, [n*D], is scratch.
func writeModel(ctx context.Context, out *safetensors.Writer, t *tokenize.Tokenizer, m *onnxio.Model, piece []float32) error {
	L, D := t.Layout.Tokens(), t.Layout.TokenDim
	step := len(piece) / D
	for first := 0; first < L; first += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := piece[:D*min(step, L-first)]
		if err := t.EncodePart(m, part, first); err != nil {
			return err
		}
		if err := out.WriteF32(part); err != nil {
			return err
		}
	}
	return nil
}
