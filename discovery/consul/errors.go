package consul

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/consul/api"
)

// quoteLimit is how much of an answer is quoted in an error, in bytes.
const quoteLimit = 200

// explain turns the error of a request into one that says what to look at. Its
// text is the same for the same trouble: no index, no local port.
func explain(err error, service string) error {
	var status api.StatusError
	if errors.As(err, &status) {
		return explainStatus(status, service)
	}
	// What the URL says is known, and it has the index in it.
	var wrapper *url.Error
	if errors.As(err, &wrapper) {
		err = wrapper.Err
	}
	var network *net.OpError
	var syntax *jsontext.SyntacticError
	var mismatch *json.SemanticError
	switch {
	case errors.As(err, &network):
		bare := *network
		bare.Source = nil
		return fmt.Errorf("no connection to Consul: %w", &bare)
	case errors.Is(err, errTooLarge):
		return errTooLarge
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the answer was cut off: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the answer was cut off: %w", io.EOF)
	case errors.As(err, &syntax):
		return fmt.Errorf("the answer is not one of Consul's: %w", syntax.Err)
	case errors.As(err, &mismatch): // whose own text is not the same each time
		return fmt.Errorf("the answer is not one of Consul's: it has a wrong value at %s", mismatch.JSONPointer)
	case errors.Is(err, errNoList), errors.Is(err, errTrailing), errors.Is(err, errMalformed):
		return fmt.Errorf("the answer is not one of Consul's: %w", err)
	case errors.Is(err, errNoIndex):
		return fmt.Errorf("the answer is not one of Consul's: %w; check its address", err)
	}
	return err
}

func explainStatus(status api.StatusError, service string) error {
	switch said := quote(status.Body); status.Code {
	case http.StatusForbidden:
		return fmt.Errorf("access denied by Consul (403: %s); if the token is right, %s", said, missingRules(service))
	case http.StatusTooManyRequests:
		return fmt.Errorf("rate limited by Consul (429: %s)", said)
	default:
		return fmt.Errorf("status %d from Consul: %s", status.Code, said)
	}
}

// quote returns the beginning of a text, on one line.
func quote(text string) string {
	if len(text) > quoteLimit {
		text = text[:quoteLimit] + "…"
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
}
