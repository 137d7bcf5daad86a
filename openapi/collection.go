package openapi

import (
	"fmt"
	"reflect"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

var (
	writeErrors = []int{400, 409, 413, 415, 422, 503, 507}
	ifMatch     = param("If-Match", "header", object{{"type", "string"}}, "Only this version, as its ETag says")
	ifNoneMatch = param("If-None-Match", "header", object{{"type", "string"}}, "Not this version, as its ETag says")
	consistency = []object{
		param("level", "query", object{{"type", "string"}, {"enum", []string{"none", "weak", "linearizable", "strong"}}}, "How sure the answer is to be of the newest state"),
		param("freshness", "query", object{{"type", "string"}}, "How old the state may be, such as 1s"),
		param("freshness_strict", "query", object{{"type", "boolean"}}, "Changes nothing: freshness is always how old the state is"),
		param("min_index", "query", object{{"type", "integer"}}, "Wait for this Lithair-Index"),
		param("at", "query", object{{"type", "string"}}, "The state at this Lithair-Index, or at this time (RFC 3339)"),
	}
)

// recordNames are those of the schemas of a model.
type recordNames struct{ read, write, patch string }

// collection describes the routes of a model.
func (b *builder) collection(c *Collection) {
	m := c.Model
	read, write, patch := b.schemas.record(m)
	b.names = append(b.names, recordNames{read, write, patch})
	key := param("id", "path", b.schemas.of(m.Primary.GoType, nil), "The key of a record")
	add := func(pattern, summary string, params []object, body, responses object, statuses ...int) {
		b.known[pattern] = b.describe(pattern, m.Name, summary, params, body, responses, statuses)
	}
	one := func(status int, text string, headers ...member) object {
		return object{answer(status, text, ref(read), append([]member{indexHeader, etagHeader}, headers...)...)}
	}
	reads := func(list ...object) []object { return append(list, consistency...) }
	filters := b.filters(m)
	page := object{{"type", "object"}, {"properties", object{
		{"data", object{{"type", "array"}, {"items", ref(read)}}}, {"total", object{{"type", "integer"}}}, {"skip", object{{"type", "integer"}}},
		{"take", object{{"type", "integer"}}}, {"has_more", object{{"type", "boolean"}}}}}, {"required", []string{"data", "total", "skip", "take", "has_more"}}}
	add("GET "+c.Path, "List records", reads(append(listParams(), filters...)...), nil, object{answer(200, "A page of records", page, indexHeader)}, 400, 410, 412, 503)
	counted := object{{"type", "object"}, {"properties", object{{"count", object{{"type", "integer"}}}}}, {"required", []string{"count"}}}
	add("GET "+c.Path+"/count", "Count records", reads(filters...), nil, object{answer(200, "How many there are", counted, indexHeader)}, 400, 410, 412, 503)
	unchanged := object{{"description", "It is that version still"}}
	add("GET "+c.Path+"/{id}", "Read a record", reads(key, ifNoneMatch, ifMatch), nil, append(one(200, "The record"), member{"304", unchanged}), 400, 404, 410, 412, 503)
	add("POST "+c.Path, "Create a record", []object{idempotencyKey}, jsonContent(ref(write)), one(201, "The record", locationHeader, replayedHeader), writeErrors...)
	add("PUT "+c.Path+"/{id}", "Replace a record", []object{key, ifMatch, ifNoneMatch, idempotencyKey}, jsonContent(ref(write)),
		append(one(200, "The record", replayedHeader), one(201, "The record, which was not there", locationHeader, replayedHeader)...), append([]int{404, 412}, writeErrors...)...)
	patches := object{{"application/json", object{{"schema", ref(patch)}}}, {"application/merge-patch+json", object{{"schema", ref(patch)}}}}
	add("PATCH "+c.Path+"/{id}", "Change members of a record (RFC 7396)", []object{key, ifMatch, idempotencyKey}, patches, one(200, "The record", replayedHeader), append([]int{404, 412}, writeErrors...)...)
	add("DELETE "+c.Path+"/{id}", "Delete a record", []object{key, ifMatch, idempotencyKey}, nil, object{answer(204, "It is gone", nil, indexHeader, replayedHeader)}, 400, 404, 409, 412, 503)
	list := object{{"type", "array"}, {"items", object{{"anyOf", []object{ref(write), operationSchema}}}}}
	add("POST "+c.Path+"/_bulk", "Carry out many operations, all or none", []object{idempotencyKey}, jsonContent(list), object{answer(200, "What became of each", resultList, indexHeader, replayedHeader)},
		append([]int{404, 412}, writeErrors...)...)
	b.past(c, key, read)
	b.live(c)
	b.files(c, key)
}

// past describes the routes of what was.
func (b *builder) past(c *Collection, key object, read string) {
	text, integer := object{{"type", "string"}}, object{{"type", "integer"}}
	by := object{{"index", integer}, {"time", object{{"type", "string"}, {"format", "date-time"}}}, {"actor", text}, {"command", text}, {"request_id", text}}
	version := append(append(object{}, by...), member{"kind", text}, member{"changed", object{{"type", "array"}, {"items", text}}},
		member{"events", object{{"type", "array"}, {"items", object{{"type", "object"}, {"properties", object{{"name", text}, {"payload", object{}}, {"version", object{{"type", "integer"}}}}}}}, {"description", "what the application calls it, where it does"}}}, member{"record", nullable(ref(read))})
	history := object{{"type", "object"}, {"properties", object{{"data", object{{"type", "array"}, {"items", object{{"type", "object"}, {"properties", version}}}}},
		{"has_more", object{{"type", "boolean"}}}, {"complete", object{{"type", "boolean"}, {"description", "false when the log before is gone"}}}}}}
	pattern := "GET " + c.Path + "/{id}/history"
	params := []object{key, param("take", "query", object{{"type", "integer"}, {"minimum", 1}}, "At most so many"), param("before", "query", object{{"type", "integer"}, {"minimum", 1}}, "Those before this index")}
	b.known[pattern] = b.describe(pattern, c.Model.Name, "The versions of a record, newest first", params, nil, object{answer(200, "The versions", history, indexHeader)}, []int{400, 404, 503})
	pattern = "GET " + c.Path + "/{id}/blame"
	blame := object{{"type", "object"}, {"properties", object{{"data", object{{"type", "object"}, {"additionalProperties", object{{"type", "object"}, {"properties", by}}}}}}}}
	b.known[pattern] = b.describe(pattern, c.Model.Name, "Who gave each field its value, and when", []object{key}, nil, object{answer(200, "By field", blame, indexHeader)}, []int{400, 404, 503})
}

// files describes the routes of fields that name files.
func (b *builder) files(c *Collection, key object) {
	anything := object{{"*/*", object{{"schema", object{}}}}}
	for _, f := range c.Model.Blobs() {
		at := c.Path + "/{id}/" + f.JSON
		for _, o := range []struct {
			method, summary string
			body            object
			answer          member
			statuses        []int
		}{
			{"GET", "Read the file of " + f.JSON, nil, member{"200", object{{"description", "The file"}, {"content", anything}}}, []int{404, 412, 416, 503}},
			{"PUT", "Put the file of " + f.JSON, anything, member{"200", object{{"description", "It is kept"}}}, []int{400, 404, 409, 413, 422, 503, 507}},
			{"DELETE", "Remove the file of " + f.JSON, nil, member{"204", object{{"description", "It is gone"}}}, []int{404, 409, 422, 503}},
		} {
			pattern := o.method + " " + at
			b.known[pattern] = b.describe(pattern, c.Model.Name, o.summary, []object{key}, o.body, object{o.answer}, o.statuses)
		}
	}
}

// shared describes the routes that all models have in common.
func (b *builder) shared() {
	if len(b.Collections) == 0 {
		return
	}
	b.known["POST /api/_tx"] = b.describe("POST /api/_tx", "transactions", "Carry out operations on several models, all or none", []object{idempotencyKey}, jsonContent(operationList),
		object{answer(200, "What became of each", resultList, indexHeader, replayedHeader)}, append([]int{404, 412}, writeErrors...))
	b.known["POST /api/_blobs"] = b.describe("POST /api/_blobs", "files", "Put a file before there is a record", nil, object{{"*/*", object{{"schema", object{}}}}},
		object{answer(201, "The value of a field that names it", b.schemas.of(reflect.TypeFor[model.Blob](), nil))}, []int{400, 413, 503, 507})
}

var (
	operationSchema = object{{"type", "object"}, {"properties", object{
		{"op", object{{"type", "string"}, {"enum", []string{"create", "put", "patch", "delete", "check"}}}}, {"model", object{{"type", "string"}, {"description", "for _tx"}}},
		{"id", object{{"type", []string{"string", "integer"}}}}, {"data", object{{"type", "object"}}}, {"if_match", object{{"type", "string"}}},
		{"expect", object{{"type", "string"}, {"enum", []string{"exists", "absent"}}}}}}, {"required", []string{"op"}}}
	operationList = object{{"type", "array"}, {"items", operationSchema}}
	resultList    = object{{"type", "object"}, {"properties", object{{"results", object{{"type", "array"}, {"items", object{{"type", "object"}, {"properties", object{
		{"status", object{{"type", "integer"}}}, {"id", object{{"type", "string"}}}, {"etag", object{{"type", "string"}}}, {"data", object{{"type", "object"}}}}}}}}}}}}
)

func listParams() []object {
	return []object{
		param("skip", "query", object{{"type", "integer"}, {"minimum", 0}, {"default", 0}}, "Records to pass over"),
		param("take", "query", object{{"type", "integer"}, {"minimum", 0}, {"default", 50}}, "Records at most; more than 1000 are 1000"),
		param("sort", "query", object{{"type", "string"}}, "Names of fields, joined by commas; - in front is downwards"),
		param("fields", "query", object{{"type", "string"}}, "Names of the members wanted, joined by commas"),
	}
}

// filterable says that records can be chosen by a field.
func filterable(f *model.Field) bool {
	switch f.Type.Kind {
	case binenc.KindList, binenc.KindMap, binenc.KindMessage, binenc.KindBytes:
		return false
	}
	return f.JSON != "" && !f.Hidden && !f.Sealed
}

// filters are the parameters by which records are chosen.
func (b *builder) filters(m *model.Model) []object {
	list := []object{param("or", "query", object{{"type", "string"}}, "(a=1,b=>2): one of these holds")}
	for _, f := range m.Fields {
		if !filterable(f) {
			continue
		}
		text := "A value, or an operator in front of one: ! > >= < <= ~ =, in(a,b)"
		if f.Optional {
			text += "; null is no value"
		}
		list = append(list, param(f.JSON, "query", object{{"type", "string"}}, fmt.Sprintf("By %s. %s", f.JSON, text)))
	}
	return list
}
