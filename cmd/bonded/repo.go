package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bonded/internal/config"
	"bonded/internal/registry"
)

func newRepoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "repo", Short: "List, add and change repositories",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRepoListCommand(), newRepoAddCommand(), newRepoSetCommand())
	return cmd
}

func newRepoListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the repositories with what they hold", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withInstance(cmd, func(ctx context.Context, in *instance) error { return listRepositories(ctx, in, cmd, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	bindSettings(cmd, config.Common)
	return cmd
}

// repositoryRow is a repository as printed.
type repositoryRow struct {
	Repository string            `json:"repository"`
	Kind       string            `json:"kind"`
	Visibility string            `json:"visibility"`
	Members    []string          `json:"members,omitempty"`
	Projects   int64             `json:"projects"`
	Releases   int64             `json:"releases"`
	Bytes      int64             `json:"bytes"`
	Settings   registry.Settings `json:"settings"`
}

func listRepositories(ctx context.Context, in *instance, cmd *cobra.Command, asJSON bool) error {
	all, err := in.registry.Repositories(ctx)
	if err != nil {
		return err
	}
	rows := make([]repositoryRow, 0, len(all))
	for _, repo := range all {
		usage, err := in.registry.Usage(ctx, repo)
		if err != nil {
			return err
		}
		row := repositoryRow{
			Repository: repo.Path(), Kind: string(repo.Kind), Visibility: string(repo.Visibility),
			Projects: usage.Projects, Releases: usage.Releases, Bytes: usage.Bytes, Settings: repo.Settings,
		}
		for _, id := range repo.Members {
			if m, err := in.registry.RepositoryByID(ctx, id); err == nil {
				row.Members = append(row.Members, m.Name)
			}
		}
		rows = append(rows, row)
	}
	if asJSON {
		return writeJSON(cmd.OutOrStdout(), rows)
	}
	tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "REPOSITORY\tKIND\tVISIBILITY\tMEMBERS\tPROJECTS\tRELEASES\tBYTES")
	for _, r := range rows {
		members := strings.Join(r.Members, ",")
		if members == "" {
			members = "-"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%d\t%d\n", r.Repository, r.Kind, r.Visibility, members, r.Projects, r.Releases, r.Bytes)
	}
	return tw.Flush()
}

func newRepoAddCommand() *cobra.Command {
	var kind, visibility string
	var members, settings []string
	cmd := &cobra.Command{
		Use: "add ECOSYSTEM/NAME", Short: "Add a hosted repository or a group",
		Example: `  bonded repo add npm/team --visibility private
  bonded repo add npm/all --kind group --member team --member local`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			eco, name, err := splitRepository(args[0])
			if err != nil {
				return err
			}
			repo := registry.Repository{Ecosystem: eco, Name: name, Kind: registry.Kind(kind), Visibility: registry.Visibility(visibility)}
			if err := applySettings(&repo.Settings, settings); err != nil {
				return err
			}
			return changeInstance(cmd, func(ctx context.Context, in *instance) error {
				return in.registry.CreateRepository(ctx, registry.Actor{}, repo, members)
			})
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "hosted", "hosted or group")
	cmd.Flags().StringVar(&visibility, "visibility", "anonymous", "who may read: anonymous, internal (every account) or private")
	cmd.Flags().StringArrayVar(&members, "member", nil, "a group's member; the first that owns a name answers for it")
	cmd.Flags().StringArrayVar(&settings, "set", nil, "a setting, such as quota=10737418240")
	bindSettings(cmd, config.Common)
	return cmd
}

func newRepoSetCommand() *cobra.Command {
	var visibility string
	var members, settings []string
	cmd := &cobra.Command{
		Use: "set ECOSYSTEM/NAME", Short: "Change a repository's visibility, members or settings",
		Long: `Changes what is given and leaves the rest. The settings are file_limit and quota (bytes), keep_snapshots (builds),
keep_snapshot_days, keep_prerelease_days, unpublish_hours (-1 = never), releases and snapshots (Maven: "no" refuses) and description.`,
		Example: `  bonded repo set maven/local --set snapshots=no
  bonded repo set npm/local --visibility private`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			eco, name, err := splitRepository(args[0])
			if err != nil {
				return err
			}
			return changeInstance(cmd, func(ctx context.Context, in *instance) error {
				var bad error
				err := in.registry.UpdateRepository(ctx, registry.Actor{}, eco, name, members, func(r *registry.Repository) {
					if visibility != "" {
						r.Visibility = registry.Visibility(visibility)
					}
					if bad = applySettings(&r.Settings, settings); bad != nil {
						r.Name = "" // refused below, so that nothing is stored
					}
				})
				if bad != nil {
					return bad
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&visibility, "visibility", "", "who may read: anonymous, internal or private")
	cmd.Flags().StringArrayVar(&members, "member", nil, "a group's members, all of them, in order")
	cmd.Flags().StringArrayVar(&settings, "set", nil, "a setting, such as quota=10737418240")
	bindSettings(cmd, config.Common)
	return cmd
}

func splitRepository(arg string) (ecosystem, name string, err error) {
	ecosystem, name, ok := strings.Cut(arg, "/")
	if !ok || ecosystem == "" || name == "" {
		return "", "", usageError{fmt.Errorf("%q does not name a repository; write ECOSYSTEM/NAME, such as npm/local", arg)}
	}
	return ecosystem, name, nil
}

// applySettings reads KEY=VALUE pairs by way of the settings' JSON form, so that every setting is known once.
func applySettings(s *registry.Settings, pairs []string) error {
	for _, pair := range pairs {
		k, v, ok := strings.Cut(pair, "=")
		if !ok {
			return usageError{fmt.Errorf("%q is not a setting; write KEY=VALUE", pair)}
		}
		doc := map[string]any{k: v}
		var n json.Number
		if json.Unmarshal([]byte(v), &n) == nil && v != "" {
			doc[k] = n
		}
		b, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		dec := json.NewDecoder(strings.NewReader(string(b)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(s); err != nil {
			return usageError{fmt.Errorf("%q is not a setting of a repository (%w)", pair, err)}
		}
	}
	return nil
}
