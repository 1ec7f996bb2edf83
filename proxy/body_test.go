package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// Neither side's body is held back: each piece arrives before the next is sent.
func TestBodiesStreamBothWays(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Trailer", "X-Sum")
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			fmt.Fprintln(w, lines.Text())
			_ = control.Flush()
		}
		w.Header().Set("X-Sum", "3")
	}))
	reader, writer := io.Pipe()
	request, _ := http.NewRequestWithContext(t.Context(), "PUT", r.url, reader)
	go fmt.Fprintln(writer, "0")
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprint(i) {
			t.Fatalf("line %d came as %q", i, lines.Text())
		}
		if i < 2 {
			fmt.Fprintln(writer, i+1)
		}
	}
	writer.Close()
	if lines.Scan() {
		t.Errorf("an extra line %q", lines.Text())
	}
	if sum := response.Trailer.Get("X-Sum"); sum != "3" {
		t.Errorf("the trailer reads %q", sum)
	}
}
