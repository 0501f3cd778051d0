package web

import (
	_ "embed" // for the policy
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"bonded/internal/errs"
	"bonded/internal/readme"
	"bonded/internal/request"
)

// policy is SECURITY.md, word for word; a test compares them.
//
//go:embed policy.md
var policy string

// policyHTML is the policy without its title, rendered as readmes are.
var policyHTML = func() string {
	_, body, _ := strings.Cut(policy, "\n")
	return string(readme.Render(body, "text/markdown").HTML)
}()

// securityTxtLife is how long a fetched security.txt may be believed (RFC 9116 §2.5.5: less than a year).
const securityTxtLife = 180 * 24 * time.Hour

func (s *Site) security(w http.ResponseWriter, r *http.Request) error {
	f := Frame{Title: "Security", Section: "security", Search: true, Description: "How to report a weakness or a harmful package."}
	return s.Show(w, r, http.StatusOK, f, func(f Frame) templ.Component { return securityPage(f, s.options.SecurityContact, policyHTML) })
}

// securityTxt answers as RFC 9116 says, if the operator named a contact, which it requires.
func (s *Site) securityTxt(w http.ResponseWriter, r *http.Request) error {
	if s.options.SecurityContact == "" {
		return errs.New(errs.NotFound, "No security contact is set here.").WithNext("The security page says how to report a weakness.")
	}
	base := request.BaseURL(r.Context())
	setHeaders(w.Header())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := fmt.Fprintf(w, "Contact: %s\nExpires: %s\nPreferred-Languages: en\nPolicy: %s/security\nCanonical: %s/.well-known/security.txt\n",
		s.options.SecurityContact, s.now().Add(securityTxtLife).Truncate(24*time.Hour).Format(time.RFC3339), base, base)
	if err != nil {
		s.house.Log.DebugContext(r.Context(), "security.txt was not read to its end", "error", err)
	}
	return nil
}

// contactWords shows a contact without its scheme.
func contactWords(contact string) string { return strings.TrimPrefix(contact, "mailto:") }
