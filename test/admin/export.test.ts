import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { exportLines } from '../../src/admin/export.ts';
import { BadExport, importRecords } from '../../src/admin/import.ts';
import { collectionOf } from '../../src/directory/collections.ts';
import { uniqueClientId } from '../../src/nouns/application.ts';
import { COLLECTIONS } from '../../src/nouns/index.ts';
import { Conflict, type Storage } from '../../src/storage/contract.ts';
import { StoreNotEmpty } from '../../src/storage/dump.ts';
import { openVault } from '../../src/storage/vault.ts';
import { createNoun } from '../nouns/whole-nouns.ts';
import { addAgent, approveAgent } from '../support/agents.ts';
import { type Administration, fileOf, openAdministration } from './fixture.ts';
import { acme, logIn, mint } from './tokens.ts';

async function openEmpty(t: TestContext): Promise<Storage> {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-import-'));
  const storage = await openSqliteStorage({ path: join(folder, 'grantable.db') });
  t.after(async () => {
    await storage.close();
    await rm(folder, { recursive: true });
  });
  return storage;
}

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

async function exported(storage: Storage, now = 0): Promise<string[]> {
  return Array.fromAsync(exportLines(storage.dump, now));
}

/** A store with something of everything in it. */
async function openFull(t: TestContext): Promise<Administration> {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const { storage, changes, now } = administration;
  const { artifacts, counters, directory } = storage;
  const gone = await changes.organizations.create(
    { name: 'gone', enabled: true, default: false, hosts: [] },
    { actor: 't' },
  );
  await changes.organizations.remove(gone, { actor: 't' });
  const later = now() + 60_000;
  const key = (byte: number): Buffer => Buffer.alloc(16, byte);
  await artifacts.upsert('Session', key(1), { payload: { a: 'ä\u0000' }, expiresAt: later }, { uid: key(2) });
  await artifacts.upsert('AuthorizationCode', key(3), { payload: {}, expiresAt: later });
  await artifacts.consume('AuthorizationCode', key(3), now());
  await counters.set('password/ann', 3, later);
  assert.equal((await directory.organizations.page({ limit: 10 })).items.length, 1);
  return administration;
}

test('an import takes every field of every noun, and no other type of value', async (t) => {
  const storage = await openEmpty(t);
  for (const collection of COLLECTIONS) {
    const nouns = collectionOf(storage.directory, collection);
    await nouns.insert(createNoun(collection, true));
    await nouns.insert(createNoun(collection, false));
  }
  const lines = await exported(storage);
  const other = await openEmpty(t);
  await other.dump.import(importRecords(each(lines)));
  assert.deepEqual(await exported(other), lines);
  for (const [index, line] of lines.entries()) {
    const { kind, row } = JSON.parse(line);
    if (!COLLECTIONS.includes(kind)) continue;
    const damages = [{ id: 'x' }, { number: 1.5 }, ...Object.keys(row).map((name) => ({ [name]: null }))];
    for (const damage of damages) {
      const damaged = each(lines.with(index, JSON.stringify({ kind, row: { ...row, ...damage } })));
      await assert.rejects(Array.fromAsync(importRecords(damaged)), BadExport, JSON.stringify(damage));
    }
  }
});

test('an import takes no noun with what no store gives, or with parts of another type', async (t) => {
  const storage = await openEmpty(t);
  await storage.directory.organizations.insert(createNoun('organizations', true));
  await storage.directory.users.insert(createNoun('users', true));
  const lines = await exported(storage);
  const damages: [kind: string, damage: object][] = [
    ['organizations', { id: '' }],
    ['organizations', { id: 'revoked' }],
    ['organizations', { number: -1 }],
    ['organizations', { version: -1 }],
    ['organizations', { createdAt: -1 }],
    ['organizations', { faces: { devicehive: null } }],
    ['organizations', { faces: { devicehive: { enabled: true } } }],
    ['users', { attributes: { plan: { $gt: '' } } }],
    ['users', { faces: { devicehive: [] } }],
  ];
  for (const [wanted, damage] of damages) {
    const index = lines.findIndex((line) => JSON.parse(line).kind === wanted);
    const { kind, row } = JSON.parse(lines[index] as string);
    const damaged = JSON.stringify({ kind, row: { ...row, ...damage } });
    await assert.rejects(
      Array.fromAsync(importRecords(each(lines.with(index, damaged)))),
      BadExport,
      JSON.stringify(damage),
    );
  }
});

