package config

import (
	"fmt"
	"strings"
)

// didYouMean ends a message about a word that is none of known: with the known
// word that was probably meant, or with nothing.
func didYouMean(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// nearest is the known word that is most like word, or "" if none is much like
// it. Case, and "-" for "_", make no difference.
func nearest(word string, known []string) string {
	const shortest = 3 // letters that are enough to tell words apart
	word = strings.ReplaceAll(strings.ToLower(word), "-", "_")
	best, least := "", 2*max(1, len(word)/3)+2 // in halves of a mistake
	for _, k := range known {
		d := 2 * distance(word, k)
		if len(word) >= shortest && strings.Contains(k, word) || len(k) >= shortest && strings.Contains(word, k) {
			d = min(d, 3) // one is short for the other, unless a single mistake makes a third
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of mistakes that make b from a, where a mistake is a
// letter too many, too few or wrong, or two neighbours swapped (the distance
// of Damerau and Levenshtein, in its optimal string alignment form).
func distance(a, b string) int {
	// rows[i][j] is the distance of the first i letters from the first j.
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			wrong := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				wrong++
			}
			least := min(wrong, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				least = min(least, rows[i-2][j-2]+1)
			}
			rows[i][j] = least
		}
	}
	return rows[len(a)][len(b)]
}
