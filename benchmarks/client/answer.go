package main

import (
	"bytes"
	"strconv"
	"time"
)

// untilClose is the length of a body that ends where the server closes the connection.
const untilClose = int64(1) << 62

// stage is what comes next in an answer.
type stage int

const (
	inHead stage = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
	atEnd
)

// advance goes through what is in the buffer; true at the end of the answer.
func (conn *connection) advance() (bool, error) {
	for conn.stage != atEnd {
		if conn.enough() {
			conn.closing = true
			break
		}
		on, err := conn.step()
		if !on || err != nil {
			return false, err
		}
	}
	if conn.got == 0 {
		conn.first = time.Now()
	}
	return true, nil
}

// enough tells whether the rest is not wanted: at once where the length says that it is too much.
func (conn *connection) enough() bool {
	most := conn.mostBody
	return most > 0 && conn.stage != inHead && (conn.got >= most || conn.length > most)
}

// step does one stage; false if more has to come first.
func (conn *connection) step() (bool, error) {
	switch conn.stage {
	case inHead:
		return conn.parseHead()
	case inBody:
		return conn.takeBuffered(atEnd), nil
	case inChunkSize:
		return conn.parseChunkSize()
	case inChunk:
		return conn.takeBuffered(inChunkEnd), nil
	case inChunkEnd:
		return conn.parseChunkEnd(), nil
	}
	return conn.parseTrailer(), nil
}

// takeBuffered takes what came of the body together with other things; true if that is the last of it.
func (conn *connection) takeBuffered(next stage) bool {
	count := int64(conn.end - conn.start)
	if count > conn.left {
		count = conn.left
	}
	conn.start += int(count)
	conn.take(count)
	if conn.left > 0 {
		return false
	}
	conn.stage = next
	return true
}

// take counts bytes of the body.
func (conn *connection) take(count int64) {
	if conn.got == 0 && count > 0 {
		conn.first = time.Now()
	}
	conn.got += count
	conn.left -= count
}

// line gives what stands before the next line end, if that has come.
func (conn *connection) line() ([]byte, bool) {
	rest := conn.buffer[conn.start:conn.end]
	length := bytes.Index(rest, []byte("\r\n"))
	if length < 0 {
		return nil, false
	}
	conn.start += length + 2
	return rest[:length], true
}

func (conn *connection) parseChunkSize() (bool, error) {
	line, whole := conn.line()
	if !whole {
		return false, nil
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	size, err := strconv.ParseInt(string(bytes.TrimSpace(digits)), 16, 63)
	if err != nil || size < 0 {
		return false, errHead
	}
	conn.left = size
	conn.stage = inChunk
	if size == 0 {
		conn.stage = inTrailer
	}
	return true, nil
}

func (conn *connection) parseChunkEnd() bool {
	_, whole := conn.line()
	if whole {
		conn.stage = inChunkSize
	}
	return whole
}

func (conn *connection) parseTrailer() bool {
	line, whole := conn.line()
	if whole && len(line) == 0 {
		conn.stage = atEnd
	}
	return whole
}

// parseHead reads the status and the fields that tell where the answer ends.
func (conn *connection) parseHead() (bool, error) {
	if !bytes.Contains(conn.buffer[conn.start:conn.end], []byte("\r\n\r\n")) {
		return false, nil
	}
	line, _ := conn.line()
	if err := conn.parseStatus(line); err != nil {
		return false, err
	}
	conn.length, conn.stage = -1, inBody
	for line, _ = conn.line(); len(line) > 0; line, _ = conn.line() {
		if err := conn.parseField(line); err != nil {
			return false, err
		}
	}
	if conn.length < 0 {
		conn.left = untilClose
	}
	return true, nil
}

// parseStatus reads "HTTP/1.1 206 Partial Content".
func (conn *connection) parseStatus(line []byte) error {
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return errHead
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return errHead
	}
	conn.status = status
	conn.closing = line[7] == '0'
	return nil
}

func (conn *connection) parseField(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("content-length")):
		length, err := strconv.ParseInt(string(value), 10, 63)
		if err != nil || length < 0 {
			return errHead
		}
		conn.length, conn.left = length, length
	case bytes.EqualFold(name, []byte("transfer-encoding")) && bytes.EqualFold(value, []byte("chunked")):
		conn.stage = inChunkSize
	case bytes.EqualFold(name, []byte("connection")):
		conn.closing = bytes.EqualFold(value, []byte("close")) || conn.closing && !bytes.EqualFold(value, []byte("keep-alive"))
	}
	return nil
}
