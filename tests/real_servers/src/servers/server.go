package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	idle, err := time.ParseDuration(os.Args[2] + "s")
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{
		Addr:        "127.0.0.1:" + os.Args[1],
		IdleTimeout: idle,
		Handler: http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(response, "ok")
		}),
	}
	log.Fatal(server.ListenAndServe())
}
