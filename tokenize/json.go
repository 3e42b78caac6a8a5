package tokenize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Marshal gives the tokenizer as JSON, indented and with a final newline: the
// layout.json of a run folder. Parse reads it back, number for number.
func (t *Tokenizer) Marshal() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	text, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	return append(text, '\n'), nil
}

// Parse reads what Marshal wrote. It returns an error for another version, for a
// field that is missing, unknown or of the wrong type, for anything behind the
// end, and for numbers that contradict each other or could not have been built:
// what it accepts can be used without further checks. It allocates no more than
// the text is long; whether the sizes are those of a real model is for Fits.
func Parse(text []byte) (*Tokenizer, error) {
	// The version comes first: a newer one may well have other fields. This
	// also refuses text behind the end, which a Decoder would leave unread.
	var head struct {
		Layout struct{ Version *int }
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("tokenize: layout: %w", err)
	}
	if head.Layout.Version == nil {
		return nil, errors.New("tokenize: layout: no version")
	}
	if v := *head.Layout.Version; v != LayoutVersion {
		return nil, fmt.Errorf("tokenize: layout: version %d, this program reads version %d", v, LayoutVersion)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	t := new(Tokenizer)
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("tokenize: layout: %w", err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	t.Layout.rank()
	return t, nil
}

// UnmarshalJSON reads the statistics of one weight. Mean and std must be there:
// a missing one would read as 0, which is a value they can have.
func (w *WeightStats) UnmarshalJSON(text []byte) error {
	var read struct {
		Mean   *float64 `json:"mean"`
		Std    *float64 `json:"std"`
		Center float64  `json:"center"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&read); err != nil {
		return err
	}
	if read.Mean == nil || read.Std == nil {
		return errors.New("statistics of a weight without mean or std")
	}
	*w = WeightStats{Mean: *read.Mean, Std: *read.Std, Center: read.Center}
	return nil
}
