package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"strings"
)

// shape writes requests: the bytes that all have in common, and ranges that differ.
type shape struct {
	head        []byte // up to the first digit of the Range value, where there is one
	fixed       []byte // the rest, if all requests are the same
	count, size int64
	fileSize    int64
	random      *rand.Rand
	starts      []int64
	buffer      []byte
}

func newShape(given options) (*shape, error) {
	made := &shape{fileSize: given.fileSize, random: rand.New(rand.NewSource(given.seed))}
	made.head = []byte("GET " + given.path + " HTTP/1.1\r\nHost: localhost")
	if given.shape == "whole" && given.field == "" {
		made.fixed = []byte{}
		return made, nil
	}
	made.head = append(made.head, "\r\nRange: "...)
	if given.field != "" {
		value, err := os.ReadFile(given.field)
		made.fixed = bytes.TrimSpace(value)
		return made, err
	}
	kind, value, _ := strings.Cut(given.shape, ":")
	switch kind {
	case "fixed":
		made.fixed = []byte(value)
		return made, nil
	case "random":
		return made, made.setRanges("1x" + value)
	case "multi":
		return made, made.setRanges(value)
	}
	return nil, fmt.Errorf("no such shape: %q", given.shape)
}

// setRanges takes COUNTxSIZE.
func (shape *shape) setRanges(value string) error {
	count, size, _ := strings.Cut(value, "x")
	var err error
	if shape.count, err = strconv.ParseInt(count, 10, 64); err != nil {
		return err
	}
	if shape.size, err = strconv.ParseInt(size, 10, 64); err != nil {
		return err
	}
	if shape.count < 1 || shape.size < 1 || shape.count*(shape.size+1) > shape.fileSize+1 {
		return fmt.Errorf("%s do not fit into %d bytes", value, shape.fileSize)
	}
	shape.head = append(shape.head, "bytes="...)
	shape.starts = make([]int64, shape.count)
	return nil
}

// next is the request to send; it holds until the next call.
func (shape *shape) next() []byte {
	request := append(shape.buffer[:0], shape.head...)
	if shape.fixed != nil {
		request = append(request, shape.fixed...)
	} else {
		request = shape.appendRanges(request)
	}
	shape.buffer = append(request, "\r\n\r\n"...)
	return shape.buffer
}

// appendRanges adds ascending ranges at random places, with at least one byte between them.
func (shape *shape) appendRanges(request []byte) []byte {
	free := shape.fileSize - shape.count*(shape.size+1) + 1
	for i := range shape.starts {
		shape.starts[i] = shape.random.Int63n(free + 1)
	}
	sort.Slice(shape.starts, func(i, j int) bool { return shape.starts[i] < shape.starts[j] })
	for i, start := range shape.starts {
		if i > 0 {
			request = append(request, ',')
		}
		start += int64(i) * (shape.size + 1)
		request = strconv.AppendInt(request, start, 10)
		request = append(request, '-')
		request = strconv.AppendInt(request, start+shape.size-1, 10)
	}
	return request
}
