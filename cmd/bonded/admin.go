package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bonded/internal/access"
	"bonded/internal/config"
	"bonded/internal/errs"
	"bonded/internal/events"
)

// withInstance opens the instance for an offline verb; a server may be running beside it.
func withInstance(cmd *cobra.Command, fn func(context.Context, *instance) error) error {
	cfg, err := loadSettings(cmd.Flags())
	if err != nil {
		return err
	}
	in, err := openInstance(cmd.Context(), cfg, quietLogger())
	if err != nil {
		return err
	}
	defer func() { _ = in.close() }()
	return fn(cmd.Context(), in)
}

// changeInstance is withInstance for changes that running servers have to heed: it returns when every one of them does. A
// server reads the feed four times a second, and one that falls behind for longer than events.StaleAfter trusts no cache.
func changeInstance(cmd *cobra.Command, fn func(context.Context, *instance) error) error {
	return withInstance(cmd, func(ctx context.Context, in *instance) error {
		if err := fn(ctx, in); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(events.StaleAfter):
			return nil
		}
	})
}

func newAdminCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "admin", Short: "Administer accounts and tokens on the data folder or database",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	user := &cobra.Command{Use: "user", Short: "Accounts", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	user.AddCommand(newUserAddCommand(), newUserListCommand(), newUserDisableCommand(true), newUserDisableCommand(false))
	token := &cobra.Command{Use: "token", Short: "Tokens", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	token.AddCommand(newTokenAddCommand(), newTokenListCommand(), newTokenRevokeCommand())
	cmd.AddCommand(user, token)
	return cmd
}

func newUserAddCommand() *cobra.Command {
	var email string
	var admin bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add an account", Example: "  bonded admin user add alice --email alice@example.com",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				acc, err := in.accounts.Add(ctx, args[0], email, admin)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "Added %s. Make a token with `bonded admin token add --user %s`.\n", acc.Name, acc.Name)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&email, "email", "", "the account's e-mail address (required)")
	cmd.Flags().BoolVar(&admin, "admin", false, "let the account administer the instance")
	_ = cmd.MarkFlagRequired("email")
	bindSettings(cmd, config.Common)
	return cmd
}

func newUserListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the accounts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				all, err := in.accounts.List(ctx)
				if err != nil {
					return err
				}
				tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(tw, "NAME\tEMAIL\tADMIN\tDISABLED")
				for _, a := range all {
					fmt.Fprintf(tw, "%s\t%s\t%t\t%t\n", a.Name, a.Email, a.Admin, a.Disabled)
				}
				return tw.Flush()
			})
		},
	}
	bindSettings(cmd, config.Common)
	return cmd
}

func newUserDisableCommand(disable bool) *cobra.Command {
	use, short := "disable NAME", "End everything an account may do, at once"
	if !disable {
		use, short = "enable NAME", "Let a disabled account act again"
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeInstance(cmd, func(ctx context.Context, in *instance) error {
				return in.accounts.Disable(ctx, args[0], disable)
			})
		},
	}
	bindSettings(cmd, config.Common)
	return cmd
}

func newTokenAddCommand() *cobra.Command {
	var user, label, expires string
	var scopes []string
	cmd := &cobra.Command{
		Use: "add --user NAME", Short: "Make a token and print it, alone, on standard output",
		Long: `Makes a token for an account. The secret is printed once, alone, on standard output, and is not stored.

A scope is ACTIONS[:ECOSYSTEM/REPOSITORY[:PROJECT]]. The actions are read, publish, yank, delete, owners, admin and * for all;
either part of the repository may be *, and the project may end in *. Without --scope the token may read, publish and yank
everywhere its account may. It expires after 90 days unless --expires says otherwise ("never" is possible and unwise).`,
		Example: `  bonded admin token add --user alice
  bonded admin token add --user ci --scope 'read,publish:npm/local:@acme/*' --expires 30d`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n := access.NewToken{Type: access.UserToken, Label: label, Vouched: true}
			for _, text := range scopes {
				s, err := access.ParseScope(text)
				if err != nil {
					return err
				}
				n.Scopes = append(n.Scopes, s)
			}
			life, err := parseLife(expires)
			if err != nil {
				return err
			}
			if life > 0 {
				n.Expires = time.Now().Add(life)
			}
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				for i := range n.Scopes {
					n.Scopes[i].Project = in.normalProject(n.Scopes[i])
				}
				acc, err := in.accounts.ByName(ctx, user)
				if err != nil {
					return errs.New(errs.NotFound, "There is no account named %q.", user).WithNext("Add it with `bonded admin user add`.")
				}
				n.AccountID = acc.ID
				secret, _, err := in.gate.CreateToken(ctx, n)
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), secret)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "the account (required)")
	cmd.Flags().StringArrayVar(&scopes, "scope", []string{"read,publish,yank"}, "what the token may do; may be given several times")
	cmd.Flags().StringVar(&expires, "expires", "90d", "life of the token, such as 12h, 30d or never")
	cmd.Flags().StringVar(&label, "label", "", "a word to recognize it by")
	_ = cmd.MarkFlagRequired("user")
	bindSettings(cmd, config.Common)
	return cmd
}

// parseLife reads "never" (0), days ("30d") or a Go duration.
func parseLife(s string) (time.Duration, error) {
	if s == "never" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err == nil && n > 0 && n <= 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return d, nil
	}
	return 0, usageError{fmt.Errorf("%q is not a life time; write 12h, 30d or never", s)}
}

func newTokenListCommand() *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: "list --user NAME", Short: "List an account's tokens, without their secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error {
				acc, err := in.accounts.ByName(ctx, user)
				if err != nil {
					return err
				}
				all, err := in.gate.Tokens(ctx, acc.ID)
				if err != nil {
					return err
				}
				tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(tw, "NUMBER\tBEGINS\tLABEL\tSCOPES\tEXPIRES\tREVOKED\tVOUCHED BY OPERATOR")
				for _, t := range all {
					life := "never"
					if !t.Expires.IsZero() {
						life = t.Expires.Format(time.DateOnly)
					}
					texts := make([]string, len(t.Scopes))
					for i, s := range t.Scopes {
						texts[i] = s.String()
					}
					fmt.Fprintf(tw, "%d\t%s…\t%s\t%s\t%s\t%t\t%t\n", t.ID, t.Hint, t.Label, strings.Join(texts, " "), life, t.Revoked, t.Vouched)
				}
				return tw.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "the account (required)")
	_ = cmd.MarkFlagRequired("user")
	bindSettings(cmd, config.Common)
	return cmd
}

func newTokenRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke NUMBER", Short: "End a token at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("%q is not the number of a token; `bonded admin token list` shows them", args[0])}
			}
			return changeInstance(cmd, func(ctx context.Context, in *instance) error { return in.gate.RevokeToken(ctx, id) })
		},
	}
	bindSettings(cmd, config.Common)
	return cmd
}

// normalProject writes a scope's project, or its prefix, as access compares it: people type the spelling they publish.
func (in *instance) normalProject(s access.Scope) string {
	format := in.registry.Format(s.Ecosystem)
	if format == nil {
		return s.Project
	}
	prefix, star := strings.CutSuffix(s.Project, "*")
	norm, ok := format.Normalize(prefix)
	switch {
	case !ok:
		return s.Project
	case star:
		return norm + "*"
	default:
		return norm
	}
}
