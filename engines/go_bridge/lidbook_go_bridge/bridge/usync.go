package main

import (
	"context"
	"strings"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waVnameCert"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// usyncChunk is how many persons one query asks about.
const usyncChunk = 200

// usync is one query about many persons. The refusal of the protocol that is needed fails it; that of another one
// leaves out what it would have said.
type usync struct {
	mode, context string
	protocols     []waBinary.Node
	needed        string
}

// limitedBy stands for the protocol that is needed where none is, but the rate limit of any is to be heeded.
const limitedBy = ""

// Protocols of a usync query: what is asked about each person.
var (
	askContact  = waBinary.Node{Tag: "contact", Attrs: waBinary.Attrs{"addressing_mode": "lid"}}
	askBusiness = waBinary.Node{Tag: "business", Content: []waBinary.Node{{Tag: "verified_name"}}}
	askUsername = waBinary.Node{Tag: "username"}
	askLid      = waBinary.Node{Tag: "lid"}
	askStatus   = waBinary.Node{Tag: "status"}
)

// ask asks about users, some hundred at a time, and hands over every user node that is answered.
func (s *session) ask(ctx context.Context, question usync, users []waBinary.Node, take func(*waBinary.Node) error) error {
	for begin := 0; begin < len(users); begin += usyncChunk {
		if err := s.askChunk(ctx, question, users[begin:min(begin+usyncChunk, len(users))], take); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) askChunk(ctx context.Context, question usync, users []waBinary.Node, take func(*waBinary.Node) error) error {
	answer, err := s.query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "usync", Type: "get", To: types.ServerJID,
		Content: []waBinary.Node{{
			Tag: "usync",
			Attrs: waBinary.Attrs{
				"sid":  s.internals().GenerateRequestID(),
				"mode": question.mode, "last": "true", "index": "0", "context": question.context,
			},
			Content: []waBinary.Node{{Tag: "query", Content: question.protocols}, {Tag: "list", Content: users}},
		}},
	})
	if err != nil {
		return err
	}
	found, ok := answer.GetOptionalChildByTag("usync")
	if !ok {
		return &whatsmeow.ElementMissingError{Tag: "usync", In: "the answer to a usync query"}
	}
	if err := protocolError(&found, question.needed); err != nil {
		return err
	}
	list, ok := found.GetOptionalChildByTag("list")
	if !ok {
		return &whatsmeow.ElementMissingError{Tag: "list", In: "the answer to a usync query"}
	}
	for _, each := range list.GetChildrenByTag("user") {
		if err := take(&each); err != nil {
			return err
		}
	}
	return nil
}

// protocolError is the refusal of the protocol that is needed: it stands within an answer that is none otherwise.
func protocolError(answer *waBinary.Node, needed string) error {
	result := answer.GetChildByTag("result")
	for _, each := range result.GetChildren() {
		refused, ok := each.GetOptionalChildByTag("error")
		if !ok {
			continue
		}
		attributes := refused.AttrGetter()
		code := attributes.OptionalInt("code")
		if each.Tag == needed || needed == limitedBy && code == 429 {
			return &whatsmeow.IQError{
				Code: code, Text: attributes.OptionalString("text"), ErrorNode: &refused, RawNode: answer,
			}
		}
	}
	return nil
}

// userNode asks about somebody by identifier.
func userNode(jid types.JID, content ...waBinary.Node) waBinary.Node {
	node := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": jid.ToNonAD()}}
	if len(content) > 0 {
		node.Content = content
	}
	return node
}

// numberNode asks about a number in any spelling. The bare text says whom it is about in the answer, too.
func numberNode(digits string) waBinary.Node {
	text := "+" + digits + phoneSuffix
	return waBinary.Node{Tag: "user", Content: []waBinary.Node{{Tag: "contact", Content: text}}}
}

// numberOf is the number that an answer is about.
func numberOf(contact *waBinary.Node) string {
	return strings.TrimPrefix(strings.TrimSuffix(textOf(contact), phoneSuffix), "+")
}

func textOf(node *waBinary.Node) string {
	switch content := node.Content.(type) {
	case []byte:
		return string(content)
	case string:
		return content
	}
	return ""
}

// verifiedName reads a business's certificate; business says that it is one, verified or not.
func verifiedName(user *waBinary.Node) (name string, business bool) {
	node, ok := user.GetOptionalChildByTag("business")
	if !ok {
		return "", false
	}
	verified, ok := node.GetOptionalChildByTag("verified_name")
	if !ok {
		return "", true
	}
	var certificate waVnameCert.VerifiedNameCertificate
	var details waVnameCert.VerifiedNameCertificate_Details
	raw, _ := verified.Content.([]byte)
	if proto.Unmarshal(raw, &certificate) != nil || proto.Unmarshal(certificate.GetDetails(), &details) != nil {
		return "", true
	}
	return details.GetVerifiedName(), true
}

// usernameOf reads a person's username, which is the node's text or stands in an attribute.
func usernameOf(user *waBinary.Node) string {
	node, ok := user.GetOptionalChildByTag("username")
	if !ok {
		return ""
	}
	name := textOf(&node)
	for _, attribute := range []string{"username", "val"} {
		if name == "" {
			name = node.AttrGetter().OptionalString(attribute)
		}
	}
	return strings.TrimPrefix(name, "@")
}

// lidOf reads the LID of an answer.
func lidOf(user *waBinary.Node) string {
	node := user.GetChildByTag("lid")
	id := userID(node.AttrGetter().OptionalJIDOrEmpty("val"))
	if strings.HasSuffix(id, lidSuffix) {
		return id
	}
	return ""
}
