package composer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bonded/internal/door"
	"bonded/internal/errs"
)

// Limits on questions about many packages. Clients send at most 500 names a call (composer.md §6).
const (
	maxQuestion = 512 << 10
	maxNames    = 1000
)

// readForm reads a posted form. The body is bounded; a larger one is refused, not cut.
func readForm(r *http.Request) (url.Values, error) {
	b, err := readBody(r)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, errs.New(errs.Invalid, "The body is not a form.").WithRule("composer/form")
	}
	return form, nil
}

func readBody(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxQuestion+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxQuestion {
		return nil, errs.New(errs.TooLarge, "The question is larger than %d bytes.", maxQuestion).WithRule("composer/question-size").
			WithNext("Ask for fewer packages at once.")
	}
	return b, nil
}

// askedNames reads packages[]=v/p, packages[0]=v/p and purls.
func askedNames(form url.Values) ([]string, error) {
	var names []string
	for key, values := range form {
		if key != "packages" && !strings.HasPrefix(key, "packages[") {
			continue
		}
		for _, v := range values {
			if norm, ok := NormalizeName(nameOfPurl(v)); ok {
				names = append(names, norm)
			}
		}
		if len(names) > maxNames {
			return nil, errs.New(errs.TooLarge, "More than %d packages were asked for at once.", maxNames).WithRule("composer/question-names").
				WithNext("Ask for fewer.")
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// nameOfPurl takes pkg:composer/v/p (with or without slashes after the colon, and a version) down to v/p.
func nameOfPurl(s string) string {
	rest, ok := strings.CutPrefix(s, "pkg:")
	if !ok {
		return s
	}
	rest, _ = strings.CutPrefix(strings.TrimLeft(rest, "/"), "composer/")
	rest, _, _ = strings.Cut(rest, "@")
	return rest
}

// serveAdvisories answers the security-advisories API: for each package asked for that is here, the list of its advisories
// (composer.md §6). There are none yet, and the empty list says that the package is known.
func serveAdvisories(w http.ResponseWriter, r *http.Request, q *door.Request, form url.Values) error {
	names, err := askedNames(form)
	if err != nil {
		return err
	}
	if len(names) == 0 && !form.Has("updatedSince") {
		return errs.New(errs.Invalid, "No packages were asked for.").WithRule("composer/advisories").
			WithNext("Name them as packages[]=vendor/package, or a time as updatedSince.")
	}
	advisories := map[string][]any{}
	for _, name := range names {
		p, err := q.Project(r.Context(), name)
		switch {
		case errs.Is(err, errs.NotFound), errs.Is(err, errs.Unauthenticated):
			continue
		case err != nil:
			return err
		}
		advisories[p.Norm] = []any{}
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{"advisories": advisories})
	return nil
}

// filterQuestion is what clients post to the filter API (composer.md §7).
type filterQuestion struct {
	Packages []string `json:"packages"`
	Lists    []string `json:"lists"`
}

// serveFilter answers which of the packages asked for are on which of the lists asked for.
func serveFilter(w http.ResponseWriter, r *http.Request) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	var question filterQuestion
	if err := json.Unmarshal(b, &question); err != nil {
		return errs.New(errs.Invalid, "The body is not a question about filter lists.").WithRule("composer/filter").
			WithNext(`Send JSON such as {"packages":["pkg://composer/vendor/package"],"lists":["malware"]}.`)
	}
	if len(question.Packages) > maxNames {
		return errs.New(errs.TooLarge, "More than %d packages were asked for at once.", maxNames).WithRule("composer/question-names").WithNext("Ask for fewer.")
	}
	lists := map[string][]any{}
	if slices.Contains(question.Lists, malware) {
		lists[malware] = []any{}
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{"filter": lists})
	return nil
}

// serveFilterSummary answers all lists at once, as package name to constraint.
func serveFilterSummary(w http.ResponseWriter) error {
	w.Header().Set("Cache-Control", "no-cache")
	door.WriteJSON(w, http.StatusOK, map[string]any{"filter": map[string]any{malware: map[string]string{}}})
	return nil
}

// notification is what clients post after they installed (composer.md §5).
type notification struct {
	Downloads []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"downloads"`
}

// serveNotify takes the notice of an installation. What was handed out is counted where it is handed out, by file; this is
// anybody's word, so it changes no figure. It is answered at once, because clients wait for it.
func serveNotify(w http.ResponseWriter, r *http.Request) error {
	b, err := readBody(r)
	if err != nil {
		return err
	}
	var n notification
	if err := json.Unmarshal(b, &n); err != nil {
		return errs.New(errs.Invalid, "The body is not a list of downloads.").WithRule("composer/notify").
			WithNext(`Send JSON such as {"downloads":[{"name":"vendor/package","version":"1.0.0.0"}]}.`)
	}
	w.Header().Set("Cache-Control", "no-store")
	door.WriteJSON(w, http.StatusOK, map[string]any{"status": "success", "received": len(n.Downloads)})
	return nil
}
