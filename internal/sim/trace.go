package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"

	"github.com/lithair/lithair-go/consensus"
)

// tell adds a line to the story, if it is told: when, who, what.
func (s *simulation) tell(id consensus.NodeID, format string, args ...any) {
	if s.trace == nil {
		return
	}
	who := "     "
	if id != 0 {
		who = fmt.Sprintf("n%-4d", id)
	}
	s.trace(fmt.Sprintf("%10.6f %s %s", s.world.now.Seconds(), who, fmt.Sprintf(format, args...)))
}

// storyHandler puts what a node logs into the story.
type storyHandler struct {
	s      *simulation
	id     consensus.NodeID
	prefix string
	attrs  []slog.Attr
}

func (h *storyHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *storyHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	write := func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		write(a)
	}
	r.Attrs(write)
	h.s.tell(h.id, "%slog: %s", h.prefix, b.String())
	return nil
}

func (h *storyHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &storyHandler{h.s, h.id, h.prefix, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *storyHandler) WithGroup(string) slog.Handler { return h }

// Digest returns a trace function that sums the story up, for comparing two runs.
func Digest() (trace func(line string), sum func() uint64) {
	h := fnv.New64a()
	return func(line string) { _, _ = h.Write([]byte(line + "\n")) }, h.Sum64
}
