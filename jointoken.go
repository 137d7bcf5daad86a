package lithair

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// joinToken is all that a new node must know of its cluster. It holds the secret: that it
// expires keeps an old one from being used by mistake; who has seen one knows the secret.
type joinToken struct {
	Cluster string   `json:"c"`
	Node    int64    `json:"n"`
	Members []string `json:"a"` // addresses of some to ask
	Secret  []byte   `json:"s,omitempty"`
	pass
}

// pass is the part of a token that the node shows when it asks to be taken in.
type pass struct {
	Expires int64  `json:"e"` // Unix seconds
	Nonce   []byte `json:"r"`
	Proof   []byte `json:"m"` // HMAC-SHA-256 under the secret over all but the members
}

// tokenPrefix begins the text of a token; the rest is JSON in unpadded base64url.
const tokenPrefix = "lithair1."

// maxTokenBytes bounds the file of a token.
const maxTokenBytes = 16 << 10

func (p *pass) prove(secret []byte, cluster string, id int64) []byte {
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "join token\n%q\n%d\n%d\n%x", cluster, id, p.Expires, p.Nonce)
	return h.Sum(nil)
}

// text is the token as it is handed over.
func (t *joinToken) text() (string, error) {
	b, err := jsonx.Marshal(t)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b), err
}

// parseToken reads the text of a token; white space around it does not count.
func parseToken(text string) (t joinToken, err error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(text), tokenPrefix)
	b, err := base64.RawURLEncoding.DecodeString(body)
	if ok && err == nil {
		err = jsonx.Unmarshal(b, &t)
	}
	if !ok || err != nil || t.Cluster == "" || t.Node <= 0 || len(t.Members) == 0 {
		return t, errors.New("what it holds is no token of lithair cluster join-token, or a part of one")
	}
	return t, nil
}

// settle takes the token, if there is one, and says what is wrong with the settings. Without their token they lack what it would have given.
func (c *Config) settle() error {
	if err := c.takeToken(); err != nil {
		return err
	}
	return c.check()
}

// takeToken fills the settings of the cluster from the token, those that are not set otherwise.
func (c *Config) takeToken() error {
	if c.JoinTokenFile == "" || c.token != nil {
		return nil
	}
	b, err := os.ReadFile(c.JoinTokenFile)
	if err == nil && len(b) > maxTokenBytes {
		err = fmt.Errorf("%s holds %d bytes; a token has at most %d", c.JoinTokenFile, len(b), maxTokenBytes)
	}
	if err != nil {
		return fmt.Errorf("join-token-file: %w", err)
	}
	t, err := parseToken(string(b))
	switch {
	case err != nil:
		return fmt.Errorf("join-token-file: %s: %w", c.JoinTokenFile, err)
	case c.Cluster != "" && c.Cluster != t.Cluster:
		return fmt.Errorf("join-token-file: the token is for cluster %s, not for %s", t.Cluster, c.Cluster)
	case c.NodeID != 0 && c.NodeID != t.Node:
		return fmt.Errorf("join-token-file: the token is for node %d, not for node %d", t.Node, c.NodeID)
	case c.Peers != "" || c.ClusterSecretFile != "":
		return errors.New("join-token-file: the token takes the place of peers and cluster-secret-file")
	}
	c.Cluster, c.NodeID, c.token = t.Cluster, t.Node, &t
	if c.Join == "" {
		c.Join = strings.Join(t.Members, ",")
	}
	return nil
}

// secret is what the nodes of the cluster know.
func (c *Config) secret() ([]byte, error) {
	if c.token != nil {
		return c.token.Secret, nil
	}
	return readSecret(c.ClusterSecretFile)
}

// checkPass says whether a node that joins may do so with its pass.
func (a *App) checkPass(id uint64, p *pass) error {
	if p == nil {
		return nil // it knows the secret, or it would not have come this far
	}
	secret, err := a.cfg.secret()
	if err != nil {
		return err
	}
	if !hmac.Equal(p.Proof, p.prove(secret, a.cfg.Cluster, int64(id))) {
		return &wire.Error{Status: 403, Detail: fmt.Sprintf("the join token is not one of this cluster for node %d", id)}
	}
	if end := time.Unix(p.Expires, 0); a.cfg.now().After(end) {
		return &wire.Error{Status: 403, Detail: fmt.Sprintf("the join token has expired at %s; make another one with: lithair cluster join-token", end.UTC().Format(time.RFC3339))}
	}
	return nil
}

// now is the time of this node's clock.
func (c *Config) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}

// tokenWish is what an operator asks of a new token.
type tokenWish struct {
	Seconds int64 `json:"seconds"` // it is good for
}

// newToken is the answer.
type newToken struct {
	Token   string    `json:"token"`
	Cluster string    `json:"cluster"`
	Node    int64     `json:"node"`
	Expires time.Time `json:"expires"`
}

// maxTokenAge bounds how long a token is good for.
const maxTokenAge = 7 * 24 * time.Hour

// nextNumber is the number for the next token: behind those of the members, and of the tokens made here
// before, for two new nodes with one number would put each other out.
func (c *cluster) nextNumber(members int64) int64 {
	for {
		last := c.numbered.Load()
		if next := max(last, members) + 1; c.numbered.CompareAndSwap(last, next) {
			return next
		}
	}
}

// serveToken answers POST /cluster/token on the operator's socket: a token for the next node.
func (a *App) serveToken(w *wire.Response, r *wire.Request) error {
	c := a.cluster.Load()
	if c == nil {
		return errNoCluster
	}
	body, err := r.BorrowBody(maxNodeInfo)
	if err != nil {
		return err
	}
	var wish tokenWish
	if err := jsonx.Unmarshal(body, &wish, jsonx.RejectUnknownMembers()); err != nil {
		return rest.ToError(err)
	}
	age := time.Duration(wish.Seconds) * time.Second
	if wish.Seconds <= 0 || wish.Seconds > int64(maxTokenAge/time.Second) {
		return &wire.Error{Status: 400, Detail: fmt.Sprintf("a token is good for 1 second to %v", maxTokenAge)}
	}
	t := joinToken{Cluster: a.cfg.Cluster, pass: pass{Expires: a.cfg.now().Add(age).Unix(), Nonce: []byte(rand.Text())}}
	if t.Secret, err = a.cfg.secret(); err != nil {
		return err
	}
	for _, m := range c.node.Status().Membership.Members {
		t.Node = max(t.Node, int64(m.ID))
		t.Members = append(t.Members, m.Address)
	}
	t.Node = c.nextNumber(t.Node)
	t.Proof = t.prove(t.Secret, t.Cluster, t.Node)
	text, err := t.text()
	if err != nil {
		return err
	}
	return sendJSON(w, newToken{text, t.Cluster, t.Node, time.Unix(t.Expires, 0).UTC()})
}
