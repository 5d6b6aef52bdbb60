package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"
)

func TestNothingButTheNetworkIsDialled(t *testing.T) {
	keepTransport(t)
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:3128")
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		asked = append(asked, request.URL.Path)
		writer.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	websocket := strings.Replace(server.URL, "http", "ws", 1) + "/ws/other"
	opened, err := openNetwork(&networkParams{Websocket: websocket, RootKey: rootKey})
	if err != nil {
		t.Fatal(err)
	}
	if whatsmeow.WACertPubKey[31] != 0x1f {
		t.Error("the root key is not whatsmeow's")
	}
	proxy := &proxyParams{Server: "192.0.2.1:3128"}
	ws, media, err := opened.clients(proxy)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.Replace(socket.URL, "wss", "https", 1)
	for _, each := range []struct {
		client  *http.Client
		address string
		path    string
	}{
		{ws, address, "/ws/other"},
		{media, "http://mmg.whatsapp.net/v/t62", "/v/t62"},
		{http.DefaultClient, "http://web.whatsapp.com/", "/"},
	} {
		answer, err := each.client.Get(each.address)
		if err != nil {
			t.Fatalf("%s: %v", each.address, err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusTeapot || asked[len(asked)-1] != each.path {
			t.Errorf("%s led to %v with %d", each.address, asked, answer.StatusCode)
		}
	}
	if _, ok := http.DefaultTransport.(*http.Transport); !ok {
		t.Error("whatsmeow crashes over any other kind of default transport")
	}
}

func TestProxies(t *testing.T) {
	user, password := "me", "s:cret/"
	for name, each := range map[string]struct {
		proxy proxyParams
		want  string
	}{
		"host and port":  {proxyParams{Server: "10.0.0.1:3128"}, "http://10.0.0.1:3128"},
		"socks":          {proxyParams{Server: "socks5://10.0.0.1:1080"}, "socks5://10.0.0.1:1080"},
		"a login":        {proxyParams{"10.0.0.1:3128", &user, &password}, "http://me:s%3Acret%2F@10.0.0.1:3128"},
		"something else": {proxyParams{Server: "ftp://10.0.0.1"}, ""},
		"nothing":        {proxyParams{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			address, err := each.proxy.url()
			if (err == nil) != (each.want != "") || (err == nil && address.String() != each.want) {
				t.Errorf("read as %v with %v", address, err)
			}
		})
	}
}

func TestARealNetworkGoesThroughTheSessionsProxy(t *testing.T) {
	opened, err := openNetwork(nil)
	if err != nil {
		t.Fatal(err)
	}
	ws, media, err := opened.clients(&proxyParams{Server: "socks5://10.0.0.1:1080"})
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range []*http.Client{ws, media} {
		request := &http.Request{URL: &url.URL{Scheme: "https", Host: "web.whatsapp.com"}}
		found, err := each.Transport.(*http.Transport).Proxy(request)
		if err != nil || found == nil || found.Host != "10.0.0.1:1080" {
			t.Errorf("it goes through %v with %v", found, err)
		}
	}
}

func TestWhatADeviceCallsItself(t *testing.T) {
	text := func(value string) *string { return &value }
	before := store.DeviceProps
	for name, each := range map[string]struct {
		config  clientParams
		display string
		kind    whatsmeow.PairClientType
	}{
		"nothing said":       {clientParams{}, "Chrome (Linux)", whatsmeow.PairClientChrome},
		"a name":             {clientParams{DeviceName: text("Shop"), BrowserName: text("firefox 128")}, "Firefox (Shop)", whatsmeow.PairClientFirefox},
		"an unknown browser": {clientParams{BrowserName: text("Lynx")}, "Chrome (Linux)", whatsmeow.PairClientChrome},
		"an empty name":      {clientParams{DeviceName: text("  ")}, "Chrome (Linux)", whatsmeow.PairClientChrome},
	} {
		t.Run(name, func(t *testing.T) {
			as := identityOf(each.config)
			if as.displayName() != each.display || as.kind != each.kind {
				t.Errorf("it is %q, %s", as.displayName(), as.kind)
			}
			said := payload(standing(t, newCore(t)).store.unlinked(), as)
			props := new(waCompanionReg.DeviceProps)
			if err := proto.Unmarshal(said.GetDevicePairingData().GetDeviceProps(), props); err != nil {
				t.Fatal(err)
			}
			if props.GetOs() != as.device || props.GetPlatformType() != as.platform {
				t.Errorf("it says it is %s on %s", props.GetPlatformType(), props.GetOs())
			}
		})
	}
	if store.DeviceProps != before {
		t.Error("the next device would call itself like this one")
	}
}
