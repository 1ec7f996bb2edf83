package main

import (
	"fmt"
	"strconv"
	"strings"
)

// table renders rows of cells as Markdown, padded, so that it can be read as
// it is, too. The first column is text, the others are numbers.
func table(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for len(widths) < len(row) {
			widths = append(widths, 3) // the least that a rule can be
		}
		for i, c := range row {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	var out strings.Builder
	line := func(cell func(i int) string) {
		for i := range widths {
			out.WriteString("| " + cell(i) + " ")
		}
		out.WriteString("|\n")
	}
	for n, row := range rows {
		line(func(i int) string {
			switch {
			case i >= len(row):
				return strings.Repeat(" ", widths[i])
			case i == 0:
				return row[i] + strings.Repeat(" ", widths[i]-len([]rune(row[i])))
			}
			return strings.Repeat(" ", widths[i]-len([]rune(row[i]))) + row[i]
		})
		if n == 0 {
			line(func(i int) string {
				if i == 0 {
					return strings.Repeat("-", widths[i])
				}
				return strings.Repeat("-", widths[i]-1) + ":"
			})
		}
	}
	return out.String()
}

// spreadText renders a spread as "min / median / max".
func spreadText(s spread, digits int) string {
	return number(s.min, digits) + " / " + number(s.median, digits) + " / " + number(s.max, digits)
}

// ratioText renders what ratios spread over as "median (min–max)", or a dash
// where there is nothing to compare with.
func ratioText(ratios []float64) string {
	if len(ratios) == 0 {
		return "–"
	}
	s := spreadOf(ratios)
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.min, s.max)
}

// number renders v with so many digits behind the point, and commas between
// thousands.
func number(v float64, digits int) string {
	text := strconv.FormatFloat(v, 'f', digits, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}
