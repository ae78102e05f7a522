package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// description is what the played provider tells of how it was started.
type description struct {
	Line string   `json:"line"` // the line of standard input, with its end
	Env  []string `json:"env"`
	Args []string `json:"args"`
	Mark string   `json:"mark"` // the last bytes of its executable
	PID  int      `json:"pid"`
}

// backChannel is where this program talks to the provider that it plays; it is no part of the protocol.
func backChannel(lattice, key, link, what string) string {
	return "conformance." + lattice + "." + key + "." + link + "." + what
}

// playProvider is this program as a provider, written as the providers of the time are: it reads one line, connects,
// serves health and shutdown, and leaves its invocations to the suite. It returns the exit code.
func playProvider(stdin io.Reader, stderr io.Writer) int {
	line, err := bufio.NewReader(stdin).ReadString('\n')
	if err != nil {
		fmt.Fprintln(stderr, "conformance: no arguments and no host data; see --help")
		return 2
	}
	data, err := readHostData(line)
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	text := func(key string) string { s, _ := data[key].(string); return s }
	lattice, key, link := text("lattice_rpc_prefix"), text("provider_key"), text("link_name")
	var options []nats.Option
	if jwt, seed := text("lattice_rpc_user_jwt"), text("lattice_rpc_user_seed"); jwt != "" && seed != "" {
		options = append(options, nats.UserJWTAndSeed(jwt, seed))
	}
	nc, err := nats.Connect(text("lattice_rpc_url"), options...)
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	defer nc.Close()
	ended := make(chan int, 8)
	tell := func(what string) {
		_ = nc.Publish(backChannel(lattice, key, link, "ending"), []byte(what))
		_ = nc.Flush()
	}
	health := make(chan string, 1)
	health <- "healthy"
	subscribe := func(subject string, f func(*nats.Msg)) {
		if _, err := nc.Subscribe(subject, f); err != nil {
			fmt.Fprintln(stderr, "conformance:", err)
			ended <- 2
		}
	}
	own := "wasmbus.rpc." + lattice + "." + key + "." + link
	subscribe(backChannel(lattice, key, link, "describe"), func(m *nats.Msg) {
		b, _ := json.Marshal(description{line, os.Environ(), os.Args[1:], ownMark(), os.Getpid()})
		_ = m.Respond(b)
	})
	subscribe(backChannel(lattice, key, link, "crash"), func(*nats.Msg) { os.Exit(7) })
	subscribe(backChannel(lattice, key, link, "health"), func(m *nats.Msg) {
		<-health
		health <- string(m.Data)
		_ = m.Respond(nil)
	})
	subscribe(own+".shutdown", func(m *nats.Msg) {
		var asked struct {
			HostID string `json:"host_id"`
		}
		if json.Unmarshal(m.Data, &asked) != nil || asked.HostID != text("host_id") || m.Reply == "" {
			return
		}
		_ = m.Respond([]byte("shutting down"))
		_ = nc.Flush()
		time.AfterFunc(150*time.Millisecond,
			func() { tell("ended by itself"); ended <- 0 }) // what an orderly end takes
	})
	subscribe(own+".health", func(m *nats.Msg) {
		state := <-health
		health <- state
		if state != "silent" {
			_ = m.Respond(pack(object{"healthy": state == "healthy", "message": state}))
		}
	})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-signals:
		tell("terminated")
		return 0
	case code := <-ended:
		return code
	}
}

// readHostData decodes the line that a host writes (5.1).
func readHostData(line string) (object, error) {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		return nil, fmt.Errorf("host data: %w", err)
	}
	var data object
	if err := json.Unmarshal(raw, &data); err != nil {
		return nil, fmt.Errorf("host data: %w", err)
	}
	return data, nil
}

// ownMark is the end of the executable, by which builds of one provider are told apart.
func ownMark() string {
	path, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	b := make([]byte, markSize)
	if _, err := f.Seek(-markSize, io.SeekEnd); err != nil {
		return err.Error()
	}
	_, _ = io.ReadFull(f, b)
	return string(b)
}

// markSize is how many bytes are put behind an executable to mark it.
const markSize = 8
