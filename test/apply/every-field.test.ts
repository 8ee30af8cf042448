/**
 * Another value of each field goes through an apply file into the store, stays there when the file is applied again and when the
 * organization is written back, and does to living tokens what the field declares.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { parseApplyFile } from '../../src/apply/file.ts';
import { formatReport } from '../../src/apply/report.ts';
import { writeApplyFile } from '../../src/apply/write-file.ts';
import { loadConfig } from '../../src/config/load.ts';
import { collectionOf, eachNoun } from '../../src/directory/collections.ts';
import { builtInFaces } from '../../src/faces/index.ts';
import { COLLECTIONS, type CollectionName, declarationOf } from '../../src/nouns/index.ts';
import { createNodeId, createOpaqueAccessToken } from '../../src/registry/token-values.ts';
import { type Foundations, openFoundations } from '../../src/server/foundations.ts';
import { fileOf } from '../admin/fixture.ts';
import { changedFile, fieldsOf, file, type JsonSchema, NOUN_LISTS, nouns } from './examples.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 0, 1);

function open(dataDir: string, now: number): Promise<Foundations> {
  const env = {
    GRANTABLE_DATA_DIR: dataDir,
    GRANTABLE_BCRYPT_COST: '4',
    GRANTABLE_HOSTS: 'id.acme.example',
    GRANTABLE_DATASOURCE_HOSTS: 'db.acme.example',
  };
  return openFoundations(loadConfig(env, { cwd: dataDir }), () => now);
}

type Stored = Readonly<Record<string, unknown>>;

async function allNouns({ storage }: Foundations): Promise<Map<string, [CollectionName, Stored]>> {
  const found = new Map<string, [CollectionName, Stored]>();
  for (const name of COLLECTIONS) {
    for await (const noun of eachNoun(collectionOf(storage.directory, name)))
      found.set(noun.id, [name, { ...noun }]);
  }
  return found;
}

/** A token that hangs below the noun alone. */
async function mint({ registry }: Foundations, id: string): Promise<string> {
  const value = createOpaqueAccessToken();
  await registry.record(value, {
    id: createNodeId(),
    format: 'opaque',
    grantType: 'client_credentials',
    subject: 'someone',
    organization: 'an organization',
    application: 'an application',
    clientId: 'a client',
    resource: 'urn:resource',
    scope: '',
    permissions: { isAdmin: false, tables: [] },
    ancestors: [id],
    asOf: NOW,
    issuedAt: NOW,
    expiresAt: NOW + 24 * HOUR,
  });
  return value;
}

const RANK = ['none', 'narrows', 'restarts', 'ends'] as const;
type Effect = (typeof RANK)[number];

/** The strongest of the effects that the changed fields declare. */
function declaredEffect(collection: CollectionName, had: Stored, has: Stored): Effect {
  const effects = Object.entries(declarationOf(collection).fields).flatMap(([name, { effect }]): Effect[] => {
    if (isDeepStrictEqual(had[name], has[name])) return [];
    if (typeof effect !== 'function') return [effect];
    const read = (noun: Stored) => effect(noun[name] as never, builtInFaces);
    return isDeepStrictEqual(read(had), read(has)) ? [] : ['narrows'];
  });
  return RANK[Math.max(0, ...effects.map((effect) => RANK.indexOf(effect)))] as Effect;
}

describe('another value is applied, kept, written back, and means what it declares:', () => {
  let folder: string;
  const tokens = new Map<string, string>();
  let nounsBefore: Awaited<ReturnType<typeof allNouns>>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grantable-fields-'));
    const base = await open(join(folder, 'base'), NOW);
    await base.apply(fileOf(file));
    nounsBefore = await allNouns(base);
    for (const id of nounsBefore.keys()) tokens.set(id, await mint(base, id));
    await base.close();
  });
  after(() => rm(folder, { recursive: true }));

  async function tryField(changed: object, what: string): Promise<void> {
    const dataDir = join(folder, 'copy');
    await rm(dataDir, { recursive: true, force: true });
    await cp(join(folder, 'base'), dataDir, { recursive: true });
    const copy = await open(dataDir, NOW + HOUR);
    try {
      const wanted = fileOf(changed);
      const options = { resetPasswords: true };
      const { changes } = await copy.apply(wanted, options);
      assert.notEqual(changes.length, 0, what);
      assert.deepEqual((await copy.apply(wanted, options)).changes, [], what);
      const { directory } = copy.storage;
      const organization = await directory.organizations.findBy('name', 'acme');
      assert.ok(organization);
      const settings = { accessTokenTtl: copy.config.ttl.accessToken };
      const text = await writeApplyFile(organization, directory, settings);
      const again = await copy.apply(parseApplyFile(text, 'written'));
      assert.deepEqual(again.changes, [], `${what}\n${formatReport(again).join('\n')}\n${text}`);
      await checkTokens(copy, what);
    } finally {
      await copy.close();
    }
  }

  async function checkTokens(copy: Foundations, what: string): Promise<void> {
    const now = await allNouns(copy);
    for (const [id, [collection, had]] of nounsBefore) {
      const [, has] = now.get(id) ?? [];
      assert.ok(has, what);
      const declared = declaredEffect(collection, had, has);
      const [record] = await copy.storage.nodes.read([id]);
      const label = `${what}: ${collection} ${declared} ${JSON.stringify(record)}`;
      if (declared === 'ends' || declared === 'restarts') {
        assert.equal(await copy.registry.find('opaque', tokens.get(id) as string), undefined, label);
      } else {
        assert.equal(record?.narrowedAt !== undefined, declared === 'narrows', label);
        assert.equal(record?.revokedAt, undefined, label);
        // Recomputing ends a token whose application is not there.
        const isFound = (await copy.registry.find('opaque', tokens.get(id) as string)) !== undefined;
        assert.equal(isFound, declared === 'none', label);
      }
    }
  }

  for (const [kind, noun] of Object.entries(nouns)) {
    test(kind, async () => {
      const schema = z.toJSONSchema(noun.schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
      for (const field of fieldsOf(schema)) {
        if (kind === 'organization' && NOUN_LISTS.includes(field.path.split('[')[0] ?? '')) continue;
        const example = noun.examples[field.path] ?? {};
        if (example.refused || example.isKey) continue;
        await tryField(changedFile(noun, field, example), `${kind}.${field.path}`);
      }
    });
  }
});
