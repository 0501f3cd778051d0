package access

import (
	"slices"
	"strings"

	"bonded/internal/errs"
)

// Scope is one thing a token may do: actions × repositories × projects. Its text is
//
//	ACTION[,ACTION…][:ECOSYSTEM/REPOSITORY[:PROJECT]]
//
// where ACTION may be "*", either part of the repository may be "*", and PROJECT may end in "*". "publish:npm/local:@acme/*"
// lets a token publish every package of the scope @acme to the repository local.
type Scope struct {
	Actions    []Action
	Ecosystem  string
	Repository string
	Project    string
}

// ParseScope reads a scope's text.
func ParseScope(text string) (Scope, error) {
	bad := func(why string) error {
		return errs.New(errs.Invalid, "%q is not a scope: %s.", text, why).WithRule("access/scope-syntax").
			WithNext("Write ACTIONS[:ECOSYSTEM/REPOSITORY[:PROJECT]], such as read,publish:npm/local:@acme/*.")
	}
	parts := strings.SplitN(text, ":", 3)
	s := Scope{Ecosystem: "*", Repository: "*", Project: "*"}
	for a := range strings.SplitSeq(parts[0], ",") {
		if a != "*" && !slices.Contains(Actions(), Action(a)) {
			return s, bad("there is no action " + a)
		}
		s.Actions = append(s.Actions, Action(a))
	}
	if len(parts) > 1 && parts[1] != "*" {
		eco, repo, ok := strings.Cut(parts[1], "/")
		if !ok || eco == "" || repo == "" {
			return s, bad("the repository is written ECOSYSTEM/NAME")
		}
		s.Ecosystem, s.Repository = eco, repo
	}
	if len(parts) > 2 {
		if parts[2] == "" || strings.Contains(strings.TrimSuffix(parts[2], "*"), "*") {
			return s, bad("the project is a name, or a prefix followed by *")
		}
		s.Project = parts[2]
	}
	return s, nil
}

// String is the inverse of ParseScope.
func (s Scope) String() string {
	actions := make([]string, len(s.Actions))
	for i, a := range s.Actions {
		actions[i] = string(a)
	}
	text := strings.Join(actions, ",")
	if s.Ecosystem == "*" && s.Repository == "*" && s.Project == "*" {
		return text
	}
	text += ":" + s.Ecosystem + "/" + s.Repository
	if s.Project != "*" {
		text += ":" + s.Project
	}
	return text
}

func (s Scope) covers(a Action, r Resource) bool {
	if !slices.Contains(s.Actions, a) && !slices.Contains(s.Actions, "*") {
		return false
	}
	eco, repo, _ := strings.Cut(r.Repository, "/")
	if (s.Ecosystem != "*" && s.Ecosystem != eco) || (s.Repository != "*" && s.Repository != repo) {
		return false
	}
	// A question about the repository as a whole (may this token publish here at all?) is asked before the project is known;
	// the door asks again with it.
	if r.Project == "" || s.Project == "*" || s.Project == r.Project {
		return true
	}
	prefix, ok := strings.CutSuffix(s.Project, "*")
	return ok && strings.HasPrefix(r.Project, prefix)
}

// allowedByScopes reports whether any scope covers the action. A token that may write to a project may read it: clients
// read before they publish.
func allowedByScopes(scopes []Scope, a Action, r Resource) bool {
	for _, s := range scopes {
		if s.covers(a, r) {
			return true
		}
	}
	if a != Read {
		return false
	}
	return slices.ContainsFunc(scopes, func(s Scope) bool {
		return s.covers(Publish, r) || s.covers(Yank, r) || s.covers(Delete, r) || s.covers(Owners, r)
	})
}
