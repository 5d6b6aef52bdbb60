package main

import (
	"testing"

	"go.mau.fi/whatsmeow/types"
)

func TestPersonsInLidbooksWords(t *testing.T) {
	for text, want := range map[string]string{
		"5511987654321@s.whatsapp.net":    "5511987654321@c.us",
		"5511987654321:12@s.whatsapp.net": "5511987654321@c.us",
		"5511987654321@c.us":              "5511987654321@c.us",
		"123456789:3@lid":                 "123456789@lid",
		"123456789:3@hosted.lid":          "123456789@lid",
		"5511987654321@hosted":            "5511987654321@c.us",
		"13135550002@s.whatsapp.net":      "", // an assistant
		"867051314767696@bot":             "",
		"0@s.whatsapp.net":                "",
		"status@broadcast":                "",
		"120363000000000000@g.us":         "",
		"120363000000000000@newsletter":   "",
		"s.whatsapp.net":                  "",
		"abc@lid":                         "",
		"123456789012345678901@lid":       "",
	} {
		jid, err := types.ParseJID(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := userID(jid); got != want {
			t.Errorf("%s is %q, not %q", text, got, want)
		}
	}
}

func TestGroupsInLidbooksWords(t *testing.T) {
	for text, want := range map[string]string{
		"120363000000000000@g.us":       "120363000000000000@g.us",
		"5511987654321-1400000000@g.us": "5511987654321-1400000000@g.us",
		"120363000000000000@newsletter": "",
		"x@g.us":                        "",
	} {
		jid, err := types.ParseJID(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := groupID(jid); got != want {
			t.Errorf("%s is %q, not %q", text, got, want)
		}
	}
}

func TestIdentifiersOfTheCore(t *testing.T) {
	for text, want := range map[string]string{
		"5511987654321@c.us": "5511987654321@s.whatsapp.net",
		"123456789@lid":      "123456789@lid",
		"123456789":          "",
		"1@s.whatsapp.net":   "",
		"1:2@c.us":           "",
		"@c.us":              "",
	} {
		jid, err := parseUser(text)
		if jid.String() != want || (err == nil) == (want == "") {
			t.Errorf("%s is read as %q with %v, not as %q", text, jid, err, want)
		}
	}
}
