// Command apiforward lets pods reach the API server at the address of the Service "kubernetes", in place of
// kube-proxy. It listens on one network device only, so that nothing outside this machine reaches it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "apiforward:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("apiforward", flag.ContinueOnError)
	device := flags.String("device", "", "accept connections from this network `device` only")
	listen := flags.String("listen", "", "`address` of the Service")
	server := flags.String("server", "", "`address` of the API server")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var bindErr error
		err := conn.Control(func(fd uintptr) { bindErr = unix.BindToDevice(int(fd), *device) })
		if err != nil {
			return err
		}
		return bindErr
	}}
	listener, err := config.Listen(ctx, "tcp4", *listen)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) { // by the context's end
			return nil
		} else if err != nil {
			return err
		}
		go forward(ctx, client, *server)
	}
}

// forward joins a connection with one of its own to the server, until both directions have ended.
func forward(ctx context.Context, client net.Conn, server string) {
	defer func() { _ = client.Close() }()
	var dialer net.Dialer
	upstream, err := dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		slog.ErrorContext(ctx, "connect to the API server", "error", err)
		return
	}
	defer func() { _ = upstream.Close() }()
	back := make(chan struct{})
	go func() {
		defer close(back)
		relay(client, upstream)
	}()
	relay(upstream, client)
	<-back
}

// relay copies until the source ends, and passes the end on. After a failure neither side is of use.
func relay(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		_ = from.Close()
		return
	}
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}
