// Go's net/http. Usage: net_http URL GAP...
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

func main() {
	base, gaps := os.Args[1], os.Args[2:]
	results := make([]string, len(gaps))
	var visits sync.WaitGroup
	for index, gap := range gaps {
		visits.Add(1)
		go func(index int, gap string) {
			defer visits.Done()
			// The starts are spread, so that the machine is not late at the gaps' ends.
			time.Sleep(time.Duration(index) * 40 * time.Millisecond)
			results[index] = visit(base, gap)
		}(index, gap)
	}
	visits.Wait()

	report := map[string]string{}
	for index, gap := range gaps {
		report[gap] = results[index]
	}
	line := map[string]any{"version": runtime.Version(), "gaps": report}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		log.Fatal(err)
	}
}

// visit has a client of its own.
func visit(base, gap string) string {
	client := &http.Client{
		Transport: &http.Transport{IdleConnTimeout: 60 * time.Second},
		Timeout:   20 * time.Second,
	}
	if err := post(client, base+"/"+gap+"/1"); err != nil {
		log.Fatal("the first request: ", err)
	}
	pause, err := time.ParseDuration(gap + "ms")
	if err != nil {
		log.Fatal(err)
	}
	time.Sleep(pause)
	if err := post(client, base+"/"+gap+"/2"); err != nil {
		return err.Error()
	}
	return "ok"
}

func post(client *http.Client, address string) error {
	response, err := client.Post(address, "text/plain", strings.NewReader("hello"))
	// Without the address, which differs from gap to gap.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
