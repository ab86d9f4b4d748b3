// A file server written by hand with Go's own http.ServeContent.
//
// Usage: goserver ADDRESS DIRECTORY; it serves DIRECTORY/1g.bin as /1g, and 1m.bin and 8g.bin likewise.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
)

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) != 3 {
		log.Fatal("usage: goserver ADDRESS DIRECTORY")
	}
	directory := os.Args[2]
	for _, name := range []string{"1m", "1g", "8g"} {
		http.HandleFunc("/"+name, serve(filepath.Join(directory, name+".bin")))
	}
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}

// serve answers with the file at path, opened anew for each request.
func serve(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		file, err := os.Open(path)
		if err != nil {
			http.Error(w, "no such file", http.StatusNotFound)
			return
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			http.Error(w, "no such file", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
		http.ServeContent(w, r, "", info.ModTime(), file)
	}
}