test('an import restores the exported store with its living tokens', async (t) => {
  const administration = await openFull(t);
  const { storage, vault, config, now } = administration;
  const token = await mint(administration, 'opaque');
  const dead = await mint(administration, 'opaque');
  await administration.registry.endToken(dead.row);
  const { value, login } = await logIn(administration);
  const next = administration.refreshTokens.successor(value);
  const hash = administration.refreshTokens.hash(next);
  assert.ok(await storage.logins.rotate(login.id, login.current, hash, now()));

  const lines = await exported(storage, now());
  assert.ok(
    !lines.join('\n').includes(token.value) && !lines.join('\n').includes(value),
    'no token is in it',
  );
  const other = await openEmpty(t);
  await other.dump.import(importRecords(each(lines)));

  assert.deepEqual((await exported(other, now())).slice(1), lines.slice(1), 'exported again, it is the same');
  assert.deepEqual(await other.verify(), []);
  assert.deepEqual(await other.logins.find(login.id, now()), await storage.logins.find(login.id, now()));
  const [record] = await other.nodes.read([dead.row.id]);
  assert.ok(record?.revokedAt);
  assert.equal(
    await other.artifacts.consume('AuthorizationCode', Buffer.alloc(16, 3), now()),
    false,
    'used is used',
  );
  assert.ok(await other.artifacts.findByUid('Session', Buffer.alloc(16, 2), now()));
  const moved = await openVault({ keys: other.keys, masterKey: config.masterKey, now });
  assert.deepEqual(moved.open(vault.seal('secret', 'test'), 'test').toString(), 'secret');
});

test('an imported agent is found as it was, in its organization', async (t) => {
  const administration = await openFull(t);
  const { storage, now } = administration;
  const clientId = 'https://agent.example/client.json';
  const server = { server: { foundations: administration } };
  const agent = await approveAgent(server, await addAgent(server, { clientId, through: 'shop-client' }));
  const other = await openEmpty(t);
  await other.dump.import(importRecords(each(await exported(storage, now()))));
  const { applications } = other.directory;
  assert.deepEqual(await applications.findBy('clientId', uniqueClientId(agent)), agent);
  const listed = { key: 'agentOf', value: agent.organization } as const;
  assert.deepEqual((await applications.page({ listed, limit: 5 })).items, [agent]);
});

test('an export of an earlier version keeps the device rights of users', async (t) => {
  const { storage } = await openFull(t);
  const limits = { networks: ['4'] };
  const toEarlier = (line: string): string => {
    const { kind, row, ...rest } = JSON.parse(line);
    if (rest.format !== undefined) return JSON.stringify({ ...rest, version: 2 });
    return JSON.stringify({ kind, ...rest, row: kind === 'users' ? { ...row, devicehive: limits } : row });
  };
  const other = await openEmpty(t);
  await other.dump.import(importRecords(each((await exported(storage)).map(toEarlier))));
  const { items } = await other.directory.users.page({ limit: 10 });
  assert.ok(items.length > 0);
  for (const user of items) {
    assert.deepEqual(user.faces, { devicehive: limits });
    assert.ok(!('devicehive' in user));
  }
});

test('an export of an earlier version keeps the secret of an application', async (t) => {
  const { storage } = await openFull(t);
  const toEarlier = (line: string): string => {
    const { kind, row, ...rest } = JSON.parse(line);
    if (rest.format !== undefined) return JSON.stringify({ ...rest, version: 3 });
    if (kind !== 'applications') return line;
    const { secrets, ...application } = row;
    const [secret] = secrets;
    return JSON.stringify({ kind, row: { ...application, ...(secret && { secretHash: secret.hash }) } });
  };
  const other = await openEmpty(t);
  await other.dump.import(importRecords(each((await exported(storage)).map(toEarlier))));
  const { items } = await storage.directory.applications.page({ limit: 10 });
  assert.ok(items.some(({ secrets }) => secrets.length > 0));
  for (const before of items) {
    const after = await other.directory.applications.get(before.id);
    const { createdAt, id } = before;
    assert.deepEqual(after, {
      ...before,
      secrets: before.secrets.map((each) => ({ ...each, id, createdAt })),
    });
  }
});

