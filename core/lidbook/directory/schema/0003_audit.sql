-- What those do, and are refused, who are no admins never pushes out what an admin did: each is pruned for itself.
-- Rows from before this count as an admin's.
ALTER TABLE audit ADD COLUMN by_admin INTEGER NOT NULL DEFAULT 1;
CREATE INDEX audit_by_whom ON audit (by_admin);
