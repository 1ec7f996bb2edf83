package config

import "testing"

func TestLoadShipped(t *testing.T) {
	for _, path := range []string{"../config.hcl", "../examples/static.hcl"} {
		_, err := Load(path)
		if err != nil {
			t.Errorf("%s:\n%v", path, err)
			continue
		}

	}
}
