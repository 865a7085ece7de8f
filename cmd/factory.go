package cmd

import (
	"crypto/rand"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Factory is what a command may ask of its surroundings. Nothing in it touches
// a file, the network or the clock before a command calls it, so that --help
// and completion stay free of both.
type Factory struct {
	Streams genericiooptions.IOStreams
	// Config holds kubectl's own connection flags.
	Config *genericclioptions.ConfigFlags
	// LookupEnv reads a variable of the process's environment.
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	// RandomID returns five random characters out of [a-z0-9].
	RandomID func() string
	// Executable returns the path of this program.
	Executable func() (string, error)

	// command is the one that runs; nil until its flags are known.
	command *cobra.Command
	// unfinished is what Abandon tells of.
	unfinished unfinished
}

// NewFactory returns the Factory of a real process.
func NewFactory(streams genericiooptions.IOStreams) *Factory {
	return &Factory{
		Streams:    streams,
		Config:     genericclioptions.NewConfigFlags(true),
		LookupEnv:  os.LookupEnv,
		Now:        time.Now,
		RandomID:   randomID,
		Executable: os.Executable,
	}
}

// flag returns the value of the command's flag, or "" when it has none of that name.
func (f *Factory) flag(name string) string {
	if f.command == nil {
		return ""
	}
	if flag := f.command.Flags().Lookup(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}

// Getenv returns the variable's value, or "" when it is not set.
func (f *Factory) Getenv(name string) string {
	v, _ := f.LookupEnv(name)
	return v
}

// runIDTime is the readable part of a run id, in UTC.
const runIDTime = "20060102-1504"

// NewRunID returns the id of a new run, as 20261122-2105-x7k2q: it sorts by
// time, is readable, and is a valid part of a Kubernetes name and label.
func (f *Factory) NewRunID() string {
	return f.Now().UTC().Format(runIDTime) + "-" + f.RandomID()
}

// randomID takes five characters of crypto/rand's base32 text, which has no
// look-alike characters. 25 bits beside the minute are enough: the id must
// differ between runs of one source only.
func randomID() string {
	const length = 5
	text := []byte(rand.Text()[:length])
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			text[i] = c + ('a' - 'A')
		}
	}
	return string(text)
}
