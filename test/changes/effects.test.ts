/** What a change of each field does to living tokens. The table stands here once more, so that no declaration changes by mistake. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectOf } from '../../src/changes/effects.ts';
import { COLLECTIONS, type CollectionName, declarationOf, type Nouns } from '../../src/nouns/index.ts';
import { createNoun } from '../nouns/whole-nouns.ts';

const FACES = [{ name: 'older', narrowing: ['rights'] }];
const faces = { older: { enabled: true, registration: false, administrators: true, rights: ['a'] } };

/** All other fields have none. */
const EFFECTS: Readonly<Record<CollectionName, { restarts: readonly string[]; narrows: readonly string[] }>> =
  {
    organizations: { restarts: [], narrows: ['faces', 'agents'] },
    resources: { restarts: [], narrows: ['tables', 'groups', 'scopes', 'catalogue', 'owner'] },
    roles: { restarts: [], narrows: ['resource', 'scopes', 'permissions'] },
    applications: {
      restarts: ['realm'],
      narrows: [
        'ceilings',
        'registeredCeiling',
        'scopes',
        'resource',
        'grants',
        'mayExchange',
        'agentApproval',
      ],
    },
    users: {
      restarts: ['passwordHash'],
      narrows: ['roles', 'administers', 'faces', 'pending', 'email', 'emailVerified', 'attributes'],
    },
    connections: { restarts: [], narrows: ['scopes', 'permissions', 'expiresAt'] },
    datasources: { restarts: ['file', 'server'], narrows: ['userTables'] },
    webhooks: { restarts: [], narrows: [] },
  };

function whole<C extends CollectionName>(collection: C, enabled = true): Nouns[C] {
  return { ...createNoun(collection, true), number: 1, version: 1, enabled, faces } as unknown as Nouns[C];
}

/** The rights that came through other roles are left. */
const LEAVES_RIGHTS = ['narrows', 'narrows'] as const;
/** No token hangs below it. */
const LEAVES_ALL = ['none', 'none'] as const;

for (const collection of COLLECTIONS) {
  test(`each field of ${collection} has its effect`, () => {
    const { restarts, narrows } = EFFECTS[collection];
    const before = whole(collection);
    for (const name of Object.keys(declarationOf(collection).fields).filter((each) => each !== 'enabled')) {
      const after = { ...before, [name]: undefined };
      const expected = restarts.includes(name) ? 'restarts' : narrows.includes(name) ? 'narrows' : 'none';
      assert.equal(effectOf(collection, before, after, FACES), expected, name);
    }
  });

  test(`${collection} end when they are disabled, and return`, () => {
    const [on, off] = [whole(collection), whole(collection, false)];
    const [ends, returns] =
      { roles: LEAVES_RIGHTS, webhooks: LEAVES_ALL }[collection as string] ?? (['ends', 'returns'] as const);
    assert.equal(effectOf(collection, on, off, FACES), ends);
    assert.equal(effectOf(collection, on, undefined, FACES), ends);
    assert.equal(effectOf(collection, off, on, FACES), returns);
    assert.equal(effectOf(collection, off, off, FACES), 'none');
  });
}

test('of the faces of an organization, only what rights are read from narrows', () => {
  const before = whole('organizations');
  const effectOfSettings = (settings: object) =>
    effectOf(
      'organizations',
      before,
      { ...before, faces: { older: { ...faces.older, ...settings } } },
      FACES,
    );
  assert.equal(effectOfSettings({ registration: true, ttl: 60 }), 'none');
  assert.equal(effectOfSettings({ administrators: false }), 'narrows');
  assert.equal(effectOfSettings({ rights: ['b'] }), 'narrows');
});
