package web

import (
	"net/http"

	"github.com/a-h/templ"

	"bonded/internal/registry"
	"bonded/internal/request"
)

// setupSection tells how clients of one ecosystem use and fill a repository.
type setupSection struct {
	ecosystem
	place
	Use, Publish []snippet
	// Others are further repositories of the ecosystem, for which the page can be read too.
	Others []*registry.Repository
	// Takes reports that uploads are possible.
	Takes bool
}

// setupView is what the set-up page shows.
type setupView struct {
	Sections []setupSection
	Base     string
	// All is the program's own way to do everything on the page.
	All snippet
}

func (s *Site) setup(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	repos, err := s.house.Readable(ctx, reader())
	if err != nil {
		return err
	}
	base := request.BaseURL(ctx)
	v := setupView{Base: base, All: snippet{ID: "copy-all", Label: "Shell", Text: "bonded client setup --url " + shell(base) + " --token-file token --write"}}
	chosen := r.URL.Query().Get("repository")
	for _, repo := range preferredFirst(repos) {
		n := len(v.Sections)
		first := n == 0 || v.Sections[n-1].ID != repo.Ecosystem
		if !first && repo.Path() != chosen {
			v.Sections[n-1].Others = append(v.Sections[n-1].Others, repo)
			continue
		}
		_, noUploads := s.house.Registry.UploadTarget(ctx, repo)
		p := placeOf(ctx, repo)
		section := setupSection{ecosystem: ecosystemOf(repo.Ecosystem), place: p, Use: useSnippets(p), Publish: publishSnippets(p), Takes: noUploads == nil}
		if first {
			v.Sections = append(v.Sections, section)
			continue
		}
		section.Others = append([]*registry.Repository{v.Sections[n-1].Repo}, v.Sections[n-1].Others...)
		v.Sections[n-1] = section
	}
	f := Frame{Title: "Set up your client", Section: "setup", Search: true, Description: "How to install from and publish to these repositories."}
	return s.Show(w, r, http.StatusOK, f, func(f Frame) templ.Component { return setupPage(f, v) })
}
