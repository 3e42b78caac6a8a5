package jpeg

// firstAC reads the higher bits of a band of coefficients, section G.1.2.2.
func (d *Decoder) firstAC(c *component, b *block, part scanPart) {
	if d.eobRun > 0 {
		d.eobRun--
		return
	}
	bits := &d.bits
	for k := part.first; k <= part.last; k++ {
		s, ok := bits.symbol(c.acTable)
		if !ok {
			d.damaged("offset %d: a code that does not exist", bits.at)
		}
		run, size := int(s>>4), int(s&15)
		if size != 0 {
			k += run
			v := bits.value(size)
			if k > 63 {
				d.damaged("offset %d: a block has more than 64 coefficients", bits.at)
			}
			b[zigzag[k]] = int16(v << part.low)
			continue
		}
		if run == 15 {
			k += 15
			continue
		}
		d.eobRun = 1 << run
		if run > 0 {
			d.eobRun += int(bits.take(run))
		}
		d.eobRun--
		return
	}
}

// refineAC reads one more bit of a band of coefficients, section G.1.2.3.
func (d *Decoder) refineAC(c *component, b *block, part scanPart) {
	bits := &d.bits
	plus, minus := int16(1)<<part.low, int16(-1)<<part.low
	k := part.first
	if d.eobRun == 0 {
		for ; k <= part.last; k++ {
			s, ok := bits.symbol(c.acTable)
			if !ok {
				d.damaged("offset %d: a code that does not exist", bits.at)
			}
			run, size := int(s>>4), int(s&15)
			var v int16
			switch {
			case size != 0:
				if size != 1 {
					d.damaged("offset %d: a code that does not exist", bits.at)
				}
				v = minus
				if bits.take(1) != 0 {
					v = plus
				}
			case run != 15:
				d.eobRun = 1 << run
				if run > 0 {
					d.eobRun += int(bits.take(run))
				}
			}
			if d.eobRun > 0 {
				break // the rest of this block is as the blocks of the run
			}
			// Step over run coefficients that are still zero and refine those that
			// are not.
			for ; k <= part.last; k++ {
				at := &b[zigzag[k]]
				if *at != 0 {
					d.refine(at, plus, minus)
				} else if run--; run < 0 {
					break
				}
			}
			if v != 0 && k <= 63 {
				b[zigzag[k]] = v
			}
		}
	}
	if d.eobRun > 0 {
		for ; k <= part.last; k++ {
			if at := &b[zigzag[k]]; *at != 0 {
				d.refine(at, plus, minus)
			}
		}
		d.eobRun--
	}
}

// refine adds the next bit to a coefficient that is not zero.
func (d *Decoder) refine(at *int16, plus, minus int16) {
	if d.bits.take(1) == 0 || *at&plus != 0 {
		return
	}
	if *at >= 0 {
		*at += plus
	} else {
		*at += minus
	}
}