test('MT-04 numbers and changes go on after an import, so none is given twice', async (t) => {
  const administration = await openFull(t);
  const { storage } = administration;
  const before = (await storage.nodes.changesSince(0, 1_000)).until;
  const other = await openEmpty(t);
  const revisions = [await other.directory.revision(), await other.keys.revision()];
  await other.dump.import(importRecords(each(await exported(storage))));
  assert.ok((await other.directory.revision()) > (revisions[0] ?? 0), 'who has it open reads again');
  assert.ok((await other.keys.revision()) > (revisions[1] ?? 0));
  await other.nodes.mark('x', { revokedAt: 1 }, Date.now() + 1_000);
  assert.equal((await other.nodes.changesSince(before, 10)).records[0]?.id, 'x');
  const organization = await other.directory.organizations.insert({
    id: crypto.randomUUID(),
    name: 'anew',
    enabled: true,
    default: false,
    hosts: [],
    createdAt: 1,
  });
  assert.equal(organization.number, 3, 'after the one that is there and the one that is gone');
  await assert.rejects(
    other.directory.applications.insert({
      ...((await other.directory.applications.page({ limit: 1 })).items[0] as never as object),
      id: crypto.randomUUID(),
    } as never),
    Conflict,
  );
});

test('an export is of one moment, whatever is written meanwhile', async (t) => {
  const administration = await openFull(t);
  const lines: string[] = [];
  for await (const line of exportLines(administration.storage.dump, 0)) {
    if (lines.length === 1) {
      await administration.apply(
        fileOf({ organizations: [{ name: 'later' }, { name: 'acme', enabled: false }] }),
      );
    }
    lines.push(line);
  }
  assert.ok(!lines.some((line) => line.includes('"later"')));
  assert.ok(
    lines.some(
      (line) => line.includes('"acme","enabled":true') || /"name":"acme".*"enabled":true/.test(line),
    ),
  );
});

test('an export is imported into an empty store only', async (t) => {
  const administration = await openFull(t);
  const lines = await exported(administration.storage);
  await assert.rejects(administration.storage.dump.import(importRecords(each(lines))), StoreNotEmpty);
  assert.deepEqual(await exported(administration.storage), lines, 'nothing was changed');
});

test('E1 a truncated, changed or foreign export file is refused whole', async (t) => {
  const { storage } = await openFull(t);
  const lines = await exported(storage);
  const other = await openEmpty(t);
  const empty = await exported(other);
  const bad: [string, readonly string[]][] = [
    ['no line', []],
    ['another format', ['{"format":"something"}']],
    ['no JSON', ['hello']],
    ['an unreleased version', ['{"format":"grantable-export","version":1}']],
    ['a newer version', ['{"format":"grantable-export","version":99}']],
    ['no end', lines.slice(0, -1)],
    ['half a line', [...lines.slice(0, -2), lines.at(-2)?.slice(0, -5) ?? '']],
    ['a row missing', [...lines.slice(0, 5), ...lines.slice(6)]],
    ['an unknown kind', [...lines.slice(0, -1), '{"kind":"surprise"}', lines.at(-1) ?? '']],
    ['the name of a method', [...lines.slice(0, -1), '{"kind":"toString"}', lines.at(-1) ?? '']],
    ['no object', [...lines.slice(0, -1), 'null', lines.at(-1) ?? '']],
    [
      'a row without its expiry',
      [...lines.slice(0, -1), '{"kind":"tokens","key":"aaaa","row":{"id":"x"}}', ''],
    ],
    ['a line after the end', [...lines, lines[1] ?? '']],
  ];
  for (const [what, changed] of bad) {
    await assert.rejects(other.dump.import(importRecords(each(changed))), BadExport, what);
    assert.deepEqual(await exported(other), empty, what);
  }
  const twice = [
    ...lines.slice(0, -1),
    lines.at(-2) ?? '',
    JSON.stringify({ end: true, records: lines.length - 1 }),
  ];
  const doubled = [...lines.slice(0, 2), lines[1] ?? '', ...twice.slice(2)];
  await assert.rejects(other.dump.import(importRecords(each(doubled))), Conflict);
  assert.deepEqual(await exported(other), empty);
  await other.dump.import(importRecords(each(lines)));
});
