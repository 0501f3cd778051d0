package clientsetup

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// planPip makes the repository pip's only index. The credential stands in the URL, which pip masks where it prints it, and not
// in ~/.netrc, which would send it to every port of the host.
func planPip(p *planner) (Setup, error) {
	s := Setup{Use: []string{"pip install NAME"}}
	pairs := []pair{{"index-url", p.withCredential(p.door("pypi") + "simple/")}}
	bundle, err := p.caBundle()
	if err != nil {
		return s, err
	}
	if bundle != "" {
		pairs = append(pairs, pair{"cert", bundle})
	}
	return s, p.edit(&s, p.pipFile(), "[global]\n"+lines(pairs), func(text string) (string, error) {
		return pythonINI.set(text, "global", pairs)
	})
}

// pipFile is the file that pip reads last, so that no other of the user's speaks against it.
func (p *planner) pipFile() string {
	if path := p.getenv("PIP_CONFIG_FILE"); path != "" && path != os.DevNull {
		return path
	}
	if runtime.GOOS == "darwin" {
		folder := p.home("Library", "Application Support", "pip")
		if st, err := os.Stat(folder); err == nil && st.IsDir() {
			return folder + "/pip.conf"
		}
	}
	return p.config("pip", "pip.conf")
}

// planUV makes the repository uv's default index, which also takes its uploads. uv writes lock files without the credential.
func planUV(p *planner) (Setup, error) {
	s := Setup{Use: []string{"uv add NAME", "uv pip install NAME", "uv publish --index bonded"}}
	path := p.getenv("UV_CONFIG_FILE")
	if path == "" {
		path = p.config("uv", "uv.toml")
	}
	pairs := []pair{
		{"url", strconv.Quote(p.withCredential(p.door("pypi") + "simple/"))},
		{"publish-url", strconv.Quote(p.withCredential(p.door("pypi") + "legacy/"))},
		{"default", "true"},
	}
	bundle, err := p.caBundle()
	if err != nil {
		return s, err
	}
	if bundle != "" {
		s.Notes = append(s.Notes, "uv is told of a private authority by the environment alone: export SSL_CERT_FILE="+bundle)
	}
	block := "[[index]]\n" + lines(append([]pair{{"name", strconv.Quote(registryName)}}, pairs...))
	return s, p.edit(&s, path, block, func(text string) (string, error) {
		return setTOMLElement(text, "index", registryName, pairs)
	})
}

// planTwine adds the repository "bonded" to ~/.pypirc.
func planTwine(p *planner) (Setup, error) {
	s := Setup{Use: []string{"twine upload --repository bonded dist/*"}}
	pairs := []pair{{"repository", p.door("pypi") + "legacy/"}, {"username", "__token__"}}
	if p.Token != "" {
		pairs = append(pairs, pair{"password", p.Token})
	}
	authority, err := p.caAlone()
	if err != nil {
		return s, err
	}
	if authority != "" {
		pairs = append(pairs, pair{"ca_cert", authority})
	}
	shown := "[distutils]\nindex-servers =\n    bonded\n\n[" + registryName + "]\n" + lines(pairs)
	return s, p.edit(&s, p.home(".pypirc"), shown, func(text string) (string, error) {
		servers, err := pythonINI.get(text, "distutils", "index-servers")
		if err != nil {
			return "", err
		}
		names := strings.Fields(servers)
		if !slices.Contains(names, registryName) {
			all := pair{"index-servers", "\n" + strings.Join(append(names, registryName), "\n")}
			if text, err = pythonINI.set(text, "distutils", []pair{all}); err != nil {
				return "", err
			}
		}
		return pythonINI.set(text, registryName, pairs)
	})
}
