import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import type { KeyStore, Storage, StoredKey } from '../../src/storage/contract.ts';
import { parseMasterKey } from '../../src/storage/master-key.ts';
import {
  BrokenSeal,
  DamagedKeyStore,
  type MasterKey,
  MissingMasterKey,
  openVault,
  type Vault,
  WrongMasterKey,
} from '../../src/storage/vault.ts';

const run = promisify(execFile);
const NOW = 1_700_000_000_000;
const now = (): number => NOW;

interface Keys extends KeyStore {
  readonly counts: { list: number; revision: number };
  /** `work` runs between a caller's look and its next write, as another process would. */
  beforeNextInsert(work: () => Promise<unknown>): void;
  find(id: string): Promise<StoredKey>;
}

/** A key store in a SQLite file of its own that counts reads. */
async function createKeyStore(path?: string): Promise<Keys> {
  const storage = await openSqliteStorage({ path: path ?? join(await newFolder(), 'store.db') });
  opened.push(storage);
  const { keys } = storage;
  const counts = { list: 0, revision: 0 };
  let others: (() => Promise<unknown>) | undefined;
  return {
    counts,
    beforeNextInsert(work) {
      others = work;
    },
    async find(id) {
      const key = (await keys.list()).find((candidate) => candidate.id === id);
      assert.ok(key, id);
      return key;
    },
    list() {
      counts.list += 1;
      return keys.list();
    },
    async insert(key) {
      const work = others;
      others = undefined;
      await work?.();
      return keys.insert(key);
    },
    replace: (key) => keys.replace(key),
    remove: (id) => keys.remove(id),
    revision() {
      counts.revision += 1;
      return keys.revision();
    },
  };
}

const masterKey: MasterKey = { source: 'env', key: randomBytes(32) };

const opened: Storage[] = [];
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grantable-vault-'));
});
after(async () => {
  for (const storage of opened) await storage.close();
  await rm(folder, { recursive: true, force: true });
});

const secretOf = async (vault: Vault, purpose: string) => (await vault.ring(purpose)).current();

const newFolder = (): Promise<string> => mkdtemp(join(folder, 'data-'));

test('sealed text opens again in another process and never repeats', async () => {
  const keys = await createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const sealed = vault.seal('a private key', 'signing/k1');
  assert.notEqual(sealed, vault.seal('a private key', 'signing/k1'));
  assert.ok(!sealed.includes('private'));
  const other = await openVault({ keys, masterKey, now });
  assert.equal(other.open(sealed, 'signing/k1').toString(), 'a private key');
  const bytes = randomBytes(100);
  assert.deepEqual(other.open(vault.seal(bytes, 'x'), 'x'), bytes);
  assert.equal(vault.open(vault.seal('', 'empty'), 'empty').length, 0);
  assert.throws(() => vault.seal('x', ''), TypeError);
});

test('SE-01 the store holds no key in the clear', async () => {
  const keys = await createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const cookies = await secretOf(vault, 'cookies');
  const dump = JSON.stringify(await keys.list());
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    assert.ok(!dump.includes(cookies.key.toString(encoding)));
    assert.ok(!dump.includes((masterKey as { key: Buffer }).key.toString(encoding)));
  }
});

test('ciphertext that was changed in any way does not open', async () => {
  const vault = await openVault({ keys: await createKeyStore(), masterKey, now });
  const sealed = vault.seal('secret', 'a/1');
  for (let at = 0; at < sealed.length; at += 1) {
    const swapped = sealed[at] === 'A' ? 'B' : 'A';
    const changed = sealed.slice(0, at) + swapped + sealed.slice(at + 1);
    assert.throws(() => vault.open(changed, 'a/1'), BrokenSeal, `character ${at}`);
    assert.throws(() => vault.open(sealed.slice(0, at), 'a/1'), BrokenSeal, `cut at ${at}`);
  }
  for (const changed of [
    '',
    `${sealed}A`,
    `${sealed}=`,
    ` ${sealed}`,
    `${sealed}\n`,
    'g1.data-1.',
    'g1.data-9.AAAA',
  ]) {
    assert.throws(() => vault.open(changed, 'a/1'), BrokenSeal, JSON.stringify(changed));
  }
});

