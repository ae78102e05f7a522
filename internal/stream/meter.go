package stream

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Meter counts the streams of a process. The zero value is ready. It is safe for concurrent use.
type Meter struct {
	open, held, most atomic.Int64
	in, out          atomic.Uint64
}

// Open is how many ends there are that are not over.
func (m *Meter) Open() int64 { return m.open.Load() }

// Held is how many bytes have come and wait for their readers, and the most that there were at a time.
func (m *Meter) Held() (now, most int64) { return m.held.Load(), m.most.Load() }

// Bytes is how many bytes of bodies have come and gone.
func (m *Meter) Bytes() (in, out uint64) { return m.in.Load(), m.out.Load() }

// hold notes that n more bytes are held, less where n is negative, and the most that ever were.
func (m *Meter) hold(n int64) {
	now := m.held.Add(n)
	for most := m.most.Load(); now > most && !m.most.CompareAndSwap(most, now); most = m.most.Load() {
	}
}

// names of metrics: of a host, and of a provider's process.
var names = map[bool][4]string{
	false: {"weft_streams_open", "weft_streams_held_bytes", "weft_streams_received_bytes_total",
		"weft_streams_sent_bytes_total"},
	true: {"weft_provider_streams_open", "weft_provider_streams_held_bytes",
		"weft_provider_streams_received_bytes_total",
		"weft_provider_streams_sent_bytes_total"},
}

// Metrics shows it, as that of a host or of a provider's process.
func (m *Meter) Metrics(provider bool) []prometheus.Collector {
	n := names[provider]
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: n[0],
			Help: "Ends of streams, the bodies beside calls, that are not over."},
			func() float64 { return float64(m.open.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: n[1],
			Help: "Bytes of streams that have come and wait for their readers."},
			func() float64 { return float64(m.held.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: n[2],
			Help: "Bytes of streams that have come."}, func() float64 { return float64(m.in.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: n[3],
			Help: "Bytes of streams that were sent."}, func() float64 { return float64(m.out.Load()) }),
	}
}

// pieces are blocks of Piece bytes. Smaller ones are not kept.
var pieces = sync.Pool{New: func() any { return new([Piece]byte) }}

// leastBlock is the smallest block, so that bytes which come one by one share blocks.
const leastBlock = 1 << 10

// block returns an empty block with room for so many bytes, Piece at most.
func block(bytes int) []byte {
	if bytes > Piece/4 {
		return pieces.Get().(*[Piece]byte)[:0]
	}
	return make([]byte, 0, max(2*bytes, leastBlock))
}

// recycle gives a block back.
func recycle(b []byte) {
	if cap(b) == Piece {
		pieces.Put((*[Piece]byte)(b[:Piece]))
	}
}
