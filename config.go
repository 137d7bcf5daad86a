package lithair

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/devpage"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/wire"
)

// Config says how an application runs. The zero value works. Fields with a flag can also
// be set from outside when the program uses [App.Run]: a flag counts before the
// environment variable LITHAIR_<NAME>, that before the configuration file, that before
// what stands here.
type Config struct {
	// Name is the application's name, for the data directory and the banner. Default:
	// the program's.
	Name string

	Addr            string        `flag:"addr" usage:"address to listen on"`
	Dir             string        `flag:"data" usage:"data directory"`
	LogLevel        string        `flag:"log-level" usage:"debug, info, warn or error"`
	LogFormat       string        `flag:"log-format" usage:"text, json or auto: text on a terminal"`
	SchemaFile      string        `flag:"schema-file" usage:"reviewed copy of the schemas, made by schema apply; the start refuses where program, copy and log disagree; default: the one in the program, if any"`
	Retention       string        `flag:"retention" usage:"how much history is kept: all; snapshot: what the snapshots need; an age such as 30d or 12h; a size of the log such as 10GB; or an age and a size, 30d,10GB"`
	LogCompress     bool          `flag:"log-compress" usage:"compress segments of the log that are full; they stay readable when this is taken back"`
	ScrubInterval   time.Duration `flag:"scrub-interval" usage:"how often the whole log is read again and checked, counted from the start, at 32 MiB a second; 0: only when it is opened"`
	MaxMemory       int64         `flag:"max-memory" usage:"memory budget in bytes, beyond which writes are refused; 0: that of the control group, if any"`
	MaxBodyBytes    int64         `flag:"max-body-size" usage:"largest request body, in bytes"`
	MaxBlobBytes    int64         `flag:"max-blob-size" usage:"largest file of a blob field, in bytes"`
	RequestTimeout  time.Duration `flag:"request-timeout" usage:"longest time a request may take"`
	ShutdownTimeout time.Duration `flag:"shutdown-timeout" usage:"longest time to finish requests when stopping"`
	ObservePublic   bool          `flag:"observe-public" usage:"answer /observe/* and the details of /info off loopback, too"`
	TLSCert         string        `flag:"tls-cert" usage:"PEM file of the certificate chain to serve HTTPS with; read again when it changes, and on SIGHUP"`
	TLSKey          string        `flag:"tls-key" usage:"PEM file of the certificate's private key"`
	TrustedProxies  string        `flag:"trusted-proxies" usage:"who is believed in X-Forwarded-For: networks, addresses, loopback, private; separated by commas"`

	EncryptionKeyFile string `flag:"encryption-key-file" usage:"file with the keys that seal all data at rest, a line NUMBER:KEY each, the current one last; read again when a file is begun. Or LITHAIR_ENCRYPTION_KEY with keys itself"`

	NodeID            int64         `flag:"node-id" usage:"number of this node in its cluster, from 1; it is never given to another one"`
	Cluster           string        `flag:"cluster" usage:"name of the cluster this node is a member of, the same on all its nodes; empty: it stands alone"`
	PeerAddr          string        `flag:"peer-addr" usage:"address to listen on for other nodes; default: the one that peers has for this node"`
	Peers             string        `flag:"peers" usage:"nodes that begin the cluster, ID=HOST:PORT each, separated by commas; the same on all of them, and of no effect later"`
	Join              string        `flag:"join" usage:"addresses of members, one of which is asked to take this node in: HOST:PORT, where HOST may have several addresses, or srv:NAME for the SRV records of a name, separated by commas; it becomes a voter when it has caught up"`
	BootstrapExpect   int64         `flag:"bootstrap-expect" usage:"with join, the same on nodes that are new: when so many of them are there, the one with the lowest number begins the cluster and the others join it; 0: somebody else begins it. Of no effect later"`
	JoinTokenFile     string        `flag:"join-token-file" usage:"file with a token of lithair cluster join-token, which says which cluster this node joins, as which number, by which members, and the secret"`
	Learner           bool          `flag:"learner" usage:"with join: stay a learner, which has everything and serves reads but does not vote, until cluster promote"`
	ClusterSecretFile string        `flag:"cluster-secret-file" usage:"file with the secret that all nodes of the cluster know, and nobody else"`
	ClusterInsecure   bool          `flag:"cluster-insecure" usage:"let nodes speak off loopback without cluster secret and TLS"`
	PeerTLSCert       string        `flag:"peer-tls-cert" usage:"PEM file of the certificate chain of this node, for other nodes; read again when it changes"`
	PeerTLSKey        string        `flag:"peer-tls-key" usage:"PEM file of that certificate's private key"`
	PeerTLSCA         string        `flag:"peer-tls-ca" usage:"PEM file of the authorities whose certificates other nodes must have"`
	NoDocs            bool          `flag:"no-docs" usage:"do not serve /openapi.json and /docs"`
	PublicURL         string        `flag:"public-url" usage:"URL by which clients reach this node, for redirects and status; default: that of addr"`
	ElectionTimeout   time.Duration `flag:"election-timeout" usage:"how long nodes hear nothing of the leader before they elect another one, at least; ten heartbeats"`
	MaxLagBytes       int64         `flag:"max-lag" usage:"how large the log may be while it is kept for members that are behind; beyond, they get a snapshot"`
	LeaseReads        bool          `flag:"lease-reads" usage:"linearizable reads on the leader ask nobody while a quorum's promise lasts; needs -patient-failover, and Linux, on a majority of the voters"`
	HoldFormat        int64         `flag:"hold-format" usage:"newest format that this node promises to read, of those that members write; while one of them holds an older one, the cluster stays at it, and all can go back to the release that writes it; 0: the newest this release reads"`
	PatientFailover   bool          `flag:"patient-failover" usage:"wait out the election timeout also when the leader's process is known to be dead"`

	// Schema, when set, is the text of the reviewed copy, embedded in the program:
	//
	//	//go:embed lithair.schema.json
	//	var schema []byte
	//
	// SchemaFile counts before it.
	Schema []byte

	// EncryptionKey, when set, returns keys in place of a file: that of a number, or the
	// current one with its number when asked for number 0. Numbers begin with 1.
	EncryptionKey func(number uint32) (n uint32, key [32]byte, err error)

	// Archive, when set, is handed each segment of the log before Retention removes it: a
	// file that is not written to any more, and stays as long as the call. An error keeps
	// it, and those behind it, for the next time.
	Archive func(segment eventlog.Sealed) error

	// Proxies says what else the proxies of TrustedProxies are believed about, such as
	// Proto; its Trusted are added to them. Without either no proxy is believed.
	Proxies wire.ProxyConfig

	// Logger, when set, is used as it is; LogLevel and LogFormat then have no effect.
	Logger *slog.Logger
	// Listener, when set, is where the application answers, in place of Addr. It is closed
	// when the application stops.
	Listener net.Listener
	// Clock, when set, is the time of transactions; for tests.
	Clock func() time.Time
	// Resolver, when set, finds the names in Join. Default: net.DefaultResolver.
	Resolver Resolver
	// FS, when set, is where the data directory lives; for tests.
	FS disk.FS

	origin  map[string]string // where each setting comes from, when not from the program
	token   *joinToken        // of JoinTokenFile
	envKeys bool              // keys are in the environment
	wrong   string            // file of lithair dev, see devpage; empty: none
	verify  bool              // -check: read the log and exit
	openAPI bool              // -openapi: print the description of the API and exit

	checkpointEvery int // see engine.ExecutorConfig; tests compare states after fewer records
}

