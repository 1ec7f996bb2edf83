package main

import "testing"

func TestTable(t *testing.T) {
	tests := []struct {
		name string
		rows [][]string
		want string
	}{
		{"padded, numbers to the right", [][]string{{"", "CPU", "×"}, {"rota", "1,234.5", "–"}, {"nginx", "1", "1.00 (1–1)"}}, "" +
			"|       |     CPU |          × |\n" +
			"| ----- | ------: | ---------: |\n" +
			"| rota  | 1,234.5 |          – |\n" +
			"| nginx |       1 | 1.00 (1–1) |\n"},
		{"a short row", [][]string{{"a", "b"}, {"c"}}, "" +
			"| a   |   b |\n" +
			"| --- | --: |\n" +
			"| c   |     |\n"},
		{"only a head", [][]string{{"a"}}, "| a   |\n| --- |\n"},
	}
	for _, tt := range tests {
		if got := table(tt.rows); got != tt.want {
			t.Errorf("%s: got\n%swant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		v      float64
		digits int
		want   string
	}{
		{0, 0, "0"},
		{0.06, 1, "0.1"},
		{12.35, 2, "12.35"},
		{999.6, 0, "1,000"},
		{999.4, 0, "999"},
		{12345, 0, "12,345"},
		{1234567.89, 1, "1,234,567.9"},
		{-1234, 0, "-1,234"},
		{-123, 1, "-123.0"},
	}
	for _, tt := range tests {
		if got := number(tt.v, tt.digits); got != tt.want {
			t.Errorf("%v with %d digits: got %q, want %q", tt.v, tt.digits, got, tt.want)
		}
	}
}

func TestCells(t *testing.T) {
	if got, want := spreadText(spread{9.96, 1200, 3400.04}, 1), "10.0 / 1,200.0 / 3,400.0"; got != want {
		t.Errorf("a spread: got %q, want %q", got, want)
	}
	if got, want := ratioText([]float64{1.1, 0.9, 1.004}), "1.00 (0.90–1.10)"; got != want {
		t.Errorf("ratios: got %q, want %q", got, want)
	}
	if got, want := ratioText(nil), "–"; got != want {
		t.Errorf("no ratios: got %q, want %q", got, want)
	}
}
