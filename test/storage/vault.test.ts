import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { KeyStore, StoredKey } from '../../src/storage/contract.ts';
import { parseMasterKey } from '../../src/storage/master-key.ts';
import {
  BrokenSeal,
  DamagedKeyStore,
  type MasterKey,
  MissingMasterKey,
  openVault,
  WrongMasterKey,
} from '../../src/storage/vault.ts';

const NOW = 1_700_000_000_000;
const now = (): number => NOW;

/** Keeps the contract; `others` runs between a caller's look and its write, as another process would. */
function createKeyStore(rows = new Map<string, StoredKey>()) {
  let revision = 1;
  let others: (() => Promise<void>) | undefined;
  const store = {
    rows,
    revisionReads: 0,
    listReads: 0,
    beforeNextInsert(work: () => Promise<void>): void {
      others = work;
    },
    async list() {
      store.listReads += 1;
      return [...rows.values()];
    },
    async insert(key: StoredKey) {
      const work = others;
      others = undefined;
      await work?.();
      if (rows.has(key.id)) return false;
      rows.set(key.id, key);
      revision += 1;
      return true;
    },
    async replace(key: StoredKey) {
      rows.set(key.id, key);
      revision += 1;
    },
    async remove(id: string) {
      rows.delete(id);
      revision += 1;
    },
    async revision() {
      store.revisionReads += 1;
      return revision;
    },
  } satisfies KeyStore & Record<string, unknown>;
  return store;
}

const masterKey: MasterKey = { source: 'env', key: randomBytes(32) };

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grantable-vault-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const newFolder = (): Promise<string> => mkdtemp(join(folder, 'data-'));

test('what is sealed opens again, in another process too, and never as the same text twice', async () => {
  const keys = createKeyStore();
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
  const keys = createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const cookies = await vault.secret('cookies');
  const dump = JSON.stringify([...keys.rows.values()]);
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    assert.ok(!dump.includes(cookies.key.toString(encoding)));
    assert.ok(!dump.includes((masterKey as { key: Buffer }).key.toString(encoding)));
  }
});

test('ciphertext that was changed in any way does not open', async () => {
  const vault = await openVault({ keys: createKeyStore(), masterKey, now });
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
  const keys = createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  assert.throws(() => vault.open(vault.seal('secret', 'a/1'), 'a/2'), BrokenSeal);
  const stranger = await openVault({ keys: createKeyStore(), masterKey, now });
  assert.throws(() => stranger.open(vault.seal('secret', 'a/1'), 'a/1'), BrokenSeal);

  const cookies = await vault.secret('cookies');
  await vault.secret('refresh');
  const row = keys.rows.get('refresh-1') as StoredKey;
  await keys.replace({ ...row, sealed: keys.rows.get(cookies.id)?.sealed as string });
  const later = await openVault({ keys, masterKey, now });
  await assert.rejects(later.secret('refresh'), DamagedKeyStore);
  assert.deepEqual(await later.secret('cookies'), await vault.secret('cookies'));
});

test('a wrong master key is said in one sentence, and nothing is changed', async () => {
  const keys = createKeyStore();
  await openVault({ keys, masterKey, now });
  const rows = structuredClone([...keys.rows.values()]);
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
  assert.deepEqual([...keys.rows.values()], rows);
});

test('a damaged key store is told from a wrong master key', async () => {
  const damages: [string, (keys: ReturnType<typeof createKeyStore>) => void][] = [
    ['check value gone', (keys) => keys.rows.delete('check')],
    ['data key gone', (keys) => keys.rows.delete('data-1')],
    [
      'data key changed',
      ({ rows }) =>
        rows.set('data-1', {
          ...(rows.get('data-1') as StoredKey),
          sealed: rows.get('check')?.sealed as string,
        }),
    ],
    [
      'data key renamed',
      ({ rows }) => rows.set('data-1', { ...(rows.get('data-1') as StoredKey), id: 'data-7' }),
    ],
  ];
  for (const [what, damage] of damages) {
    const keys = createKeyStore();
    const vault = await openVault({ keys, masterKey, now });
    await vault.secret('cookies');
    damage(keys);
    await assert.rejects(openVault({ keys, masterKey, now }), DamagedKeyStore, what);
  }
});