// origins lists the settings with their values and where they come from.
func (c *Config) origins() map[string]string {
	all := map[string]string{}
	for _, s := range c.settings() {
		from := c.origin[s.flag]
		if from == "" {
			from = "program"
		}
		all[s.flag] = s.String() + " (" + from + ")"
	}
	return all
}

func (c *Config) defaults() {
	if c.Name == "" {
		c.Name = strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	}
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&c.Addr, "127.0.0.1:8080")
	set(&c.Dir, filepath.Join("data", c.Name))
	set(&c.LogLevel, "info")
	set(&c.LogFormat, "auto")
	set(&c.Retention, "all")
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 16 << 20
	}
	if c.MaxBlobBytes == 0 {
		c.MaxBlobBytes = 1 << 30
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 30 * time.Second
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = 20 * time.Second
	}
	if c.ElectionTimeout == 0 {
		c.ElectionTimeout = 500 * time.Millisecond
	}
	if c.MaxLagBytes == 0 {
		c.MaxLagBytes = 1 << 30
	}
	if c.FS == nil {
		c.FS = disk.Real()
	}
}

// check returns what is wrong with the values, each naming its field.
func (c *Config) check() error {
	var errs []error
	if _, err := parseLevel(c.LogLevel); err != nil {
		errs = append(errs, err)
	}
	if !slices.Contains([]string{"auto", "text", "json"}, c.LogFormat) {
		errs = append(errs, fmt.Errorf("log-format: %q is not text, json or auto", c.LogFormat))
	}
	if _, err := parseRetention(c.Retention); err != nil {
		errs = append(errs, err)
	}
	for _, n := range []struct {
		name string
		bad  bool
	}{{"max-body-size", c.MaxBodyBytes <= 0}, {"max-blob-size", c.MaxBlobBytes <= 0}, {"max-lag", c.MaxLagBytes <= 0}, {"request-timeout", c.RequestTimeout <= 0}, {"shutdown-timeout", c.ShutdownTimeout <= 0}} {
		if n.bad {
			errs = append(errs, errors.New(n.name+": must be greater than 0"))
		}
	}
	if c.EncryptionKeyFile != "" && (c.EncryptionKey != nil || c.envKeys) || c.EncryptionKey != nil && c.envKeys {
		errs = append(errs, errors.New("encryption-key-file: keys come from a file, from "+keysVariable+" or from the program, not from several"))
	}
	if c.ScrubInterval < 0 {
		errs = append(errs, errors.New("scrub-interval: cannot be negative"))
	}
	if c.MaxMemory < 0 {
		errs = append(errs, errors.New("max-memory: cannot be negative"))
	}
	if f := c.formats(); !releaseFormats.Reads(f.Newest) {
		errs = append(errs, fmt.Errorf("hold-format: is %d; this release reads the formats %d to %d", c.HoldFormat, f.Oldest, releaseFormats.Newest))
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("data: the data directory cannot be empty"))
	}
	if err := checkAddr(c.Addr); err != nil {
		errs = append(errs, err)
	}
	if err := c.checkTransport(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.clusterConfig(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// releaseFormats are the formats that this release reads.
var releaseFormats = consensus.Formats{Oldest: consensus.OldestFormat, Newest: consensus.NewestFormat}

// formats are those that this node says it reads.
func (c *Config) formats() consensus.Formats {
	f := releaseFormats
	if c.HoldFormat != 0 {
		f.Newest = uint64(c.HoldFormat)
	}
	return f
}

// heldTooLate says of a start that fails for a format that was raised already that hold-format is why.
func (c *Config) heldTooLate(err error) error {
	if e, ok := errors.AsType[*consensus.FormatError](err); ok && c.HoldFormat != 0 && releaseFormats.Reads(e.Format) {
		return fmt.Errorf("hold-format: %d comes too late, there is no way back from format %d; start without it: %w", c.HoldFormat, e.Format, err)
	}
	return err
}

// checkAddr wants host:port, where the host may be empty and the port is a number.
func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("addr: %q is not host:port, such as 127.0.0.1:8080", addr)
	}
	return nil
}

