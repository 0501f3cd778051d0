// Package access answers one question: may this principal do this action to this resource, and if not, why. It knows
// accounts, tokens and scopes; doors and pages ask it and decide nothing themselves.
package access

import (
	"cmp"
	"slices"

	"bonded/internal/errs"
)

// Action is what somebody wants to do.
type Action string

// The actions. Scopes name them.
const (
	Read    Action = "read"    // index documents and files
	Publish Action = "publish" // new projects and releases
	Yank    Action = "yank"    // yank, unyank, deprecate, tag
	Delete  Action = "delete"  // unpublish
	Owners  Action = "owners"  // add and remove owners
	Admin   Action = "admin"   // everything about the instance
)

// Actions lists all of them.
func Actions() []Action { return []Action{Read, Publish, Yank, Delete, Owners, Admin} }

// verb is the action in a sentence, before what it is done to.
func (a Action) verb() string {
	switch a {
	case Publish:
		return "publish to"
	case Owners:
		return "change the owners of"
	case Admin:
		return "administer"
	default:
		return string(a)
	}
}

// PrincipalKind says what sort of identity asks.
type PrincipalKind string

// The kinds of principal.
const (
	KindAnonymous PrincipalKind = "anonymous"
	KindToken     PrincipalKind = "token"
	KindSystem    PrincipalKind = "system"
)

// Principal is who asks.
type Principal struct {
	Kind PrincipalKind
	// AccountID and Name are the account's; zero for anonymous and system.
	AccountID int64
	Name      string
	Email     string
	// Administrator reports that the account administers the instance.
	Administrator bool
	// TokenID is the token that was presented.
	TokenID int64
	Scopes  []Scope
	// Pseudonym stands for the account in public events.
	Pseudonym string
}

// Anonymous is nobody in particular.
func Anonymous() Principal { return Principal{Kind: KindAnonymous} }

// System is Bonded itself.
func System() Principal { return Principal{Kind: KindSystem, Name: "bonded", Administrator: true} }

// IsAnonymous reports whether nobody in particular asks.
func (p Principal) IsAnonymous() bool { return p.Kind == KindAnonymous }

// Resource is what the action is about.
type Resource struct {
	// Repository is "ecosystem/name"; Visibility its visibility: "anonymous", "internal" or "private".
	Repository string
	Visibility string
	// Project is the normalized name; empty for the repository as a whole. Display is how its publisher spelled it, for
	// messages; empty where that is not known.
	Project, Display string
	// Exists reports that the project exists; Owners are the accounts that own it.
	Exists bool
	Owners []int64
}

// May answers: nil, or an error that says why not. anonymousRead is the instance's switch for reading without an account.
func (g *Gate) May(p Principal, a Action, r Resource) error {
	if p.Kind == KindSystem {
		return nil
	}
	if p.IsAnonymous() {
		return g.mayAnonymous(a, r)
	}
	if !allowedByScopes(p.Scopes, a, r) && (a != Read || !g.openToAll(r)) {
		return errs.New(errs.Forbidden, "This token may not %s %s.", a.verb(), describe(r)).WithRule("access/scope").
			WithNext("Use a token whose scope includes %s.", exampleScope(a, r))
	}
	return g.mayAccount(p, a, r)
}

func (g *Gate) openToAll(r Resource) bool { return g.Open(r.Visibility) }

// Open reports whether a repository of that visibility is readable by everyone here, so that shared caches may keep what it
// answers.
func (g *Gate) Open(visibility string) bool { return g.anonymousRead && visibility == "anonymous" }

func (g *Gate) mayAnonymous(a Action, r Resource) error {
	if a == Read && g.openToAll(r) {
		return nil
	}
	return errs.New(errs.Unauthenticated, "You must authenticate to %s %s.", a.verb(), describe(r)).WithRule("access/anonymous").
		WithNext("Send a token of this Bonded; an administrator makes one with `bonded admin token add`.")
}

func (g *Gate) mayAccount(p Principal, a Action, r Resource) error {
	switch {
	case p.Administrator:
		return nil
	case a == Read:
		return nil // internal and private both need an account; the token's scope narrowed it above
	case a == Admin:
		return errs.New(errs.Forbidden, "Only an administrator may do this.").WithRule("access/admin")
	case a == Publish && !r.Exists:
		return nil
	}
	if slices.Contains(r.Owners, p.AccountID) {
		return nil
	}
	return errs.New(errs.Forbidden, "%s does not own %s, so it may not %s it.", p.Name, describe(r), a.verb()).WithRule("access/owner").
		WithNext("Ask an owner of the project to add you.")
}

func describe(r Resource) string {
	if r.Project == "" {
		return "the repository " + r.Repository
	}
	return cmp.Or(r.Display, r.Project) + " in " + r.Repository
}

func exampleScope(a Action, r Resource) string {
	if r.Project == "" {
		return string(a) + ":" + r.Repository
	}
	return string(a) + ":" + r.Repository + ":" + r.Project
}
