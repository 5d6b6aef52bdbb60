package main

import (
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.mau.fi/libsignal/ecc"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// smallWhatsApp accepts any device, answers every query with nothing, and does little else: enough for a session to be
// WORKING. The sandbox network is the real counterpart; this one needs no Python.
type smallWhatsApp struct {
	t     *testing.T
	http  *httptest.Server
	root  *ecdh.PrivateKey
	mute  bool             // it takes connections and says nothing
	deaf  bool             // it hears nothing after the handshake, not even that a connection is closed
	page  http.HandlerFunc // what is not the websocket
	greet *waBinary.Node   // instead of the success of a login
	ended chan struct{}

	mu     sync.Mutex
	lines  []*line
	answer func(query *waBinary.Node) []waBinary.Node // nil for the usual answer
	heard  func(query *waBinary.Node)                 // instead of any answer
	others func(stanza *waBinary.Node)                // whatever is no query
}

// line is one connection after its handshake.
type line struct {
	socket  *websocket.Conn
	sending sync.Mutex
	send    cipher.AEAD
	receive cipher.AEAD
	sent    uint32
	heard   uint32
}

func newSmallWhatsApp(t *testing.T) *smallWhatsApp {
	w := &smallWhatsApp{t: t, root: newKey(t), ended: make(chan struct{})}
	w.http = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(func() {
		close(w.ended)
		w.http.Close()
	})
	return w
}

func (w *smallWhatsApp) websocket() string {
	return strings.Replace(w.http.URL, "http", "ws", 1) + "/ws/chat"
}

// hello greets the core's host with this network.
func (w *smallWhatsApp) hello(c *core) {
	w.t.Helper()
	c.must("hello", map[string]any{"protocol": 1, "log_level": "info", "network": map[string]any{
		"websocket": w.websocket(), "root_key": hex.EncodeToString(w.root.PublicKey().Bytes()),
	}})
}

// greeted is a WhatsApp, and a core whose host was told of it.
func greeted(t *testing.T) (*smallWhatsApp, *core) {
	t.Helper()
	keepTransport(t)
	whatsapp := newSmallWhatsApp(t)
	c := newCore(t)
	whatsapp.hello(c)
	return whatsapp, c
}

func newKey(t *testing.T) *ecdh.PrivateKey {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *smallWhatsApp) serve(writer http.ResponseWriter, request *http.Request) {
	if request.URL.Path != "/ws/chat" && w.page != nil {
		w.page(writer, request)
		return
	}
	conn, err := websocket.Accept(writer, request, &websocket.AcceptOptions{
		InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 24)
	if w.mute {
		_, _, _ = conn.Read(request.Context())
		<-w.ended
		return
	}
	opened, payload := w.shakeHands(conn, request)
	if opened == nil {
		return
	}
	w.mu.Lock()
	w.lines = append(w.lines, opened)
	w.mu.Unlock()
	switch {
	case w.greet != nil:
		opened.tell(*w.greet)
	case payload.Username != nil && !w.deaf:
		lid := types.JID{User: "99", Server: types.HiddenUserServer, Device: uint16(payload.GetDevice())}
		opened.tell(waBinary.Node{Tag: "success", Attrs: waBinary.Attrs{"lid": lid, "t": "1"}})
	}
	if w.deaf {
		<-w.ended
		return
	}
	for {
		_, raw, err := conn.Read(request.Context())
		if err != nil {
			return
		}
		plain, err := opened.receive.Open(nil, nonce(opened.heard), raw[3:], nil)
		if err != nil {
			w.t.Errorf("a frame cannot be decrypted: %v", err)
			return
		}
		opened.heard++
		unpacked, err := waBinary.Unpack(plain)
		if err != nil {
			w.t.Error(err)
			return
		}
		node, err := waBinary.Unmarshal(unpacked)
		if err != nil {
			w.t.Error(err)
			return
		}
		if node.Tag == "iq" {
			w.take(opened, node)
		} else if others := w.hearing(); others != nil {
			others(node)
		}
	}
}

// hears has whatever is no query heard from now on.
func (w *smallWhatsApp) hears(others func(stanza *waBinary.Node)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.others = others
}

func (w *smallWhatsApp) hearing() func(*waBinary.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.others
}

// answers has queries answered like this from now on.
func (w *smallWhatsApp) answers(answer func(query *waBinary.Node) []waBinary.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// drops has queries heard and not answered from now on.
func (w *smallWhatsApp) drops(heard func(query *waBinary.Node)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = heard
}

func (w *smallWhatsApp) take(from *line, query *waBinary.Node) {
	w.mu.Lock()
	answer, heard := w.answer, w.heard
	w.mu.Unlock()
	if heard != nil {
		heard(query)
		return
	}
	from.tell(answerTo(query, answer))
}

func answerTo(query *waBinary.Node, special func(query *waBinary.Node) []waBinary.Node) waBinary.Node {
	answer := waBinary.Node{Tag: "iq", Attrs: waBinary.Attrs{"from": types.ServerJID, "id": query.Attrs["id"], "type": "result"}}
	if special != nil {
		if content := special(query); content != nil {
			answer.Content = content
			return answer
		}
	}
	switch query.Attrs["xmlns"] {
	case "encrypt":
		answer.Content = []waBinary.Node{{Tag: "count", Attrs: waBinary.Attrs{"value": "100"}}}
	case "blocklist":
		answer.Content = []waBinary.Node{{Tag: "list", Attrs: waBinary.Attrs{"dhash": "0"}}}
	case "w:g2":
		answer.Content = []waBinary.Node{{Tag: "groups"}}
	}
	return answer
}

// tellAll sends a stanza on every connection.
func (w *smallWhatsApp) tellAll(node waBinary.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, each := range w.lines {
		each.tell(node)
	}
}

// connections is how many there were since the last cut.
func (w *smallWhatsApp) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.lines)
}

func (w *smallWhatsApp) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, each := range w.lines {
		_ = each.socket.CloseNow()
	}
	w.lines = nil
}

