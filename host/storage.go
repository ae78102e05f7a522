package host

import "github.com/prometheus/client_golang/prometheus"

// registerStorage measures the disk of the NATS server in this process.
func registerStorage(reg prometheus.Registerer, now func() Storage) {
	gauge := func(name, help string, value func(Storage) float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(now()) }))
	}
	gauge("weft_nats_disk_free_bytes", "Bytes that the file system of the embedded NATS server has left; -1: not known.", func(s Storage) float64 { return float64(s.FreeBytes) })
	gauge("weft_nats_disk_bytes", "Size of that file system; -1: not known.", func(s Storage) float64 { return float64(s.TotalBytes) })
	gauge("weft_nats_disk_full", "1 while the embedded NATS server cannot store data, since the disk is full or refuses writes, or --store-max is reached.", func(s Storage) float64 {
		if s.Err != nil {
			return 1
		}
		return 0
	})
	gauge("weft_nats_store_bytes", "Bytes in JetStream's streams of the embedded NATS server.", func(s Storage) float64 { return float64(s.UsedBytes) })
}
