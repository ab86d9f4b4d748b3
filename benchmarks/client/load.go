package main

import (
	"fmt"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// tooMany is the number of failed requests after which a run gives up.
const tooMany = 3

// load is one run: it keeps each of its connections busy until the time is over.
type load struct {
	given       options
	shape       *shape
	server      syscall.SockaddrInet4
	epoll       int
	connections map[int32]*connection
	sent        int

	started, finished time.Time
	latencies, firsts []time.Duration
	statuses          map[int]int
	bytes, length     int64
	errors            int
	reason            string
}

func newLoad(given options, shape *shape) (*load, error) {
	address, err := net.ResolveTCPAddr("tcp4", given.address)
	if err != nil {
		return nil, err
	}
	made := &load{given: given, shape: shape, connections: map[int32]*connection{}, statuses: map[int]int{}}
	made.server.Port = address.Port
	copy(made.server.Addr[:], address.IP.To4())
	made.latencies = make([]time.Duration, 0, 1<<16)
	made.firsts = make([]time.Duration, 0, 1<<16)
	made.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return made, err
}

func (load *load) run() {
	load.started = time.Now()
	for i := 0; i < load.given.connections && load.more(); i++ {
		load.begin(&connection{fd: -1})
	}
	for len(load.connections) > 0 {
		load.wait()
	}
	load.finished = time.Now()
}

// more tells whether another request is to be sent.
func (load *load) more() bool {
	if load.errors >= tooMany || load.sent >= load.given.most {
		return false
	}
	return load.sent < load.given.least || time.Since(load.started).Seconds() < load.given.seconds
}

// begin sends the next request, on a new connection where there is none.
func (load *load) begin(conn *connection) {
	load.sent++
	conn.begun = time.Now()
	conn.request = append(conn.request[:0], load.shape.next()...)
	if err := load.send(conn); err != nil {
		load.fail(conn, err)
	}
}

func (load *load) send(conn *connection) error {
	if conn.fd < 0 {
		if err := load.connect(conn); err != nil {
			return err
		}
	}
	conn.send()
	if load.given.stall > 0 {
		time.Sleep(load.given.stall)
	}
	return nil
}

func (load *load) connect(conn *connection) error {
	if err := conn.open(&load.server, load.given); err != nil {
		return err
	}
	load.connections[int32(conn.fd)] = conn
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(conn.fd)}
	return syscall.EpollCtl(load.epoll, syscall.EPOLL_CTL_ADD, conn.fd, &event)
}

// wait serves the connections on which something came, or ends those that took too long.
func (load *load) wait() {
	var events [64]syscall.EpollEvent
	// Raw: the Go scheduler need not know that its only goroutine waits.
	count, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(load.epoll),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 100, 0, 0)
	if errno != 0 {
		count = 0 // a signal of the Go runtime, for one
	}
	for _, event := range events[:count] {
		if conn := load.connections[event.Fd]; conn != nil {
			load.read(conn)
		}
	}
	if count == 0 {
		load.endLate()
	}
}

func (load *load) read(conn *connection) {
	done, err := conn.read()
	switch {
	case err == errStale:
		load.drop(conn)
		if err := load.send(conn); err != nil {
			load.fail(conn, err)
		}
	case err != nil:
		load.fail(conn, err)
	case done:
		load.count(conn)
		load.goOn(conn)
	}
}

// count notes an answer that has come to its end.
func (load *load) count(conn *connection) {
	now := time.Now()
	load.latencies = append(load.latencies, now.Sub(conn.begun))
	load.firsts = append(load.firsts, conn.first.Sub(conn.sent))
	load.statuses[conn.status]++
	load.bytes += conn.got
	load.length = conn.length
	conn.answers++
}

// goOn asks for more, or hangs up.
func (load *load) goOn(conn *connection) {
	more := load.more()
	if conn.closing || !more {
		load.drop(conn)
	}
	if more {
		load.begin(conn)
	}
}

func (load *load) fail(conn *connection, err error) {
	load.errors++
	load.reason = err.Error()
	load.drop(conn)
	if load.more() {
		load.begin(conn)
	}
}

// drop closes a connection; it can be opened again.
func (load *load) drop(conn *connection) {
	if conn.fd < 0 {
		return
	}
	delete(load.connections, int32(conn.fd))
	syscall.Close(conn.fd)
	conn.fd = -1
	conn.answers = 0
}

func (load *load) endLate() {
	for _, conn := range load.connections {
		if time.Since(conn.begun) > load.given.timeout {
			load.fail(conn, fmt.Errorf("no answer, or not all of it, within %v", load.given.timeout))
		}
	}
}