func parseLevel(s string) (l slog.Level, err error) {
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return l, fmt.Errorf("log-level: %q is not debug, info, warn or error", s)
	}
	return l, nil
}

// logger makes the logger; words go to w.
func (c *Config) logger(w *os.File) *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	level, err := parseLevel(c.LogLevel)
	if err != nil {
		level = slog.LevelInfo // check refuses it
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" || c.LogFormat == "auto" && !terminal(w) {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// envPrefix begins the environment variables of the settings.
const envPrefix = "LITHAIR_"

// ignoredEnv are variables with the prefix that belong to others: tests, tools.
var ignoredEnv = []string{"LITHAIR_LONG", envPrefix + "INHERIT", devpage.Variable}

// keysVariable holds keys itself. It is no setting: settings are shown.
const keysVariable = envPrefix + "ENCRYPTION_KEY"

// setting is a field of Config that can be set from outside.
type setting struct {
	flag, env, usage string
	value            reflect.Value
}

func (c *Config) settings() (list []setting) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("flag"); name != "" {
			env := envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
			list = append(list, setting{name, env, v.Type().Field(i).Tag.Get("usage"), v.Field(i)})
		}
	}
	return list
}

// Set and String make a setting a flag.Value.
func (s setting) Set(text string) error {
	switch p := s.value.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		return scan(text, p, "true or false")
	case *int64:
		return scan(text, p, "a whole number")
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is no duration such as 30s", text)
		}
		*p = d
	default:
		return fmt.Errorf("setting %s has a type that cannot be set", s.flag)
	}
	return nil
}

