package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// groupList is which groups the account is in. What happens while they are fetched is newer than the answer.
type groupList struct {
	mu      sync.Mutex
	names   map[string]bool // nil as long as they were not fetched
	queries int             // under way
	changes []groupChange   // since the first of those began
}

// groupChange is that the account came into a group or left it.
type groupChange struct {
	name string
	isIn bool
}

// begin notes that the groups are about to be fetched; the mark goes to end.
func (g *groupList) begin() (mark int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queries++
	return len(g.changes)
}

// end takes what a query answered, nil when it failed, and answers it, sorted, with all that has changed since it began.
func (g *groupList) end(mark int, answered map[string]bool) (names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if answered != nil {
		for _, each := range g.changes[mark:] {
			each.apply(answered)
		}
		g.names = answered
		names = slices.Sorted(maps.Keys(answered))
	}
	if g.queries--; g.queries == 0 {
		g.changes = nil
	}
	return names
}

// note notes that the account came into a group or left it, and answers all groups it is in; known is false as long as
// they were not fetched.
func (g *groupList) note(name string, isIn bool) (names []string, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change := groupChange{name, isIn}
	if g.queries > 0 {
		g.changes = append(g.changes, change)
	}
	if g.names == nil {
		return nil, false
	}
	change.apply(g.names)
	return slices.Collect(maps.Keys(g.names)), true
}

func (c groupChange) apply(names map[string]bool) {
	if c.isIn {
		names[c.name] = true
	} else {
		delete(names, c.name)
	}
}

// tellGroups fetches all groups and tells them, the list of them last; it answers how many there are.
func (s *session) tellGroups(ctx context.Context) (int, error) {
	begun := nowMs()
	mark := s.groups.begin()
	groups, err := s.whatsapp().GetJoinedGroups(ctx)
	if err != nil {
		s.groups.end(mark, nil)
		return 0, err
	}
	answered := make(map[string]bool, len(groups))
	for _, each := range groups {
		if id := groupID(each.JID); id != "" {
			answered[id] = true
		}
	}
	names := s.groups.end(mark, answered)
	told := s.teller.batch(ctx)
	for _, each := range groups {
		if _, isIn := slices.BinarySearch(names, groupID(each.JID)); !isIn {
			continue // left meanwhile; telling of it would show it as seen
		}
		facts, err := s.groupFacts(ctx, each, fromGroup, begun)
		if err != nil {
			return 0, err
		}
		if err := told.addAll(facts); err != nil {
			return 0, err
		}
	}
	if err := told.add(groupListFact(names, fromGroup, begun)); err != nil {
		return 0, err
	}
	return len(names), told.flush()
}

// refreshGroups returns when all groups are in the directory as the server has them.
func (s *session) refreshGroups(ctx context.Context, _ struct{}) (struct{}, error) {
	_, err := s.tellGroups(ctx)
	return struct{}{}, err
}

// groupFacts are a group with everybody in it, and for members that are shown by LID alone that this is on purpose.
func (s *session) groupFacts(ctx context.Context, info *types.GroupInfo, from source, at int64) ([]fact, error) {
	id := groupID(info.JID)
	if id == "" {
		return nil, nil
	}
	told := group{ID: id, Subject: info.Name, Description: info.Topic, Owner: ownerOf(info)}
	if !info.GroupCreated.IsZero() {
		told.Creation = info.GroupCreated.Unix()
	}
	var hidden []fact
	for _, each := range info.Participants {
		phone, lid := phoneAndLid(each.JID, each.PhoneNumber)
		if lid == "" {
			_, lid = phoneAndLid(each.JID, each.LID)
		}
		if phone == "" && lid == "" {
			continue
		}
		role := roleParticipant
		switch {
		case each.IsSuperAdmin:
			role = roleSuperadmin
		case each.IsAdmin:
			role = roleAdmin
		}
		told.Participants = append(told.Participants, participant{phone, lid, role})
		facts, err := s.hiddenFacts(ctx, phone, lid, at)
		if err != nil {
			return nil, err
		}
		hidden = append(hidden, facts...)
	}
	return append([]fact{groupFact(told, from, at)}, hidden...), nil
}

// ownerOf is whoever made the group, by number where the group shows it.
func ownerOf(info *types.GroupInfo) string {
	phone, lid := phoneAndLid(info.OwnerJID, info.OwnerPN)
	if phone != "" {
		return phone
	}
	return lid
}

