package report

import (
	"strings"

	"rpg/evaluate"
)

// A family is how groups look: a colour and a marker, which tells them apart for
// those who do not see the colour. Groups made of aligned originals are hollow.
type family struct {
	class string // of style.css
	shape string // of svg.marker
}

// aligned ends the names of groups made from aligned originals.
const aligned = " aligned"

func familyOf(group string) family {
	name, _ := strings.CutSuffix(group, aligned)
	switch {
	case name == evaluate.GroupGenerated || name == evaluate.GroupModels:
		return family{"generated", "diamond"}
	case name == evaluate.GroupOriginals:
		return family{"originals", "circle"}
	case name == evaluate.GroupNearest:
		return family{"nearest", "bar"}
	case name == evaluate.GroupAverage:
		return family{"average", "square"}
	case name == evaluate.GroupInterpolation:
		return family{"interpolation", "up"}
	case name == evaluate.GroupGaussian:
		return family{"gaussian", "plus"}
	case name == evaluate.GroupPCA:
		return family{"pca", "cross"}
	case strings.Contains(name, "noise"):
		return family{"noise", "down"}
	}
	return family{"other", "bar"}
}

// noiseSize is "0.01" of "noise 0.01", and "" of other groups.
func noiseSize(group string) string {
	if familyOf(group).class != "noise" {
		return ""
	}
	fields := strings.Fields(strings.TrimSuffix(group, aligned))
	return fields[len(fields)-1]
}

// radius is that of a group's markers: larger for generated models, and larger for
// more noise, of which there are several sizes.
func radius(group string, groups []evaluate.GroupResult) float64 {
	switch familyOf(group).class {
	case "generated":
		return 4.2
	case "noise":
		place, n := 0.0, 0.0
		for _, g := range groups {
			if noiseSize(g.Name) != "" {
				if g.Name == group {
					place = n
				}
				n++
			}
		}
		return 2.8 + 1.8*place/max(1, n-1)
	}
	return 3.4
}

// arranged gives the groups with each aligned one behind what it is of.
func arranged(groups []evaluate.GroupResult) []evaluate.GroupResult {
	named := map[string]bool{}
	for _, g := range groups {
		named[g.Name] = true
	}
	var list []evaluate.GroupResult
	for _, g := range groups {
		if raw, ok := strings.CutSuffix(g.Name, aligned); ok && named[raw] {
			continue
		}
		list = append(list, g)
		for _, other := range groups {
			if other.Name == g.Name+aligned {
				list = append(list, other)
			}
		}
	}
	return list
}
