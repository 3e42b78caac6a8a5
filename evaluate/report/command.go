package report

import (
	"fmt"
	"path"
	"strings"
)

// severalFiles is how many files of one kind in one folder a command line may
// name before only the first and the last are written.
const severalFiles = 4

// commandText is a command line as one would type it. A shell may have written out
// a list of files; of a long one the first and the last are shown.
func commandText(words []string) string {
	var list []string
	for i := 0; i < len(words); {
		end := i + 1
		for end < len(words) && alike(words[i], words[end]) {
			end++
		}
		if end-i < severalFiles {
			end = i + 1
			list = append(list, quote(words[i]))
		} else {
			list = append(list, fmt.Sprintf("%s … %s [%d files]", quote(words[i]), quote(words[end-1]), end-i))
		}
		i = end
	}
	return strings.Join(list, " ")
}

// alike tells whether two words are files of one kind in one folder.
func alike(a, b string) bool {
	return path.Ext(a) != "" && path.Ext(a) == path.Ext(b) && path.Dir(a) == path.Dir(b) && !strings.HasPrefix(b, "-")
}

// quote makes a word safe for a shell when it must be.
func quote(word string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%"
	if word != "" && strings.Trim(word, safe) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// trainCommand is the training as one would ask for it, from its sources and the
// settings that somebody chose.
func trainCommand(t *Training) string {
	words := append([]string{"rpg", "train"}, t.Sources...)
	words = append(words, "-o", t.Dir)
	for _, s := range t.Settings {
		if s.Origin != "default" && !strings.HasPrefix(s.Origin, "preset") {
			words = append(words, "--set", s.Key+"="+s.Value)
		}
	}
	return commandText(words)
}
