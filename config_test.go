package lithair

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(file, []byte(`{
		// a comment
		"log-level": "error", "data": "from-file", "addr": "127.0.0.1:1", "observe-public": true, "max-body-size": 4096,
	}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Name: "p", Addr: "127.0.0.1:9", RequestTimeout: time.Minute}
	c.defaults()
	env := []string{"LITHAIR_DATA=from-env", "LITHAIR_ADDR=127.0.0.1:2", "LITHAIR_CONFIG=" + file, "LITHAIR_LONG=1", "HOME=/"}
	if err := c.load([]string{"-addr", "127.0.0.1:3"}, env, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ what, got, want string }{
		{"flag", c.Addr, "127.0.0.1:3"}, {"environment", c.Dir, "from-env"}, {"file", c.LogLevel, "error"},
		{"program", c.RequestTimeout.String(), "1m0s"}, {"default", c.LogFormat, "auto"},
		{"origin of a flag", c.origins()["addr"], "127.0.0.1:3 (flag -addr)"},
		{"origin of a variable", c.origins()["data"], "from-env (environment LITHAIR_DATA)"},
		{"origin in a file", c.origins()["log-level"], "error (file " + file + ")"},
		{"origin in the program", c.origins()["log-format"], "auto (program)"},
	} {
		if x.got != x.want {
			t.Errorf("%s: %q, want %q", x.what, x.got, x.want)
		}
	}
	if !c.ObservePublic || c.MaxBodyBytes != 4096 {
		t.Errorf("from the file: %v %d", c.ObservePublic, c.MaxBodyBytes)
	}
}

func TestBadSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		name := filepath.Join(dir, strings.NewReplacer("/", "_", " ", "_").Replace(t.Name())+"c.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, x := range []struct {
		args, env  []string
		file, want string
	}{
		{args: []string{"-adr", "x"}, want: "did you mean -addr"},
		{args: []string{"-unheard-of"}, want: "-h lists all"},
		{args: []string{"stray"}, want: `unexpected argument "stray"`},
		{args: []string{"-max-body-size", "lots"}, want: "not a whole number"},
		{args: []string{"-max-body-size", "-1"}, want: "max-body-size: must be greater than 0"},
		{args: []string{"-request-timeout", "30"}, want: "no duration such as 30s"},
		{args: []string{"-observe-public=perhaps"}, want: "not true or false"},
		{args: []string{"-log-level", "loud"}, want: "not debug, info, warn or error"},
		{args: []string{"-log-format", "xml"}, want: "not text, json or auto"},
		{args: []string{"-data", ""}, want: "cannot be empty"},
		{args: []string{"-addr", "nonsense"}, want: "not host:port"},
		{args: []string{"-addr", "127.0.0.1:99999"}, want: "not host:port"},
		{args: []string{"-addr", ""}, want: "not host:port"},
		{args: []string{"-trusted-proxies", "10.0.0.0/33"}, want: `trusted-proxies: "10.0.0.0/33" is neither`},
		{args: []string{"-trusted-proxies", "loopback,nearby"}, want: "separated by commas"},
		{args: []string{"-tls-cert", "config.go"}, want: "tls-cert, tls-key: one needs the other"},
		{args: []string{"-tls-key", "config.go"}, want: "tls-cert, tls-key: one needs the other"},
		{args: []string{"-tls-cert", "config.go", "-tls-key", filepath.Join(dir, "none")}, want: "tls-key: stat"},
		{env: []string{"LITHAIR_TLS_CERT=none", "LITHAIR_TLS_KEY=config.go"}, want: "tls-cert: stat"},
		{env: []string{"LITHAIR_ADR=x"}, want: "did you mean LITHAIR_ADDR"},
		{env: []string{"LITHAIR_QQQQQQQQ=x"}, want: "known are LITHAIR_CONFIG"},
		{env: []string{"LITHAIR_REQUEST_TIMEOUT=x"}, want: "environment LITHAIR_REQUEST_TIMEOUT"},
		{env: []string{"LITHAIR_DATA="}, want: "cannot be empty"},
		{args: []string{"-config", filepath.Join(dir, "none")}, want: "configuration file"},
		{file: `{"adr": 1}`, want: `did you mean "addr"`},
		{file: `{"addr": [1]}`, want: "must be text, a number, true or false"},
		{file: `{"max-body-size": 1.5}`, want: "not a whole number"},
		{file: `{"addr": "127.0.0.1:1"`, want: "line 1"},
	} {
		c := Config{Name: "p"}
		c.defaults()
		if x.file != "" {
			x.args = append(x.args, "-config", file(x.file))
		}
		err := c.load(x.args, x.env, io.Discard)
		var usage *usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%q %q %s: %v, want %q", x.args, x.env, x.file, err, x.want)
		}
	}
}

func TestHelpListsEverySetting(t *testing.T) {
	c := Config{Name: "p"}
	c.defaults()
	var out strings.Builder
	if err := c.load([]string{"-h"}, nil, &out); !errors.Is(err, errHelp) {
		t.Fatal(err)
	}
	for _, s := range c.settings() {
		if !strings.Contains(out.String(), "-"+s.flag+" ") || !strings.Contains(out.String(), s.env+" ") || !strings.Contains(out.String(), s.usage) {
			t.Errorf("%s is missing in\n%s", s.flag, out.String())
		}
	}
	for _, want := range []string{"-config", "LITHAIR_CONFIG", "-check"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in\n%s", want, out.String())
		}
	}
}
