-- What wsdaemon 0.1.0 (commit d508f4d) had in state/state.db when it was killed, in journal_mode=WAL:
-- two workspaces, of one of which a snapshot was promised while the store could not be written.
-- Added by hand: one that was being initialised, and one that was being deleted.
PRAGMA journal_mode = WAL;
CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    meta_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('SETTING_UP', 'AVAILABLE', 'WRAPPING_UP', 'DELETING')),
    remote_storage_disabled INTEGER NOT NULL,
    quota_bytes INTEGER NOT NULL,
    checkout_location TEXT NOT NULL
  ) STRICT;
INSERT INTO workspaces VALUES('kept','alice','notes','AVAILABLE',0,0,'');
INSERT INTO workspaces VALUES('other','bob@example.org','m','AVAILABLE',0,0,'');
INSERT INTO workspaces VALUES('begun','carol','m','SETTING_UP',0,0,'');
INSERT INTO workspaces VALUES('going','carol','m','DELETING',0,0,'');
CREATE TABLE promised_snapshots (
    url TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE
  ) STRICT;
INSERT INTO promised_snapshots VALUES('wsdaemon:snapshot/alice/notes/20261129T143145Z-8d4c297b178c208b','kept');
PRAGMA user_version = 1;
