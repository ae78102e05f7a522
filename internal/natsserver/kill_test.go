package natsserver_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weftlattice/weft/internal/natsserver"
)

// childDir makes this test binary run a server in that directory, until it is killed.
const childDir = "NATSSERVER_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

func child(dir string) int {
	s, err := natsserver.Start(context.Background(), natsserver.Config{Port: -1, DataDir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.URL()) // the only line: a server that prints anything else fails the test
	<-s.Done()
	return 0
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _, err := bufio.NewReader(out).ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	nc := connect(t, string(line))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	const n = 200
	for i := range n {
		if _, err := kv.PutString(t.Context(), fmt.Sprint("k", i), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // tells that it was killed
	nc.Close()

	s := start(t, natsserver.Config{Port: -1, DataDir: dir})
	if js, err = jetstream.New(connect(t, s.URL())); err != nil {
		t.Fatal(err)
	}
	if kv, err = js.KeyValue(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if e, err := kv.Get(t.Context(), fmt.Sprint("k", i)); err != nil || string(e.Value()) != fmt.Sprint(i) {
			t.Fatalf("key %d: %v, %v", i, e, err)
		}
	}
}
