/**
 * The storage contract, executable. Every store runs it: `storageContract('SQLite', openEmptyStore)`. Nothing in here
 * knows which store it is.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { collectionOf } from '../../src/directory/collections.ts';
import {
  type Application,
  COLLECTIONS,
  type Connection,
  type ListedKey,
  loginKey,
  type Organization,
  type Resource,
  type User,
} from '../../src/nouns/index.ts';
import {
  type AuditEntry,
  type AuditFilter,
  Conflict,
  type LoginRow,
  type NewOutboxRow,
  type Storage,
  type TokenRow,
  VersionConflict,
} from '../../src/storage/contract.ts';
import { defined } from '../../src/storage/defined.ts';
import { LOGIN_MEMBERS, TOKEN_MEMBERS } from '../../src/storage/rows.ts';
import { createNoun } from '../nouns/whole-nouns.ts';
import { wholeLoginRow, wholeTokenRow } from './whole-rows.ts';

export interface OpenStore {
  readonly storage: Storage;
  /** How a process of its own opens it. */
  readonly config: Config['storage'];
  /** Another handle on the same data, as another process would have. */
  another(): Promise<Storage>;
  close(): Promise<void>;
}

const MARKER = join(import.meta.dirname, 'mark-nodes.ts');
const NODES = 200;
const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
let keys = 0;
/** In the order in which they are made, as keys of tokens are. */
const key = (): Buffer => {
  const bytes = randomBytes(16);
  keys += 1;
  bytes.writeUIntBE(keys, 0, 6);
  return bytes;
};
const inParallel = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

function tokenRow(id: string): TokenRow {
  return {
    id,
    format: 'jwt',
    grantType: 'client_credentials',
    subject: 'client:1',
    organization: 'o',
    application: 'a',
    clientId: 'c',
    scope: 'x y',
    permissions: {
      isAdmin: false,
      tables: [
        { table: 'public.users', actions: 'cr' },
        { table: '$where', actions: 'd' },
      ],
    },
    ancestors: ['o', 'a'],
    asOf: NOW,
    issuedAt: NOW,
    expiresAt: NOW + MINUTE,
  };
}

function outboxRow(id: string, more: Partial<NewOutboxRow> = {}): NewOutboxRow {
  return {
    id,
    webhook: 'w',
    subject: 's',
    state: 'waiting',
    event: 'user.changed',
    body: '{}',
    createdAt: NOW,
    nextAt: NOW,
    attempts: 0,
    ...more,
  };
}

function settled({ nextAt: _, ...row }: NewOutboxRow): NewOutboxRow {
  return { ...row, state: 'delivered', settledAt: NOW, expiresAt: NOW + MINUTE };
}

function loginRow(id: string): LoginRow {
  const { format: _, issuedAt: __, expiresAt: ___, ...rest } = tokenRow(id);
  return { ...rest, createdAt: NOW, expiresAt: NOW + MINUTE, current: randomBytes(32) };
}

function organization(name: string): Omit<Organization, 'number' | 'version'> {
  return { id: randomUUID(), name, enabled: true, createdAt: NOW, default: false, hosts: [] };
}

function resource(identifier: string, channel?: string): Omit<Resource, 'number' | 'version'> {
  return {
    id: randomUUID(),
    organization: 'o',
    identifier,
    name: identifier,
    enabled: true,
    createdAt: NOW,
    catalogue: 'open',
    tables: [],
    scopes: [],
    token: { format: 'jwt', ttl: 60, alg: 'ES256', algsBefore: ['RS256'], typ: 'JWT', overflow: 'refuse' },
    ...(channel !== undefined && { channel, registeredBy: randomUUID(), owner: randomUUID() }),
  };
}

function connection(name: string): Omit<Connection, 'number' | 'version'> {
  return {
    id: randomUUID(),
    organization: 'o',
    name,
    enabled: true,
    createdAt: NOW,
    application: randomUUID(),
    resource: 'https://a.example/',
    owner: randomUUID(),
    scopes: ['x'],
    permissions: { isAdmin: false, tables: [{ table: 'public.users', actions: 'cr' }] },
    expiresAt: NOW + MINUTE,
    secrets: [{ id: randomUUID(), hash: 'h', createdAt: NOW }],
    networks: ['10.0.0.0/8'],
    maxTokenTtl: 60,
  };
}

function application(organizationId: string, name: string): Omit<Application, 'number' | 'version'> {
  const id = randomUUID();
  return {
    id,
    organization: organizationId,
    name,
    realm: `application:${id}`,
    clientId: `${name}-id`,
    authMethod: 'none',
    secrets: [],
    grants: [],
    scopes: [],
    redirectUris: [],
    postLogoutRedirectUris: [],
    allowedOrigins: [],
    native: false,
    ceilings: [],
    introspects: [],
    mayExchange: [],
    enabled: true,
    createdAt: NOW,
  };
}

function user(name: string, email?: string): Omit<User, 'number' | 'version'> {
  return {
    id: randomUUID(),
    realm: 'management',
    username: name,
    canonicalUsername: name,
    ...(email !== undefined && { email, canonicalEmail: email }),
    emailVerified: false,
    secondFactor: false,
    roles: [],
    administers: [],
    enabled: true,
    createdAt: NOW,
  };
}

