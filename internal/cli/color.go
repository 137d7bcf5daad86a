package cli

import (
	"errors"
	"io"
	"os"
	"strings"
)

// The styles of words for people, as parameters of SGR (ECMA-48 §8.3.117).
const (
	bad  = "31" // red
	good = "32" // green
	odd  = "33" // yellow
)

// colorModes are what -color takes.
var colorModes = []string{"auto", "always", "never"}

// errColor says that -color was given something else.
var errColor = errors.New("-color: want auto, always or never")

// colors decides which streams get colour. In auto that is a terminal, unless NO_COLOR (no-color.org)
// is set or the terminal is dumb; FORCE_COLOR has it anywhere.
func (c *Console) colors(mode string) error {
	auto := func(w io.Writer) bool {
		switch {
		case os.Getenv("NO_COLOR") != "":
			return false
		case os.Getenv("FORCE_COLOR") != "":
			return true
		}
		return os.Getenv("TERM") != "dumb" && isTerminal(w)
	}
	switch mode {
	case "auto":
		c.colorOut, c.colorErr = auto(c.Out), auto(c.Err)
	case "always", "never":
		c.colorOut, c.colorErr = mode == "always", mode == "always"
	default:
		return errColor
	}
	return nil
}

// isTerminal says that a stream is a device that shows characters.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// paint gives text a style where a stream shows it.
func paint(on bool, style, text string) string {
	if !on || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// PrintDiff prints a diff to Out, what comes and what goes in colours.
func (c *Console) PrintDiff(text string) error {
	for line := range strings.Lines(text) {
		body, end := strings.CutSuffix(line, "\n")
		style := ""
		switch {
		case strings.HasPrefix(body, "+"):
			style = good
		case strings.HasPrefix(body, "-"):
			style = bad
		}
		body = paint(c.colorOut && style != "", style, body)
		if end {
			body += "\n"
		}
		if _, err := io.WriteString(c.Out, body); err != nil {
			return err
		}
	}
	return nil
}
