package openapi

// eventStream is the answer of a route that sends events for as long as the client stays.
func eventStream(text string) object {
	return object{{"200", object{{"description", text}, {"content", object{{"text/event-stream", object{{"schema", object{{"type", "string"}}}}}}}}}}
}

// lastEventID is the header of a client that comes back.
var lastEventID = param("Last-Event-ID", "header", object{{"type", "string"}}, "The id of the last event that was taken: what comes is what followed it")

// live describes the routes by which the records of a model are followed.
func (b *builder) live(c *Collection) {
	add := func(pattern, summary, text string, params []object, statuses ...int) {
		b.known[pattern] = b.describe(pattern, c.Model.Name, summary, params, nil, eventStream(text), statuses)
	}
	text := object{{"type", "string"}}
	query := append(append(listParams(), b.filters(c.Model)...), lastEventID)
	add("GET "+c.Path+"/live", "Follow the answer to a list", "connected, snapshot until one has a hash, then enter, update, leave and move as it changes; resync and a snapshot where a position is of no use", query, 400, 429, 503)
	add("GET "+c.Path+"/stream", "Follow what is committed", "connected, then create, update and delete", []object{
		param("type", "query", object{{"type", "array"}, {"items", object{{"type", "string"}, {"enum", []string{"created", "updated", "deleted"}}}}}, "Events of these types alone"),
		param("key", "query", text, "Events of this record alone"), param("actor", "query", text, "Events of this actor alone"),
		param("from", "query", object{{"type", "integer"}, {"minimum", 0}}, "Begin behind this index; default: with what is committed from now on"),
		param("epoch", "query", text, "That of connected, where the index is of that connection"), lastEventID,
	}, 400, 410, 429, 503)
}

// connections describes the routes that no model has.
func (b *builder) connections() {
	const socket, module, room = "GET /live", "GET /live/lithair.js", "GET /live/rooms/{room...}"
	text := object{{"type", "string"}}
	b.known[socket] = b.describe(socket, "live", "Open a WebSocket for live queries, feeds and rooms", []object{param("Sec-WebSocket-Protocol", "header", text, "lithair.live.v1")}, nil,
		object{{"101", object{{"description", "The connection is a WebSocket"}}}}, []int{400, 426, 503})
	b.known[module] = b.describe(module, "live", "Read the client for browsers", nil, nil,
		object{{"200", object{{"description", "A module without dependencies"}, {"content", object{{"text/javascript", object{{"schema", text}}}}}}}}, nil)
	conns := object{{"type", "array"}, {"items", object{{"type", "object"}, {"properties", object{{"conn", text}, {"since", object{{"type", "integer"}, {"description", "Unix time in ms"}}}, {"meta", object{}}}}, {"required", []string{"conn", "since"}}}}}
	users := object{{"type", "object"}, {"properties", object{
		{"users", object{{"type", "array"}, {"items", object{{"type", "object"}, {"properties", object{{"user", text}, {"conns", conns}}}, {"required", []string{"user", "conns"}}}}}},
		{"count", object{{"type", "integer"}, {"description", "of all users in the room"}}}, {"more", object{{"type", "boolean"}}},
	}}, {"required", []string{"users", "count", "more"}}}
	b.known[room] = b.describe(room, "live", "List who is in a room", []object{
		param("room", "path", text, ""), param("after", "query", text, "Users whose names come behind this one"), param("take", "query", object{{"type", "integer"}, {"minimum", 1}, {"maximum", 1000}, {"default", 100}}, "Users at most"),
	}, nil, object{answer(200, "Those who are there, on all nodes, by name", users)}, []int{400, 403, 404, 503})
}
