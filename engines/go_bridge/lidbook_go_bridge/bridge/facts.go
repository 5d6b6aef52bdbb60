package main

import (
	"encoding/json"
	"time"
)

// source says where a fact comes from; the core decides by it between two that differ.
type source string

const (
	fromAddressBook  source = "address-book"
	fromServer       source = "server"
	fromNotification source = "notification"
	fromMessage      source = "message"
	fromHistory      source = "history"
	fromGroup        source = "group"
)

// Roles of a group's participants.
const (
	roleLeft        = "left"
	roleParticipant = "participant"
	roleAdmin       = "admin"
	roleSuperadmin  = "superadmin"
)

// fact is one thing that the directory is told, written as the protocol has it; weight counts what the core does for
// it, a participant each.
type fact struct {
	text   json.RawMessage
	weight int
}

type participant struct {
	Phone string `json:"phone,omitempty"`
	Lid   string `json:"lid,omitempty"`
	Role  string `json:"role"`
}

// group is what a group is told to be; what is absent says nothing.
type group struct {
	ID           string        `json:"group"`
	Subject      string        `json:"subject,omitempty"`
	Description  string        `json:"description,omitempty"`
	Owner        string        `json:"owner,omitempty"`
	Creation     int64         `json:"creation,omitempty"`
	Participants []participant `json:"participants,omitempty"`
}

type picture struct {
	State     string  `json:"state"`
	URL       *string `json:"url"`
	ExpiresAt *int64  `json:"expires_at"`
}

func fieldFact(user, field string, value any, from source, at int64) fact {
	return written(1, struct {
		Fact   string `json:"fact"`
		User   string `json:"user"`
		Field  string `json:"field"`
		Value  any    `json:"value"`
		Source source `json:"source"`
		At     int64  `json:"at"`
	}{"field", user, field, value, from, at})
}

// nameFact is a field whose text may be missing, which says that it is gone.
func nameFact(user, field, value string, from source, at int64) fact {
	if value == "" {
		return fieldFact(user, field, nil, from, at)
	}
	return fieldFact(user, field, value, from, at)
}

func linkFact(phone, lid string, from source, at int64) fact {
	return written(1, struct {
		Fact   string `json:"fact"`
		Phone  string `json:"phone"`
		Lid    string `json:"lid"`
		Source source `json:"source"`
		At     int64  `json:"at"`
	}{"link", phone, lid, from, at})
}

func groupFact(told group, from source, at int64) fact {
	return written(1+len(told.Participants), struct {
		Fact string `json:"fact"`
		group
		Source source `json:"source"`
		At     int64  `json:"at"`
	}{"group", told, from, at})
}

func participantFact(id string, who participant, from source, at int64) fact {
	return written(1, struct {
		Fact        string      `json:"fact"`
		Group       string      `json:"group"`
		Participant participant `json:"participant"`
		Source      source      `json:"source"`
		At          int64       `json:"at"`
	}{"participant", id, who, from, at})
}

func groupListFact(groups []string, from source, at int64) fact {
	return written(1+len(groups), struct {
		Fact   string   `json:"fact"`
		Groups []string `json:"groups"`
		Source source   `json:"source"`
		At     int64    `json:"at"`
	}{"group_list", notNil(groups), from, at})
}

func blocklistFact(users []string, from source, at int64) fact {
	return userListFact("blocklist", users, from, at)
}

func contactListFact(users []string, from source, at int64) fact {
	return userListFact("contact_list", users, from, at)
}

func userListFact(kind string, users []string, from source, at int64) fact {
	return written(1+len(users), struct {
		Fact   string   `json:"fact"`
		Users  []string `json:"users"`
		Source source   `json:"source"`
		At     int64    `json:"at"`
	}{kind, notNil(users), from, at})
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// written encodes what is made of strings, numbers and lists of them, which cannot fail.
func written(weight int, value any) fact {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return fact{text, weight}
}

// nowMs is the time as facts have it.
func nowMs() int64 { return time.Now().UnixMilli() }

// within is the time of a stanza whose `t` counts whole seconds: the moment of arrival if that falls within the second,
// else the nearest end of it.
func within(second, arrival int64) int64 {
	begin := second * 1000
	return min(max(arrival, begin), begin+999)
}

// stanzaTime is the same for the time that whatsmeow read; without one, the stanza is as of its arrival.
func stanzaTime(said time.Time) int64 {
	arrival := nowMs()
	if said.IsZero() || said.Unix() <= 0 {
		return arrival
	}
	return within(said.Unix(), arrival)
}

// mutationTime is the time of a change to the app state, which is in milliseconds, and never in the future.
func mutationTime(said int64) int64 {
	arrival := nowMs()
	if said <= 0 || said > arrival {
		return arrival
	}
	return said
}
