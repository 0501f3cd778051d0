package composer

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"bonded/internal/door"
	"bonded/internal/events"
	"bonded/internal/registry"
)

// maxChanges is how many events one answer covers; the client comes again with the timestamp that it got.
const maxChanges = 1000

// action tells a mirror what to fetch again (composer.md §10).
type action struct {
	Type    string `json:"type"`
	Package string `json:"package"`
	Time    int64  `json:"time"`
}

type changesAnswer struct {
	// Timestamp is where to continue: the number of the last event told. Mirrors hand it back as it is.
	Timestamp int64    `json:"timestamp"`
	Actions   []action `json:"actions"`
}

// serveChanges answers metadata/changes.json?since=TIMESTAMP: which p2 files changed since. Without a timestamp of ours it is
// a 400 with a fresh one, at which mirrors fetch everything and continue from there.
func (d *Door) serveChanges(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	now := d.house.Registry.Feed().Applied()
	since, ok := timestamp(r.URL.Query().Get("since"))
	if !ok {
		door.WriteJSON(w, http.StatusBadRequest, map[string]any{
			"error": "Invalid or missing since: fetch everything, then ask again with the timestamp of this answer.", "timestamp": now,
		})
		return nil
	}
	// A timestamp from elsewhere, or a group whose members are others now: nothing that the mirror has is certain.
	if since > now || q.Source.Epoch() > since {
		door.WriteJSON(w, http.StatusOK, changesAnswer{now, []action{{"resync", "*", d.house.Clock.Now().Unix()}}})
		return nil
	}
	members, err := readable(r, q)
	if err != nil {
		return err
	}
	all, last, err := d.eventsSince(r, members, since, now)
	if err != nil {
		return err
	}
	door.WriteJSON(w, http.StatusOK, changesAnswer{last, actionsOf(all)})
	return nil
}

func timestamp(text string) (n int64, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}

// eventsSince merges the members' events in order, up to the number that all of them were read to.
func (d *Door) eventsSince(r *http.Request, members []*registry.Repository, since, now int64) ([]events.Event, int64, error) {
	var all []events.Event
	last := now
	for _, m := range members {
		page, err := d.house.Registry.Changes(r.Context(), m, since, maxChanges)
		if err != nil {
			return nil, 0, err
		}
		if len(page) == maxChanges {
			last = min(last, page[len(page)-1].Seq)
		}
		all = append(all, page...)
	}
	all = slices.DeleteFunc(all, func(e events.Event) bool { return e.Seq > last })
	slices.SortFunc(all, func(a, b events.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return all, last, nil
}

// actionsOf keeps the last word on each file.
func actionsOf(all []events.Event) []action {
	latest := map[string]int{}
	actions := []action{}
	for _, e := range all {
		for _, file := range filesOf(e) {
			a := action{"update", file, e.At.Unix()}
			if e.Kind == events.ProjectDeleted {
				a.Type = "delete"
			}
			if i, again := latest[file]; again {
				actions[i] = a
				continue
			}
			latest[file] = len(actions)
			actions = append(actions, a)
		}
	}
	return actions
}

// filesOf are the p2 files that an event may have changed.
func filesOf(e events.Event) []string {
	switch e.Kind {
	case events.ReleasePublished, events.ReleaseExtended, events.ReleaseYanked, events.ReleaseUnyanked, events.ReleaseVerdict,
		events.ReleaseDeleted, events.ProjectCreated, events.ProjectChanged, events.ProjectDeleted:
	default:
		return nil
	}
	stable, dev := e.Project, e.Project+devSuffix
	switch {
	case e.Version == "":
		return []string{stable, dev}
	case Stability(e.Version) == "dev":
		return []string{dev}
	default:
		return []string{stable}
	}
}
