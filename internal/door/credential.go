package door

import (
	"net/http"
	"strings"

	"bonded/internal/access"
)

// BearerOrBasic reads "Authorization: Bearer TOKEN", "token TOKEN", or Basic with the token as the password (any user name)
// or, where the password is empty, as the user name. Schemes are compared without case.
func BearerOrBasic(r *http.Request) access.Credential {
	if _, password, ok := r.BasicAuth(); ok {
		return access.Credential{Secret: firstNonEmpty(password, basicUser(r))}
	}
	scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && (strings.EqualFold(scheme, "bearer") || strings.EqualFold(scheme, "token")) {
		return access.Credential{Secret: strings.TrimSpace(secret)}
	}
	return access.Credential{}
}

// RawBearerOrBasic is BearerOrBasic that also takes the bare token as the whole header, as cargo sends it.
func RawBearerOrBasic(r *http.Request) access.Credential {
	header := strings.TrimSpace(r.Header.Get("Authorization"))
	if header != "" && !strings.Contains(header, " ") {
		return access.Credential{Secret: header}
	}
	return BearerOrBasic(r)
}

func basicUser(r *http.Request) string {
	user, _, _ := r.BasicAuth()
	return user
}

func firstNonEmpty(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
