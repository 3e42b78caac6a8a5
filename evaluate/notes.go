package evaluate

import "fmt"

// tieNotes says how many models gave one highest logit to several classes.
func tieNotes(candidates []*candidate) []string {
	models, most := 0, candidates[0]
	for _, c := range candidates {
		if c.score.Ties > 0 {
			models++
		}
		if c.score.Ties > most.score.Ties {
			most = c
		}
	}
	if models == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Ties: %d of %d models give the highest logit to several classes of some image, most often %s, on %d of %d; the lowest class counts.",
		models, len(candidates), most.name, most.score.Ties, most.score.N)}
}

// nanNotes says how many models gave what is no number.
func nanNotes(candidates []*candidate) []string {
	models, most := 0, candidates[0]
	for _, c := range candidates {
		n := c.score.NaN.Len()
		if n > 0 {
			models++
		}
		if n > most.score.NaN.Len() {
			most = c
		}
	}
	if models == 0 {
		return nil
	}
	return []string{fmt.Sprintf("NaN: %d of %d models give NaN logits for some image, which count as wrong, most often %s, on %d of %d.",
		models, len(candidates), most.name, most.score.NaN.Len(), most.score.N)}
}

// notes are Notes as a part of a table.
func (r *Result) notes() string {
	text := ""
	for _, n := range r.Notes {
		text += "\n" + wrap(n)
	}
	return text
}
