package composer

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"bonded/internal/access"
	"bonded/internal/door"
	"bonded/internal/registry"
)

// root is packages.json (composer.md §1). Every URL is absolute: older clients fail on some relative ones, and none lies
// outside the repository's own host, so that one credential covers all (§15).
type root struct {
	Packages           []string       `json:"packages"`
	MetadataURL        string         `json:"metadata-url"`
	AvailablePatterns  []string       `json:"available-package-patterns"`
	Search             string         `json:"search"`
	List               string         `json:"list"`
	ProvidersAPI       string         `json:"providers-api"`
	NotifyBatch        string         `json:"notify-batch"`
	MetadataChangesURL string         `json:"metadata-changes-url"`
	SecurityAdvisories advisoryConfig `json:"security-advisories"`
	Filter             filterConfig   `json:"filter"`
}

// advisoryConfig says where advisories come from (composer.md §6). It is there before there are any, because clients keep
// packages.json for ten minutes.
type advisoryConfig struct {
	Metadata bool   `json:"metadata"`
	APIURL   string `json:"api-url"`
}

// filterConfig announces filter lists (composer.md §7); without metadata clients overlook it whole.
type filterConfig struct {
	Metadata   bool                      `json:"metadata"`
	Lists      map[string]map[string]any `json:"lists"`
	SummaryURL string                    `json:"summary-url"`
	APIURL     string                    `json:"api-url"`
}

// malware is the one filter list that clients enable by default.
const malware = "malware"

// noPackage matches no name. Clients take an empty list of patterns for no list, and would then ask an empty repository for
// every package they use.
const noPackage = "!/*"

// settles is how long what packages.json is made of must have stood before its time is told: HTTP dates have no fractions,
// so a second change within one second would hide behind the first, also on another node.
const settles = 2 * time.Second

func (d *Door) serveRoot(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	members, err := readable(r, q)
	if err != nil {
		return err
	}
	now := d.house.Clock.Now()
	var key strings.Builder
	changed := d.vendors.changedAt(q.Repo.ID)
	lists := make([]*vendorList, 0, len(members))
	for _, m := range members {
		l, err := d.vendors.of(r.Context(), m, now)
		if err != nil {
			return err
		}
		lists = append(lists, l)
		key.WriteString(l.sum)
		for _, t := range []time.Time{l.loaded, d.vendors.changedAt(m.ID)} {
			if t.After(changed) {
				changed = t
			}
		}
	}
	shared, err := d.sameForAll(r.Context(), q.Repo)
	if err != nil {
		return err
	}
	if !shared {
		changed = time.Time{}
	}
	document, err := d.house.Documents.Get(r.Context(), door.DocumentKey{
		Repo: q.Repo.ID, Epoch: q.Source.Epoch(), Revision: changed.UnixMilli(), Audience: audienceOf(members),
		Representation: "packages.json " + key.String(), Base: q.Base,
	}, func(context.Context) (door.Rendered, error) { return renderRoot(q.Base, lists, changed, now) })
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, document, options(q, members...))
	return nil
}

// sameForAll reports that everyone who may read the repository gets one packages.json. Where it differs, a time would let a
// client that changed its token keep the other's copy.
func (d *Door) sameForAll(ctx context.Context, repo *registry.Repository) (bool, error) {
	if repo.Kind == registry.Hosted {
		return true, nil
	}
	members, err := d.house.Registry.Members(ctx, repo)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(members, func(m *registry.Repository) bool { return !d.house.MayRead(access.Anonymous(), m) }), nil
}

func renderRoot(base string, lists []*vendorList, changed, now time.Time) (door.Rendered, error) {
	var patterns []string
	for _, l := range lists {
		for _, vendor := range l.vendors {
			patterns = append(patterns, vendor+"/*")
		}
	}
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
	if len(patterns) == 0 {
		patterns = []string{noPackage}
	}
	body, err := marshal(root{
		Packages:           []string{},
		MetadataURL:        base + metadataRoot + "%package%.json",
		AvailablePatterns:  patterns,
		Search:             base + searchPath + "?q=%query%&type=%type%",
		List:               base + listPath,
		ProvidersAPI:       base + providersRoot + "%package%.json",
		NotifyBatch:        base + notifyPath,
		MetadataChangesURL: base + changesPath,
		SecurityAdvisories: advisoryConfig{Metadata: true, APIURL: base + advisoriesPath},
		Filter: filterConfig{
			Metadata: true, Lists: map[string]map[string]any{malware: {"enabled": true}},
			SummaryURL: base + summaryPath, APIURL: base + filterPath,
		},
	})
	out := door.Rendered{Body: body, ContentType: "application/json"}
	switch settled := changed.Add(settles); {
	case changed.IsZero():
	case now.Before(settled):
		out.Until = settled
	default:
		out.Modified = changed
	}
	return out, err
}

// marshal writes JSON with URLs as people read them.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// options keep shared caches from holding what is not for everyone: an answer of a repository that is not, or made from
// repositories of which one is not.
func options(q *door.Request, from ...*registry.Repository) door.DocumentOptions {
	closed := func(r *registry.Repository) bool { return !q.House.Gate.Open(string(r.Visibility)) }
	return door.DocumentOptions{Private: !q.Open(nil) || slices.ContainsFunc(from, closed)}
}
