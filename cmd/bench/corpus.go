package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// corpus reads one of the standard JSON files from the Go distribution's own test data:
// twitter_status, citm_catalog, canada_geometry. A distribution without them is an
// error, and the case does not apply.
func corpus(name string) ([]byte, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	file := filepath.Join(strings.TrimSpace(string(root)), "src/encoding/json/internal/jsontest/testdata", name+".json.zst")
	packed, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return unzstd(packed)
}

// unzstd decompresses a Zstandard frame. The standard library has a decoder for it but
// shows it only in debug/elf, for compressed sections; so the frame is handed over as
// the one section of a minimal ELF file.
func unzstd(frame []byte) ([]byte, error) {
	const headSize, sectionSize, chdrSize = 64, 64, 24
	var b bytes.Buffer
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) } // to a bytes.Buffer: cannot fail
	put(elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Version: uint32(elf.EV_CURRENT), Shoff: headSize,
		Ehsize: headSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 1,
	})
	at := uint64(headSize + 3*sectionSize)
	put(elf.Section64{}) // number 0 is always empty
	put(elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: at, Size: 1})
	put(elf.Section64{Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_COMPRESSED), Off: at + 1, Size: uint64(chdrSize + len(frame))})
	b.WriteByte(0) // the string table: one empty name
	put(elf.Chdr64{Type: uint32(elf.COMPRESS_ZSTD), Size: 1 << 30})
	b.Write(frame)
	f, err := elf.NewFile(bytes.NewReader(b.Bytes()))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(f.Sections[2].Open())
}
