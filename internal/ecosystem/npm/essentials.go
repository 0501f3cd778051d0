package npm

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// essentials is what decides what an installation fetches, links and runs: the fields that claim and artifact must agree
// on (npm.md §3, "manifest confusion"). They are in one canonical form, whichever client normalized them: npm expands
// and cleans much, yarn 1 some, bun bin only, pnpm and yarn berry nothing beyond what they write into the tarball too.
type essentials struct {
	name, version string
	// requires maps the kind of dependency to name and requirement. Optional ones are left out of dependencies.
	requires map[string]map[string]string
	bundled  []string
	bin      map[string]string
	// binDir is set when bin comes from directories.bin, whose expansion depends on files.
	binDir  string
	scripts map[string]string
}

// The kinds of dependency that an installation resolves.
const (
	dependencies         = "dependencies"
	optionalDependencies = "optionalDependencies"
	peerDependencies     = "peerDependencies"
	devDependencies      = "devDependencies"
)

// installScripts run on the machine that installs the package.
var installScripts = []string{"preinstall", "install", "postinstall"}

func essentialsOf(o object) essentials {
	e := essentials{
		name: strings.TrimSpace(o.text("name")), version: o.text("version"),
		requires: map[string]map[string]string{}, scripts: installScriptsOf(o.any("scripts")),
	}
	for _, kind := range []string{dependencies, optionalDependencies, peerDependencies} {
		if deps := dependencyMap(o.any(kind)); len(deps) > 0 {
			e.requires[kind] = deps
		}
	}
	e.bundle(o)
	for name := range e.requires[optionalDependencies] {
		delete(e.requires[dependencies], name)
	}
	if peers := optionalPeers(o.any("peerDependenciesMeta")); len(peers) > 0 {
		e.requires["peerDependenciesMeta"] = peers
	}
	e.bin = binMap(e.name, o.any("bin"))
	if dirs, ok := o.any("directories").(map[string]any); ok && len(e.bin) == 0 {
		dir, _ := dirs["bin"].(string)
		e.binDir = securePath(dir)
	}
	return e
}

// dependencyMap reads a map of requirements in every shape that clients repair: an object, an array of "name@range" or a
// string of such; requirements that are no strings are dropped.
func dependencyMap(v any) map[string]string {
	if s, ok := v.(string); ok {
		list := []any{}
		for _, d := range listSeparator.Split(strings.TrimSpace(s), -1) {
			list = append(list, d)
		}
		v = list
	}
	out := map[string]string{}
	switch v := v.(type) {
	case []any:
		for _, d := range v {
			if s, ok := d.(string); ok {
				name, requirement := splitRequirement(strings.TrimSpace(s))
				out[name] = requirement
			}
		}
	case map[string]any:
		for name, r := range v {
			if s, ok := r.(string); ok {
				out[name] = s
			}
		}
	}
	return out
}

var (
	listSeparator        = regexp.MustCompile(`[\s,]+`)
	requirementSeparator = regexp.MustCompile(`:?[@\s><=]`)
)

func splitRequirement(s string) (name, requirement string) {
	at := requirementSeparator.FindStringIndex(s)
	if at == nil {
		return s, ""
	}
	return s[:at[0]], strings.TrimSpace(strings.TrimPrefix(s[at[0]:], "@"))
}

// bundle reads bundleDependencies or its other spelling: true means every dependency, and a bundled package that is not
// required is required in any version.
func (e *essentials) bundle(o object) {
	v := o.any("bundleDependencies")
	if !o.has("bundleDependencies") {
		v = o.any("bundledDependencies")
	}
	switch v := v.(type) {
	case bool:
		if v {
			e.bundled = slices.Collect(maps.Keys(e.requires[dependencies]))
		}
	case map[string]any:
		e.bundled = slices.Collect(maps.Keys(v))
	case []any:
		for _, n := range v {
			if s, ok := n.(string); ok && s != "" {
				e.bundled = append(e.bundled, s)
			}
		}
	}
	for _, name := range e.bundled {
		if e.requires[dependencies] == nil {
			e.requires[dependencies] = map[string]string{}
		}
		if _, ok := e.requires[dependencies][name]; !ok {
			e.requires[dependencies][name] = "*"
		}
	}
	slices.Sort(e.bundled)
	e.bundled = slices.Compact(e.bundled)
}

func optionalPeers(v any) map[string]string {
	out := map[string]string{}
	meta, _ := v.(map[string]any)
	for name, m := range meta {
		if fields, ok := m.(map[string]any); ok && fields["optional"] == true {
			out[name] = "optional"
		}
	}
	return out
}

// binMap reads bin in every shape: a string (the command is named after the package), an array of paths, an object. Names
// lose their directories and paths are kept inside the package, as npm-normalize-package-bin does.
func binMap(pkg string, v any) map[string]string {
	raw := map[string]any{}
	switch v := v.(type) {
	case string:
		if v != "" {
			raw[pkg] = v
		}
	case []any:
		for _, p := range v {
			if s, ok := p.(string); ok {
				raw[path.Base(s)] = s
			}
		}
	case map[string]any:
		raw = v
	}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		target, _ := raw[name].(string)
		name, target = path.Base(securePath(name)), securePath(target)
		if name != "." && target != "" {
			out[name] = target
		}
	}
	return out
}

// securePath is the path inside the package that a client makes of any path.
func securePath(p string) string {
	p = strings.NewReplacer(`\`, "/", ":", "/").Replace(p)
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}

var binPrefix = regexp.MustCompile(`^(?:\.[/\\])?node_modules[/\\]\.bin[\\/]`)

func installScriptsOf(v any) map[string]string {
	out := map[string]string{}
	all, _ := v.(map[string]any)
	for _, event := range installScripts {
		if s, ok := all[event].(string); ok && s != "" {
			out[event] = binPrefix.ReplaceAllString(s, "")
		}
	}
	return out
}

// sameRequirement compares two requirements; the spellings of one git repository are the same.
func sameRequirement(a, b string) bool {
	if a == b {
		return true
	}
	x, okX := parseHosted(a)
	y, okY := parseHosted(b)
	return okX && okY && x.key() == y.key()
}
