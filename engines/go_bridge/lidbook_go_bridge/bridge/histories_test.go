package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"google.golang.org/protobuf/proto"
)

// somePushNames is a part of the history, as a phone sends a small one.
func somePushNames(t *testing.T) historyPart {
	t.Helper()
	history, err := proto.Marshal(&waHistorySync.HistorySync{
		SyncType:  waHistorySync.HistorySync_PUSH_NAME.Enum(),
		Pushnames: []*waHistorySync.Pushname{{ID: proto.String("11@lid"), Pushname: proto.String("One")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	writer := zlib.NewWriter(&packed)
	if _, err := writer.Write(history); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(&waE2E.HistorySyncNotification{
		SyncType: waE2E.HistorySyncType_PUSH_NAME.Enum(), InitialHistBootstrapInlinePayload: packed.Bytes(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return historyPart{at: 1_700_000_000_000, raw: raw}
}

func TestFewHistoriesAreInMemoryAtATime(t *testing.T) {
	s, c := idle(t)
	close(s.teller.opened)
	part := somePushNames(t)
	for range cap(s.host.histories) {
		s.host.histories <- struct{}{}
	}
	impatient, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.takeHistory(impatient, part); !errors.Is(err, context.Canceled) {
		t.Errorf("one more was unpacked, with %v", err)
	}
	for range cap(s.host.histories) {
		<-s.host.histories
	}
	c.refuse = func(message) *rpcError {
		if held := len(s.host.histories); held > 0 {
			t.Errorf("%d are in memory while they are told", held)
		}
		return nil
	}
	if kind, err := s.takeHistory(s.ctx, part); kind != waE2E.HistorySyncType_PUSH_NAME || err != nil {
		t.Errorf("it was %s, with %v", kind, err)
	}
	if told := all[factsParams](c, "facts"); len(told) != 1 {
		t.Errorf("told %+v", told)
	}
}
