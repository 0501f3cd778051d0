package maven

import (
	"testing"

	"bonded/internal/ecosystem/osvtest"
)

const osvEcosystem = "Maven"

func validVersion(s string) bool {
	_, err := ParseVersion(s)
	return err == nil
}

func TestVersionOrderIsTheClients(t *testing.T) {
	osvtest.CheckOrder(t, "testdata/versions.tsv", osvEcosystem, CompareVersions, validVersion)
}

func TestVersionOrderIsTheClientsOnSharedData(t *testing.T) {
	osvtest.CheckOrder(t, osvtest.Shared(t, "versions-dev.tsv"), osvEcosystem, CompareVersions, validVersion)
}

func TestAdvisoryCasesOnSharedData(t *testing.T) {
	osvtest.CheckCases(t, osvtest.Shared(t, "osv-cases-dev.tsv"), osvtest.Shared(t, "osv-maven-dev.ndjson"), osvEcosystem, osvtest.Rules{
		Compare: CompareVersions,
		Project: NormalizeName,
		Version: func(s string) string {
			if v, err := ParseVersion(s); err == nil {
				return v.Unique
			}
			return s
		},
	})
}
