package wire

// statusText holds the reason phrases of RFC 9110 §15 and of the registry.
var statusText = map[int]string{
	100: "Continue", 101: "Switching Protocols", 103: "Early Hints",
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content", 205: "Reset Content", 206: "Partial Content", 207: "Multi-Status",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
	407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
	413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed", 421: "Misdirected Request",
	422: "Unprocessable Content", 423: "Locked", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
	431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
	507: "Insufficient Storage", 511: "Network Authentication Required",
}

// StatusText returns the reason phrase of a status code; "" when it has none.
func StatusText(code int) string { return statusText[code] }

// statusLines are the ready-made status lines, by code.
var statusLines = func() (t [600]string) {
	for code, text := range statusText {
		t[code] = statusLine(code) + text + "\r\n"
	}
	return t
}()

// statusLine returns the status line as far as its reason phrase (RFC 9112 §4).
func statusLine(code int) string {
	return "HTTP/1.1 " + string([]byte{byte('0' + code/100%10), byte('0' + code/10%10), byte('0' + code%10)}) + " "
}

func appendStatusLine(dst []byte, code int) []byte {
	if code < len(statusLines) && statusLines[code] != "" {
		return append(dst, statusLines[code]...)
	}
	return append(append(dst, statusLine(code)...), "\r\n"...)
}

// bodyless says that a response with that status never has a body (RFC 9110 §6.4.1).
func bodyless(code int) bool { return code < 200 || code == 204 || code == 304 }
