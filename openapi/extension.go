package openapi

import "strings"

// Extension is the member of a document that says what OpenAPI has no words for, for who makes
// clients of it: which paths are those of a collection, what operations are called, and which
// codes errors have.
//
//	"collections": [{"name", "path", "key", "read", "write", "patch", "filters": [names], "past"}]
//	"operations":  [{"name", "method", "path", "write"}]
//	"codes":       [{"code", "status", "title"}]
//
// read, write and patch are names under components/schemas; past is false where a collection
// keeps none, so that at, history and blame are refused.
const Extension = "x-lithair"

func (b *builder) extension() object {
	collections, operations, codes := []object{}, []object{}, []object{}
	for i := range b.Collections {
		c, names := &b.Collections[i], &b.names[i]
		filters := []string{}
		for _, f := range c.Model.Fields {
			if filterable(f) {
				filters = append(filters, f.JSON)
			}
		}
		collections = append(collections, object{{"name", c.Model.Name}, {"path", c.Path}, {"key", c.Model.Primary.JSON},
			{"read", names.read}, {"write", names.write}, {"patch", names.patch}, {"filters", filters}, {"past", !c.Model.MemoryOnly}})
	}
	for i := range b.Operations {
		o := &b.Operations[i]
		method, path, _ := strings.Cut(o.Pattern, " ")
		operations = append(operations, object{{"name", o.Name}, {"method", method}, {"path", template(path)}, {"write", o.Write}})
	}
	for _, c := range b.Codes {
		codes = append(codes, object{{"code", c.Code}, {"status", c.Status}, {"title", c.Title}})
	}
	return object{{"collections", collections}, {"operations", operations}, {"codes", codes}}
}
