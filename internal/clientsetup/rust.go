package clientsetup

import (
	"strconv"
)

// planCargo adds the registry "bonded" to the user's cargo. Private crates come only by naming it (`registry = "bonded"`), so
// that no name of theirs is ever asked for, or taken, elsewhere.
//
// cargo takes a credential for reading only with a provider named outright (cargo.md §1.6); cargo:token is the one that reads
// credentials.toml.
func planCargo(p *planner) (Setup, error) {
	s := Setup{Use: []string{"cargo publish --registry bonded", "cargo add --registry bonded NAME", "cargo install --registry bonded NAME"}}
	folder := p.getenv("CARGO_HOME")
	if folder == "" {
		folder = p.home(".cargo")
	}
	table := "registries." + registryName
	pairs := []pair{{"index", strconv.Quote("sparse+" + p.door("cargo"))}}
	if p.Token != "" {
		pairs = append(pairs, pair{"credential-provider", `"cargo:token"`})
	}
	err := p.edit(&s, folder+"/config.toml", "["+table+"]\n"+lines(pairs), func(text string) (string, error) {
		return setTOML(text, table, pairs)
	})
	if err == nil && p.Token != "" {
		token := []pair{{"token", strconv.Quote(p.Token)}}
		err = p.edit(&s, folder+"/credentials.toml", "["+table+"]\n"+lines(token), func(text string) (string, error) {
			return setTOML(text, table, token)
		})
	}
	if err != nil {
		return s, err
	}
	bundle, err := p.caBundle()
	if err != nil || bundle == "" {
		return s, err
	}
	trust := []pair{{"cainfo", strconv.Quote(bundle)}}
	return s, p.edit(&s, folder+"/config.toml", "[http]\n"+lines(trust), func(text string) (string, error) {
		return setTOML(text, "http", trust)
	})
}
