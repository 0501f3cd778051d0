package clientsetup

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// planNPM makes the repository npm's registry.
func planNPM(p *planner) (Setup, error) {
	s := Setup{Use: []string{"npm publish", "npm install NAME"}}
	return s, p.npmrc(&s, false)
}

// planPNPM needs what npm needs: pnpm takes registries and credentials from .npmrc.
func planPNPM(p *planner) (Setup, error) {
	s := Setup{Use: []string{"pnpm publish", "pnpm add NAME"}}
	return s, p.npmrc(&s, false)
}

// npmrc edits the user's .npmrc. A credential belongs to the repository's URL without its scheme (npm.md §6.1).
func (p *planner) npmrc(s *Setup, yarnClassic bool) error {
	path := p.getenv("NPM_CONFIG_USERCONFIG")
	if path == "" {
		path = p.getenv("npm_config_userconfig")
	}
	if path == "" {
		path = p.home(".npmrc")
	}
	door := p.door("npm")
	own := strings.TrimPrefix(door, p.base.Scheme+":")
	pairs := []pair{{"registry", door}}
	if p.Token != "" {
		pairs = append(pairs, pair{own + ":_authToken", p.Token})
		if yarnClassic { // which else sends no credential for a package without a scope
			pairs = append(pairs, pair{own + ":always-auth", "true"})
		}
	}
	bundle, err := p.caBundle()
	if err != nil {
		return err
	}
	if bundle != "" {
		pairs = append(pairs, pair{"cafile", bundle})
	}
	var shown strings.Builder
	for _, l := range pairs {
		shown.WriteString(l.key + "=" + l.value + "\n")
	}
	return p.edit(s, path, shown.String(), func(text string) (string, error) { return npmINI.set(text, "", pairs) })
}

// planYarn makes the repository yarn's registry: of yarn 2 and later by ~/.yarnrc.yml, of yarn 1 by ~/.yarnrc and .npmrc.
func planYarn(p *planner) (Setup, error) {
	s := Setup{Use: []string{"yarn npm publish", "yarn add NAME"}}
	if p.YarnClassic {
		s.Use[0] = "yarn publish"
		if err := p.npmrc(&s, true); err != nil {
			return s, err
		}
		line := "registry \"" + strings.TrimSuffix(p.door("npm"), "/") + "\""
		return s, p.edit(&s, p.home(".yarnrc"), line+"\n", func(text string) (string, error) {
			return strings.Join(setLine(splitLines(text), regexp.MustCompile(`^"?registry"?\s`), line), "\n") + "\n", nil
		})
	}
	values, err := p.yarnSettings()
	if err != nil {
		return s, err
	}
	shown, err := yamlText(values)
	if err != nil {
		return s, err
	}
	name := p.getenv("YARN_RC_FILENAME")
	if name == "" || filepath.Base(name) != name {
		name = ".yarnrc.yml"
	}
	return s, p.edit(&s, p.home(name), shown, func(text string) (string, error) { return setYAML(text, *values) })
}

func (p *planner) yarnSettings() (*yaml.Node, error) {
	registry := strings.TrimSuffix(p.door("npm"), "/")
	values := yamlMap(yamlKey("npmRegistryServer"), yamlString(registry))
	if p.Token != "" {
		values.Content = append(values.Content, yamlKey("npmRegistries"), yamlMap(yamlString(registry), yamlMap(
			yamlKey("npmAlwaysAuth"), yamlTrue(),
			yamlKey("npmAuthToken"), yamlString(p.Token))))
	}
	if p.insecure() {
		values.Content = append(values.Content, yamlKey("unsafeHttpWhitelist"), yamlList(yamlString(p.base.Hostname())))
	}
	authority, err := p.caAlone()
	if err != nil {
		return nil, fmt.Errorf("yarn: %w", err)
	}
	if authority != "" {
		values.Content = append(values.Content, yamlKey("networkSettings"), yamlMap(yamlString(p.base.Hostname()), yamlMap(
			yamlKey("httpsCaFilePath"), yamlString(authority))))
	}
	return values, nil
}
