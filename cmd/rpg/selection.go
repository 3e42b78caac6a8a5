package main

import (
	"github.com/urfave/cli/v2"

	"rpg/onnxio"
)

// selectionFlags override by name what is generated.
func selectionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "include", Usage: "generate tensors named like `GLOB` too (* also matches /); may be repeated"},
		&cli.StringSliceFlag{Name: "exclude", Usage: "copy tensors named like `GLOB`; may be repeated, wins over --include"},
	}
}

func selectionOf(c *cli.Context) onnxio.Selection {
	return onnxio.Selection{Include: c.StringSlice("include"), Exclude: c.StringSlice("exclude")}
}

// selectWeights gives every model the selection.
func selectWeights(models []*onnxio.Model, selection onnxio.Selection) error {
	if selection.Empty() {
		return nil
	}
	for _, m := range models {
		if err := m.Select(selection); err != nil {
			return explain(err)
		}
	}
	return nil
}
