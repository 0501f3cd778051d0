package config

import (
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"bonded/internal/errs"
)

// The origins that [Config.Origin] names. A file, variable or flag is named after the word.
const (
	FromDefault = "default"
	FromProfile = "profile"
	FromFile    = "file"
	FromEnv     = "env"
	FromFlag    = "flag"
)

const (
	configFlag = "config"
	configEnv  = "BONDED_CONFIG"
	maxFile    = 1 << 20 // a configuration or secret file above this is a mistake
)

// alsoEnv are the variables that verbs read for themselves, outside of Config.
var alsoEnv = []string{configEnv, "BONDED_TOKEN"}

// foreignEnv are variables that look like ours and are not: those that Kubernetes sets in every container beside a
// service named "bonded", and those of our own tests.
var foreignEnv = regexp.MustCompile(`^BONDED_(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP).*)?|TEST_.*)$`)

// raw is a value that has been written somewhere and not yet been parsed.
type raw struct {
	text   string
	origin string
	public bool // the place is readable by others: argv or the YAML file
}

// Load returns the effective configuration from the flags that [Bind] made (nil for none), the environment in the form
// of [os.Environ], and the YAML file named by --config or BONDED_CONFIG.
func Load(flags *pflag.FlagSet, environ []string) (*Config, error) {
	env, err := readEnviron(environ)
	if err != nil {
		return nil, err
	}
	given := map[string]raw{}
	path, why := env[configEnv], configEnv
	if flags != nil {
		if fl := flags.Lookup(configFlag); fl != nil && fl.Changed {
			path, why = fl.Value.String(), "--config"
		}
	}
	if path != "" {
		if err := readYAML(path, why, given); err != nil {
			return nil, err
		}
	}
	applyEnviron(env, given)
	if flags != nil {
		if err := applyFlags(flags, given); err != nil {
			return nil, err
		}
	}
	c := &Config{origins: map[string]string{}}
	if err := c.fill(given); err != nil {
		return nil, err
	}
	return c, c.validate()
}

// Default returns the configuration of a server that was told nothing.
func Default() *Config {
	c, err := Load(nil, nil)
	if err != nil {
		panic(err) // the tags of Config are wrong; every test of this package fails
	}
	return c
}

