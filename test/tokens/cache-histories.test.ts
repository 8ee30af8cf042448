import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeSigningKey, rotateSigningKeys } from '../../src/keys/signing-keys.ts';
import { createTrader } from '../support/exchange.ts';
import fc from '../support/properties.ts';
import { OPAQUE_RESOURCE, RESOURCE } from '../support/server.ts';
import { startCachedPair } from './cached-pair.ts';

const RUNS = process.env.GRANTABLE_TEST_LONG ? 100 : 5;
/** Those that are asked about after each step. */
const LIVING = 8;
const STEPS_MS = [1, 999, 1_000, 60_000, 3_600_000, -1, -1_000, -6_000, -60_000, -3_600_000];

const READ_ONLY = { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] };

test('no history of changes tells a cached answer from one that was not', async () => {
  await using pair = await startCachedPair({
    fixture({ organizations: [acme] }) {
      const shop = acme.applications.find(({ name }: { name: string }) => name === 'shop');
      shop.grants.push('token_exchange');
    },
  });
  const { hot, plain, change } = pair;
  const { clock } = hot;
  const { storage, vault, signingKeys, now } = plain.server.foundations;
  const { directory, keys } = storage;
  const shop = await directory.applications.findBy('clientId', 'shop');
  const api = await directory.applications.findBy('clientId', 'shop-api');
  assert.ok(shop && api);
  const { items: roles } = await directory.roles.page({ limit: 10, organization: shop.organization });
  const ann = await directory.users.findBy('username', `${shop.realm}/ann`);
  assert.ok(ann?.passwordHash);
  const { passwordHash } = ann;
  const tokens: string[] = [];
  const keep = (token: unknown): void => {
    if (typeof token !== 'string') return;
    tokens.unshift(token);
    tokens.length = Math.min(tokens.length, LIVING);
  };
  const trader = createTrader(hot);
  let furthest = 0;

  /** What may happen; a number says to which, or how. */
  const happenings: readonly ((n: number) => Promise<unknown>)[] = [
    async () => keep((await hot.token('machine')).json.access_token),
    async () => keep((await plain.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token),
    async () => keep((await hot.token('shop')).json.access_token),
    async () => keep(await trader.login('shop', 'ann').catch(() => undefined)),
    async (n) => {
      const parent = tokens[n % LIVING];
      if (parent) keep((await trader.exchange('shop', parent)).json.access_token);
    },
    async (n) => {
      const token = tokens[n % LIVING];
      for (const owner of ['machine', 'shop']) {
        if (token) await (n % 2 === 0 ? hot : plain).post('/oauth/revoke', owner, { token });
      }
    },
    (n) => change('applications', 'clientId', 'machine', { enabled: n % 5 > 0 }),
    (n) => change('applications', 'clientId', 'machine', { name: `machine-${n}` }),
    (n) => change('organizations', 'name', 'acme', { enabled: n % 8 > 0 }),
    (n) => change('resources', 'identifier', RESOURCE, { enabled: n % 5 > 0 }),
    (n) => change('users', 'id', ann.id, { enabled: n % 5 > 0 }),
    (n) =>
      change('users', 'id', ann.id, { passwordHash: `another ${n}` }).then(() =>
        change('users', 'id', ann.id, { passwordHash }),
      ),
    (n) => change('users', 'id', ann.id, { roles: roles.slice(n % 3, 1 + (n % 3)).map(({ id }) => id) }),
    (n) => {
      const ceilings = n % 2 === 0 ? shop.ceilings : [{ resource: RESOURCE, permissions: READ_ONLY }];
      return change('applications', 'clientId', 'shop', { ceilings });
    },
    (n) =>
      change('applications', 'clientId', 'shop-api', { introspects: n % 2 === 0 ? api.introspects : [] }),
    async (n) => {
      const kid = signingKeys.published().at(n % 2)?.kid;
      await rotateSigningKeys({ keys, vault, now }, { immediately: true, longestLifetime: 3_600 });
      if (n % 3 === 0 && kid) await removeSigningKey({ keys, vault, now }, kid);
      await pair.noticeKeys();
    },
    async (n) => {
      clock.offset += STEPS_MS[n % STEPS_MS.length] as number;
      furthest = Math.max(furthest, clock.offset);
    },
    async () => {
      await storage.sweep(now(), 1_000);
    },
  ];

  /** Everything is allowed again, and some tokens live. */
  async function begin(): Promise<void> {
    // What ended while the clock was ahead would end what is made before that time.
    furthest = Math.max(furthest, clock.offset) + 120_000;
    clock.offset = furthest;
    const enabled = true;
    await change('organizations', 'name', 'acme', { enabled });
    await change('resources', 'identifier', RESOURCE, { enabled });
    await change('applications', 'clientId', 'machine', { enabled });
    await change('applications', 'clientId', 'shop', { ceilings: shop?.ceilings ?? [] });
    await change('applications', 'clientId', 'shop-api', { introspects: api?.introspects ?? [] });
    await change('users', 'id', ann?.id ?? '', { enabled, roles: ann?.roles ?? [] });
    for (let made = 0; made < LIVING; made += 1) await happenings[made % 4]?.(made);
  }

  const step = fc.tuple(fc.nat(happenings.length - 1), fc.nat(99));
  let active = 0;
  let asked = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 20 }), async (history) => {
      await begin();
      for (const [kind, n] of history) {
        await happenings[kind]?.(n);
        for (const token of tokens) {
          for (const asker of ['shop-api', 'machine', 'shop']) {
            const [kept, made] = await pair.ask(token, asker);
            assert.equal(kept, made, `after ${kind} ${n}`);
            asked += 1;
            if (kept.includes('"active":true')) active += 1;
          }
        }
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
  assert.ok(active > asked / 10, `${active} of ${asked} answers were active`);
});
