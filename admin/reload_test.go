package admin

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

// An order to reload is answered with what came of it, and not taken from pages
// in a browser.
func TestReload(t *testing.T) {
	orders := 0
	var failure error
	url := serve(t, Options{Waiting: ready, Reload: func(context.Context) (string, error) {
		orders++
		return "service \"web\" changed: balance\n", failure
	}})
	if response, body := ask(t, "POST", url+"/reload"); response.StatusCode != 200 || body != "service \"web\" changed: balance\n" {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}
	failure = errors.New(`config.hcl:1:1: unknown block "server"`)
	if response, body := ask(t, "POST", url+"/reload"); response.StatusCode != 422 || body != failure.Error()+"\n" {
		t.Errorf("a failure is answered %d %q", response.StatusCode, body)
	}
	request, err := http.NewRequestWithContext(t.Context(), "POST", url+"/reload", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden || orders != 2 {
		t.Errorf("a page of another site gets %d, after %d orders", response.StatusCode, orders)
	}
}