func (l *line) tell(node waBinary.Node) {
	plain, err := waBinary.Marshal(node)
	if err != nil {
		panic(err)
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	writeFrame(l.socket, l.send.Seal(nil, nonce(l.sent), plain, nil))
	l.sent++
}

// shakeHands is the responder's side of Noise_XX_25519_AESGCM_SHA256.
func (w *smallWhatsApp) shakeHands(conn *websocket.Conn, request *http.Request) (*line, *waWa6.ClientPayload) {
	static, ephemeral, intermediate := newKey(w.t), newKey(w.t), newKey(w.t)
	noise := newNoise()
	var hello, finish waWa6.HandshakeMessage
	if !w.read(conn, request, len(socket.WAConnHeader), &hello) {
		return nil, nil
	}
	theirs := hello.GetClientHello().GetEphemeral()
	noise.mix(theirs)
	noise.mix(ephemeral.PublicKey().Bytes())
	noise.share(w.t, ephemeral, theirs)
	sealedStatic := noise.seal(static.PublicKey().Bytes())
	noise.share(w.t, static, theirs)
	sealedChain := noise.seal(w.chain(intermediate, static.PublicKey().Bytes()))
	answer, err := proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: ephemeral.PublicKey().Bytes(), Static: sealedStatic, Payload: sealedChain,
	}})
	if err != nil {
		w.t.Error(err)
	}
	writeFrame(conn, answer)
	if !w.read(conn, request, 0, &finish) {
		return nil, nil
	}
	noise.share(w.t, ephemeral, noise.open(w.t, finish.GetClientFinish().GetStatic()))
	var payload waWa6.ClientPayload
	if err := proto.Unmarshal(noise.open(w.t, finish.GetClientFinish().GetPayload()), &payload); err != nil {
		w.t.Error(err)
	}
	keys := expand(noise.salt, nil)
	return &line{socket: conn, receive: gcm(keys[:32]), send: gcm(keys[32:])}, &payload
}

func (w *smallWhatsApp) read(conn *websocket.Conn, request *http.Request, header int, into proto.Message) bool {
	_, raw, err := conn.Read(request.Context())
	if err != nil {
		return false
	}
	if err := proto.Unmarshal(raw[header+3:], into); err != nil {
		w.t.Error(err)
		return false
	}
	return true
}

// chain proves to be WhatsApp: the root signs an intermediate key, and that one the static key.
func (w *smallWhatsApp) chain(intermediate *ecdh.PrivateKey, static []byte) []byte {
	sign := func(by *ecdh.PrivateKey, serial, issuer uint32, key []byte) *waCert.CertChain_NoiseCertificate {
		details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{
			Serial: &serial, IssuerSerial: &issuer, Key: key,
			NotBefore: proto.Uint64(uint64(time.Now().Add(-time.Hour).Unix())),
			NotAfter:  proto.Uint64(uint64(time.Now().Add(time.Hour).Unix())),
		})
		if err != nil {
			w.t.Error(err)
		}
		signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey([32]byte(by.Bytes())), details)
		return &waCert.CertChain_NoiseCertificate{Details: details, Signature: signature[:]}
	}
	raw, err := proto.Marshal(&waCert.CertChain{
		Leaf: sign(intermediate, 2, 1, static), Intermediate: sign(w.root, 1, 0, intermediate.PublicKey().Bytes()),
	})
	if err != nil {
		w.t.Error(err)
	}
	return raw
}

func writeFrame(conn *websocket.Conn, data []byte) {
	frame := append([]byte{byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}, data...)
	_ = conn.Write(background, websocket.MessageBinary, frame)
}

// linked makes a session folder with a device in it that is linked already.
func linked(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	opened, _, err := openStore(background, folder, (&libraryLog{log: logger{level: levelError + 1}}))
	if err != nil {
		t.Fatal(err)
	}
	device := opened.container.NewDevice()
	jid := types.JID{User: "12025550100", Server: types.DefaultUserServer, Device: 3}
	device.ID, device.LID, device.PushName = &jid, types.JID{User: "99", Server: types.HiddenUserServer, Device: 3}, "Me"
	device.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
	}
	if err := device.Save(background); err != nil {
		t.Fatal(err)
	}
	if _, err := device.PreKeys.GetOrGenPreKeys(background, 5); err != nil {
		t.Fatal(err)
	}
	if err := device.PreKeys.MarkPreKeysAsUploaded(background, 5); err != nil {
		t.Fatal(err)
	}
	if err := opened.close(); err != nil {
		t.Fatal(err)
	}
	return folder
}