func scan(text string, p any, want string) error {
	if n, err := fmt.Sscanf(text+"\n", "%v\n", p); n != 1 || err != nil {
		return fmt.Errorf("%q is not %s", text, want)
	}
	return nil
}

func (s setting) String() string {
	if !s.value.IsValid() {
		return ""
	}
	return fmt.Sprint(s.value.Interface())
}

// IsBoolFlag lets a bool be set by its name alone.
func (s setting) IsBoolFlag() bool { return s.value.Kind() == reflect.Bool }

// usageError is a mistake on the command line or in the settings: exit code 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// FaultCode is that of all mistakes in settings.
func (e *usageError) FaultCode() string { return "LTH2001" }

// errHelp: help was asked for and printed.
var errHelp = flag.ErrHelp

// load applies file, environment and flags over what the program set.
func (c *Config) load(args, environ []string, out io.Writer) error {
	all := c.settings()
	fs := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	file := fs.String("config", "", "")
	fs.BoolVar(&c.verify, "check", false, "")
	fs.BoolVar(&c.openAPI, "openapi", false, "")
	given := map[string]string{}
	for _, s := range all {
		fs.Var(capture{s, given}, s.flag, s.usage)
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			c.help(out, all)
			return errHelp
		}
		return &usageError{c.suggest(err, all)}
	}
	if fs.NArg() > 0 {
		return &usageError{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
	}
	env, err := readEnv(environ, all, file)
	if err != nil {
		return &usageError{err}
	}
	values, err := c.readFile(*file, all)
	if err != nil {
		return &usageError{err}
	}
	c.envKeys = slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, keysVariable+"=") })
	for _, s := range all {
		for _, from := range []struct {
			values map[string]string
			name   string
		}{{values, "file " + *file}, {env, "environment " + s.env}, {given, "flag -" + s.flag}} {
			if text, ok := from.values[s.flag]; ok {
				if err := s.Set(text); err != nil {
					return &usageError{fmt.Errorf("%s: %w", from.name, err)}
				}
				if c.origin == nil {
					c.origin = map[string]string{}
				}
				c.origin[s.flag] = from.name
			}
		}
	}
	if err := c.settle(); err != nil {
		return &usageError{err}
	}
	return nil
}

