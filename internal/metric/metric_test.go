package metric_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bonded/internal/metric"
)

func TestAllListsEveryConstantOnce(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "metric.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			s, _ := strconv.Unquote(lit.Value)
			names = append(names, s)
		}
		return true
	})
	slices.Sort(names)
	all := slices.Sorted(slices.Values(metric.All))
	if !slices.Equal(names, all) {
		t.Errorf("All has %q, the constants are %q", all, names)
	}
	for _, name := range all {
		if !strings.HasPrefix(name, "bonded_") {
			t.Errorf("%s does not say whose metric it is", name)
		}
	}
}