test('ciphertext that was moved does not open where it does not belong', async () => {
  const keys = await createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  assert.throws(() => vault.open(vault.seal('secret', 'a/1'), 'a/2'), BrokenSeal);
  const stranger = await openVault({ keys: await createKeyStore(), masterKey, now });
  assert.throws(() => stranger.open(vault.seal('secret', 'a/1'), 'a/1'), BrokenSeal);

  const cookies = await secretOf(vault, 'cookies');
  await secretOf(vault, 'refresh');
  const { sealed } = await keys.find(cookies.id);
  await keys.replace({ ...(await keys.find('refresh-1')), sealed });
  const later = await openVault({ keys, masterKey, now });
  await assert.rejects(secretOf(later, 'refresh'), DamagedKeyStore);
  assert.deepEqual(await secretOf(later, 'cookies'), await secretOf(vault, 'cookies'));
});

test('a wrong master key is said in one sentence, and nothing is changed', async () => {
  const keys = await createKeyStore();
  await openVault({ keys, masterKey, now });
  const rows = structuredClone(await keys.list());
  const wrong = randomBytes(32);
  await assert.rejects(openVault({ keys, masterKey: { source: 'env', key: wrong }, now }), (error: Error) => {
    assert.ok(error instanceof WrongMasterKey);
    assert.equal(error.name, 'WrongMasterKey');
    assert.match(
      error.message,
      /^The key in GRANTABLE_MASTER_KEY is not the master key that this store was made with\.$/,
    );
    assert.ok(!error.message.includes(wrong.toString('hex')));
    return true;
  });
  await assert.rejects(
    openVault({ keys, masterKey: { source: 'file', key: wrong, path: '/run/secrets/master' }, now }),
    /file \/run\/secrets\/master/,
  );
  assert.deepEqual(await keys.list(), rows);
});

test('a damaged key store is told from a wrong master key', async () => {
  const damages: [string, (keys: Keys) => Promise<unknown>][] = [
    ['check value gone', (keys) => keys.remove('check')],
    ['data key gone', (keys) => keys.remove('data-1')],
    [
      'data key changed',
      async (keys) =>
        keys.replace({ ...(await keys.find('data-1')), sealed: (await keys.find('check')).sealed }),
    ],
    [
      'data key renamed',
      async (keys) => {
        const key = await keys.find('data-1');
        await keys.remove('data-1');
        await keys.insert({ ...key, id: 'data-7' });
      },
    ],
  ];
  for (const [what, damage] of damages) {
    const keys = await createKeyStore();
    const vault = await openVault({ keys, masterKey, now });
    await secretOf(vault, 'cookies');
    await damage(keys);
    await assert.rejects(openVault({ keys, masterKey, now }), DamagedKeyStore, what);
  }
});

test('a data folder without key file gets one of mode 0600 while the store is empty', async () => {
  const path = join(await newFolder(), 'not', 'there', 'master.key');
  const keys = await createKeyStore();
  const vault = await openVault({ keys, masterKey: { source: 'data-folder', path }, now });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(path, '..'))).mode & 0o077, 0);
  assert.deepEqual(await readdir(join(path, '..')), ['master.key']);
  const sealed = vault.seal('x', 'a');

  const again = await openVault({ keys, masterKey: { source: 'data-folder', path }, now });
  assert.equal(again.open(sealed, 'a').toString(), 'x');
  const given = { source: 'env', key: parseMasterKey(await readFile(path, 'utf8')) } as const;
  assert.equal((await openVault({ keys, masterKey: given, now })).open(sealed, 'a').toString(), 'x');
});