// capture keeps a flag's text, so that flags can be applied last.
type capture struct {
	setting
	given map[string]string
}

// Set implements flag.Value: it checks the text on a copy and keeps it.
func (c capture) Set(text string) error {
	probe := c.setting
	probe.value = reflect.New(c.value.Type()).Elem()
	if err := probe.Set(text); err != nil {
		return err
	}
	c.given[c.flag] = text
	return nil
}

func (c *Config) suggest(err error, all []setting) error {
	_, name, ok := strings.Cut(err.Error(), "not defined: -")
	if !ok {
		return err
	}
	names := []string{"config", "check", "openapi", "help"}
	for _, s := range all {
		names = append(names, s.flag)
	}
	if near := model.Nearest(name, names); near != "" {
		return fmt.Errorf("unknown flag -%s; did you mean -%s?", name, near)
	}
	return fmt.Errorf("unknown flag -%s; -h lists all", name)
}

// readEnv collects the settings in the environment; unknown names with the prefix are
// mistakes.
func readEnv(environ []string, all []setting, file *string) (map[string]string, error) {
	values := map[string]string{}
	names := []string{envPrefix + "CONFIG"}
	for _, s := range all {
		names = append(names, s.env)
	}
	for _, kv := range environ {
		name, v, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(ignoredEnv, name) {
			continue
		}
		if name == keysVariable {
			continue
		}
		i := slices.Index(names, name)
		switch {
		case i < 0:
			if near := model.Nearest(name, names); near != "" {
				return nil, fmt.Errorf("unknown environment variable %s; did you mean %s?", name, near)
			}
			return nil, fmt.Errorf("unknown environment variable %s; known are %s", name, strings.Join(names, ", "))
		case i == 0:
			if *file == "" {
				*file = v
			}
		default:
			values[all[i-1].flag] = v
		}
	}
	return values, nil
}

// readFile reads the configuration file: one JSON object of settings by flag name.
func (c *Config) readFile(name string, all []setting) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	if b, err = jsonx.Standardize(b); err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", name, err)
	}
	var members map[string]any
	if err := jsonx.Unmarshal(b, &members); err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", name, err)
	}
	values := map[string]string{}
	for key, v := range members {
		if !slices.ContainsFunc(all, func(s setting) bool { return s.flag == key }) {
			var names []string
			for _, s := range all {
				names = append(names, s.flag)
			}
			if near := model.Nearest(key, names); near != "" {
				return nil, fmt.Errorf("configuration file %s: unknown setting %q; did you mean %q?", name, key, near)
			}
			return nil, fmt.Errorf("configuration file %s: unknown setting %q; known are %s", name, key, strings.Join(names, ", "))
		}
		switch v := v.(type) {
		case string, bool:
			values[key] = fmt.Sprint(v)
		case float64:
			values[key] = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			return nil, fmt.Errorf("configuration file %s: %s must be text, a number, true or false", name, key)
		}
	}
	return values, nil
}

func (c *Config) help(out io.Writer, all []setting) {
	fmt.Fprintf(out, "%s is an application on Lithair.\n\n  %[1]s -addr 127.0.0.1:9000 -data /var/lib/%[1]s\n  %[1]s help     the commands that look after its data and its nodes\n\nFlags, each with its environment variable and default. A flag counts before the\nvariable, that before the configuration file.\n\n", c.Name)
	row := func(flag, env, usage, def string) {
		if def != "" {
			usage += " (" + def + ")"
		}
		fmt.Fprintf(out, "  -%-20s %-28s %s\n", flag, env, usage)
	}
	row("config", envPrefix+"CONFIG", "configuration file: JSON, comments allowed", "")
	row("check", "", "read the whole log in the data directory, say whether it is sound, and exit", "")
	row("openapi", "", "print the description of the API (OpenAPI 3.1), and exit", "")
	for _, s := range all {
		row(s.flag, s.env, s.usage, s.String())
	}
}
