package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bonded/internal/config"
	"bonded/internal/outbound"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the settings in effect",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShowCommand())
	return cmd
}

func newConfigShowCommand() *cobra.Command {
	var asJSON, destinations bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print every setting with its value and where it came from, secrets masked",
		Long: `Prints every setting with its effective value and its origin: default, profile, file, env or flag.
With --outbound, prints instead every address that this configuration makes Bonded connect to, and why.
Secrets and passwords are masked.`,
		Example: `  bonded config show
  bonded config show --config /etc/bonded.yaml --outbound
  bonded config show --json | jq '.[] | select(.origin != "default")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadSettings(cmd.Flags())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if destinations {
				return showDestinations(out, cfg, asJSON)
			}
			return showSettings(out, cfg.Settings(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&destinations, "outbound", false, "list the destinations of outbound connections")
	bindSettings(cmd, config.Common, config.Serve)
	return cmd
}

func showSettings(out io.Writer, settings []config.Setting, asJSON bool) error {
	if asJSON {
		return writeJSON(out, settings)
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SETTING\tVALUE\tORIGIN")
	for _, s := range settings {
		value := s.Value
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", s.Name, value, s.Origin)
	}
	return tw.Flush()
}

func showDestinations(out io.Writer, cfg *config.Config, asJSON bool) error {
	guard, err := cfg.Guard()
	if err != nil {
		return err
	}
	list := guard.List()
	if asJSON {
		if list == nil {
			list = []outbound.Destination{}
		}
		return writeJSON(out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "This configuration makes Bonded connect to nothing outside of this machine.")
		return err
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "DESTINATION\tADDRESS\tWHY")
	for _, d := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", d.Name, d.URL, d.Why)
	}
	return tw.Flush()
}

func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
