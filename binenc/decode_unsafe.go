//go:build !purego && (386 || amd64 || arm64 || loong64 || ppc64le || wasm)

package binenc

import "unsafe"

// messageHot fills in the fields from msg[off] on, of which number was read last and
// ops[i] may come next, up to the first that is not of a frequent form; message does
// that one, or says what is wrong with it, and comes back.
func (d *decoding) messageHot(p *program, base place, off, end, i int, number uint32) (int, int, uint32, error) {
	msg := unsafe.Pointer(unsafe.SliceData(d.msg))
	for off < end && i < len(p.hot) {
		o, at, h := &p.hot[i], off, getByte(msg, off)
		want := number + 1
		if h >= headShortGap {
			if h >= headLongGap || at+1 >= end {
				break
			}
			want += uint32(h-headShortGap) + 1
			at++
			h = getByte(msg, at)
			for o.number < want && i+1 < len(p.hot) {
				i++
				o = &p.hot[i]
			}
		}
		if o.number != want {
			break
		}
		field := unsafe.Add(base, o.offset)
		switch o.code {
		case hotTexts:
			next, done := d.textsHot(field, int(o.run), at, end, headShortBytes, maxShortLength)
			if done == 0 {
				if next = at + 1 + int(h-headShortBytes); h <= headShortBytes || h >= headInt || next > end {
					return off, i, number, nil
				}
				if err := d.text(field, at+1, next); err != nil {
					return 0, 0, 0, within(err, at+1, want, p.ops[i].name)
				}
				done = 1
			}
			off, i, number = next, i+done, want+uint32(done-1)
			continue
		case hotUint, hotInt:
			v, next := uint64(h), at+1
			if h > maxInlineInt {
				n := int(h-headInt) + 1
				if next = at + 1 + n; h < headInt || h >= headLongBytes || next > end || at+9 > len(d.msg) {
					return off, i, number, nil
				}
				v = getWord(msg, at+1) << (64 - 8*n) >> (64 - 8*n)
				if v>>(8*n-8) == 0 || v <= maxInlineInt {
					return off, i, number, nil
				}
			}
			fits := v != 0
			if o.code == hotUint {
				fits = fits && o.o.setUint(field, v)
			} else {
				fits = fits && o.o.setInt(field, unzigzag(v))
			}
			if !fits {
				return off, i, number, nil
			}
			off = next
		case hotBool:
			if h != 1 {
				return off, i, number, nil
			}
			*(*bool)(field) = true
			off = at + 1
		case hotFloat64:
			if h != headFixed64 || at+9 > end {
				return off, i, number, nil
			}
			u := getWord(msg, at+1)
			if v := *(*float64)(unsafe.Pointer(&u)); u != 0 && v == v {
				*(*float64)(field) = v
			} else {
				return off, i, number, nil
			}
			off = at + 9
		case hotMessage:
			n, next := int(o.run), at+1+int(h-headShortBytes)
			if h <= headShortBytes || h >= headInt || next > end {
				return off, i, number, nil
			}
			to, done := d.textsHot(field, n, at+1, next, headShortBytes, maxShortLength)
			if done < n || to != next {
				return off, i, number, nil
			}
			off = next
		case hotTextList, hotIntList, hotMessageList:
			next := at + 1 + int(h-headShortBytes)
			if h < headShortBytes || h >= headInt || next > end {
				return off, i, number, nil
			}
			if err := d.list(&p.ops[i], field, at+1, next); err != nil {
				return 0, 0, 0, within(err, at+1, want, p.ops[i].name)
			}
			off = next
		default:
			return off, i, number, nil
		}
		i, number = i+1, want
	}
	return off, i, number, nil
}

// elementsHot sets n elements from msg[off:end], up to the first that is not of a
// frequent form; done says how many.
func (d *decoding) elementsHot(e *op, first place, n, off, end int) (_, done int) {
	msg := unsafe.Pointer(unsafe.SliceData(d.msg))
	switch e.hot() {
	case hotTexts:
		return d.textsHot(first, n, off, end, 0, 0x7F)
	case hotInt:
		for ; done < n && off < end && e.size == 8; done++ {
			v, next := uint64(getByte(msg, off)), off+1
			if v >= 0x80 {
				if next == end {
					break
				}
				c := uint64(getByte(msg, next))
				if c >= 0x80 || c == 0 {
					break
				}
				v, next = v&0x7F|c<<7, next+1
			}
			*(*int64)(e.at(first, done)) = unzigzag(v)
			off = next
		}
	case hotMessage:
		texts, field := e.msg.texts, unsafe.Add(first, e.msg.first)
		for ; done < n && off < end; done++ {
			next := off + 1 + int(getByte(msg, off))
			if next > off+0x80 || next > end {
				break
			}
			to, all := d.textsHot(e.at(field, done), texts, off+1, next, headShortBytes, maxShortLength)
			if all < texts || to != next {
				break
			}
			off = next
		}
	}
	return off, done
}

// textsHot sets n texts that lie one behind another in memory from msg[off:end], where
// each has head plus its length, of at most limit, in front; done says how many. It stops
// at one that is not ASCII and at an empty field, whose head is not 0.
func (d *decoding) textsHot(first unsafe.Pointer, n, off, end int, head, limit byte) (_, done int) {
	msg := unsafe.Pointer(unsafe.SliceData(d.msg))
	block, blockAt, blockEnd := unsafe.Pointer(unsafe.StringData(d.block)), d.blockAt, d.blockAt+len(d.block)
	for ; done < n && off < end; done++ {
		h := getByte(msg, off) - head
		from, size := off+1, int(h)
		to := from + size
		if h > limit || to > end {
			break
		}
		if size == 0 {
			if head != 0 {
				break
			}
			off = to
			continue
		}
		var seen uint64
		switch {
		case size >= 8:
			for i := from; i < to-8; i += 8 {
				seen |= getWord(msg, i)
			}
			seen |= getWord(msg, to-8)
		case to >= 8:
			seen = getWord(msg, to-8) >> (64 - 8*size)
		default:
			seen = loadLE(d.msg[from:to])
		}
		if seen&0x8080808080808080 != 0 {
			break
		}
		if from < blockAt || to > blockEnd {
			d.fill(from)
			block, blockAt, blockEnd = unsafe.Pointer(unsafe.StringData(d.block)), d.blockAt, d.blockAt+len(d.block)
		}
		*(*string)(unsafe.Add(first, uintptr(done)*unsafe.Sizeof(""))) = unsafe.String((*byte)(unsafe.Add(block, from-blockAt)), size)
		off = to
	}
	return off, done
}

func getByte(buf unsafe.Pointer, off int) byte   { return *(*byte)(unsafe.Add(buf, off)) }
func getWord(buf unsafe.Pointer, off int) uint64 { return *(*uint64)(unsafe.Add(buf, off)) }
