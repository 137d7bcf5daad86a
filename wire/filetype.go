package wire

import "strings"

// fileTypes are the media types of file names by extension. The table is fixed: what a
// server answers does not depend on files of the machine it runs on.
var fileTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".xhtml": "application/xhtml+xml",
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".json": "application/json", ".map": "application/json", ".jsonld": "application/ld+json", ".geojson": "application/geo+json", ".ndjson": "application/x-ndjson",
	".webmanifest": "application/manifest+json", ".wasm": "application/wasm", ".xml": "text/xml; charset=utf-8", ".rss": "application/rss+xml", ".atom": "application/atom+xml",
	".txt": "text/plain; charset=utf-8", ".log": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8", ".csv": "text/csv; charset=utf-8",
	".tsv": "text/tab-separated-values; charset=utf-8", ".ics": "text/calendar; charset=utf-8", ".vcf": "text/vcard; charset=utf-8", ".vtt": "text/vtt; charset=utf-8",
	".yaml": "application/yaml", ".yml": "application/yaml", ".toml": "application/toml",
	".svg": "image/svg+xml", ".png": "image/png", ".apng": "image/apng", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
	".avif": "image/avif", ".bmp": "image/bmp", ".ico": "image/x-icon", ".tif": "image/tiff", ".tiff": "image/tiff",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf", ".eot": "application/vnd.ms-fontobject",
	".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".aac": "audio/aac", ".oga": "audio/ogg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".wav": "audio/wav", ".flac": "audio/flac", ".weba": "audio/webm",
	".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime", ".mpeg": "video/mpeg", ".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t",
	".pdf": "application/pdf", ".epub": "application/epub+zip", ".rtf": "application/rtf", ".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", ".odt": "application/vnd.oasis.opendocument.text", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
	".zip": "application/zip", ".gz": "application/gzip", ".br": "application/octet-stream", ".zst": "application/zstd", ".tar": "application/x-tar", ".bz2": "application/x-bzip2", ".xz": "application/x-xz", ".7z": "application/x-7z-compressed",
}

// FileType returns the media type of a file by the extension of its name, without regard
// to case; "application/octet-stream" when that is not known. Text is said to be UTF-8.
func FileType(name string) string {
	if t, ok := fileTypes[strings.ToLower(extension(name))]; ok {
		return t
	}
	return "application/octet-stream"
}

// extension returns the last dot of a path's last segment and what follows it.
func extension(name string) string {
	for i := len(name) - 1; i >= 0 && name[i] != '/'; i-- {
		if name[i] == '.' {
			return name[i:]
		}
	}
	return ""
}

// activeType says that a browser may run scripts of a file of this type when it opens it.
func activeType(t string) bool {
	media, _, _ := strings.Cut(t, ";")
	return media == "text/html" || media == "text/xml" || media == "text/javascript" || media == "application/pdf" || strings.HasSuffix(media, "+xml") || strings.HasSuffix(media, "/xml")
}
