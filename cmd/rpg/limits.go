package main

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/onnxio"
)

// limitNames are the limits that --limit can raise.
var limitNames = []string{"depth", "name-bytes", "rank", "index-bytes", "links"}

// limitFlag raises the limits of onnxio, which keep a file made to do harm from
// taking all memory.
func limitFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "limit", Category: everywhere,
		Usage: "raise a limit on what a model may hold, `NAME=N`: depth, name-bytes, rank, index-bytes (1G); links=true lets side files be links"}
}

// limitsOf reads --limit.
func limitsOf(c *cli.Context) (onnxio.Limits, error) {
	var l onnxio.Limits
	for _, text := range c.StringSlice("limit") {
		name, value, _ := strings.Cut(text, "=")
		wrong := func(expected string) error {
			return usagef("", "--limit %s: expected %s, found %q", name, expected, value)
		}
		if name == "links" {
			on, err := strconv.ParseBool(value)
			if err != nil {
				return l, wrong("true or false")
			}
			l.Links = on
			continue
		}
		n, ok := parseSize(value)
		if !ok {
			return l, wrong("a number above 0, with K, M or G for bytes")
		}
		switch name {
		case "depth", "rank":
			if n > 1<<20 {
				return l, wrong("at most 1M")
			}
			if name == "depth" {
				l.Depth = int(n)
			} else {
				l.Rank = int(n)
			}
		case "name-bytes":
			l.NameBytes = n
		case "index-bytes":
			l.IndexBytes = n
		default:
			return l, usagef(didYouMean(name, limitNames, "--limit ", ""), "--limit: expected one of %s, found %q", strings.Join(limitNames, ", "), name)
		}
	}
	return l, nil
}

// parseSize reads 4096, 64K, 16M or 2G; 0 and less are refused.
func parseSize(text string) (int64, bool) {
	shift := 0
	if i := strings.IndexAny(text, "KMG"); i >= 0 && i == len(text)-1 {
		shift = 10 * (1 + strings.IndexByte("KMG", text[i]))
		text = text[:i]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n << shift, err == nil && n > 0 && n <= 1<<62>>shift
}
