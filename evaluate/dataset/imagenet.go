package dataset

import (
	_ "embed" // the list of synsets
	"fmt"
	"strings"
)

// The 1000 synsets of ImageNet's classification task, one a line, sorted; the
// line is the class. From timm (Apache-2.0), imagenet_synsets.txt.
//
//go:embed imagenet_synsets.txt
var synsetList string

// imageNetValidation is how many pictures ImageNet's validation set has.
const imageNetValidation = 50000

// synsets gives the class of each synset.
func synsets() map[string]int {
	m := map[string]int{}
	for i, id := range strings.Fields(synsetList) {
		m[id] = i
	}
	return m
}

// synsetOf gives what a name starts with if it looks like a synset: n and eight
// digits, then the end or something that is not a digit.
func synsetOf(name string) (id string, ok bool) {
	const length = 9
	if len(name) < length || name[0] != 'n' {
		return "", false
	}
	for i, c := range []byte(name[1:min(len(name), length+1)]) {
		if digit := c >= '0' && c <= '9'; digit != (i < length-1) {
			return "", false
		}
	}
	return name[:length], true
}

// imageNetNotes says in what the pictures are not ImageNet's validation set.
func imageNetNotes(labels []uint16) []string {
	var seen [1000]int
	for _, l := range labels {
		seen[l]++
	}
	classes := 0
	for _, n := range seen {
		if n > 0 {
			classes++
		}
	}
	if classes == len(seen) && len(labels) == imageNetValidation {
		return nil
	}
	return []string{fmt.Sprintf("%d pictures of %d of ImageNet's 1000 classes; the validation set has %d of all",
		len(labels), classes, imageNetValidation)}
}
