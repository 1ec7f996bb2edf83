package consul

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/consul/api"
)

// anonymousToken is the accessor ID of the token that stands for having none.
const anonymousToken = "00000000-0000-0000-0000-000000000002"

// readToken returns the token in a file. A file without one is an error: a
// request without a token could be answered with an empty list.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("token file for Consul: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("token file for Consul: %s is empty; write the token's secret ID into it", path)
	}
	return token, nil
}

// tokenNow returns the token in a file, "" if there is none at the moment.
func tokenNow(path string) string {
	if path == "" {
		return ""
	}
	token, _ := readToken(path) // the next query says what is wrong
	return token
}

// mayBelieveEmpty returns why an empty list can't be believed, if so. To whom
// Consul takes for nobody, it does not even say that it hides something. Only a
// request without a token can be nobody's, and even then the agent may have put
// its own default token in.
func (c *Client) mayBelieveEmpty(ctx context.Context, service string, meta *api.QueryMeta) error {
	if c.hasToken || meta.DefaultACLPolicy != "deny" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.answerWithin)
	defer cancel()
	token, _, err := c.api.ACL().TokenReadSelf((&api.QueryOptions{AllowStale: true}).WithContext(ctx))
	if err == nil && token.AccessorID != anonymousToken {
		return nil
	}
	return fmt.Errorf("there is no ACL token, so Consul may hide instances: set one and %s", missingRules(service))
}

// missingRules says what to grant for a service to be seen.
func missingRules(service string) string {
	return fmt.Sprintf(`grant it service %q { policy = "read" } and node_prefix "" { policy = "read" }`, service)
}