test('a missing key file is never made anew for a store that has keys', async () => {
  const path = join(await newFolder(), 'master.key');
  const keys = await createKeyStore();
  await openVault({ keys, masterKey: { source: 'data-folder', path }, now });
  await rm(path);
  await assert.rejects(
    openVault({ keys, masterKey: { source: 'data-folder', path }, now }),
    (error: Error) => {
      assert.ok(error instanceof MissingMasterKey);
      assert.match(error.message, /which is gone: put it back/);
      return true;
    },
  );
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('a key file without a key is refused and left alone', async () => {
  const path = join(await newFolder(), 'master.key');
  const whole = `${randomBytes(32).toString('hex')}\n`;
  for (const text of [
    '',
    '\n',
    whole.slice(0, 10),
    whole.slice(0, 63),
    `${whole}${whole}`,
    '0'.repeat(64),
    'zz'.repeat(32),
  ]) {
    await writeFile(path, text);
    const keys = await createKeyStore();
    await assert.rejects(
      openVault({ keys, masterKey: { source: 'data-folder', path }, now }),
      WrongMasterKey,
      text,
    );
    assert.equal(await readFile(path, 'utf8'), text);
    assert.deepEqual(await keys.list(), []);
  }
});

test('another key file than the one the store was made with is a wrong master key', async () => {
  const path = join(await newFolder(), 'master.key');
  const keys = await createKeyStore();
  await openVault({ keys, masterKey: { source: 'data-folder', path }, now });
  await writeFile(path, `${randomBytes(32).toString('hex')}\n`);
  await assert.rejects(openVault({ keys, masterKey: { source: 'data-folder', path }, now }), WrongMasterKey);
});

test('many vaults opened at once on an empty store agree on file, keys and secrets', async () => {
  const folder = await newFolder();
  const path = join(folder, 'master.key');
  const stores = [
    await createKeyStore(join(folder, 'store.db')),
    await createKeyStore(join(folder, 'store.db')),
  ];
  const keys = stores[0] as Keys;
  const opening = stores.flatMap((each) =>
    Array.from({ length: 10 }, () =>
      openVault({ keys: each, masterKey: { source: 'data-folder', path }, now }),
    ),
  );
  const vaults = await Promise.all(opening);
  const secrets = await Promise.all(vaults.map((vault) => secretOf(vault, 'clientSecrets')));
  for (const secret of secrets) assert.deepEqual(secret, secrets[0]);
  for (const vault of vaults) {
    assert.equal(vaults[0]?.open(vault.seal('x', 'a'), 'a').toString(), 'x');
  }
  assert.deepEqual((await keys.list()).map(({ id }) => id).sort(), ['check', 'clientSecrets-1', 'data-1']);
});

test('processes that start at once on an empty folder agree on keys and secrets', async () => {
  const data = await newFolder();
  const count = process.env.GRANTABLE_TEST_LONG ? 8 : 3;
  const rounds = process.env.GRANTABLE_TEST_LONG ? 10 : 1;
  for (let round = 0; round < rounds; round += 1) {
    const outputs = await Promise.all(
      Array.from({ length: count }, () =>
        run(process.execPath, [join(import.meta.dirname, 'open-vault.ts'), join(data, String(round))]),
      ),
    );
    const secrets = outputs.map(({ stdout }) => stdout);
    assert.match(secrets[0] as string, /^[0-9a-f]{64}$/);
    assert.equal(new Set(secrets).size, 1);
  }
});

test('a vault whose insert comes second takes what the first one made', async () => {
  const keys = await createKeyStore();
  const first = await openVault({ keys, masterKey, now });
  const second = await openVault({ keys, masterKey, now });
  keys.beforeNextInsert(() => secretOf(first, 'cookies'));
  assert.deepEqual(await secretOf(second, 'cookies'), await secretOf(first, 'cookies'));
  keys.beforeNextInsert(() => first.rotateSecrets(0));
  assert.deepEqual(await second.rotateSecrets(0), ['data-2', 'cookies-2']);
  assert.deepEqual(await secretOf(second, 'cookies'), await secretOf(first, 'cookies'));
  assert.equal((await second.ring('cookies')).all().length, 2);
});

test('of two stores opened at once with different master keys one wins', async () => {
  const keys = await createKeyStore();
  const openings = await Promise.allSettled([
    openVault({ keys, masterKey, now }),
    openVault({ keys, masterKey: { source: 'env', key: randomBytes(32) }, now }),
  ]);
  assert.deepEqual(openings.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  const rejected = openings.find((opening) => opening.status === 'rejected');
  assert.ok(rejected?.reason instanceof WrongMasterKey);
});

test('JW-09 secrets have no default and differ between purposes and between servers', async () => {
  const made = new Set<string>();
  const purposes = ['cookies', 'clientSecrets', 'passwords', 'refresh'];
  for (let server = 0; server < 3; server += 1) {
    const vault = await openVault({ keys: await createKeyStore(), masterKey, now });
    for (const purpose of purposes) {
      const { key } = await secretOf(vault, purpose);
      assert.equal(key.length, 32);
      made.add(key.toString('hex'));
    }
  }
  assert.equal(made.size, 3 * purposes.length);
});

test('no secret has the purpose of a key of another kind', async () => {
  const vault = await openVault({ keys: await createKeyStore(), masterKey, now });
  for (const purpose of ['check', 'data', 'signing', '', 'a/b', 'Cookies', '__proto__']) {
    await assert.rejects(secretOf(vault, purpose), TypeError, purpose);
  }
});

test('SE-02 a rotated secret is the new current one and the old one is still known', async () => {
  const keys = await createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const ring = await vault.ring('clientSecrets');
  const old = await secretOf(vault, 'clientSecrets');
  assert.deepEqual(await vault.rotateSecrets(0), ['data-2', 'clientSecrets-2']);
  const made = ring.current();
  assert.equal(made.id, 'clientSecrets-2');
  assert.notDeepEqual(made.key, old.key);
  assert.deepEqual(
    (await vault.ring('clientSecrets')).all().map(({ id }) => id),
    ['clientSecrets-2', 'clientSecrets-1'],
  );
  assert.deepEqual(ring.byId(old.id), old.key);
  assert.equal(ring.byId('clientSecrets-9'), undefined);
  assert.equal(ring.byId('cookies-1'), undefined);
  for (let number = 3; number <= 12; number += 1) await vault.rotateSecrets(0);
  assert.equal((await secretOf(vault, 'clientSecrets')).id, 'clientSecrets-12');
});

test('SE-02 other processes learn of a rotation by one read', async () => {
  const keys = await createKeyStore();
  const one = await openVault({ keys, masterKey, now });
  const two = await openVault({ keys, masterKey, now });
  const ring = await two.ring('refresh');
  await one.refresh();
  await one.rotateSecrets(0);
  const made = await secretOf(one, 'refresh');
  assert.notDeepEqual(ring.current(), made);
  assert.equal(await two.refresh(), true);
  assert.deepEqual(ring.current(), made);

  const before = { ...keys.counts };
  assert.equal(await two.refresh(), false);
  assert.equal(keys.counts.list, before.list);
  assert.equal(keys.counts.revision, before.revision + 1);
  await secretOf(two, 'refresh');
  assert.equal(keys.counts.list, before.list);
});

test('SE-02 a secret made for later is known before it is the current one', async () => {
  let at = NOW;
  const vault = await openVault({ keys: await createKeyStore(), masterKey, now: () => at });
  const old = await secretOf(vault, 'refresh');
  await vault.rotateSecrets(60_000);
  const ring = await vault.ring('refresh');
  assert.deepEqual(ring.current(), old);
  assert.ok(ring.byId('refresh-2'));
  assert.match(vault.seal('x', 'a'), /^g1\.data-1\./);
  assert.equal(await vault.refresh(), false);
  at += 60_000;
  assert.equal(await vault.refresh(), true, 'cookies are signed with the new one');
  assert.equal(await vault.refresh(), false);
  assert.equal(ring.current().id, 'refresh-2');
  assert.match(vault.seal('x', 'a'), /^g1\.data-2\./);
  at = 0;
  assert.deepEqual(ring.current(), old, 'a clock that was set back leaves a current secret');
});

test('SE-02 the data key rotates while what it sealed still opens', async () => {
  const keys = await createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const before = vault.seal('old', 'a');
  const cookies = await secretOf(vault, 'cookies');
  await vault.rotateSecrets(0);
  const sealed = vault.seal('new', 'a');
  assert.match(sealed, /^g1\.data-2\./);
  const other = await openVault({ keys, masterKey, now });
  assert.equal(other.open(before, 'a').toString(), 'old');
  assert.equal(other.open(sealed, 'a').toString(), 'new');
  assert.deepEqual((await other.ring('cookies')).byId(cookies.id), cookies.key);
  assert.throws(() => vault.open(before.replace('data-1', 'data-2'), 'a'), BrokenSeal);
});

test('a refresh that finds damage says so and keeps what was known', async () => {
  const keys = await createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const cookies = await secretOf(vault, 'cookies');
  const row = await keys.find('cookies-1');
  await keys.replace({ ...row, sealed: 'g1.data-1.AAAA' });
  await assert.rejects(vault.refresh(), DamagedKeyStore);
  assert.deepEqual(await secretOf(vault, 'cookies'), cookies);
  await keys.replace(row);
  assert.equal(await vault.refresh(), true);
  assert.deepEqual(await secretOf(vault, 'cookies'), cookies);
});

test('SE-06 a master key is 64 hex digits or base64 of 32 random bytes', () => {
  const key = randomBytes(32);
  const spellings = [
    key.toString('hex'),
    key.toString('hex').toUpperCase(),
    key.toString('base64'),
    key.toString('base64url'),
  ];
  for (const text of spellings) assert.deepEqual(parseMasterKey(` ${text}\n`), key);
  const refused = [
    '',
    'x',
    key.toString('hex').slice(1),
    `${key.toString('hex')}00`,
    key.toString('latin1'),
    '!'.repeat(44),
  ];
  for (const text of refused) assert.throws(() => parseMasterKey(text), /neither 64 hex digits nor base64/);
  const weak = [
    '0'.repeat(64),
    '0123456789abcdef'.repeat(4),
    Buffer.from('password'.repeat(4)).toString('base64'),
  ];
  for (const text of weak) assert.throws(() => parseMasterKey(text), /not random/);
});
