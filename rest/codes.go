package rest

// Code is one kind of error, for programs. Codes never change their meaning.
type Code struct {
	Code   string // LTH1001
	Status int    // HTTP status
	Title  string // short, the same for every occurrence
	Hint   string // what to do about it
}

// The registry: every code that this interface answers with.
var (
	CodeMalformed    = Code{"LTH1001", 400, "Malformed JSON", "correct the text at the line and column named"}
	CodeWrongType    = Code{"LTH1002", 400, "Wrong type", "send the type of value that the field has"}
	CodeUnknownField = Code{"LTH1003", 400, "Unknown field", "remove the member, or correct its name"}
	CodeQuery        = Code{"LTH1004", 400, "Bad query", "correct the query parameter named"}
	CodeHeader       = Code{"LTH1005", 400, "Bad header field", "correct the header field named"}
	CodeOperation    = Code{"LTH1006", 400, "Bad operation", "see the operations that _bulk and _tx take"}
	CodeBadRequest   = Code{"LTH1007", 400, "Bad request", "send a request as RFC 9110 and RFC 9112 have it"}
	CodeUnauthorized = Code{"LTH1008", 401, "Not authenticated", "log in, or send valid credentials"}
	CodeForbidden    = Code{"LTH1009", 403, "Not allowed", "ask for the permission"}
	CodeNotFound     = Code{"LTH1010", 404, "Not found", "check the id"}
	CodeMethod       = Code{"LTH1011", 405, "Method not allowed", "use a method of the Allow field"}
	CodeTimeout      = Code{"LTH1012", 408, "Request timeout", "send the request faster"}
	CodeExists       = Code{"LTH1013", 409, "Already exists", "choose another id, or change the record there is"}
	CodeUnique       = Code{"LTH1014", 409, "Not unique", "choose another value for the field named"}
	CodeReference    = Code{"LTH1015", 409, "Missing reference", "create the record referred to first"}
	CodeReferenced   = Code{"LTH1016", 409, "Still referenced", "delete the records that refer to it first"}
	CodePrecondition = Code{"LTH1017", 412, "Precondition failed", "read the record again and repeat the change"}
	CodeIndex        = Code{"LTH1018", 412, "Index not reached", "use the Lithair-Index of an answer of this cluster"}
	CodeTooLarge     = Code{"LTH1019", 413, "Too large", "send less at a time"}
	CodeMediaType    = Code{"LTH1020", 415, "Unsupported media type", "send Content-Type: application/json"}
	CodeInvalid      = Code{"LTH1021", 422, "Validation failed", "correct the fields named"}
	CodeReadOnly     = Code{"LTH1022", 422, "Read-only field", "leave the field out"}
	CodeImmutable    = Code{"LTH1023", 422, "Immutable", "leave the field, or the record, as it is"}
	CodeIdempotency  = Code{"LTH1024", 422, "Idempotency key reused", "use a new key for a new request"}
	CodeReservedID   = Code{"LTH1025", 422, "Reserved id", "choose another id"}
	CodeInternal     = Code{"LTH1026", 500, "Internal error", "look for the request id in the server's log"}
	CodeBusy         = Code{"LTH1027", 503, "Busy", "try again after Retry-After"}
	CodeUnavailable  = Code{"LTH1028", 503, "Unavailable", "try again after Retry-After"}
	CodeNotCommitted = Code{"LTH1029", 503, "Not committed", "nothing was changed: try again"}
	CodeUnknown      = Code{"LTH1030", 503, "Outcome unknown", "read the record, or repeat with the same Idempotency-Key"}
	CodeFull         = Code{"LTH1031", 507, "Storage full", "free some space on the server's disk, or give it more memory or less data"}
	CodeCancelled    = Code{"LTH1032", 503, "Cancelled", "the request was given up before it was carried out"}
	CodeCascade      = Code{"LTH1034", 409, "Cascade too large", "delete the records that refer to it first, a part at a time"}
	CodeStale        = Code{"LTH1035", 503, "Too stale", "ask another node, or for a longer freshness"}
	CodeGone         = Code{"LTH1033", 410, "Gone", "ask for the oldest index, or a newer one"}
)

// Codes lists the registry in order.
var Codes = []Code{
	CodeMalformed, CodeWrongType, CodeUnknownField, CodeQuery, CodeHeader, CodeOperation, CodeBadRequest, CodeUnauthorized,
	CodeForbidden, CodeNotFound, CodeMethod, CodeTimeout, CodeExists, CodeUnique, CodeReference, CodeReferenced,
	CodePrecondition, CodeIndex, CodeTooLarge, CodeMediaType, CodeInvalid, CodeReadOnly, CodeImmutable, CodeIdempotency,
	CodeReservedID, CodeInternal, CodeBusy, CodeUnavailable, CodeNotCommitted, CodeUnknown, CodeFull, CodeCancelled, CodeGone, CodeCascade, CodeStale,
}

// byStatus is the code of an error that has only a status.
func byStatus(status int) Code {
	switch status {
	case 401:
		return CodeUnauthorized
	case 403:
		return CodeForbidden
	case 404:
		return CodeNotFound
	case 405:
		return CodeMethod
	case 408:
		return CodeTimeout
	case 412:
		return CodePrecondition
	case 413:
		return CodeTooLarge
	case 415:
		return CodeMediaType
	case 422:
		return CodeInvalid
	case 503:
		return CodeUnavailable
	case 507:
		return CodeFull
	}
	if status >= 500 {
		return CodeInternal
	}
	return CodeBadRequest
}
