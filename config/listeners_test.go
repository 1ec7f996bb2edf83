package config

import "testing"

func TestSameAddress(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{":8080", ":8080", true},
		{":8080", ":8081", false},
		{":8080", "127.0.0.1:8080", true},
		{"0.0.0.0:8080", "10.0.0.1:8080", true},
		{"[::]:8080", "127.0.0.1:8080", true}, // Go listens on both families
		{"127.0.0.1:8080", "127.0.0.1:8080", true},
		{"127.0.0.1:8080", "127.0.0.2:8080", false},
		{":0", ":0", false},
		{"", ":8080", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if sameAddress(tt.a, tt.b) != tt.want || sameAddress(tt.b, tt.a) != tt.want {
			t.Errorf("%q and %q: want %v both ways", tt.a, tt.b, tt.want)
		}
	}
}

func TestReaches(t *testing.T) {
	tests := []struct {
		address, listener string
		want              bool
	}{
		{"localhost:8080", ":8080", true},
		{"localhost:8081", ":8080", false},
		{"127.0.0.1:8080", "0.0.0.0:8080", true},
		{"[::1]:8080", ":8080", true},
		{"0.0.0.0:8080", "127.0.0.1:8080", true},
		{"localhost:8080", "127.0.0.1:8080", true},
		{"127.0.0.1:8080", "localhost:8080", true},
		{"localhost:8080", "LOCALHOST:8080", true},
		{"10.0.0.1:8080", "10.0.0.1:8080", true},
		{"127.0.0.1:8080", "127.0.0.2:8080", false},
		{"localhost:8080", "10.0.0.1:8080", false},
		{"10.0.0.1:8080", ":8080", false}, // whose address that is can't be told
		{"web:8080", ":8080", false},
		{"localhost:8080", "", false},
		{"localhost:8080", ":0", false},
	}
	for _, tt := range tests {
		if got := reaches(tt.address, tt.listener); got != tt.want {
			t.Errorf("from %q to %q: got %v, want %v", tt.address, tt.listener, got, tt.want)
		}
	}
}