// hiddenFacts say of a member who is shown by LID alone that WhatsApp keeps the number to itself, unless it is known
// from elsewhere.
func (s *session) hiddenFacts(ctx context.Context, phone, lid string, at int64) ([]fact, error) {
	if phone != "" || lid == "" {
		return nil, nil
	}
	jid, err := parseUser(lid)
	if err != nil {
		return nil, err
	}
	known, err := s.book.lids.GetPNForLID(ctx, jid)
	if err != nil || !known.IsEmpty() {
		return nil, err
	}
	return []fact{fieldFact(lid, "hidden", true, fromGroup, at)}, nil
}

// heardJoined tells of a group that the account was taken into.
func (s *session) heardJoined(event *events.JoinedGroup) error {
	return s.outboxGroup(&event.GroupInfo, nowMs())
}

func (s *session) outboxGroup(info *types.GroupInfo, at int64) error {
	facts, err := s.groupFacts(s.ctx, info, fromNotification, at)
	if err != nil {
		return err
	}
	if names, known := s.groups.note(groupID(info.JID), true); known {
		facts = append(facts, groupListFact(names, fromNotification, at))
	}
	return s.outbox.put(s.ctx, facts...)
}

// heardGroup tells what changed in a group. When the account itself leaves, only the list of groups is told: anything
// else would show the group as seen.
func (s *session) heardGroup(event *events.GroupInfo) error {
	id, at := groupID(event.JID), stanzaTime(event.Timestamp)
	if id == "" {
		return nil
	}
	if s.holdsMe(event.Leave) || event.Delete != nil {
		names, known := s.groups.note(id, false)
		if !known {
			return nil // they are being fetched
		}
		return s.outbox.put(s.ctx, groupListFact(names, fromNotification, at))
	}
	if s.holdsMe(event.Join) {
		s.begin("a group", func() { s.fetchGroup(event.JID, at) })
		return nil
	}
	var facts []fact
	if changed := (group{ID: id}); event.Name != nil || event.Topic != nil {
		if event.Name != nil {
			changed.Subject = event.Name.Name
		}
		if event.Topic != nil {
			changed.Description = event.Topic.Topic
		}
		facts = append(facts, groupFact(changed, fromNotification, at))
	}
	for _, each := range []struct {
		members []types.JID
		role    string
	}{
		{event.Join, roleParticipant}, {event.Leave, roleLeft}, {event.Promote, roleAdmin}, {event.Demote, roleParticipant},
	} {
		members, err := s.memberFacts(id, each.members, each.role, at)
		if err != nil {
			return err
		}
		facts = append(facts, members...)
	}
	return s.outbox.put(s.ctx, facts...)
}

// memberFacts are members in a new role, by each identifier that is known; the notification's pairs are in the map.
func (s *session) memberFacts(id string, members []types.JID, role string, at int64) ([]fact, error) {
	var facts []fact
	for _, each := range members {
		other, err := s.otherHalf(s.ctx, each)
		if err != nil {
			return nil, err
		}
		phone, lid := phoneAndLid(each, other)
		if phone == "" && lid == "" {
			continue
		}
		facts = append(facts, participantFact(id, participant{phone, lid, role}, fromNotification, at))
		if phone == "" {
			facts = append(facts, fieldFact(lid, "hidden", true, fromGroup, at))
		}
	}
	return facts, nil
}

// holdsMe says whether the account itself is among these.
func (s *session) holdsMe(members []types.JID) bool {
	device := s.whatsapp().Store
	for _, each := range members {
		if each.ToNonAD() == device.GetJID().ToNonAD() || each.ToNonAD() == device.GetLID().ToNonAD() {
			return true
		}
	}
	return false
}

// fetchGroup fetches a group that the account is in now; when that fails, all of them are fetched.
func (s *session) fetchGroup(jid types.JID, at int64) {
	info, err := s.whatsapp().GetGroupInfo(s.ctx, jid)
	if errors.Is(err, whatsmeow.ErrNotInGroup) || errors.Is(err, whatsmeow.ErrGroupNotFound) {
		return
	}
	if err == nil {
		err = s.outboxGroup(info, max(at, nowMs()))
	}
	if err != nil && s.ctx.Err() == nil {
		s.log.warning("a group could not be fetched", "error", err)
		s.persist("groups", s.tellGroups)
	}
}
