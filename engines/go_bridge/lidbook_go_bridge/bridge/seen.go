package main

import (
	"context"

	"go.mau.fi/util/dbutil"
)

// seenPerson is somebody whom history or a message showed; 0 and "" are unknown.
type seenPerson struct {
	id         string
	chatAt     int64
	pushname   string
	pushnameAt int64
	username   string
	usernameAt int64
}

// pair is a phone number with its LID, as history tells it.
type pair struct {
	lid   string
	phone string
	at    int64
}

func (p pair) fact() fact { return linkFact(p.phone, p.lid, fromHistory, p.at) }

// facts are what the directory is told of somebody whom history showed.
func (p seenPerson) facts() []fact {
	var told []fact
	if p.pushname != "" {
		told = append(told, fieldFact(p.id, "pushname", p.pushname, fromHistory, p.pushnameAt))
	}
	if p.username != "" {
		told = append(told, fieldFact(p.id, "username", p.username, fromHistory, p.usernameAt))
	}
	if p.chatAt > 0 {
		told = append(told, fieldFact(p.id, "chat", true, fromHistory, p.chatAt))
	}
	return told
}

const seenColumns = "id, chat_at, pushname, pushname_at, username, username_at"

// putSeenQuery keeps what is newer, and unlearns nothing.
const putSeenQuery = "INSERT INTO lidbook_seen (" + seenColumns + `) VALUES ($1, $2, $3, $4, $5, $6)
	ON CONFLICT (id) DO UPDATE SET
		chat_at = max(lidbook_seen.chat_at, excluded.chat_at),
		pushname = CASE WHEN excluded.pushname <> '' AND excluded.pushname_at >= lidbook_seen.pushname_at
			THEN excluded.pushname ELSE lidbook_seen.pushname END,
		pushname_at = max(lidbook_seen.pushname_at, excluded.pushname_at),
		username = CASE WHEN excluded.username <> '' AND excluded.username_at >= lidbook_seen.username_at
			THEN excluded.username ELSE lidbook_seen.username END,
		username_at = max(lidbook_seen.username_at, excluded.username_at)`

// putSeen adds to what is known of people.
func (s *sessionStore) putSeen(ctx context.Context, people []seenPerson) error {
	return s.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		for _, each := range people {
			_, err := s.db.Exec(ctx, putSeenQuery,
				each.id, each.chatAt, each.pushname, each.pushnameAt, each.username, each.usernameAt)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// seenAfter is a page of everybody seen, by id.
func (s *sessionStore) seenAfter(ctx context.Context, id string, limit int) ([]seenPerson, error) {
	return rows(ctx, s, func(row dbutil.Scannable) (each seenPerson, err error) {
		return each, row.Scan(&each.id, &each.chatAt, &each.pushname, &each.pushnameAt, &each.username, &each.usernameAt)
	}, "SELECT "+seenColumns+" FROM lidbook_seen WHERE id > $1 ORDER BY id LIMIT $2", id, limit)
}

func (s *sessionStore) putPairs(ctx context.Context, pairs []pair) error {
	return s.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		for _, each := range pairs {
			_, err := s.db.Exec(ctx, "INSERT INTO lidbook_pair (lid, phone, at) VALUES ($1, $2, $3) "+
				"ON CONFLICT (lid) DO UPDATE SET phone = excluded.phone, at = excluded.at WHERE excluded.at >= lidbook_pair.at",
				each.lid, each.phone, each.at)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// pairsAfter is a page of all pairs, by LID.
func (s *sessionStore) pairsAfter(ctx context.Context, lid string, limit int) ([]pair, error) {
	return rows(ctx, s, func(row dbutil.Scannable) (each pair, err error) {
		return each, row.Scan(&each.lid, &each.phone, &each.at)
	}, "SELECT lid, phone, at FROM lidbook_pair WHERE lid > $1 ORDER BY lid LIMIT $2", lid, limit)
}
