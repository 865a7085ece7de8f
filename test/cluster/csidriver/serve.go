package csidriver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// Serve answers calls until the context ends, then lets those under way finish
// and removes its sockets.
func (d *Driver) Serve(ctx context.Context) error {
	endpoint, ok := strings.CutPrefix(d.opts.Endpoint, "unix://")
	if !ok || !filepath.IsAbs(endpoint) {
		return fmt.Errorf("endpoint %q is not unix:///absolute/path", d.opts.Endpoint)
	}
	services := grpc.NewServer(grpc.UnaryInterceptor(d.logged))
	csi.RegisterIdentityServer(services, d)
	csi.RegisterControllerServer(services, d)
	csi.RegisterNodeServer(services, d)
	servers := map[string]*grpc.Server{endpoint: services}
	if d.opts.PluginsRegistry != "" {
		s := grpc.NewServer()
		registration.RegisterRegistrationServer(s, d)
		servers[filepath.Join(d.opts.PluginsRegistry, d.opts.Name+"-reg.sock")] = s
	}
	return serveAll(ctx, servers)
}

// serveAll runs one server on each socket; the end of one ends all.
func serveAll(ctx context.Context, servers map[string]*grpc.Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(servers))
	var failed []error
	started := 0
	for path, server := range servers {
		listener, err := listen(ctx, path)
		if err != nil {
			failed = append(failed, err)
			cancel()
			break
		}
		context.AfterFunc(ctx, server.GracefulStop)
		started++
		go func() {
			ended <- server.Serve(listener)
			cancel()
		}()
	}
	for range started {
		failed = append(failed, <-ended)
	}
	return errors.Join(failed...)
}

// listen opens a socket, in place of one that a killed driver left.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var config net.ListenConfig
	return config.Listen(ctx, "unix", path)
}

// logged writes a line for each call, without its contents: they may hold
// secrets.
func (d *Driver) logged(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	begin := d.opts.Now()
	answer, err := handler(ctx, req)
	attributes := []slog.Attr{slog.String("call", filepath.Base(info.FullMethod)), slog.Duration("took", d.opts.Now().Sub(begin).Round(time.Millisecond))}
	if r, ok := req.(interface{ GetName() string }); ok {
		attributes = append(attributes, slog.String("name", r.GetName()))
	}
	if r, ok := req.(interface{ GetVolumeId() string }); ok {
		attributes = append(attributes, slog.String("volume", r.GetVolumeId()))
	}
	if r, ok := req.(interface{ GetSnapshotId() string }); ok {
		attributes = append(attributes, slog.String("snapshot", r.GetSnapshotId()))
	}
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelError
		attributes = append(attributes, slog.String("error", err.Error()))
	}
	d.opts.Log.LogAttrs(ctx, level, "called", attributes...)
	return answer, err
}

// GetInfo tells the kubelet where the driver is.
func (d *Driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              d.opts.Name,
		Endpoint:          strings.TrimPrefix(d.opts.Endpoint, "unix://"),
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus logs what the kubelet made of it.
func (d *Driver) NotifyRegistrationStatus(ctx context.Context, s *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	d.opts.Log.InfoContext(ctx, "kubelet answered the registration", "registered", s.GetPluginRegistered(), "error", s.GetError())
	return &registration.RegistrationStatusResponse{}, nil
}