test('a data folder without key file gets one of mode 0600 while the store is empty', async () => {
  const path = join(await newFolder(), 'not', 'there', 'master.key');
  const keys = createKeyStore();
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
  const keys = createKeyStore();
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

test('a key file that holds no key is refused and left alone, even while the store is empty', async () => {
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
    const keys = createKeyStore();
    await assert.rejects(
      openVault({ keys, masterKey: { source: 'data-folder', path }, now }),
      WrongMasterKey,
      text,
    );
    assert.equal(await readFile(path, 'utf8'), text);
    assert.equal(keys.rows.size, 0);
  }
});

test('another key file than the one the store was made with is a wrong master key', async () => {
  const path = join(await newFolder(), 'master.key');
  const keys = createKeyStore();
  await openVault({ keys, masterKey: { source: 'data-folder', path }, now });
  await writeFile(path, `${randomBytes(32).toString('hex')}\n`);
  await assert.rejects(openVault({ keys, masterKey: { source: 'data-folder', path }, now }), WrongMasterKey);
});

test('many vaults opened at once on an empty store agree on file, keys and secrets', async () => {
  const path = join(await newFolder(), 'master.key');
  const keys = createKeyStore();
  const opening = Array.from({ length: 20 }, () =>
    openVault({ keys, masterKey: { source: 'data-folder', path }, now }),
  );
  const vaults = await Promise.all(opening);
  const secrets = await Promise.all(vaults.map((vault) => vault.secret('clientSecrets')));
  for (const secret of secrets) assert.deepEqual(secret, secrets[0]);
  for (const vault of vaults) {
    assert.equal(vaults[0]?.open(vault.seal('x', 'a'), 'a').toString(), 'x');
  }
  assert.deepEqual([...keys.rows.keys()].sort(), ['check', 'clientSecrets-1', 'data-1']);
});

test('a vault whose insert comes second takes what the first one made', async () => {
  const keys = createKeyStore();
  const first = await openVault({ keys, masterKey, now });
  const second = await openVault({ keys, masterKey, now });
  keys.beforeNextInsert(async () => void (await first.secret('cookies')));
  assert.deepEqual(await second.secret('cookies'), await first.secret('cookies'));
  keys.beforeNextInsert(async () => void (await first.rotateSecret('cookies')));
  assert.deepEqual(await second.rotateSecret('cookies'), await first.secret('cookies'));
  assert.equal((await second.secrets('cookies')).length, 2);
});

test('two stores opened at once with different master keys: one wins, the other is told', async () => {
  const keys = createKeyStore();
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
    const vault = await openVault({ keys: createKeyStore(), masterKey, now });
    for (const purpose of purposes) {
      const { key } = await vault.secret(purpose);
      assert.equal(key.length, 32);
      made.add(key.toString('hex'));
    }
  }
  assert.equal(made.size, 3 * purposes.length);
});

test('no secret has the purpose of a key of another kind', async () => {
  const vault = await openVault({ keys: createKeyStore(), masterKey, now });
  for (const purpose of ['check', 'data', 'signing', '', 'a/b', 'Cookies', '__proto__']) {
    await assert.rejects(vault.secret(purpose), TypeError, purpose);
  }
});

test('SE-02 a rotated secret is the new current one and the old one is still known', async () => {
  const keys = createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const ring = await vault.ring('clientSecrets');
  const old = await vault.secret('clientSecrets');
  const made = await vault.rotateSecret('clientSecrets');
  assert.notDeepEqual(made.key, old.key);
  assert.deepEqual(
    (await vault.secrets('clientSecrets')).map(({ id }) => id),
    ['clientSecrets-2', 'clientSecrets-1'],
  );
  assert.deepEqual(ring.current(), made);
  assert.deepEqual(ring.byId(old.id), old.key);
  assert.equal(ring.byId('clientSecrets-9'), undefined);
  assert.equal(ring.byId('cookies-1'), undefined);
  for (let number = 3; number <= 12; number += 1) await vault.rotateSecret('clientSecrets');
  assert.equal((await vault.secret('clientSecrets')).id, 'clientSecrets-12');
});

test('SE-02 other processes learn of a rotation by refreshing, which costs one read when nothing changed', async () => {
  const keys = createKeyStore();
  const one = await openVault({ keys, masterKey, now });
  const two = await openVault({ keys, masterKey, now });
  const ring = await two.ring('refresh');
  await one.refresh();
  const made = await one.rotateSecret('refresh');
  assert.notDeepEqual(ring.current(), made);
  assert.equal(await two.refresh(), true);
  assert.deepEqual(ring.current(), made);

  const { listReads, revisionReads } = keys;
  assert.equal(await two.refresh(), false);
  assert.equal(keys.listReads, listReads);
  assert.equal(keys.revisionReads, revisionReads + 1);
  await two.secret('refresh');
  assert.equal(keys.listReads, listReads);
});

test('SE-02 a secret made for later is known before it is the current one', async () => {
  let at = NOW;
  const vault = await openVault({ keys: createKeyStore(), masterKey, now: () => at });
  const old = await vault.secret('refresh');
  const made = await vault.rotateSecret('refresh', { activeInMs: 60_000 });
  const ring = await vault.ring('refresh');
  assert.deepEqual(ring.current(), old);
  assert.deepEqual(ring.byId(made.id), made.key);
  at += 60_000;
  assert.deepEqual(ring.current(), made);
  at = 0;
  assert.deepEqual(ring.current(), old, 'a clock that was set back leaves a current secret');
});

test('SE-02 the data key rotates while what it sealed still opens', async () => {
  const keys = createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const before = vault.seal('old', 'a');
  const cookies = await vault.secret('cookies');
  assert.equal(await vault.rotateDataKey(), 'data-2');
  const sealed = vault.seal('new', 'a');
  assert.match(sealed, /^g1\.data-2\./);
  const other = await openVault({ keys, masterKey, now });
  assert.equal(other.open(before, 'a').toString(), 'old');
  assert.equal(other.open(sealed, 'a').toString(), 'new');
  assert.deepEqual(await other.secret('cookies'), cookies);
  assert.throws(() => vault.open(before.replace('data-1', 'data-2'), 'a'), BrokenSeal);
});

test('a refresh that finds damage says so and keeps what was known', async () => {
  const keys = createKeyStore();
  const vault = await openVault({ keys, masterKey, now });
  const cookies = await vault.secret('cookies');
  const row = keys.rows.get('cookies-1') as StoredKey;
  await keys.replace({ ...row, sealed: 'g1.data-1.AAAA' });
  await assert.rejects(vault.refresh(), DamagedKeyStore);
  assert.deepEqual(await vault.secret('cookies'), cookies);
  await keys.replace(row);
  assert.equal(await vault.refresh(), true);
  assert.deepEqual(await vault.secret('cookies'), cookies);
});

test('SE-06 a master key is 64 hex digits or base64 of 32 random bytes, and nothing else', () => {
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
