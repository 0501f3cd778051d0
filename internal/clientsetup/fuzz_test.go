package clientsetup_test

import (
	"testing"

	"bonded/internal/clientsetup"
)

// FuzzEdit gives each client's file any content: it is refused, or edited so that a second time changes nothing.
func FuzzEdit(f *testing.F) {
	files := []string{
		".cargo/config.toml", ".config/pip/pip.conf", ".config/uv/uv.toml", ".pypirc", ".npmrc", ".yarnrc.yml", ".m2/settings.xml",
		".composer/config.json", ".composer/auth.json", ".gradle/gradle.properties",
	}
	clients := []string{"cargo", "pip", "uv", "twine", "npm", "yarn", "maven", "composer", "composer", "gradle"}
	for i, name := range files {
		f.Add(i, full[name])
		f.Add(i, "")
	}
	ca := []byte(nil)
	f.Fuzz(func(t *testing.T, which int, text string) {
		if which < 0 || which >= len(files) {
			return
		}
		if ca == nil {
			ca = authority(t)
		}
		o := place(t, clientsetup.Options{Token: token, Clients: []string{clients[which]}, CA: ca})
		put(t, o, files[which], text)
		if _, _, err := clientsetup.Plan(o); err != nil {
			return
		}
		write(t, o)
		if again := write(t, o); len(again) != 0 {
			t.Errorf("%s holding %q: the second time changed %v", files[which], text, again)
		}
	})
}