export function storageContract(product: string, openEmptyStore: () => Promise<OpenStore>): void {
  describe(`storage contract on ${product}`, () => {
    let open: OpenStore;
    let storage: Storage;
    beforeEach(async () => {
      open = await openEmptyStore();
      storage = open.storage;
    });
    afterEach(() => open.close());

    describe('artifacts', () => {
      const artifact = (payload = { a: 1 }, expiresAt = NOW + MINUTE) => ({ payload, expiresAt });

      test('are found by key and model until they expire, swept or not', async () => {
        const { artifacts } = storage;
        const id = key();
        await artifacts.upsert('Session', id, artifact());
        assert.deepEqual(await artifacts.find('Session', id, NOW), artifact());
        assert.equal(await artifacts.find('Session', id, NOW + MINUTE), undefined);
        assert.equal(await artifacts.find('Session', key(), NOW), undefined);
      });

      test('JW-10 of one kind are never found as another', async () => {
        const id = key();
        await storage.artifacts.upsert('Session', id, artifact());
        assert.equal(await storage.artifacts.find('Interaction', id, NOW), undefined);
        assert.equal(await storage.artifacts.consume('AuthorizationCode', id, NOW), false);
      });

      test('are overwritten whole, and found by their second key', async () => {
        const [id, uid] = [key(), key()];
        await storage.artifacts.upsert('Session', id, artifact({ a: 1 }), { uid });
        await storage.artifacts.upsert('Session', id, artifact({ a: 2 }), { uid });
        assert.deepEqual((await storage.artifacts.findByUid('Session', uid, NOW))?.payload, { a: 2 });
        assert.equal(await storage.artifacts.findByUid('Session', uid, NOW + MINUTE), undefined);
        assert.equal(await storage.artifacts.findByUid('Session', key(), NOW), undefined);
      });

      test('are gone when removed', async () => {
        const id = key();
        await storage.artifacts.upsert('Grant', id, artifact());
        await storage.artifacts.remove('Grant', id);
        assert.equal(await storage.artifacts.find('Grant', id, NOW), undefined);
      });

      test('of 50 parallel consumers on two handles exactly one wins, and it stays consumed', async () => {
        const id = key();
        await storage.artifacts.upsert('AuthorizationCode', id, artifact());
        const other = await open.another();
        const wins = await inParallel(50, (index) =>
          (index % 2 === 0 ? storage : other).artifacts.consume('AuthorizationCode', id, NOW),
        );
        assert.equal(wins.filter(Boolean).length, 1);
        assert.equal((await storage.artifacts.find('AuthorizationCode', id, NOW))?.consumedAt, NOW);
        assert.equal(await storage.artifacts.consume('AuthorizationCode', id, NOW), false);
      });

      test('an expired or unknown one cannot be consumed', async () => {
        const id = key();
        await storage.artifacts.upsert('AuthorizationCode', id, artifact());
        assert.equal(await storage.artifacts.consume('AuthorizationCode', id, NOW + MINUTE), false);
        assert.equal(await storage.artifacts.consume('AuthorizationCode', key(), NOW), false);
      });

      test('writing a consumed one again does not make it fresh', async () => {
        const id = key();
        await storage.artifacts.upsert('AuthorizationCode', id, artifact());
        await storage.artifacts.consume('AuthorizationCode', id, NOW);
        await storage.artifacts.upsert('AuthorizationCode', id, artifact({ a: 2 }));
        assert.equal(await storage.artifacts.consume('AuthorizationCode', id, NOW), false);
      });

      test('TE-08 of 50 parallel insertions of one id exactly one wins', async () => {
        const id = key();
        const other = await open.another();
        const wins = await inParallel(50, (index) =>
          (index % 2 === 0 ? storage : other).artifacts.insert('ReplayDetection', id, artifact(), NOW),
        );
        assert.equal(wins.filter(Boolean).length, 1);
        assert.equal(await storage.artifacts.insert('ReplayDetection', id, artifact(), NOW + 1), false);
        assert.equal(
          await storage.artifacts.insert(
            'ReplayDetection',
            id,
            artifact({ a: 3 }, NOW + 3 * MINUTE),
            NOW + MINUTE,
          ),
          true,
        );
      });
    });

    describe('tokens and logins', () => {
      test('a token row comes back as it was written until it expires', async () => {
        const [id, row] = [key(), tokenRow('t1')];
        await storage.tokens.insert(id, row);
        assert.deepEqual(await storage.tokens.find(id, NOW), row);
        assert.equal(await storage.tokens.find(id, NOW + MINUTE), undefined);
        assert.equal(await storage.tokens.find(key(), NOW), undefined);
      });

      test('an exchanged token comes back with all its limits', async () => {
        const [id, connection] = [key(), randomUUID()];
        const row: TokenRow = {
          ...tokenRow('t1'),
          connection,
          depth: 2,
          bounds: [{ application: 'a', subject: 'management/1' }, { application: 'b' }],
          act: { sub: 'management/1', act: { sub: 'x' } },
        };
        await storage.tokens.insert(id, row);
        assert.deepEqual(await storage.tokens.find(id, NOW), row);
        await storage.tokens.insert(key(), { ...row, id: 't2', expiresAt: row.expiresAt + MINUTE });
        await storage.tokens.insert(key(), { ...tokenRow('t3'), connection: randomUUID() });
        await storage.tokens.insert(key(), tokenRow('t4'));
        assert.equal(await storage.tokens.countOf(connection, NOW, 9), 2);
        assert.equal(await storage.tokens.countOf(connection, NOW, 1), 1);
        assert.equal(await storage.tokens.countOf(connection, NOW + MINUTE, 9), 1);
        assert.equal(await storage.tokens.countOf(randomUUID(), NOW, 9), 0);
      });

      test('a token with every member comes back as it was written', async () => {
        const [id, row] = [key(), wholeTokenRow('t1', NOW)];
        assert.deepEqual(Object.keys(row).sort(), Object.keys(TOKEN_MEMBERS).sort());
        await storage.tokens.insert(id, row);
        assert.deepEqual(await (await open.another()).tokens.find(id, NOW), row);
      });

      test('a login with every member comes back as it was written', async () => {
        const login = wholeLoginRow('l1', NOW);
        assert.deepEqual(Object.keys(login).sort(), Object.keys(LOGIN_MEMBERS).sort());
        await storage.logins.insert(login);
        assert.deepEqual(await (await open.another()).logins.find('l1', NOW), login);
      });

      test('a token is found by its id among keys that are near', async () => {
        const [before, own, later] = [key(), key(), key()];
        const row = tokenRow('among');
        await storage.tokens.insert(before, tokenRow('other'));
        await storage.tokens.insert(own, row);
        const near = { from: before, to: later };
        assert.deepEqual(await storage.tokens.findAmong(near, row.id, NOW), row);
        assert.equal(await storage.tokens.findAmong(near, row.id, row.expiresAt), undefined);
        assert.equal(await storage.tokens.findAmong(near, 'mong', NOW), undefined);
        assert.equal(await storage.tokens.findAmong({ from: before, to: own }, row.id, NOW), undefined);
      });

      test('tokens are found by each id that they are listed by, newest first', async () => {
        const own = { ...wholeTokenRow('t', NOW), ancestors: [] };
        const rows: TokenRow[] = Array.from({ length: 5 }, (_, age) => ({ ...own, id: `t${age}` }));
        const other = { ...wholeTokenRow('other', NOW), login: 'another' };
        const { user: _, connection: __, parent: ___, login: ____, ...bare } = own;
        for (const row of [...rows, other, { ...bare, id: 'bare' }]) await storage.tokens.insert(key(), row);
        await storage.tokens.insert(key(), { ...own, id: 'expired', expiresAt: NOW });
        const handle = await open.another();
        for (const by of ['application', 'user', 'connection', 'parent', 'login'] as const) {
          const expected = [...(by === 'application' ? ['bare'] : []), 't4', 't3', 't2', 't1', 't0'];
          const found: string[] = [];
          let after: string | undefined;
          do {
            const page = await handle.tokens.page({
              by,
              id: own[by],
              now: NOW,
              limit: 2,
              ...(after !== undefined && { after }),
            });
            assert.ok(page.items.length <= 2);
            found.push(...page.items.map(({ id }) => id));
            after = page.next;
          } while (after !== undefined);
          assert.deepEqual(found, expected, by);
          const { items } = await handle.tokens.page({ by, id: other[by], now: NOW, limit: 2 });
          assert.deepEqual(items, [other], by);
          assert.deepEqual(await handle.tokens.page({ by, id: 'unknown', now: NOW, limit: 2 }), {
            items: [],
          });
        }
      });

      test('logins are found by application and user, newest first', async () => {
        const own = { ...wholeLoginRow('l', NOW), ancestors: [] };
        const { user: _, ...bare } = own;
        const other = wholeLoginRow('other', NOW);
        // Ids are not in the order in which they are made.
        const made = ['l2', 'l0', 'l3', 'l1'].map((id, age) => ({ ...own, id, createdAt: NOW + age }));
        const rows = [...made, other, { ...bare, id: 'bare', createdAt: NOW + 9 }];
        for (const row of [...rows, { ...own, id: 'expired', expiresAt: NOW }]) {
          await storage.logins.insert({ ...row, current: randomBytes(32) });
        }
        const { logins } = await open.another();
        for (const by of ['application', 'user'] as const) {
          const found: string[] = [];
          const options = { by, id: own[by], now: NOW, limit: 2 };
          let page = await logins.page(options);
          for (; page.next !== undefined; page = await logins.page({ ...options, after: page.next })) {
            assert.equal(page.items.length, 2);
            found.push(...page.items.map(({ id }) => id));
          }
          found.push(...page.items.map(({ id }) => id));
          assert.deepEqual(found, [...(by === 'application' ? ['bare'] : []), 'l1', 'l3', 'l0', 'l2'], by);
          const { items } = await logins.page({ ...options, id: other[by] });
          assert.deepEqual(
            items.map(({ id, origin }) => [id, origin]),
            [['other', other.origin]],
          );
          assert.deepEqual(await logins.page({ ...options, id: 'unknown' }), { items: [] });
        }
      });

      test('a row comes back after all that it shares with others was swept', async () => {
        const [row, later] = [wholeTokenRow('t', NOW), NOW + 30 * 24 * 60 * MINUTE];
        await storage.tokens.insert(key(), row);
        const other = await open.another();
        assert.ok((await other.sweep(later, 100)) > 0);
        const [id, again] = [key(), { ...row, asOf: later, expiresAt: later + MINUTE }];
        await storage.tokens.insert(id, again);
        const login = { ...wholeLoginRow('l', later), expiresAt: later + MINUTE };
        await storage.logins.insert(login);
        await other.sweep(later, 100);
        assert.deepEqual(await other.tokens.find(id, later), again);
        assert.deepEqual(await other.logins.find('l', later), login);
      });

      test('a login comes back as it was written, until it expires', async () => {
        const login = loginRow('l1');
        await storage.logins.insert(login);
        assert.deepEqual(await storage.logins.find('l1', NOW), login);
        assert.equal(await storage.logins.find('l1', NOW + MINUTE), undefined);
      });

      test('RT-02 of 50 parallel rotations from one value exactly one wins', async () => {
        const login = loginRow('l1');
        await storage.logins.insert(login);
        const other = await open.another();
        const next = randomBytes(32);
        const wins = await inParallel(50, (index) =>
          (index % 2 === 0 ? storage : other).logins.rotate('l1', login.current, next, NOW + 5),
        );
        assert.equal(wins.filter(Boolean).length, 1);
        const rotated = await other.logins.find('l1', NOW);
        assert.ok(rotated);
        assert.ok(rotated.current.equals(next));
        assert.ok(rotated.previous?.equals(login.current));
        assert.equal(rotated.rotatedAt, NOW + 5);
      });

      test('a rotation may change what the row of the person says, and nothing else', async () => {
        const login = wholeLoginRow('l1', NOW);
        await storage.logins.insert(login);
        const account = {
          ...login.account,
          groups: ["it's", '$g', 'ä\u0000"'],
          columns: { 'a.b': '$c', '': false, n: 1e21 },
        };
        const [first, second, third] = [randomBytes(32), randomBytes(32), randomBytes(32)];
        const rotate = (from: Buffer, to: Buffer, more?: LoginRow['account']) =>
          storage.logins.rotate('l1', from, to, NOW + 5, more);
        assert.equal(await rotate(login.current, first, account), true);
        const other = await open.another();
        const changed = { ...login, account, previous: login.current, current: first, rotatedAt: NOW + 5 };
        assert.deepEqual(await other.logins.find('l1', NOW), changed);
        assert.equal(await rotate(login.current, third, login.account), false, 'it lost');
        assert.equal(await rotate(first, second), true);
        assert.deepEqual((await other.logins.find('l1', NOW))?.account, account);
      });

      test('a value that is not current rotates nothing, nor does an expired login', async () => {
        const login = loginRow('l1');
        await storage.logins.insert(login);
        assert.equal(await storage.logins.rotate('l1', randomBytes(32), randomBytes(32), NOW), false);
        assert.equal(await storage.logins.rotate('l1', login.current, randomBytes(32), NOW + MINUTE), false);
        assert.equal(await storage.logins.rotate('unknown', login.current, randomBytes(32), NOW), false);
      });
    });

    describe('nodes', () => {
      test('untouched nodes have no record, and marks only grow', async () => {
        const { nodes } = storage;
        assert.deepEqual(await nodes.read(['a', 'b']), []);
        await nodes.mark('a', { revokedAt: 20 }, NOW);
        await nodes.mark('a', { revokedAt: 10, narrowedAt: 5 }, NOW - 1);
        const [record] = await nodes.read(['a', 'b']);
        assert.equal(record?.revokedAt, 20);
        assert.equal(record?.narrowedAt, 5);
        assert.equal(record?.restoredAt, undefined);
        assert.equal(record?.expiresAt, NOW);
      });

      test('say whom they concern, as soon as anybody knew', async () => {
        const { nodes } = storage;
        await nodes.mark('a', { narrowedAt: 1 }, NOW);
        await nodes.mark('a', { narrowedAt: 2 }, NOW, { organization: 'o', resource: 'https://r.example/' });
        await nodes.mark('a', { narrowedAt: 3 }, NOW);
        await nodes.mark('b', { narrowedAt: 1 }, NOW, { organization: 'o' });
        const { records } = await nodes.changesSince(0, 10);
        assert.deepEqual(
          records.map(({ id, organization, resource }) => ({ id, organization, resource })),
          [
            { id: 'a', organization: 'o', resource: 'https://r.example/' },
            { id: 'b', organization: 'o', resource: undefined },
          ],
        );
      });

      test('a reader who has seen all marks is told so by one number', async () => {
        const { nodes } = storage;
        await nodes.mark('a', { revokedAt: 1 }, NOW);
        await nodes.mark('b', { revokedAt: 1 }, NOW);
        const first = await nodes.changesSince(0, 1);
        assert.equal(first.records.length, 1);
        assert.equal(first.until, first.records[0]?.change);
        const rest = await nodes.changesSince(first.until, 9);
        assert.deepEqual(
          rest.records.map(({ id }) => id),
          ['b'],
        );
        const seen = await nodes.latestChange();
        assert.deepEqual(await nodes.changesSince(await nodes.settledChange(), 9), {
          records: [],
          until: seen,
        });
        assert.deepEqual(await nodes.changesSince(rest.until, 9), { records: [], until: rest.until });
        assert.equal(await nodes.latestChange(), seen);
        assert.ok(rest.until <= seen);
        await nodes.mark('a', { revokedAt: 2 }, NOW);
        assert.notEqual(await nodes.latestChange(), seen);
        const { records } = await nodes.changesSince(rest.until, 9);
        assert.deepEqual(
          records.map(({ id, revokedAt }) => [id, revokedAt]),
          [['a', 2]],
        );
      });

      test('are read together, in one call, as many as there are', async () => {
        const ids = Array.from({ length: 40 }, (_, index) => `n${index}`);
        await Promise.all(ids.map((id) => storage.nodes.mark(id, { revokedAt: 1 }, NOW)));
        assert.equal((await storage.nodes.read([...ids, 'none'])).length, 40);
        assert.deepEqual(await storage.nodes.read([]), []);
      });

      test('a mark on one handle holds on the other as soon as it answered', async () => {
        const other = await open.another();
        for (let round = 0; round < 20; round += 1) {
          await storage.nodes.mark(`n${round}`, { revokedAt: round + 1 }, NOW);
          assert.equal((await other.nodes.read([`n${round}`]))[0]?.revokedAt, round + 1);
        }
      });

      test('of 200 new nodes that four processes mark at once none loses a mark', async () => {
        const marks = [{ revokedAt: 1 }, { restoredAt: 2 }, { narrowedAt: 3 }, { revokedAt: 4 }];
        const markers = marks.map((mark) =>
          fork(
            MARKER,
            [open.config, NODES, mark].map((argument) => JSON.stringify(argument)),
          ),
        );
        const ended = markers.map((marker) => once(marker, 'exit'));
        await Promise.all(markers.map((marker) => once(marker, 'message')));
        for (const marker of markers) marker.send('go');
        for (const [code] of await Promise.all(ended)) assert.equal(code, 0);
        const found = await storage.nodes.read(Array.from({ length: NODES }, (_, index) => `n${index}`));
        assert.equal(found.length, NODES);
        for (const { revokedAt, restoredAt, narrowedAt } of found) {
          assert.deepEqual([revokedAt, restoredAt, narrowedAt], [4, 2, 3]);
        }
      });

      test('a reader of the changes misses none when many handles mark at once', async () => {
        const other = await open.another();
        const seen = new Set<string>();
        let cursor = 0;
        const follow = async () => {
          const { records, until } = await storage.nodes.changesSince(cursor, 7);
          let last = cursor;
          for (const record of records) {
            assert.ok(record.change > last);
            last = record.change;
            seen.add(record.id);
          }
          assert.ok(until >= cursor);
          cursor = until;
        };
        let running = true;
        const follower = (async () => {
          while (running) {
            await follow();
            await new Promise((resolve) => setImmediate(resolve));
          }
        })();
        await inParallel(100, (index) =>
          (index % 2 ? storage : other).nodes.mark(`m${index}`, { revokedAt: 1 }, NOW),
        );
        running = false;
        await follower;
        for (let left = -1; left !== cursor; ) {
          left = cursor;
          await follow();
        }
        assert.equal(seen.size, 100);
      });
    });

    describe('the outbox', () => {
      test('of 20 parallel inserts of one id one is kept', async () => {
        const rows = await inParallel(20, () => storage.outbox.insert(outboxRow('e')));
        assert.equal(rows.filter((row) => row !== undefined).length, 1);
        assert.deepEqual(rows.filter((row) => row !== undefined)[0], await storage.outbox.find('e'));
      });

      test('due rows come earliest first, without those of left out webhooks', async () => {
        await storage.outbox.insert(outboxRow('late', { nextAt: NOW }));
        await storage.outbox.insert(outboxRow('early', { nextAt: NOW - 1 }));
        await storage.outbox.insert(outboxRow('same', { nextAt: NOW }));
        await storage.outbox.insert(outboxRow('other', { webhook: 'other' }));
        await storage.outbox.insert(outboxRow('future', { nextAt: NOW + 1 }));
        await storage.outbox.insert(settled(outboxRow('done')));
        const dueOf = async (limit: number) =>
          (await storage.outbox.due(NOW, limit, ['other'])).map(({ id }) => id);
        assert.deepEqual(await dueOf(9), ['early', 'late', 'same']);
        assert.deepEqual(await dueOf(1), ['early']);
      });

      test('of 50 parallel replacements of one version one wins, over two processes', async () => {
        const row = await storage.outbox.insert(outboxRow('e'));
        assert.ok(row);
        const second = await open.another();
        const won = await inParallel(50, (index) =>
          (index % 2 === 0 ? storage : second).outbox.replace({ ...row, nextAt: NOW + index + 1 }),
        );
        const [winner, ...others] = won.filter((each) => each !== undefined);
        assert.deepEqual(others, []);
        assert.deepEqual(await storage.outbox.find('e'), winner);
        assert.equal(winner?.version, 2);
      });

      test('the first open row of an object is the one that came first', async () => {
        const [one, two] = [
          await storage.outbox.insert(outboxRow('1')),
          await storage.outbox.insert(outboxRow('2')),
        ];
        await storage.outbox.insert(outboxRow('0', { subject: 'other' }));
        assert.ok(one && two);
        const firstOf = async () => (await storage.outbox.first('w', 's'))?.id;
        assert.ok(two.position > one.position);
        assert.equal(await firstOf(), '1');
        await storage.outbox.replace({ ...one, nextAt: NOW + MINUTE, isLeased: true });
        assert.equal(await firstOf(), '1');
        const leased = await storage.outbox.find('1');
        assert.ok(leased?.isLeased);
        const { nextAt: _, isLeased: __, ...rest } = leased;
        await storage.outbox.replace({ ...rest, state: 'delivered', settledAt: NOW, expiresAt: NOW + 1 });
        assert.equal(await firstOf(), '2');
        await storage.outbox.remove({ id: '2', version: 2 });
        assert.equal(await firstOf(), '2');
        await storage.outbox.remove(two);
        assert.equal(await firstOf(), undefined);
      });

      test('deliveries of a webhook are read newest first, page by page, by state', async () => {
        for (const id of ['1', '2', '3']) await storage.outbox.insert(outboxRow(id));
        await storage.outbox.insert(settled(outboxRow('4')));
        await storage.outbox.insert(outboxRow('5', { webhook: 'other' }));
        const first = await storage.outbox.page({ webhook: 'w', limit: 2 });
        assert.deepEqual(
          first.items.map(({ id }) => id),
          ['4', '3'],
        );
        const rest = await storage.outbox.page({ webhook: 'w', limit: 2, after: first.next ?? '' });
        assert.deepEqual([rest.items.map(({ id }) => id), rest.next], [['2', '1'], undefined]);
        const waiting = await storage.outbox.page({ webhook: 'w', state: 'waiting', limit: 9 });
        assert.deepEqual(
          waiting.items.map(({ id }) => id),
          ['3', '2', '1'],
        );
        assert.deepEqual((await storage.outbox.page({ webhook: 'w', state: 'delivered', limit: 9 })).items, [
          await storage.outbox.find('4'),
        ]);
      });

      test('settled rows are swept when they expire, and open ones never', async () => {
        await storage.outbox.insert(settled(outboxRow('done')));
        await storage.outbox.insert(outboxRow('open'));
        assert.equal(await storage.sweep(NOW, 9), 0);
        assert.equal(await storage.sweep(NOW + MINUTE, 9), 1);
        const left = await storage.outbox.page({ webhook: 'w', limit: 9 });
        assert.deepEqual(
          left.items.map(({ id }) => id),
          ['open'],
        );
      });

      test('an export has what is open, and an import keeps its order', async () => {
        for (const id of ['2', '1']) await storage.outbox.insert(outboxRow(id));
        await storage.outbox.insert(settled(outboxRow('3')));
        const records = await Array.fromAsync(storage.dump.export());
        const target = await openEmptyStore();
        try {
          await target.storage.dump.import(
            (async function* () {
              yield* records;
            })(),
          );
          const due = await target.storage.outbox.due(NOW, 9, []);
          assert.deepEqual(
            due.map(({ id }) => id),
            ['2', '1'],
          );
        } finally {
          await target.close();
        }
      });
    });

    describe('counters', () => {
      test('DO-01 count exactly under 200 parallel increments on two handles', async () => {
        const other = await open.another();
        const sums = await inParallel(200, (index) =>
          (index % 2 ? storage : other).counters.increment('k', 1, MINUTE, NOW),
        );
        assert.deepEqual(
          sums.map(({ points }) => points).sort((a, b) => a - b),
          Array.from({ length: 200 }, (_, index) => index + 1),
        );
      });

      test('a window is not extended by later points, and a new one starts when it is over', async () => {
        const { counters } = storage;
        await counters.increment('k', 2, MINUTE, NOW);
        assert.deepEqual(await counters.increment('k', 3, MINUTE, NOW + 1), {
          points: 5,
          expiresAt: NOW + MINUTE,
        });
        assert.equal(await counters.get('k', NOW + MINUTE), undefined);
        assert.deepEqual(await counters.increment('k', 1, MINUTE, NOW + MINUTE), {
          points: 1,
          expiresAt: NOW + 2 * MINUTE,
        });
      });

      test('are set and removed', async () => {
        await storage.counters.set('k', 9, NOW + 5);
        assert.deepEqual(await storage.counters.get('k', NOW), { points: 9, expiresAt: NOW + 5 });
        await storage.counters.remove('k');
        assert.equal(await storage.counters.get('k', NOW), undefined);
      });
    });

    describe('the directory', () => {
      test('gives numbers and versions, and finds nouns by id and by every unique key', async () => {
        const { organizations, applications } = storage.directory;
        const acme = await organizations.insert(organization('acme'));
        assert.equal(acme.version, 1);
        const shop = await applications.insert(application(acme.id, 'shop'));
        assert.deepEqual(await applications.get(shop.id), shop);
        assert.deepEqual(await applications.findBy('clientId', 'shop-id'), shop);
        assert.deepEqual(await applications.findBy('name', `${acme.id}/shop`), shop);
        assert.equal(await applications.findBy('clientId', 'SHOP-ID'), undefined);
      });

      test('each value of a unique key that makes a list is of one noun', async () => {
        const { users } = storage.directory;
        const at = (...subjects: string[]) => ({
          identities: subjects.map((subject) => ({ issuer: 'https://idp.example', subject })),
        });
        const ann = await users.insert({ ...user('ann'), ...at('U1', 'U2') });
        const find = async (subject: string) =>
          (await users.findBy('identity', `${ann.realm} https://idp.example ${subject}`))?.username;
        assert.deepEqual([await find('U1'), await find('U2'), await find('U3')], ['ann', 'ann', undefined]);
        const bob = await users.insert({ ...user('bob'), ...at('U4') });
        await assert.rejects(users.replace({ ...bob, ...at('U4', 'U2') }), {
          name: 'Conflict',
          key: 'identity',
        });
        await users.replace({ ...ann, ...at('U1', 'U3') });
        await users.replace({ ...bob, ...at('U4', 'U2') });
        assert.deepEqual([await find('U1'), await find('U2'), await find('U3')], ['ann', 'bob', 'ann']);
      });

      test('nouns are found by their numbers, each collection by its own', async () => {
        const { organizations, users } = storage.directory;
        const acme = await organizations.insert(organization('acme'));
        const ann = await users.insert(user('ann'));
        const bob = await users.insert(user('bob'));
        assert.notEqual(ann.number, bob.number);
        assert.deepEqual(await users.findNumber(bob.number), bob);
        assert.deepEqual(await organizations.findNumber(acme.number), acme);
        assert.equal(await users.findNumber(999_999), undefined);
        await users.remove(bob.id, bob.version);
        const eve = await users.insert(user('eve'));
        assert.notEqual(eve.number, bob.number);
        assert.equal(await users.findNumber(bob.number), undefined);
      });

      for (const collection of COLLECTIONS) {
        test(`${collection} come back with every field that is declared, and with none`, async () => {
          const nouns = collectionOf(storage.directory, collection);
          const bare = await nouns.insert(createNoun(collection, false));
          assert.deepEqual(await nouns.get(bare.id), bare);
          const { id, number, version } = bare;
          const whole = await nouns.replace({
            ...createNoun(collection, true),
            id,
            number,
            version,
          } as typeof bare);
          assert.deepEqual(await nouns.get(bare.id), whole);
          const again = await nouns.replace({ ...bare, version: whole.version });
          assert.deepEqual(await nouns.get(bare.id), { ...bare, version: again.version });
        });
      }

      test('rights that have limits only come back as they were written', async () => {
        const { roles } = storage.directory;
        const rows = [
          { column: 'a.$b', values: [], variables: ['user.id'] },
          { column: '__proto__', values: ['$where', '1.5'] },
        ];
        const limits = [
          { actions: 'r', rows },
          { actions: 'u', columns: ['c'] },
        ];
        const permissions = { isAdmin: false, tables: [{ table: '@sales', actions: '', limits }] };
        const role = createNoun('roles', false) as Parameters<typeof roles.insert>[0];
        const { id } = await roles.insert({ ...role, permissions });
        assert.deepEqual((await roles.get(id))?.permissions, permissions);
      });

      test('fields for older APIs come back as they were written', async () => {
        const { organizations, applications, users } = storage.directory;
        const acme = await organizations.insert({
          ...organization('acme'),
          faces: {
            usergrid: { enabled: true, registration: false, administrators: true, queryCredentials: true },
            devicehive: {
              enabled: true,
              registration: false,
              application: randomUUID(),
              webSocketUrl: 'wss://a.example/',
              plugins: [{ topic: 'x', creator: 'ann' }],
              ttl: 60,
              refreshTtl: 120,
            },
            fusio: {
              enabled: false,
              registration: true,
              application: randomUUID(),
              userCredentials: true,
              activationUrl: 'https://a.example/{token}',
              passwordResetUrl: 'https://a.example/reset/{token}',
            },
          },
        });
        assert.deepEqual(await organizations.get(acme.id), acme);
        const shop = await applications.insert({
          ...application(acme.id, 'shop'),
          owner: randomUUID(),
          registeredThrough: randomUUID(),
          homepage: 'https://a.example/',
          secrets: [
            { id: randomUUID(), name: 'default', hash: 'hash', seed: 'seed', createdAt: NOW },
            { id: randomUUID(), name: 'Über uns', hash: 'other', createdAt: NOW, expiresAt: NOW + 1 },
          ],
          userTokenTtl: 60,
          isOrganization: true,
          firstParty: true,
          pkce: 'optional',
          assertionAudience: 'endpoint',
          idTokenAlg: 'EdDSA',
          idTokenAlgsBefore: ['RS256'],
        });
        assert.deepEqual(await applications.get(shop.id), shop);
        const faces = { devicehive: { actions: ['GetDevice'], networks: ['4'] } };
        const ann = await users.insert({ ...user('ann'), pending: true, faces });
        assert.deepEqual(await users.get(ann.id), ann);
        const { pending: _, faces: __, ...plain } = ann;
        const replaced = await users.replace(plain);
        assert.deepEqual(await users.get(ann.id), replaced);
        assert.ok(!('pending' in replaced) && !('faces' in replaced));
      });

      test('AC-07 of 20 parallel sign-ups under one name exactly one succeeds', async () => {
        const other = await open.another();
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, index) =>
            (index % 2 ? storage : other).directory.users.insert(user('ann')),
          ),
        );
        assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
        for (const result of results) {
          if (result.status === 'rejected') {
            assert.ok(result.reason instanceof Conflict);
            assert.equal(result.reason.key, 'username');
          }
        }
      });

      test('a clash names its key and changes nothing', async () => {
        const { users } = storage.directory;
        await users.insert(user('ann', 'a@example.com'));
        await users.insert(user('bob'));
        const eve = await users.insert(user('eve'));
        await assert.rejects(users.insert(user('carl', 'a@example.com')), { name: 'Conflict', key: 'email' });
        await assert.rejects(users.replace({ ...eve, canonicalUsername: 'ann' }), {
          name: 'Conflict',
          key: 'username',
        });
        assert.deepEqual(await users.get(eve.id), eve);
        assert.equal(await users.findBy('username', 'management/carl'), undefined);
      });

      test('a connection comes back as it was written without a new revision', async () => {
        const { connections } = storage.directory;
        const revision = await storage.directory.revision();
        const stored = await connections.insert(connection('site'));
        assert.deepEqual(await connections.get(stored.id), stored);
        const { expiresAt: _, ...endless } = stored;
        const replaced = await connections.replace({ ...endless, secrets: [] });
        assert.deepEqual(await connections.findBy('name', 'o/site'), replaced);
        await assert.rejects(connections.insert(connection('site')), { name: 'Conflict', key: 'name' });
        await connections.remove(replaced.id, replaced.version);
        assert.equal(await storage.directory.revision(), revision);
      });

      test('a channel belongs to one resource of an organization', async () => {
        const { resources } = storage.directory;
        const first = await resources.insert(resource('https://a.example/', 'a_example'));
        assert.deepEqual(await resources.findBy('channel', 'o/a_example'), first);
        await resources.insert(resource('https://b.example/'));
        await resources.insert(resource('https://c.example/'));
        await assert.rejects(resources.insert(resource('https://d.example/', 'a_example')), {
          name: 'Conflict',
          key: 'channel',
        });
        const elsewhere = { ...resource('https://e.example/', 'a_example'), organization: 'p' };
        assert.deepEqual(
          await resources.findBy('channel', 'p/a_example'),
          undefined,
          'of another organization',
        );
        const second = await resources.insert(elsewhere);
        assert.deepEqual(await resources.findBy('channel', 'p/a_example'), second);
      });

      test('MT-09 of 20 parallel writers of one version exactly one wins', async () => {
        const ann = await storage.directory.users.insert(user('ann'));
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, index) =>
            storage.directory.users.replace({ ...ann, displayName: `name ${index}` }),
          ),
        );
        assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
        assert.equal((await storage.directory.users.get(ann.id))?.version, 2);
      });

      test('a renamed noun frees its old name', async () => {
        const { organizations } = storage.directory;
        const acme = await organizations.insert(organization('acme'));
        const renamed = await organizations.replace({ ...acme, name: 'acme2' });
        await organizations.insert(organization('acme'));
        await assert.rejects(organizations.remove(acme.id, acme.version), VersionConflict);
        await organizations.remove(renamed.id, renamed.version);
        assert.equal(await organizations.get(acme.id), undefined);
        assert.equal(await organizations.findBy('name', 'acme2'), undefined);
      });

      test('MT-04 numbers are never given twice', async () => {
        const { organizations } = storage.directory;
        const first = await organizations.insert(organization('a'));
        await organizations.remove(first.id, first.version);
        const second = await organizations.insert(organization('b'));
        assert.ok(second.number > first.number);
      });

      test('pages are stable while rows come and go', async () => {
        const { applications } = storage.directory;
        const made: Application[] = [];
        for (let index = 0; index < 7; index += 1)
          made.push(await applications.insert(application('o1', `a${index}`)));
        await applications.insert(application('o2', 'elsewhere'));
        const first = await applications.page({ limit: 3, organization: 'o1' });
        const removed = made[1];
        if (removed) await applications.remove(removed.id, removed.version);
        await applications.insert(application('o1', 'late'));
        const names = first.items.map(({ name }) => name);
        for (let after = first.next; after !== undefined; ) {
          const page = await applications.page({ after, limit: 3, organization: 'o1' });
          names.push(...page.items.map(({ name }) => name));
          after = page.next;
        }
        assert.deepEqual(names, ['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'late']);
      });

      test('the revision grows with every change except those of users', async () => {
        const other = await open.another();
        const before = await other.directory.revision();
        await storage.directory.users.insert(user('ann'));
        assert.equal(await other.directory.revision(), before);
        const acme = await storage.directory.organizations.insert(organization('acme'));
        const inserted = await other.directory.revision();
        assert.ok(inserted > before);
        const changed = await storage.directory.organizations.replace({ ...acme, enabled: false });
        assert.ok((await other.directory.revision()) > inserted);
        await storage.directory.organizations.remove(changed.id, changed.version);
        assert.ok((await other.directory.revision()) > inserted + 1);
      });
    });

    describe('listed keys', () => {
      const listed = (key: ListedKey, value: string) => ({ key, value });
      const namesOf = ({ items }: { items: readonly { name: string }[] }) => items.map(({ name }) => name);

      test('nouns are found by each value that they list, in order of number', async () => {
        const { applications } = storage.directory;
        const origins = ['https://a.example', 'https://b.example'];
        const made: Application[] = [];
        for (const name of ['a0', 'a1', 'a2']) {
          made.push(await applications.insert({ ...application('o1', name), allowedOrigins: origins }));
        }
        await applications.insert({ ...application('o2', 'elsewhere'), allowedOrigins: origins.slice(1) });
        const first = await applications.page({ limit: 2, listed: listed('origin', 'https://a.example') });
        assert.deepEqual(first.items, made.slice(0, 2));
        const rest = { after: first.next, limit: 2, listed: listed('origin', 'https://a.example') };
        assert.deepEqual(await applications.page(rest as never), { items: made.slice(2) });
        const both = { limit: 9, listed: listed('origin', 'https://b.example') };
        assert.deepEqual(namesOf(await applications.page(both)), ['a0', 'a1', 'a2', 'elsewhere']);
        assert.deepEqual(namesOf(await applications.page({ ...both, organization: 'o2' })), ['elsewhere']);
        for (const other of [listed('origin', 'https://c.example'), listed('grant', 'https://a.example')]) {
          assert.deepEqual(await applications.page({ limit: 9, listed: other }), { items: [] });
        }
        assert.deepEqual(await applications.listedValues('origin'), origins);
      });

      test('a noun that changes or goes is listed no more by what it was', async () => {
        const { applications } = storage.directory;
        const grants = ['password', 'client_credentials', 'password'];
        const shop = await applications.insert({ ...application('o', 'shop'), grants });
        assert.deepEqual(await applications.listedValues('grant'), ['client_credentials', 'password']);
        const changed = await applications.replace({ ...shop, grants: ['refresh_token'] });
        assert.deepEqual(await applications.listedValues('grant'), ['refresh_token']);
        await assert.rejects(applications.replace({ ...shop, grants: ['password'] }), VersionConflict);
        assert.deepEqual(await applications.listedValues('grant'), ['refresh_token']);
        const disabled = await applications.replace({ ...changed, enabled: false });
        assert.deepEqual(await applications.listedValues('grant'), []);
        assert.deepEqual(await applications.listedValues('algs'), ['RS256 ES256']);
        await applications.remove(disabled.id, disabled.version);
        assert.deepEqual(await applications.listedValues('algs'), []);
      });
    });

    describe('users and counts', () => {
      const ofOrganization = (realm: User['realm'], name: string, rest: Partial<User> = {}) => ({
        ...user(name),
        realm,
        organization: 'o1',
        ...rest,
      });
      const find = async (key: ListedKey, value: string, organization?: string) => {
        const among = { listed: { key, value }, ...(organization !== undefined && { organization }) };
        const { items, next } = await storage.directory.users.page({ limit: 9, ...among });
        assert.equal(next, undefined);
        const count = { count: items.length, isMore: false };
        assert.deepEqual(await storage.directory.users.count(among, 9), count);
        return items.map(({ realm, username }) => `${realm} ${username}`);
      };

      test('a user is found by each name in any realm of the organization', async () => {
        const { users } = storage.directory;
        const email = { email: 'Ann@a.example', canonicalEmail: 'ann@a.example' };
        await users.insert(ofOrganization('organization:o1', 'ann'));
        await users.insert(ofOrganization('application:a1', 'ann', email));
        await users.insert({ ...ofOrganization('application:a2', 'ann'), organization: 'o2' });
        const named = await users.insert(ofOrganization('application:a3', 'ann@a.example', email));
        await users.insert(user('ann'));
        assert.deepEqual(await find('login', loginKey('o1', 'ann')), [
          'organization:o1 ann',
          'application:a1 ann',
        ]);
        assert.deepEqual(await find('login', loginKey('o1', 'ann@a.example'), 'o1'), [
          'application:a1 ann',
          'application:a3 ann@a.example',
        ]);
        assert.deepEqual(await find('login', loginKey(undefined, 'ann')), ['management ann']);
        assert.deepEqual(await find('realm', 'management'), ['management ann']);
        assert.deepEqual(await find('realm', 'organization:o1'), ['organization:o1 ann']);
        await users.replace({ ...named, canonicalUsername: 'eve', username: 'eve', roles: ['r1', 'r2'] });
        assert.deepEqual(await find('login', loginKey('o1', 'eve')), ['application:a3 eve']);
        assert.deepEqual(await find('role', 'r2', 'o1'), ['application:a3 eve']);
        assert.deepEqual(await find('role', 'r2', 'o2'), []);
      });

      test('nouns are counted by organization, by a listed value and by both, up to a limit', async () => {
        const { applications } = storage.directory;
        for (let index = 0; index < 9; index += 1) {
          const shop = application(index % 3 ? 'o1' : 'o2', `a${index}`);
          await applications.insert({ ...shop, grants: index % 2 ? ['password'] : ['implicit'] });
        }
        const listed = { key: 'grant', value: 'password' } as const;
        for (const [among, count] of [
          [{}, 9],
          [{ organization: 'o1' }, 6],
          [{ listed }, 4],
          [{ organization: 'o1', listed }, 3],
          [{ organization: 'o2', listed }, 1],
          [{ organization: 'o3' }, 0],
          [{ organization: 'o3', listed }, 0],
          [{ organization: 'o1', listed: { ...listed, value: 'none' } }, 0],
        ] as const) {
          assert.deepEqual(await applications.count(among, 9), { count, isMore: false });
          if (count === 0) continue;
          assert.deepEqual(await applications.count(among, count), { count, isMore: false });
          assert.deepEqual(await applications.count(among, count - 1), { count: count - 1, isMore: true });
        }
      });

      test('pages by organization and listed value together are stable and complete', async () => {
        const { applications } = storage.directory;
        const expected: string[] = [];
        const listed = { key: 'grant', value: 'password' } as const;
        for (let index = 0; index < 24; index += 1) {
          const isOwn = index % 4 !== 1;
          const isListed = index % 3 !== 2;
          const shop = application(isOwn ? 'o1' : 'o2', `a${index}`);
          await applications.insert({ ...shop, grants: isListed ? ['password'] : [] });
          if (isOwn && isListed) expected.push(shop.name);
        }
        for (const limit of [1, 2, 5, 12, 50]) {
          const found: string[] = [];
          let after: string | undefined;
          do {
            const among = { limit, organization: 'o1', listed, ...(after !== undefined && { after }) };
            const page = await applications.page(among);
            assert.ok(page.items.length <= limit);
            found.push(...page.items.map(({ name }) => name));
            after = page.next;
          } while (after !== undefined);
          assert.deepEqual(found, expected);
        }
      });
    });

    describe('the log of changes', () => {
      test('it names each change after a cursor, also to other processes', async () => {
        const other = await open.another();
        const { organizations, applications, users } = storage.directory;
        const { cursor } = await other.directory.changesSince();
        const acme = await organizations.insert(organization('acme'));
        const shop = await applications.insert(application(acme.id, 'shop'));
        await users.insert(user('ann'));
        await applications.remove(shop.id, shop.version);
        const concerns = { organization: acme.id };
        const expected = [
          { collection: 'organizations', id: acme.id, ...concerns },
          { collection: 'applications', id: shop.id, ...concerns },
          { collection: 'applications', id: shop.id, ...concerns },
        ];
        const read = await other.directory.changesSince(cursor);
        assert.deepEqual(read.changes, expected);
        assert.deepEqual((await other.directory.changesSince(read.cursor)).changes, []);
        const removed = await organizations.replace(acme).then(({ version }) => ({ ...acme, version }));
        await organizations.remove(removed.id, removed.version);
        const later = await other.directory.changesSince(read.cursor);
        assert.deepEqual(later.changes, [expected[0], expected[0]]);
        assert.deepEqual(await other.directory.changesSince(cursor), {
          changes: [...expected, ...later.changes],
          cursor: later.cursor,
        });
      });

      test('without a cursor, and with one from before an import, it names none', async () => {
        const { cursor, ...rest } = await storage.directory.changesSince();
        assert.deepEqual(rest, {});
        async function* records() {
          const row = { ...organization('acme'), number: 1, version: 1 };
          yield { kind: 'organizations', row } as const;
        }
        await storage.dump.import(records());
        assert.equal((await storage.directory.changesSince(cursor)).changes, undefined);
        const { items } = await storage.directory.organizations.page({
          limit: 2,
          listed: { key: 'host', value: 'acme.example' },
        });
        assert.deepEqual(items, []);
      });

      test('a reader who drops what it names sees every change that was answered', async () => {
        const stores = [storage.directory, (await open.another()).directory];
        const read = (await open.another()).directory;
        const kept = new Map<string, Organization | undefined>();
        let known = { revision: -1, cursor: undefined as string | undefined };
        let following = Promise.resolve();
        const follow = async () => {
          const revision = await read.revision();
          if (revision <= known.revision) return;
          const { changes, cursor } = await read.changesSince(known.cursor);
          if (changes) for (const { id } of changes) kept.delete(id);
          else kept.clear();
          known = { revision, cursor };
        };
        const find = async (id: string) => {
          // One at a time, so that the reader knows only what the test lets it know.
          const turn = following.then(follow);
          following = turn;
          await turn;
          if (kept.has(id)) return kept.get(id);
          const { revision } = known;
          const found = await read.organizations.get(id);
          if (known.revision === revision) kept.set(id, found);
          return found;
        };
        const made = await inParallel(6, (index) =>
          storage.directory.organizations.insert(organization(`o${index}`)),
        );
        await Promise.all(
          made.map(async (noun, index) => {
            let current = noun;
            for (let turn = 0; turn < 12; turn += 1) {
              current = await stores[(index + turn) % 2]!.organizations.replace(current);
              assert.equal((await find(noun.id))?.version, current.version);
              await find(made[(index + 1) % made.length]!.id);
            }
          }),
        );
        assert.ok(known.cursor !== undefined);
      });
    });

    describe('keys and audit', () => {
      const stored = (id: string) => ({
        id,
        purpose: 'signing',
        sealed: 'x',
        createdAt: NOW,
        activeFrom: NOW,
      });

      test('of 10 processes that insert one key id exactly one wins', async () => {
        const other = await open.another();
        const before = await other.keys.revision();
        const wins = await inParallel(10, (index) => (index % 2 ? storage : other).keys.insert(stored('k1')));
        assert.equal(wins.filter(Boolean).length, 1);
        assert.notEqual(await other.keys.revision(), before);
        await storage.keys.insert(stored('k2'));
        await storage.keys.replace({ ...stored('k1'), retiredAt: NOW });
        assert.deepEqual(await other.keys.list(), [{ ...stored('k1'), retiredAt: NOW }, stored('k2')]);
        await storage.keys.remove('k1');
        assert.deepEqual(await other.keys.list(), [stored('k2')]);
      });

      test('the audit log is read newest first, page by page, per organization', async () => {
        for (let index = 0; index < 5; index += 1) {
          await storage.audit.append({
            at: index,
            event: `e${index}`,
            outcome: 'changed',
            ...(index % 2 && { organization: 'o' }),
          });
        }
        const first = await storage.audit.page({ limit: 2 });
        assert.deepEqual(
          first.entries.map(({ event }) => event),
          ['e4', 'e3'],
        );
        assert.ok(first.next !== undefined);
        const second = await storage.audit.page({ limit: 9, before: first.next });
        assert.deepEqual(
          second.entries.map(({ event }) => event),
          ['e2', 'e1', 'e0'],
        );
        assert.equal(second.next, undefined);
        const own = await storage.audit.page({ limit: 9, organization: 'o' });
        assert.deepEqual(
          own.entries.map(({ event }) => event),
          ['e3', 'e1'],
        );
      });

      const ACTORS = ['ann', 'bob', undefined] as const;
      const SUBJECTS = ['role:1', 'role:2', undefined] as const;
      const EVENTS = ['user.changed', 'user.login', 'users', 'userx.changed', 'key.rotated'] as const;
      const OUTCOMES = ['allowed', 'denied', 'changed'] as const;
      const ORGANIZATIONS = ['o1', 'o2', undefined] as const;

      /** Not in the order of their times: two processes write, and one has a clock that is ahead. */
      const entryOf = (index: number): AuditEntry => {
        const pick = <T>(from: readonly T[], of: number): T => from[of % from.length] as T;
        return defined({
          at: NOW + Math.floor(index / 2) * 10 + (index % 7 === 0 ? 35 : 0),
          event: pick(EVENTS, index),
          outcome: pick(OUTCOMES, Math.floor(index / 2)),
          actor: pick(ACTORS, index),
          subject: pick(SUBJECTS, Math.floor(index / 3)),
          organization: pick(ORGANIZATIONS, Math.floor(index / 4)),
          requestId: `r${index}`,
          details: { index },
        });
      };

      function matches(entry: AuditEntry, filter: AuditFilter): boolean {
        const { event = '', since = 0, until = Number.MAX_VALUE, ...same } = filter;
        const isNamed = event.endsWith('.') ? entry.event.startsWith(event) : !event || entry.event === event;
        const isSame = Object.entries(same).every(([name, value]) => entry[name as 'actor'] === value);
        return isNamed && isSame && entry.at >= since && entry.at < until;
      }

      test('the audit log is read by each filter and by all of them together', async () => {
        const entries = Array.from({ length: 60 }, (_, index) => entryOf(index));
        for (const entry of entries) await storage.audit.append(entry);
        // One that was written later stands before one of the same time.
        const newestFirst = entries.toReversed().sort((one, other) => other.at - one.at);
        const { audit } = await open.another();
        const filters: AuditFilter[] = [
          {},
          { actor: 'ann' },
          { subject: 'role:1' },
          { organization: 'o1' },
          { outcome: 'denied' },
          { event: 'user.' },
          { event: 'user.login' },
          { event: 'user' },
          { since: NOW + 100 },
          { until: NOW + 100 },
          { since: NOW + 50, until: NOW + 51 },
          { actor: 'ann', subject: 'role:2', organization: 'o2' },
          { actor: 'bob', event: 'user.', until: NOW + 200 },
          { subject: 'role:1', outcome: 'changed', since: NOW + 30, until: NOW + 250 },
          { organization: 'o1', event: 'key.', outcome: 'allowed' },
          {
            organization: 'o1',
            actor: 'ann',
            subject: 'role:1',
            event: 'user.',
            outcome: 'denied',
            since: NOW,
          },
          { actor: 'nobody' },
        ];
        for (const filter of filters) {
          const expected = newestFirst.filter((entry) => matches(entry, filter));
          const found: AuditEntry[] = [];
          let before: string | undefined;
          do {
            const page = await audit.page({ ...filter, limit: 4, ...(before !== undefined && { before }) });
            assert.ok(page.entries.length <= 4);
            for (const { cursor, ...entry } of page.entries) {
              found.push(entry);
              assert.match(cursor, /^[0-9a-f-]+$/);
              assert.deepEqual(await audit.find(cursor), { ...entry, cursor });
            }
            before = page.next;
          } while (before !== undefined);
          assert.deepEqual(found, expected, JSON.stringify(filter));
          const { length } = expected;
          assert.deepEqual(await audit.count(filter, 99), { count: length, isMore: false });
          if (length > 1) {
            assert.deepEqual(await audit.count(filter, length - 1), { count: length - 1, isMore: true });
          }
        }
        for (const unknown of ['', '1', 'x', '1-1', `${NOW}-`, `${NOW}-99999`, `1-${'a'.repeat(24)}`]) {
          assert.equal(await audit.find(unknown), undefined);
        }
      });

      test('old entries of the audit log are removed in batches, and no younger one', async () => {
        // The clock of the process that wrote one was ahead.
        for (const at of [NOW + MINUTE, ...Array.from({ length: 25 }, (_, age) => NOW - age)]) {
          await storage.audit.append({ at, event: 'e', outcome: 'changed' });
        }
        const batches: number[] = [];
        do batches.push(await storage.audit.removeBefore(NOW, 10));
        while (batches.at(-1) === 10);
        assert.deepEqual(batches, [10, 10, 4]);
        const { entries } = await storage.audit.page({ limit: 9 });
        assert.deepEqual(entries.map(({ at }) => at).sort(), [NOW, NOW + MINUTE]);
      });
    });

    describe('the store as a whole', () => {
      test('an answered write is there for the next process that opens the store', async () => {
        const id = key();
        await Promise.all([
          storage.tokens.insert(id, tokenRow('t')),
          storage.nodes.mark('n', { revokedAt: 1 }, NOW),
          storage.directory.users.insert(user('ann')),
        ]);
        const other = await open.another();
        assert.ok(await other.tokens.find(id, NOW));
        assert.equal((await other.nodes.read(['n'])).length, 1);
        assert.ok(await other.directory.users.findBy('username', 'management/ann'));
      });

      test('the last mark of a node decides how long its record is kept', async () => {
        await storage.nodes.mark('n', { revokedAt: 5 }, NOW + 10 * MINUTE, { organization: 'o' });
        await storage.nodes.markLast('n', { narrowedAt: 6 }, NOW + MINUTE, { organization: 'o' });
        const [record] = await storage.nodes.read(['n']);
        assert.deepEqual(
          [record?.revokedAt, record?.narrowedAt, record?.expiresAt, record?.organization],
          [5, 6, NOW + MINUTE, 'o'],
        );
        await storage.nodes.markLast('new', {}, NOW + MINUTE);
        assert.equal((await storage.nodes.read(['new']))[0]?.expiresAt, NOW + MINUTE);
      });

      test('living logins that were made from those of one person are counted', async () => {
        for (const [id, origin] of [
          ['l1', 'ann'],
          ['l2', 'ann'],
          ['l3', 'bob'],
          ['l4', undefined],
        ] as const) {
          await storage.logins.insert({ ...loginRow(id), ...(origin && { origin }) });
        }
        const { expiresAt } = loginRow('l1');
        assert.equal(await storage.logins.countOf('ann', expiresAt - 1, 9), 2);
        assert.equal(await storage.logins.countOf('ann', expiresAt - 1, 1), 1);
        assert.equal(await storage.logins.countOf('ann', expiresAt, 9), 0);
        assert.equal((await storage.logins.find('l1', expiresAt - 1))?.origin, 'ann');
      });

      test('E8 the sweep removes only expired rows in batches of the given size', async () => {
        const live = key();
        const expired = Array.from({ length: 25 }, () => key());
        await storage.tokens.insert(live, { ...tokenRow('live'), expiresAt: NOW + 60 * MINUTE });
        await Promise.all(expired.map((id, index) => storage.tokens.insert(id, tokenRow(`t${index}`))));
        await storage.nodes.mark('old', { revokedAt: 1 }, NOW + 1);
        await storage.nodes.mark('young', { revokedAt: 1 }, NOW + 10 * MINUTE);
        const later = NOW + 2 * MINUTE;
        const batches: number[] = [];
        assert.deepEqual(await storage.countExpired(later, 26), { count: 26, isMore: false });
        assert.deepEqual(await storage.countExpired(later, 25), { count: 25, isMore: true });
        do batches.push(await storage.sweep(later, 10));
        while (batches.at(-1) !== 0);
        assert.ok(batches.every((rows) => rows <= 10));
        assert.equal(
          batches.reduce((sum, rows) => sum + rows, 0),
          26,
        );
        assert.ok(await storage.tokens.find(live, later));
        assert.deepEqual(
          (await storage.nodes.read(['old', 'young'])).map(({ id }) => id),
          ['young'],
        );
      });

      test('says that it is whole and can be written to', async () => {
        await storage.ping();
        assert.deepEqual(await storage.verify(), []);
      });

      test('everything that it exports, an empty one imports, and exports again the same', async () => {
        const id = key();
        await storage.directory.organizations.insert(organization('acme'));
        await storage.tokens.insert(id, tokenRow('t'));
        await storage.tokens.insert(key(), wholeTokenRow('whole', NOW));
        await storage.logins.insert(loginRow('l'));
        await storage.logins.insert(wholeLoginRow('whole', NOW));
        await storage.artifacts.upsert(
          'Session',
          key(),
          { payload: { a: 1 }, expiresAt: NOW },
          { uid: key() },
        );
        await storage.nodes.mark('n', { narrowedAt: 3 }, NOW, { organization: 'o', resource: 'r' });
        await storage.directory.connections.insert(connection('site'));
        await storage.tokens.insert(key(), { ...tokenRow('c'), connection: randomUUID(), depth: 1 });
        await storage.counters.set('k', 2, NOW);
        await storage.audit.append({ at: 1, event: 'e', outcome: 'changed' });
        const records = await Array.fromAsync(storage.dump.export());
        const target = await openEmptyStore();
        try {
          await target.storage.dump.import(
            (async function* () {
              yield* records;
            })(),
          );
          const sorted = (list: unknown[]) => list.map((record) => JSON.stringify(record)).sort();
          assert.deepEqual(sorted(await Array.fromAsync(target.storage.dump.export())), sorted(records));
          await assert.rejects(
            target.storage.dump.import(
              (async function* () {
                yield* records;
              })(),
            ),
            {
              name: 'StoreNotEmpty',
            },
          );
        } finally {
          await target.close();
        }
      });
    });
  });
}
