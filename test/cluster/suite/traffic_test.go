package suite

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"sync"

	"k8s.io/client-go/kubernetes/scheme"
)

// traffic is what a command has made and deleted through a proxy: the requests that
// the API server has granted, in their order.
type traffic struct {
	mu   sync.Mutex
	sent map[int][]byte
	// made are the objects, Events aside.
	made []creation
	// events is how many Events were written.
	events int
	// deleted are "resource/name".
	deleted []string
}

// creation is an object as it was sent and as the API server has answered.
type creation struct{ sent, answer map[string]any }

// record keeps what the command makes and deletes.
func (p *proxy) record() *traffic {
	c := &traffic{sent: map[int][]byte{}}
	p.spoil = c.keepBody
	p.answered = c.keepAnswer
	return c
}

// keepBody keeps what is sent to make an object, and lets it pass.
func (c *traffic) keepBody(w http.ResponseWriter, r *http.Request, change int) bool {
	if change == 0 || r.Method != http.MethodPost {
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return true
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Del("Accept-Encoding") // the answer is read, too
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent[change] = body
	return false
}

// keepAnswer keeps what was made or deleted, once the API server has done it. What was
// to be deleted may have gone with its owner just before.
func (c *traffic) keepAnswer(r *http.Response, change int) error {
	gone := r.Request.Method == http.MethodDelete && r.StatusCode == http.StatusNotFound
	if change == 0 || r.StatusCode >= http.StatusMultipleChoices && !gone {
		return nil
	}
	resource := resourceOf(r.Request.URL.Path)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.Request.Method == http.MethodDelete:
		c.deleted = append(c.deleted, resource+"/"+path.Base(r.Request.URL.Path))
	case r.Request.Method == http.MethodPost && resource == "events":
		c.events++
	case r.Request.Method == http.MethodPost:
		answer, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(answer))
		var made creation
		if made.sent, err = objectIn(c.sent[change]); err != nil {
			return err
		}
		if made.answer, err = objectIn(answer); err != nil {
			return err
		}
		c.made = append(c.made, made)
	}
	return nil
}

// objectIn is the object of a body, which is JSON, or for a kind of the API server's
// own also Protocol Buffers.
func objectIn(body []byte) (map[string]any, error) {
	if bytes.HasPrefix(body, []byte("k8s\x00")) {
		o, kind, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
		if err != nil {
			return nil, err
		}
		o.GetObjectKind().SetGroupVersionKind(*kind)
		if body, err = json.Marshal(o); err != nil {
			return nil, err
		}
	}
	var object map[string]any
	return object, json.Unmarshal(body, &object)
}
