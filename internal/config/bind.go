package config

import (
	"slices"

	"github.com/spf13/pflag"

	"bonded/internal/errs"
)

// Bind adds to fs the flags of the groups of verbs ([Common], [Serve]) and --config. The flags only record what was
// typed; [Load] parses it, so that a mistake in the command line and one in the file read alike and nothing secret is
// echoed.
func Bind(fs *pflag.FlagSet, groups ...string) {
	fs.Var(&flagValue{kind: "file"}, configFlag, "YAML file with these settings (env "+configEnv+")")
	for _, f := range fields {
		if !slices.Contains(groups, f.group) {
			continue
		}
		if f.secret() {
			fs.Var(&flagValue{kind: "file"}, f.name+"-file", "file that holds the "+f.doc+" (or env "+f.env[0]+")")
			fs.Var(&flagValue{kind: "secret", discard: true}, f.name, "refused: use --"+f.name+"-file")
			_ = fs.MarkHidden(f.name) // it was added the line above
			continue
		}
		fl := fs.VarPF(&flagValue{kind: f.typeName(), text: f.defaults[""]}, f.name, "", f.usage())
		fl.DefValue = f.defaults[""]
		if f.typeName() == "bool" {
			fl.NoOptDefVal = "true"
		}
	}
}

func (f *field) usage() string {
	s := f.doc
	if company, ok := f.defaults["company"]; ok {
		s += " (company: " + company + ", public: " + f.defaults["public"] + ")"
	}
	return s
}

// flagValue records what was typed.
type flagValue struct {
	kind, text string
	discard    bool
}

// String returns what was typed, or the default.
func (v *flagValue) String() string { return v.text }

// Set records s. It never fails, because pflag would print the refused value.
func (v *flagValue) Set(s string) error {
	if v.discard {
		s = ""
	}
	v.text = s
	return nil
}

// Type is the word that --help prints for the value.
func (v *flagValue) Type() string { return v.kind }

func applyFlags(flags *pflag.FlagSet, given map[string]raw) error {
	var refused error
	flags.Visit(func(fl *pflag.Flag) {
		v, ours := fl.Value.(*flagValue)
		if !ours || fl.Name == configFlag {
			return
		}
		if v.discard {
			refused = errs.New(errs.Invalid, "--%s would put a secret on the command line, where every user of this machine can read it.", fl.Name).
				WithRule("config/secret-in-the-open").WithNext("%s", fieldsByName[fl.Name].wayOut())
			return
		}
		put(given, fl.Name, raw{text: v.text, origin: FromFlag + " --" + fl.Name, public: true})
	})
	return refused
}
