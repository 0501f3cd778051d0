package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"bonded/internal/access"
)

// Whoami is who asks.
type Whoami struct {
	Kind          string   `json:"kind" enum:"anonymous,token"`
	Name          string   `json:"name,omitempty" doc:"The account"`
	Administrator bool     `json:"administrator,omitempty"`
	Token         int64    `json:"token,omitempty" doc:"The number of the token, as lists of tokens show it"`
	Scopes        []string `json:"scopes,omitempty" doc:"What the token may do"`
}

func (a *API) addWhoami() {
	add(a, huma.Operation{
		OperationID: "whoami", Method: http.MethodGet, Path: "/api/v1/whoami", Tags: []string{"Account"}, Security: mayBeAnonymous,
		Summary: "Read who you are", Description: "The account and the scopes of the token that was sent.",
	}, func(_ context.Context, p access.Principal, _ *struct{}) (Whoami, error) {
		out := Whoami{Kind: string(p.Kind), Name: p.Name, Administrator: p.Administrator, Token: p.TokenID}
		for _, s := range p.Scopes {
			out.Scopes = append(out.Scopes, s.String())
		}
		return out, nil
	})
}
