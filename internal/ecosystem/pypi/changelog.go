package pypi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"path"
	"slices"

	"bonded/internal/door"
	"bonded/internal/errs"
	"bonded/internal/events"
	"bonded/internal/registry"
	"bonded/internal/request"
)

// maxChanges is the most entries of one changelog answer (pypi.md §3).
const maxChanges = 50_000

// Fault codes, as clients of the public index know them.
const (
	faultMethod = -32601
	faultParams = -32602
)

// serveXMLRPC answers POST pypi: the methods by which mirrors follow an index (pypi.md §3).
func (d *Door) serveXMLRPC(w http.ResponseWriter, r *http.Request, q *door.Request) error {
	request.SetRoute(r.Context(), "pypi.xmlrpc")
	if r.Method != http.MethodPost {
		e := errs.New(errs.Invalid, "XML-RPC calls are sent here with POST.").WithRule("pypi/method").WithNext("The index is at %s/simple/.", q.Base)
		row := wrongMethod
		row.Header = map[string]string{"Allow": http.MethodPost}
		return operationError{e, row}
	}
	call, err := parseCall(r.Body)
	if err != nil {
		return errs.New(errs.Invalid, "The request is not an XML-RPC call with plain parameters.").WithRule("pypi/xml-rpc").Because(err)
	}
	m, err := d.membersOf(r.Context(), q)
	if err != nil {
		return err
	}
	c := mirrorCall{q: q, m: m, call: call}
	body, err := c.answer(r.Context())
	if err != nil {
		return err
	}
	door.ServeDocument(w, r, door.NewDocument(door.Rendered{Body: body, ContentType: "text/xml; charset=utf-8", Header: serialHeader(m.serial)}),
		door.DocumentOptions{Private: m.private, NoConditional: true})
	return nil
}

// mirrorCall is one call with what it is about.
type mirrorCall struct {
	q    *door.Request
	m    members
	call xmlCall
}

func (c mirrorCall) answer(ctx context.Context) ([]byte, error) {
	var reply xmlReply
	var result any
	var err error
	switch c.call.method {
	case "changelog_last_serial":
		result = c.m.serial
	case "changelog_since_serial":
		since, ok := param[int64](c.call)
		if !ok {
			return reply.fault(faultParams, "changelog_since_serial takes one integer"), nil
		}
		result, err = c.changes(ctx, since)
	case "list_packages", "list_packages_with_serial":
		result, err = c.list(ctx, c.call.method == "list_packages_with_serial")
	case "package_roles":
		name, ok := param[string](c.call)
		if !ok {
			return reply.fault(faultParams, "package_roles takes one name"), nil
		}
		result, err = c.roles(ctx, name)
	case "user_packages":
		name, ok := param[string](c.call)
		if !ok {
			return reply.fault(faultParams, "user_packages takes one name"), nil
		}
		result, err = c.packagesOf(ctx, name)
	default:
		return reply.fault(faultMethod, "There is no method "+quoted(c.call.method)+" here. There are changelog_last_serial, changelog_since_serial, "+
			"list_packages, list_packages_with_serial, package_roles and user_packages; for everything else read the simple pages and the JSON API."), nil
	}
	if err != nil {
		return nil, err
	}
	return reply.response(result), nil
}

// param is the call's one parameter, if it is of that type.
func param[T any](c xmlCall) (T, bool) {
	if len(c.params) != 1 {
		var none T
		return none, false
	}
	v, ok := c.params[0].(T)
	return v, ok
}

func (c mirrorCall) list(ctx context.Context, serials bool) (any, error) {
	names, err := c.m.names(ctx, c.q)
	if err != nil {
		return nil, err
	}
	plain, withSerial := make([]any, 0, len(names)), xmlStruct{}
	for _, n := range names {
		plain = append(plain, n.Display)
		withSerial.names, withSerial.values = append(withSerial.names, n.Display), append(withSerial.values, n.Revision)
	}
	if serials {
		return withSerial, nil
	}
	return plain, nil
}

func (c mirrorCall) roles(ctx context.Context, name string) (any, error) {
	out := []any{}
	norm, ok := NormalizeName(name)
	if !ok {
		return out, nil
	}
	p, err := c.q.Project(ctx, norm)
	if errs.Is(err, errs.NotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, o := range p.Owners {
		out = append(out, []any{"Owner", o.Name})
	}
	return out, nil
}

func (c mirrorCall) packagesOf(ctx context.Context, user string) (any, error) {
	out := []any{}
	account, err := c.q.House.Accounts.ByName(ctx, user)
	if errs.Is(err, errs.NotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, repo := range c.m.repos {
		owned, err := c.q.House.Registry.OwnedBy(ctx, repo, account.ID)
		if err != nil {
			return nil, err
		}
		for _, n := range owned {
			out = append(out, []any{"Owner", n.Display})
		}
	}
	return out, nil
}

// changes lists what happened after a serial, oldest first, as (name, version, time, action, serial).
func (c mirrorCall) changes(ctx context.Context, since int64) (any, error) {
	var all []events.Event
	for _, repo := range c.m.repos {
		some, err := c.q.House.Registry.Changes(ctx, repo, since, maxChanges)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b events.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	out := []any{}
	for _, e := range all {
		if e.Project == "" {
			continue
		}
		actions, release := journal(e)
		if len(out)+len(actions) > maxChanges {
			break // whole events only, or a mirror that goes on from the last serial would miss the rest
		}
		for _, action := range actions {
			var version any
			if release != "" {
				version = release
			}
			out = append(out, []any{e.Project, version, e.At.Unix(), action, e.Seq})
		}
	}
	return out, nil
}

// journalActions are the words for events that need no payload (pypi.md §3).
var journalActions = map[events.Kind]string{
	events.ProjectCreated: "create", events.ProjectDeleted: "remove project",
	events.ReleaseYanked: "yank release", events.ReleaseUnyanked: "unyank release", events.ReleaseDeleted: "remove release",
	events.ReleaseMarked: "change release", events.TagSet: "change project", events.TagRemoved: "change project",
	events.OwnerAdded: "add Owner", events.OwnerRemoved: "remove Owner",
}

// journal writes an event as the public index's journal does: its entries and the version they are about.
func journal(e events.Event) (actions []string, version string) {
	var payload struct {
		Version  string            `json:"version"`
		Status   registry.Status   `json:"status"`
		Decision registry.Decision `json:"decision"`
		Files    []struct {
			Path string `json:"path"`
		} `json:"files"`
	}
	_ = json.Unmarshal(e.Payload, &payload) // an unreadable payload leaves the plain word
	version = cmp.Or(payload.Version, e.Version)
	switch {
	case e.Kind == events.ReleasePublished, e.Kind == events.ReleaseExtended:
		if e.Kind == events.ReleasePublished {
			actions = append(actions, "new release")
		}
		for _, f := range payload.Files {
			if name := path.Base(f.Path); path.Ext(name) != metadataSuffix {
				actions = append(actions, "add "+pythonVersion(name)+" file "+name)
			}
		}
		return actions, version
	case e.Kind == events.ProjectChanged && payload.Status == registry.Quarantined:
		return []string{"project quarantined"}, version
	case e.Kind == events.ProjectChanged && payload.Status == registry.Active:
		return []string{"project quarantine cleared"}, version
	case e.Kind == events.ReleaseVerdict && (payload.Decision == registry.Block || payload.Decision == registry.Hold):
		return []string{"release quarantined"}, version
	case e.Kind == events.ReleaseVerdict:
		return []string{"release quarantine cleared"}, version
	}
	return []string{cmp.Or(journalActions[e.Kind], "change")}, version
}
