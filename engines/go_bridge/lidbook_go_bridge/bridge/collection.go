package main

import (
	"context"
	"errors"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// errNoState is an answer that says neither what is in the address book nor that nothing is.
var errNoState = errors.New("WhatsApp's answer holds no address book")

// syncCollection sends one query about the address book's collection, and answers what it says of it, refusals
// included: they stand within an answer that is none otherwise, where whatsmeow takes them for an empty collection.
func (b *book) syncCollection(ctx context.Context, attributes waBinary.Attrs, content ...waBinary.Node) (*waBinary.Node, error) {
	attributes["name"] = string(bookCollection)
	collection := waBinary.Node{Tag: "collection", Attrs: attributes}
	if len(content) > 0 {
		collection.Content = content
	}
	answer, err := b.session.query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "w:sync:app:state", Type: "set", To: types.ServerJID,
		Content: []waBinary.Node{{Tag: "sync", Content: []waBinary.Node{collection}}},
	})
	if err != nil {
		return nil, err
	}
	found, ok := answer.GetOptionalChildByTag("sync", "collection")
	if !ok {
		return nil, &whatsmeow.ElementMissingError{Tag: "collection", In: "the answer to a query about the address book"}
	}
	return &found, nil
}

// refusalOf is why the server refused something about a collection, nil when it did not.
func refusalOf(collection *waBinary.Node) *whatsmeow.IQError {
	attributes := collection.AttrGetter()
	if attributes.OptionalString("type") != "error" {
		return nil
	}
	node := collection.GetChildByTag("error")
	said := node.AttrGetter()
	return &whatsmeow.IQError{
		Code: said.OptionalInt("code"), Text: said.OptionalString("text"), ErrorNode: &node, RawNode: collection,
	}
}

// fetchPatches fetches what the server has beyond a version, or everything.
func (b *book) fetchPatches(ctx context.Context, version uint64, all bool) (*appstate.PatchList, error) {
	attributes := waBinary.Attrs{"return_snapshot": all}
	if !all {
		attributes["version"] = version
	}
	collection, err := b.syncCollection(ctx, attributes)
	if err != nil {
		return nil, err
	}
	if refusal := refusalOf(collection); refusal != nil {
		return nil, refusal
	}
	list, err := b.parsePatches(ctx, collection)
	if err != nil {
		return nil, err
	}
	if isEmpty := list.Snapshot == nil && len(list.Patches) == 0; isEmpty && (list.HasMorePatches || all && !saysEmpty(collection)) {
		return nil, errNoState
	}
	return list, nil
}

// saysEmpty says whether a collection without content is one that never had any.
func saysEmpty(collection *waBinary.Node) bool {
	attributes := collection.AttrGetter()
	version, given := attributes.GetUint64("version", false)
	return given && version == 0
}

func (b *book) parsePatches(ctx context.Context, collection *waBinary.Node) (*appstate.PatchList, error) {
	return appstate.ParsePatchList(ctx, collection, b.session.internals().DownloadExternalAppStateBlob)
}
