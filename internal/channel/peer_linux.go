package channel

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// sameUser checks that the process at the other end runs as the same user, beside the mode of the socket's folder.
func sameUser(conn net.Conn) error {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("%T is no Unix socket", conn)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) {
		cred, cerr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if cerr != nil {
		return cerr
	}
	if int(cred.Uid) != os.Getuid() {
		return fmt.Errorf("process %d runs as user %d, not as %d", cred.Pid, cred.Uid, os.Getuid())
	}
	return nil
}
