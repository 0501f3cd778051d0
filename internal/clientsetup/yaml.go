package clientsetup

import (
	"bytes"
	"errors"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// setYAML sets values below the top-level keys of a mapping; a value that is a mapping is merged key by key, and one that is
// a list gains the elements it lacks. The document is edited as a tree that carries its comments.
func setYAML(text string, values yaml.Node) (string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return "", err
	}
	if doc.Kind == 0 { // an empty file, or comments alone, which the tree does not carry
		doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
		if len(bytes.TrimSpace([]byte(text))) > 0 {
			out, err := yamlText(&values)
			return appendBlock(text, out), err
		}
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return "", errors.New("it is not a mapping")
	}
	merged, err := yamlChanges(root, &values)
	if err != nil || !merged {
		return text, err
	}
	out, err := yamlText(&doc)
	if err != nil {
		return "", err
	}
	return out, sameYAML(root, out)
}

func yamlText(n *yaml.Node) (string, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := errors.Join(enc.Encode(n), enc.Close())
	return b.String(), err
}

// sameYAML reports a text that does not mean the tree.
func sameYAML(tree *yaml.Node, text string) error {
	var want, got any
	if err := errors.Join(tree.Decode(&want), yaml.Unmarshal([]byte(text), &got)); err != nil || !reflect.DeepEqual(want, got) {
		return errStyle
	}
	return nil
}

// yamlChanges merges from into to and reports whether anything was missing.
func yamlChanges(to, from *yaml.Node) (changed bool, err error) {
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, value := from.Content[i], from.Content[i+1]
		at := slices.IndexFunc(to.Content, func(n *yaml.Node) bool { return n.Value == key.Value && n.Kind == yaml.ScalarNode })
		for at >= 0 && at%2 == 1 { // a value that looks like the key
			next := slices.IndexFunc(to.Content[at+1:], func(n *yaml.Node) bool { return n.Value == key.Value && n.Kind == yaml.ScalarNode })
			if next < 0 {
				at = -1
				break
			}
			at += 1 + next
		}
		if at < 0 {
			to.Content, changed = append(to.Content, key, value), true
			continue
		}
		old := to.Content[at+1]
		if old.Kind != value.Kind {
			return false, errStyle
		}
		more, err := yamlValue(old, value)
		if err != nil {
			return false, err
		}
		changed = changed || more
	}
	return changed, nil
}

func yamlValue(old, value *yaml.Node) (changed bool, err error) {
	switch value.Kind {
	case yaml.MappingNode:
		return yamlChanges(old, value)
	case yaml.SequenceNode:
		for _, v := range value.Content {
			if !slices.ContainsFunc(old.Content, func(n *yaml.Node) bool { return n.Value == v.Value }) {
				old.Content, changed = append(old.Content, v), true
			}
		}
		return changed, nil
	default:
		if old.Value == value.Value {
			return false, nil
		}
		old.Value, old.Tag, old.Style = value.Value, value.Tag, value.Style
		return true, nil
	}
}

// yamlMap builds a mapping from keys and values in order.
func yamlMap(keysAndValues ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: keysAndValues}
}

func yamlList(values ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: values}
}

func yamlString(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
}

func yamlKey(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func yamlTrue() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"} }
