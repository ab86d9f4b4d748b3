// Command client asks a server for ranges, or for the whole, as fast as it answers, and prints what came as one JSON object.
//
// It runs on one thread: a few keep-alive connections, one write for each request, and bodies that the kernel
// throws away without copying them out. Lengths are in bytes, times as their names say.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"syscall"
	"time"
)

// options is what the command line says.
type options struct {
	address, path, shape, field string
	connections                 int
	seconds                     float64
	least, most                 int
	fileSize, seed              int64
	stall, timeout              time.Duration
	mostBody                    int64
}

// result is what is printed.
type result struct {
	Requests int            `json:"requests"`
	Bytes    int64          `json:"bytes"`
	Elapsed  float64        `json:"elapsed_s"`
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	TTFB     float64        `json:"ttfb_ms"`
	Errors   int            `json:"errors"`
	Statuses map[string]int `json:"statuses"`
	Length   int64          `json:"length"`
	CPU      float64        `json:"client_cpu_s"`
	Reason   string         `json:"reason"`
}

func main() {
	log.SetFlags(0)
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // a run makes next to no garbage
	given := parseOptions()
	shape, err := newShape(given)
	if err != nil {
		log.Fatal(err)
	}
	load, err := newLoad(given, shape)
	if err != nil {
		log.Fatal(err)
	}
	load.run()
	if err := json.NewEncoder(os.Stdout).Encode(load.result()); err != nil {
		log.Fatal(err)
	}
}

func parseOptions() options {
	var given options
	var stall, timeout float64
	flag.StringVar(&given.address, "address", "", "host:port, the host as an IPv4 address")
	flag.StringVar(&given.path, "path", "/1g", "what to ask for")
	flag.IntVar(&given.connections, "connections", 1, "requests under way at once")
	flag.Float64Var(&given.seconds, "seconds", 1, "no new request after so many seconds")
	flag.IntVar(&given.least, "least", 1, "requests to send, however slow")
	flag.IntVar(&given.most, "most", 1<<30, "requests to send, however fast")
	flag.StringVar(&given.shape, "shape", "random:4096", "random:SIZE, multi:COUNTxSIZE, fixed:RANGEVALUE or whole (no Range)")
	flag.StringVar(&given.field, "field", "", "a file with the Range value to send, instead of a shape")
	flag.Int64Var(&given.fileSize, "size", 1<<30, "complete length of what is asked for")
	flag.Int64Var(&given.seed, "seed", 1, "of the random positions")
	flag.Float64Var(&stall, "stall", 0, "seconds to wait after each request before reading")
	flag.Float64Var(&timeout, "timeout", 60, "seconds that a request may take")
	flag.Int64Var(&given.mostBody, "most-body", 0, "hang up on a body that is longer; 0: never")
	flag.Parse()
	given.stall = time.Duration(stall * float64(time.Second))
	given.timeout = time.Duration(timeout * float64(time.Second))
	return given
}

// result sums up a run that is over.
func (load *load) result() result {
	statuses := make(map[string]int, len(load.statuses))
	for status, count := range load.statuses {
		statuses[strconv.Itoa(status)] = count
	}
	return result{
		Requests: len(load.latencies),
		Bytes:    load.bytes,
		Elapsed:  load.finished.Sub(load.started).Seconds(),
		P50:      quantile(load.latencies, 0.5),
		P99:      quantile(load.latencies, 0.99),
		TTFB:     quantile(load.firsts, 0.5),
		Errors:   load.errors,
		Statuses: statuses,
		Length:   load.length,
		CPU:      ownCPU(),
		Reason:   load.reason,
	}
}

// quantile sorts the times and gives one of them in milliseconds; 0 if there are none.
func quantile(times []time.Duration, share float64) float64 {
	if len(times) == 0 {
		return 0
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	return float64(times[int(share*float64(len(times)-1)+0.5)]) / float64(time.Millisecond)
}

// ownCPU is the processor time of this program, in seconds.
func ownCPU() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