// fill parses what was given over the defaults of the profile that was given.
func (c *Config) fill(given map[string]raw) error {
	profile := fieldsByName["profile"]
	if err := c.apply(profile, given); err != nil {
		return err
	}
	for _, f := range fields {
		if f == profile {
			continue
		}
		if err := c.apply(f, given); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) apply(f *field, given map[string]raw) error {
	r := raw{text: f.defaults[""], origin: FromDefault}
	if d, ok := f.defaults[c.Profile]; ok && c.Profile != "" {
		r = raw{text: d, origin: FromProfile + " " + c.Profile}
	}
	if g, ok := given[f.name]; ok {
		r = g
	}
	if f.secret() {
		return c.applySecret(f, r, given)
	}
	if r.public && f.kind == urlType && holdsPassword(r.text) {
		return errs.New(errs.Invalid, "%s from the %s holds a password, which others can read there.", f.name, r.origin).
			WithRule("config/secret-in-the-open").WithNext("%s", f.wayOut())
	}
	if err := f.set(c, r.text); err != nil {
		return errs.New(errs.Invalid, "%s (%s): %v.", f.name, r.origin, err).WithRule("config/value")
	}
	c.origins[f.name] = r.origin
	return nil
}

// applySecret takes a secret from its variable or from the file that its twin names.
func (c *Config) applySecret(f *field, r raw, given map[string]raw) error {
	if r.public {
		return errs.New(errs.Invalid, "%s is a secret and was given in the %s, where others can read it.", f.name, r.origin).
			WithRule("config/secret-in-the-open").WithNext("%s", f.wayOut())
	}
	c.origins[f.name] = r.origin
	twin, hasTwin := given[f.name+"-file"]
	if !hasTwin || twin.text == "" {
		return f.set(c, r.text)
	}
	if r.text != "" {
		return errs.New(errs.Invalid, "%s is given twice: by the %s and by the file named in the %s.", f.name, r.origin, twin.origin).
			WithRule("config/value").WithNext("Remove one of them.")
	}
	b, err := readSmall(twin.text)
	if err != nil {
		return errs.New(errs.Invalid, "%s-file (%s): %v.", f.name, twin.origin, err).WithRule("config/value")
	}
	c.origins[f.name] = FromFile + " " + twin.text
	return f.set(c, strings.TrimRight(string(b), "\r\n"))
}

// wayOut tells where the secret of a field may stand instead.
func (f *field) wayOut() string {
	switch {
	case f.name == "database":
		return "Write the URL without the password and give that in BONDED_DATABASE_PASSWORD or a file named by --database-password-file."
	case f.name == "blobs":
		return "Write the URL without the keys and give those in BONDED_S3_ACCESS_KEY and BONDED_S3_SECRET_KEY or files named by --s3-access-key-file and --s3-secret-key-file."
	case f.secret():
		return "Give it in " + f.env[0] + " or in a file named by --" + f.name + "-file."
	default:
		return "Give it in the environment variable " + strings.Join(f.env[:min(2, len(f.env))], " or ") + "."
	}
}

func readEnviron(environ []string) (map[string]string, error) {
	env := map[string]string{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	known := slices.Clone(alsoEnv)
	for _, f := range fields {
		known = append(known, f.env[0])
		if f.secret() {
			known = append(known, f.env[0]+"_FILE")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if strings.HasPrefix(k, "BONDED_") && !slices.Contains(known, k) && !foreignEnv.MatchString(k) {
			return nil, errs.New(errs.Invalid, "The environment variable %s is no setting of Bonded.", k).
				WithRule("config/unknown").WithNext("%s", didYouMean(k, known))
		}
	}
	return env, nil
}

func applyEnviron(env map[string]string, given map[string]raw) {
	for _, f := range fields {
		for _, name := range f.env {
			if v, ok := env[name]; ok {
				put(given, f.name, raw{text: v, origin: FromEnv + " " + name})
				break
			}
		}
		if v, ok := env[f.env[0]+"_FILE"]; ok && f.secret() {
			put(given, f.name+"-file", raw{text: v, origin: FromEnv + " " + f.env[0] + "_FILE"})
		}
	}
}

// put records a value; a secret and its file twin from a stronger place replace each other.
func put(given map[string]raw, name string, r raw) {
	kind := func(origin string) string { return strings.Fields(origin)[0] }
	twin, isFile := strings.CutSuffix(name, "-file")
	if !isFile {
		twin = name + "-file"
	}
	if other, ok := given[twin]; ok && kind(other.origin) != kind(r.origin) && isSecretName(name) {
		delete(given, twin)
	}
	given[name] = r
}

func isSecretName(name string) bool {
	f := fieldsByName[strings.TrimSuffix(name, "-file")]
	return f != nil && f.secret()
}

// readYAML adds the keys of a YAML file. The document is walked rather than decoded so that an unknown key can be told
// with its line and its nearest neighbour.
func readYAML(path, why string, given map[string]raw) error {
	b, err := readSmall(path)
	if err != nil {
		return errs.New(errs.Invalid, "The configuration file named by %s cannot be read: %v.", why, err).WithRule("config/file")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return errs.New(errs.Invalid, "The configuration file %s is not YAML: %v.", path, err).WithRule("config/file")
	}
	if len(doc.Content) == 0 { // an empty file, or comments only
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return errs.New(errs.Invalid, "The configuration file %s is not a list of \"key: value\" lines.", path).WithRule("config/file")
	}
	known := yamlKeys()
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		if !slices.Contains(known, k.Value) {
			return errs.New(errs.Invalid, "%s, line %d: %q is no setting of Bonded.", path, k.Line, k.Value).
				WithRule("config/unknown").WithNext("%s", didYouMean(k.Value, known))
		}
		if seen[k.Value] {
			return errs.New(errs.Invalid, "%s, line %d: %q is set twice.", path, k.Line, k.Value).WithRule("config/value")
		}
		seen[k.Value] = true
		text, ok := scalar(v)
		if !ok {
			return errs.New(errs.Invalid, "%s, line %d: %q takes a single value or a list of single values.", path, v.Line, k.Value).WithRule("config/value")
		}
		put(given, k.Value, raw{text: text, origin: FromFile + " " + path, public: true})
	}
	return nil
}

func yamlKeys() []string {
	var known []string
	for _, f := range fields {
		known = append(known, f.name)
		if f.secret() {
			known = append(known, f.name+"-file")
		}
	}
	return known
}

func scalar(n *yaml.Node) (string, bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", true
		}
		return n.Value, true
	case yaml.SequenceNode:
		words := make([]string, len(n.Content))
		for i, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return "", false
			}
			words[i] = item.Value
		}
		return strings.Join(words, ","), true
	default: // an alias or a mapping
		return "", false
	}
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(b) > maxFile { // a pipe or device tells no size
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return b, err
}

// didYouMean names the known word that is the fewest edits away, if any is near.
func didYouMean(word string, known []string) string {
	best, distance := "", len(word)/3+2
	for _, k := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return "`bonded config show` lists the settings."
	}
	return "Did you mean " + best + "?"
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above+1, row[j]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
