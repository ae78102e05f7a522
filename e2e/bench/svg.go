package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// Sizes of the flame graph, in pixels.
const (
	flameWidth  = 1200
	frameHeight = 18
	fontSize    = 12
	charWidth   = 7.3 // of the widest of the fonts that may be taken
	flameTop    = 62  // title and legend
	flameMargin = 10
)

// leastShare is the share of the whole below which frames are left out.
const leastShare = .003

var ownerColours = [...]string{"#f2a65a", "#8ecae6", "#95d5b2", "#c8a2e0", "#f28482", "#d3d9c4", "#e4e4e4"}

// flameSVG draws a flame graph: the root at the bottom, each function above its caller, as wide as its processor time.
// It needs no scripts: the whole name and the time are in the title of each frame, which browsers show under the
// pointer.
func flameSVG(title string, root *frame) []byte {
	depth := depthOf(root, leastShare*root.value)
	height := flameTop + depth*frameHeight + flameMargin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="%d">`+"\n",
		flameWidth, height, flameWidth, height, fontSize)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", flameWidth, height)
	text := func(x, y float64, fill, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", x, y, fill, escape(s))
	}
	text(flameMargin, 22, "#222222", title)
	var self [len(ownerNames)]float64
	sumSelf(root, &self)
	x := float64(flameMargin)
	for o, name := range ownerNames {
		label := fmt.Sprintf("%s %.1f µs", name, self[o]*1e6)
		fmt.Fprintf(&b, `<rect x="%.1f" y="36" width="12" height="12" fill="%s" stroke="#888888" stroke-width="0.5"/>`+
			"\n", x, ownerColours[o])
		text(x+16, 46, "#222222", label)
		x += 16 + float64(len([]rune(label)))*charWidth + 12
	}
	scale := (flameWidth - 2*flameMargin) / root.value
	var draw func(f *frame, x float64, level int)
	draw = func(f *frame, x float64, level int) {
		if f.value < leastShare*root.value {
			return
		}
		width, y := f.value*scale, float64(height-flameMargin-(level+1)*frameHeight)
		fill := ownerColours[ownerOf(f.name)]
		if level < 2 { // the whole, and the processes
			fill = "#eceff1"
		}
		name := f.name
		if level == 0 {
			name = "one request"
		}
		fmt.Fprintf(&b, `<g><title>%s: %.2f µs, %.1f %%</title><rect x="%.2f" y="%.0f" width="%.2f" height="%d" `+
			`fill="%s" stroke="#ffffff" stroke-width="0.6"/>`,
			escape(name), f.value*1e6, 100*f.value/root.value, x, y, max(width, .5), frameHeight, fill)
		if level < 2 {
			name = fmt.Sprintf("%s, %.1f µs", name, f.value*1e6)
		}
		if label := fit(name, int((width-6)/charWidth)); label != "" {
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="#222222">%s</text>`, x+3, y+frameHeight-5, escape(label))
		}
		b.WriteString("</g>\n")
		for _, c := range f.children {
			draw(c, x, level+1)
			x += c.value * scale
		}
	}
	draw(root, flameMargin, 0)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func depthOf(f *frame, least float64) int {
	if f.value < least {
		return 0
	}
	deepest := 0
	for _, c := range f.children {
		deepest = max(deepest, depthOf(c, least))
	}
	return deepest + 1
}

// sumSelf adds up whose functions were running.
func sumSelf(f *frame, into *[len(ownerNames)]float64) {
	into[ownerOf(f.name)] += f.self
	for _, c := range f.children {
		sumSelf(c, into)
	}
}

// fit shortens the name of a function to n characters: its path goes, then its package, then its receiver, then its
// end.
func fit(name string, n int) string {
	if ownerOf(name) == ownGuest {
		return cut(name, n)
	}
	if slash := strings.LastIndexByte(packageOf(name), '/'); slash >= 0 {
		name = name[slash+1:]
	}
	for len([]rune(name)) > n {
		_, rest, found := strings.Cut(name, ".")
		if !found || strings.HasPrefix(rest, "func") { // a closure's number says nothing
			break
		}
		name = rest
	}
	return cut(name, n)
}

// cut keeps n characters of a text, nothing when that were too few to read.
func cut(s string, n int) string {
	switch runes := []rune(s); {
	case len(runes) <= n:
		return s
	case n < 4:
		return ""
	default:
		return string(runes[:n-1]) + "…"
	}
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}
