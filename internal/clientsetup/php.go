package clientsetup

import (
	"os"
	"strings"
)

// planComposer adds the repository before the others of the user's Composer, and the credential for its host. Composer asks a
// repository that knows a name and no further one, so that what Bonded holds comes from Bonded.
func planComposer(p *planner) (Setup, error) {
	s := Setup{Use: []string{
		"curl -X PUT -H @HEADER --data-binary @package.zip " + p.door("composer") + "      with \"Authorization: Bearer " + Placeholder + "\" in the file HEADER",
		"composer require VENDOR/NAME",
	}}
	folder := p.composerHome()
	bundle, err := p.caBundle()
	if err != nil {
		return s, err
	}
	change := func(o *object) error { return p.composerConfig(o, bundle) }
	shown, err := setJSON("", change)
	if err != nil {
		return s, err
	}
	err = p.edit(&s, folder+"/config.json", shown, func(text string) (string, error) { return setJSON(text, change) })
	if err != nil || p.Token == "" {
		return s, err
	}
	credential := func(o *object) error {
		basic, err := o.child("http-basic")
		if err != nil {
			return err
		}
		login := newObject()
		login.set("username", "token")
		login.set("password", p.Token)
		basic.set(p.base.Host, login)
		return nil
	}
	if shown, err = setJSON("", credential); err != nil {
		return s, err
	}
	return s, p.edit(&s, folder+"/auth.json", shown, func(text string) (string, error) { return setJSON(text, credential) })
}

// composerHome is Composer's own choice (its Factory::getHomeDir): COMPOSER_HOME, else the first of the XDG place, where XDG
// is in use, and ~/.composer that is there.
func (p *planner) composerHome() string {
	if folder := p.getenv("COMPOSER_HOME"); folder != "" {
		return folder
	}
	modern, old := p.config("composer"), p.home(".composer")
	xdg := isDir("/etc/xdg")
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_SESSION_ID", "XDG_CONFIG_DIRS", "XDG_DATA_DIRS"} {
		xdg = xdg || p.getenv(name) != ""
	}
	switch {
	case !xdg, !isDir(modern) && isDir(old):
		return old
	default:
		return modern
	}
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func (p *planner) composerConfig(o *object, bundle string) error {
	door := strings.TrimSuffix(p.door("composer"), "/")
	ours := newObject()
	ours.set("type", "composer")
	ours.set("url", door)
	if err := p.composerRepositories(o, ours); err != nil {
		return err
	}
	if !p.insecure() && bundle == "" {
		return nil
	}
	config, err := o.child("config")
	if err != nil {
		return err
	}
	if p.insecure() {
		config.set("secure-http", false)
	}
	if bundle != "" {
		config.set("cafile", bundle)
	}
	return nil
}

// The name by which Composer knows the public registry, to switch it off.
const publicComposer = "packagist"

// composerRepositories puts ours first, in whichever of its two forms the map of repositories is written.
func (p *planner) composerRepositories(o, ours *object) error {
	list, isList := o.get("repositories").([]any)
	if !isList || len(list) == 0 {
		repositories, err := o.child("repositories")
		if err != nil {
			return err
		}
		repositories.setFirst(registryName, ours)
		if p.Only {
			repositories.set(publicComposer, false)
		}
		return nil
	}
	ours.setFirst("name", registryName)
	kept := []any{ours}
	off := false
	for _, v := range list {
		r, ok := v.(*object)
		if ok && (r.get("name") == registryName || r.get("url") == ours.get("url")) {
			continue
		}
		off = off || ok && r.get(publicComposer) == false
		kept = append(kept, v)
	}
	if p.Only && !off {
		no := newObject()
		no.set(publicComposer, false)
		kept = append(kept, no)
	}
	o.set("repositories", kept)
	return nil
}
