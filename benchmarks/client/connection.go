package main

import (
	"errors"
	"syscall"
	"time"
	"unsafe"
)

var (
	// errStale means that a kept connection was closed before the server saw the request: ask again on a new one.
	errStale = errors.New("closed between two answers")
	errEnd   = errors.New("closed before the end of the answer")
	errHead  = errors.New("not an answer in HTTP/1.1")
)

const (
	headRoom   = 16 << 10
	smallRoom  = 16 << 10 // of the socket, where most of the body is not wanted
	mostAtOnce = int64(1) << 30
)

// connection is one socket and the answer that comes through it.
type connection struct {
	fd      int
	request []byte
	answers int // finished since it was opened
	closing bool

	begun, sent, first time.Time

	stage    stage
	status   int
	length   int64 // declared; -1 if not
	left     int64 // of the body or of the chunk
	got      int64
	mostBody int64

	buffer     [headRoom]byte
	start, end int // what is in the buffer and not yet used
}

func (conn *connection) open(server *syscall.SockaddrInet4, given options) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	conn.fd = fd
	conn.mostBody = given.mostBody
	limit := syscall.NsecToTimeval(given.timeout.Nanoseconds())
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit); err != nil {
		return err
	}
	if given.mostBody > 0 { // then the server should not send much more for nothing
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, smallRoom); err != nil {
			return err
		}
	}
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return err
	}
	return syscall.Connect(fd, server)
}

// send writes the request. A server may answer and hang up before it has read all: what fails here shows in read.
func (conn *connection) send() {
	conn.stage, conn.status, conn.got, conn.closing = inHead, 0, 0, false
	conn.start, conn.end = 0, 0
	conn.sent = time.Now()
	for rest := conn.request; len(rest) > 0; {
		count, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(conn.fd),
			uintptr(unsafe.Pointer(&rest[0])), uintptr(len(rest)), syscall.MSG_NOSIGNAL, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return
		}
		rest = rest[count:]
	}
}

// read takes what has come; true at the end of the answer.
func (conn *connection) read() (bool, error) {
	if conn.stage == inBody || conn.stage == inChunk {
		return conn.discard()
	}
	if conn.start > 0 {
		conn.end = copy(conn.buffer[:], conn.buffer[conn.start:conn.end])
		conn.start = 0
	}
	room := len(conn.buffer) - conn.end
	if room == 0 {
		return false, errHead
	}
	count, err := conn.receive(uintptr(unsafe.Pointer(&conn.buffer[conn.end])), uintptr(room), 0)
	if count <= 0 || err != nil {
		return false, err
	}
	conn.end += int(count)
	return conn.advance()
}

// discard has the kernel throw away what has come of a body.
func (conn *connection) discard() (bool, error) {
	want := conn.left
	if want > mostAtOnce {
		want = mostAtOnce
	}
	count, err := conn.receive(uintptr(unsafe.Pointer(&conn.buffer[0])), uintptr(want), syscall.MSG_TRUNC)
	if err == errEnd && conn.left > untilClose/2 {
		conn.closing = true
		return true, nil
	}
	if count <= 0 || err != nil {
		return false, err
	}
	conn.take(count)
	return conn.advance()
}

// receive gives the number of bytes that came, 0 if there are none yet.
func (conn *connection) receive(pointer, size uintptr, flags uintptr) (int64, error) {
	count, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(conn.fd), pointer, size,
		flags|syscall.MSG_DONTWAIT, 0, 0)
	switch {
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
		return 0, nil
	case errno == 0 && count > 0:
		return int64(count), nil
	case conn.stage == inHead && conn.end == 0 && conn.answers > 0:
		return 0, errStale
	case errno != 0:
		return 0, errno
	}
	return 0, errEnd
}
