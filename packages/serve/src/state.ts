/** Where events and new items are kept: a SQLite file, or memory. */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '@crossgate/core';
import type { ItemAttributes } from '@crossgate/data';
import { kindOf } from '@crossgate/files';
import type Libsql from 'libsql';

/** An event as it is kept. */
export interface StoredEvent {
  /** Id that the sender chose. */
  readonly id: string;
  readonly user: string;
  readonly item: string;
  readonly label: 0 | 1;
  /** Seconds since 1970, UTC. */
  readonly timestamp: number;
}

/** An item as it is kept. */
export interface StoredItem {
  readonly id: string;
  readonly title: string;
  readonly attributes?: ItemAttributes | undefined;
}

/** Keeps what came after the training. */
export interface Store {
  /** Reads what was kept before, oldest first. */
  load(): { readonly items: readonly StoredItem[]; readonly events: readonly StoredEvent[] };
  /** An event by its id. */
  event(id: string): StoredEvent | undefined;
  /** Keeps all or, where it throws, nothing. Attributes of an item that is kept already join those that it has. */
  keep(what: { readonly events?: readonly StoredEvent[]; readonly items?: readonly StoredItem[] }): void;
  /** Gives the file back. */
  close(): Promise<void>;
}

/** Keeps events until the process ends. */
export function memoryStore(): Store {
  const events = new Map<string, StoredEvent>();
  return {
    load: () => ({ items: [], events: [] }),
    event: (id) => events.get(id),
    keep({ events: added = [] }) {
      for (const event of added) events.set(event.id, event);
    },
    async close() {},
  };
}

/** Says in the header of the file whose it is: "CGst". */
const APPLICATION = 0x43477374;

/** Version 2 added the attributes of items. */
const VERSION = 2;

const schema = `
  CREATE TABLE IF NOT EXISTS items (id TEXT PRIMARY KEY, title TEXT NOT NULL, attributes TEXT);
  CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, item TEXT NOT NULL, label INTEGER NOT NULL, timestamp INTEGER NOT NULL
  );
  PRAGMA application_id = ${APPLICATION};
  PRAGMA user_version = ${VERSION};
`;

type Row = readonly (string | number | null)[];

const eventOf = ([id, user, item, label, timestamp]: Row): StoredEvent => ({
  id: String(id),
  user: String(user),
  item: String(item),
  label: label === 1 ? 1 : 0,
  timestamp: Number(timestamp),
});

const itemOf = ([id, title, attributes]: Row): StoredItem => ({
  ...{ id: String(id), title: String(title) },
  ...(attributes !== null && { attributes: JSON.parse(String(attributes)) as ItemAttributes }),
});

/**
 * Opens the state file, or makes it. Every `keep` is on the disk when it returns, whatever then happens to the process
 * or the machine.
 * @throws InputError for a file that is another's, damaged, or in use by a living process
 */
export async function openStateFile(path: string): Promise<Store> {
  if ((await kindOf(path)) === 'folder') {
    throw new InputError('is a folder', { code: 'file.kind', place: path, fix: 'name a file' });
  }
  if (!existsSync(dirname(path))) {
    throw new InputError('no such folder', { code: 'file.path', place: dirname(path), fix: 'make it first' });
  }
  // A binary of the platform: loaded for those who keep something.
  const { default: Database } = await import('libsql');
  let lock: Libsql.Database | undefined;
  try {
    lock = takeLock(Database, path);
    return openLocked(Database, path, lock);
  } catch (error) {
    lock?.close();
    if (error instanceof InputError) throw error;
    throw new InputError(`not a state file that can be read: ${error instanceof Error ? error.message : ''}`, {
      ...{ code: 'file.damaged', place: path, fix: 'name another file', cause: error },
    });
  }
}

/** Milliseconds to wait for a lock: a process that was just killed takes a moment to go. */
const PATIENCE = 2000;

/**
 * Holds the lock beside the file by SQLite, so that the kernel frees it when the process ends in any way, and processes
 * of several containers see each other.
 */
function takeLock(Database: typeof Libsql, path: string): Libsql.Database {
  const lock = new Database(`${path}.lock`);
  try {
    lock.exec(`PRAGMA busy_timeout = ${PATIENCE}; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE`);
    return lock;
  } catch (error) {
    lock.close();
    if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error;
    throw new InputError('another process uses this state file', {
      ...{ code: 'file.locked', place: path, fix: 'stop it, or name another file', cause: error },
    });
  }
}

function openLocked(Database: typeof Libsql, path: string, lock: Libsql.Database): Store {
  const isNew = !existsSync(path);
  // What people did is nobody else's business.
  if (isNew) writeFileSync(path, '', { mode: 0o600 });
  const database = new Database(path);
  const number = (pragma: string) => Number((database.prepare(`PRAGMA ${pragma}`).raw().get() as Row)[0]);
  try {
    if (!isNew && number('application_id') !== APPLICATION && number('schema_version') > 0) {
      throw new InputError('is a database of another program', {
        code: 'file.kind',
        place: path,
        fix: 'name another file',
      });
    }
    const version = number('user_version');
    if (version > VERSION) {
      throw new InputError('was written by a newer version of this program', { code: 'file.kind', place: path });
    }
    // A commit is on the disk before it returns, also when the power fails.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec('BEGIN IMMEDIATE');
    if (version === 1) database.exec('ALTER TABLE items ADD COLUMN attributes TEXT');
    database.exec(`${schema}COMMIT`);
  } catch (error) {
    database.close();
    throw error;
  }
  const columns = 'id, user, item, label, timestamp';
  const rows = (query: string) => database.prepare(query).raw().all() as Row[];
  const find = database.prepare(`SELECT ${columns} FROM events WHERE id = ?`).raw();
  const addEvent = database.prepare(`INSERT INTO events (${columns}) VALUES (?, ?, ?, ?, ?)`);
  const addItem = database.prepare(`
    INSERT INTO items (id, title, attributes) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE
    SET attributes = json_patch(coalesce(attributes, '{}'), excluded.attributes) WHERE excluded.attributes IS NOT NULL
  `);
  return {
    load: () => ({
      items: rows('SELECT id, title, attributes FROM items ORDER BY rowid').map(itemOf),
      events: rows(`SELECT ${columns} FROM events ORDER BY rowid`).map(eventOf),
    }),
    event(id) {
      const row = find.get(id) as Row | undefined;
      return row && eventOf(row);
    },
    keep({ events: added = [], items: titled = [] }) {
      database.exec('BEGIN IMMEDIATE');
      try {
        for (const { id, title, attributes } of titled) {
          addItem.run(id, title, attributes ? JSON.stringify(attributes) : null);
        }
        for (const { id, user, item, label, timestamp } of added) addEvent.run(id, user, item, label, timestamp);
        database.exec('COMMIT');
      } catch (error) {
        if (database.inTransaction) database.exec('ROLLBACK');
        throw error;
      }
    },
    async close() {
      // Whoever copies the file of a server that has ended copies this file alone.
      try {
        database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      } finally {
        database.close();
        lock.close();
      }
    },
  };
}
