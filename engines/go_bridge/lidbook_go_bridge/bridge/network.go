package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/socket"
)

const (
	dialTimeout = 15 * time.Second
	// upgradeTimeout bounds the way to the websocket; the connection outlives it.
	upgradeTimeout = 30 * time.Second
	mediaTimeout   = 5 * time.Minute
)

// networkParams is where WhatsApp is, as hello says; absent means the real one.
type networkParams struct {
	Websocket string `json:"websocket"`
	RootKey   string `json:"root_key"`
}

// network is the way to WhatsApp: the real one, or one on this machine that everything goes to, whatever its address.
type network struct {
	websocket *url.URL // nil for the real one
	transport *http.Transport
}

// openNetwork makes the way that hello names. A root key is whatsmeow's for the whole process: it is set once, before
// anything connects.
func openNetwork(given *networkParams) (*network, error) {
	if given == nil {
		return &network{transport: http.DefaultTransport.(*http.Transport).Clone()}, nil
	}
	address, err := url.Parse(given.Websocket)
	if err != nil || (address.Scheme != "ws" && address.Scheme != "wss") || address.Port() == "" {
		return nil, badParams{fmt.Errorf("network.websocket %q is no ws:// address with a port", given.Websocket)}
	}
	if !isLoopback(address.Hostname()) {
		return nil, badParams{fmt.Errorf("network.websocket %q is not on this machine", given.Websocket)}
	}
	root, err := hex.DecodeString(given.RootKey)
	if err != nil || len(root) != len(whatsmeow.WACertPubKey) {
		return nil, badParams{fmt.Errorf("network.root_key is not %d bytes in hex", len(whatsmeow.WACertPubKey))}
	}
	opened := &network{websocket: address, transport: onlyTo(address.Host)}
	whatsmeow.WACertPubKey = [32]byte(root)
	http.DefaultTransport = opened.transport // for whatever a library dials by itself
	return opened, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// onlyTo is a transport that dials one address, whichever is asked for, and no proxy.
func onlyTo(address string) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		},
		TLSHandshakeTimeout: dialTimeout,
	}
}

// isReal says whether this is WhatsApp itself.
func (n *network) isReal() bool { return n.websocket == nil }

// clients makes the three that whatsmeow dials with: forget one, and pairing goes to the real WhatsApp.
func (n *network) clients(through *proxyParams) (websocket, media *http.Client, err error) {
	var way http.RoundTripper = redirected{n.websocket, n.transport}
	if n.isReal() {
		transport := n.transport
		if through != nil {
			address, err := through.url()
			if err != nil {
				return nil, nil, err
			}
			transport = transport.Clone()
			transport.Proxy = http.ProxyURL(address)
		}
		way = transport
	}
	return &http.Client{Transport: way, Timeout: upgradeTimeout}, &http.Client{Transport: way, Timeout: mediaTimeout}, nil
}

// redirected sends requests for WhatsApp's websocket to another one.
type redirected struct {
	websocket *url.URL
	transport *http.Transport
}

func (r redirected) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Host == hostOf(socket.URL) && r.websocket != nil {
		request = request.Clone(request.Context())
		request.URL.Scheme = strings.Replace(r.websocket.Scheme, "ws", "http", 1)
		request.URL.Host, request.URL.Path = r.websocket.Host, r.websocket.Path
	}
	return r.transport.RoundTrip(request)
}

func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return parsed.Host
}

// proxyParams is a session's own way out.
type proxyParams struct {
	Server   string  `json:"server"`
	Username *string `json:"username"`
	Password *string `json:"password"`
}

// url reads `host:port`, or the same behind http://, https:// or socks5://, which Go's transport all knows.
func (p *proxyParams) url() (*url.URL, error) {
	server := p.Server
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	address, err := url.Parse(server)
	if err != nil || address.Host == "" {
		return nil, badParams{fmt.Errorf("the proxy's server is not host:port")}
	}
	switch address.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, badParams{fmt.Errorf("a proxy is http, https or socks5, not %s", address.Scheme)}
	}
	if p.Username != nil {
		password := ""
		if p.Password != nil {
			password = *p.Password
		}
		address.User = url.UserPassword(*p.Username, password)
	}
	return address, nil
}
