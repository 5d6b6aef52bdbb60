package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// parallelRetries bounds how many requests to send a message again are looked at at a time; this host sends none.
const parallelRetries = 4

// clientParams is what every engine honours of a session's config.
type clientParams struct {
	Proxy       *proxyParams `json:"proxy"`
	DeviceName  *string      `json:"device_name"`
	BrowserName *string      `json:"browser_name"`
	MarkOnline  bool         `json:"mark_online"`
}

// identity is what a device calls itself while it is linked; afterwards it is WhatsApp's.
type identity struct {
	device   string
	browser  string
	platform waCompanionReg.DeviceProps_PlatformType
	kind     whatsmeow.PairClientType
}

var browsers = []identity{
	{browser: "Chrome", platform: waCompanionReg.DeviceProps_CHROME, kind: whatsmeow.PairClientChrome},
	{browser: "Firefox", platform: waCompanionReg.DeviceProps_FIREFOX, kind: whatsmeow.PairClientFirefox},
	{browser: "Edge", platform: waCompanionReg.DeviceProps_EDGE, kind: whatsmeow.PairClientEdge},
	{browser: "Opera", platform: waCompanionReg.DeviceProps_OPERA, kind: whatsmeow.PairClientOpera},
	{browser: "Safari", platform: waCompanionReg.DeviceProps_SAFARI, kind: whatsmeow.PairClientSafari},
}

const defaultDevice = "Linux"

// identityOf is the first browser that the name holds; a browser WhatsApp does not know would be refused.
func identityOf(config clientParams) identity {
	found := browsers[0]
	if config.BrowserName != nil {
		for _, each := range browsers {
			if strings.Contains(strings.ToLower(*config.BrowserName), strings.ToLower(each.browser)) {
				found = each
				break
			}
		}
	}
	found.device = defaultDevice
	if config.DeviceName != nil && strings.TrimSpace(*config.DeviceName) != "" {
		found.device = strings.TrimSpace(*config.DeviceName)
	}
	return found
}

// displayName is how a pairing code's request has to name a device, or WhatsApp answers 400.
func (i identity) displayName() string { return i.browser + " (" + i.device + ")" }

// whatsmeowGlobals guards what whatsmeow keeps once a process: the device's properties and WhatsApp's version. It is
// held for moments only, never over anything that waits.
var whatsmeowGlobals sync.Mutex

// payload is what a device says of itself when it connects. One that is being linked names its properties in it, which
// are put there by hand: those of whatsmeow are the whole process's.
func payload(device *store.Device, as identity) *waWa6.ClientPayload {
	whatsmeowGlobals.Lock()
	defer whatsmeowGlobals.Unlock()
	said := device.GetClientPayload()
	if said.DevicePairingData == nil {
		return said
	}
	raw, err := proto.Marshal(propertiesOf(as))
	if err != nil {
		return nil // which whatsmeow refuses to connect with
	}
	said.DevicePairingData.DeviceProps = raw
	return said
}

// propertiesOf are whatsmeow's, of one device; hold the lock.
func propertiesOf(as identity) *waCompanionReg.DeviceProps {
	props := proto.Clone(store.DeviceProps).(*waCompanionReg.DeviceProps)
	props.Os = proto.String(as.device)
	props.PlatformType = as.platform.Enum()
	return props
}

// speakAs makes whatsmeow speak for one device until restore is called. One at a time: wait for the host's passkeys.
func speakAs(as identity) (restore func()) {
	whatsmeowGlobals.Lock()
	defer whatsmeowGlobals.Unlock()
	before := store.DeviceProps
	store.DeviceProps = propertiesOf(as)
	return func() {
		whatsmeowGlobals.Lock()
		defer whatsmeowGlobals.Unlock()
		store.DeviceProps = before
	}
}

// currentVersion is the version of WhatsApp Web that the next connection names.
func currentVersion() store.WAVersionContainer {
	whatsmeowGlobals.Lock()
	defer whatsmeowGlobals.Unlock()
	return store.GetWAVersion()
}

// setVersion makes every later connection name this version of WhatsApp Web.
func setVersion(text string) error {
	parsed, err := store.ParseVersion(text)
	if err != nil {
		return badParams{err}
	}
	useVersion(parsed)
	return nil
}

func useVersion(next store.WAVersionContainer) {
	whatsmeowGlobals.Lock()
	defer whatsmeowGlobals.Unlock()
	store.SetWAVersion(next)
}

// newClient is whatsmeow as this host uses it: it connects when told to, and never again by itself.
func (s *session) newClient(device *store.Device) (*whatsmeow.Client, error) {
	websocket, media, err := s.host.network.clients(s.client.Proxy)
	if err != nil {
		return nil, err
	}
	as := identityOf(s.client)
	client := whatsmeow.NewClient(device, s.libraryLog)
	client.SetPreLoginHTTPClient(websocket)
	client.SetWebsocketHTTPClient(websocket)
	client.SetMediaHTTPClient(media)
	client.SetMaxParallelRetryReceiptHandling(parallelRetries)
	client.EnableAutoReconnect = false
	client.DisableLoginAutoReconnect = true
	client.ManualHistorySyncDownload = true
	client.EmitAppStateEventsOnFullSync = true
	client.SynchronousAck = true // what a handler could not keep is sent again
	// And is read again then, although the keys have moved on: what was decrypted is in the store until it is kept.
	client.EnableDecryptedEventBuffer = true
	device.EventBuffer = safeBuffer{device.EventBuffer, s.log}
	client.QRClientType = as.kind
	client.BackgroundEventCtx = s.ctx
	client.GetClientPayload = func() *waWa6.ClientPayload { return payload(device, as) }
	// Both keep whatsmeow from a nil pointer that would end the process.
	client.RefreshCAT = func(context.Context) error { return errors.New("this is no Messenger account") }
	client.PrePairCallback = func(jid types.JID, _, _ string) bool { return !jid.IsEmpty() && jid.Device != 0 }
	return client, nil
}

// internals are parts of whatsmeow that it warns of: they change without notice, and are pinned here with its version.
// Nothing else fetches the address book page by page, or asks the server what whatsmeow has no function for.
func (s *session) internals() *whatsmeow.DangerousInternalClient {
	//lint:ignore SA1019 the warning is heeded: see above
	return s.whatsapp().DangerousInternals()
}
