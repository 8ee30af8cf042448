import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import bcrypt from 'bcrypt';
import { decodeJwt } from 'jose';
import { runCommand } from '../../src/cli/run.ts';
import { CHECKED_EVERY_MS } from '../../src/datasources/password-changes.ts';
import { findAccountHolder } from '../../src/rights/database-accounts.ts';
import { createServer } from '../../src/server.ts';
import type { LoginRow } from '../../src/storage/contract.ts';
import { OPAQUE_RESOURCE, RESOURCE, tablesOf } from '../support/server.ts';
import { engines } from './engines.ts';
import { startWorld, userTable, type World } from './fixture.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const hashes = { right: bcrypt.hashSync('right', 4), other: bcrypt.hashSync('other', 4) };

/** Each test has a person of its own. */
let people = 0;

for (const kind of engines) {
  describe(`accounts in ${kind.name}`, { skip: kind.missing() }, () => {
    let world: World;
    before(async () => {
      world = await startWorld(
        kind,
        async (engine) => {
          const rows = Array.from({ length: 20 }, (_, index) => ({
            id: index + 1,
            email: `p${index + 1}@acme.example`,
            login: `Person ${index + 1}`,
            password: hashes.right,
            active: true,
            groups: 'staff, vip',
            changed: '2026-01-01T00:00:00Z',
            locale: 'de-CH',
          }));
          await engine.fill('customers', rows);
          return [
            userTable(engine, {
              activeColumn: 'active',
              roles: ['reader'],
              roleColumn: 'groups',
              roleMap: { staff: 'clerk', boss: 'clerk' },
              claims: { locale: 'locale', 'https://acme.example/id': 'id' },
              passwordChangedAtColumn: 'changed',
            }),
            userTable(engine, { usernameColumn: 'login', roles: ['reader'] }),
          ];
        },
        {
          fixture(fixture) {
            const [acme] = fixture.organizations;
            acme.applications[1].grants.push('token_exchange');
            acme.applications[0].mayExchange = ['machine'];
          },
        },
      );
    });
    after(() => world?.[Symbol.asyncDispose]());

    const somebody = async (more: Record<string, string> = {}) => {
      people += 1;
      const id = (people % 20) + 1;
      const login = { collection: 'customers', username: `p${id}@acme.example`, password: 'right' };
      await world.engine.update('customers', id, {
        password: hashes.right,
        active: true,
        groups: 'staff, vip',
        locale: 'de-CH',
      });
      const { status, json, text } = await world.logIn(login, 'shop', more);
      assert.equal(status, 200, text);
      return { id, login, json, token: json.access_token as string, refresh: json.refresh_token as string };
    };
    const refresh = (token: string) =>
      world.server.post('/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token: token });
    const exchange = (token: string, client = 'shop', more: Record<string, string> = {}) =>
      world.server.post('/oauth/token', client, {
        grant_type: EXCHANGE,
        subject_token: token,
        subject_token_type: ACCESS_TOKEN,
        ...more,
      });
    const isActive = async (token: string): Promise<boolean> => (await world.server.introspect(token)).active;

    test('a login gives the roles and the claim columns of its row', async () => {
      const before = Math.floor((Date.now() + world.server.clock.offset) / 1000);
      const { id, token, json } = await somebody();
      const seen = await world.server.introspect(token);
      assert.deepEqual(seen.roles, ['reader', 'clerk']);
      assert.equal(seen.locale, 'de-CH');
      assert.equal(seen['https://acme.example/id'], id);
      assert.equal(seen.aud, RESOURCE);
      assert.ok(seen.auth_time >= before && seen.auth_time <= seen.iat);
      assert.deepEqual(seen.permissions, json.permissions);
      assert.deepEqual(tablesOf(seen), { orders: 'cru', products: 'r' });
      for (const text of [JSON.stringify(seen), JSON.stringify(json)]) {
        assert.ok(!text.includes(hashes.right), 'no stored password');
      }
    });

    test('the columns of its claims are known to who computes its rights, by column', async () => {
      const { id, token, login } = await somebody();
      const { directory, registry } = world.server.server.foundations;
      const holderOf = async (jwt: string) => {
        const row = await registry.find('jwt', decodeJwt(jwt).jti ?? '');
        assert.ok(row?.account);
        return findAccountHolder(await directory.view(), row.subject, row.account);
      };
      const columns = new Map<string, unknown>([
        ['locale', 'de-CH'],
        ['id', id],
      ]);
      assert.deepEqual((await holderOf(token))?.claims, columns);
      const child = await exchange(token, 'machine');
      assert.deepEqual((await holderOf(child.json.access_token))?.claims, columns);
      await world.engine.update('customers', id, { locale: null });
      const without = await world.logIn(login);
      assert.deepEqual((await holderOf(without.json.access_token))?.claims, new Map([['id', id]]));
      await world.engine.update('customers', id, { locale: 'de-CH' });
    });

    test('a request narrows the rights, and asking for more is refused', async () => {
      const details = (actions: string[]) => ({
        authorization_details: JSON.stringify([{ type: 'table_access', identifier: 'orders', actions }]),
      });
      const { token } = await somebody(details(['read']));
      assert.deepEqual(tablesOf(await world.server.introspect(token)), { orders: 'r' });
      const { login } = await somebody();
      const more = await world.logIn(login, 'shop', details(['delete']));
      assert.deepEqual([more.status, more.json.error], [400, 'invalid_authorization_details']);
      const elsewhere = await world.logIn(login, 'shop', { resource: OPAQUE_RESOURCE });
      assert.equal(elsewhere.status, 200, elsewhere.text);
      assert.deepEqual(elsewhere.json.permissions.tables, {}, 'its roles are for the other one');
    });

    test('DB-06 two ways to type a name lead to one subject, and a changed name keeps it', async () => {
      const { id, token } = await somebody();
      const { sub } = await world.server.introspect(token);
      const byName = await world.logIn({
        collection: 'customers',
        usernameColumn: 'login',
        username: `Person ${id}`,
        password: 'right',
      });
      assert.equal((await world.server.introspect(byName.json.access_token)).sub, sub);
      await world.engine.update('customers', id, { login: `Renamed ${id}` });
      const renamed = await world.logIn({
        collection: 'customers',
        usernameColumn: 'login',
        username: `Renamed ${id}`,
        password: 'right',
      });
      assert.equal((await world.server.introspect(renamed.json.access_token)).sub, sub);
    });

    /** What is stored of a login. */
    const loginOf = async (refreshToken: string) => {
      const found = await world.server.server.foundations.presentedTokens.findLiving(refreshToken);
      assert.equal(found?.kind, 'refresh token');
      return found.row as LoginRow;
    };
    const onlyUpdate = {
      authorization_details: JSON.stringify([
        { type: 'table_access', identifier: 'orders', actions: ['update'] },
      ]),
    };

    test('a refresh reads roles and claims again, and the login keeps what it read', async () => {
      const kept = await somebody();
      await world.engine.update('customers', kept.id, { groups: 'vip', locale: 'fr-CH' });
      const refreshed = await refresh(kept.refresh);
      assert.equal(refreshed.status, 200, refreshed.text);
      assert.deepEqual(tablesOf(refreshed.json), { orders: 'r' });
      assert.equal((await world.server.introspect(refreshed.json.access_token)).locale, 'fr-CH');
      assert.equal(decodeJwt(refreshed.json.access_token).locale, 'fr-CH');
      const { account } = await loginOf(refreshed.json.refresh_token);
      assert.deepEqual([account?.groups, account?.columns], [['vip'], { locale: 'fr-CH', id: kept.id }]);
      const before = await world.server.introspect(kept.token);
      assert.deepEqual(
        [before.locale, before.roles],
        ['de-CH', ['reader', 'clerk']],
        'it lives on as it was',
      );

      await world.engine.update('customers', kept.id, { groups: 'vip, staff', locale: null });
      const again = await refresh(refreshed.json.refresh_token);
      assert.deepEqual(tablesOf(again.json), { orders: 'cru', products: 'r' });
      assert.ok(!('locale' in (await world.server.introspect(again.json.access_token))));
      assert.deepEqual((await loginOf(again.json.refresh_token)).account?.columns, { id: kept.id });
    });

    test('a role that the row gives later never adds to what the login was given', async () => {
      people += 1;
      const id = (people % 20) + 1;
      await world.engine.update('customers', id, { password: hashes.right, active: true, groups: 'vip' });
      const login = { collection: 'customers', username: `p${id}@acme.example`, password: 'right' };
      const { json } = await world.logIn(login);
      assert.deepEqual(tablesOf(json), { orders: 'r' });
      await world.engine.update('customers', id, { groups: 'staff' });
      const refreshed = await refresh(json.refresh_token);
      assert.deepEqual(tablesOf(refreshed.json), { orders: 'r' });
      assert.deepEqual((await world.server.introspect(refreshed.json.access_token)).roles, [
        'reader',
        'clerk',
      ]);
    });

    test('a refresh without rights that are left is refused, and costs the login nothing', async () => {
      const { id, refresh: token } = await somebody(onlyUpdate);
      await world.engine.update('customers', id, { groups: 'vip' });
      const { status, json } = await refresh(token);
      assert.deepEqual([status, json.error], [400, 'invalid_grant']);
      await world.engine.update('customers', id, { groups: 'staff' });
      const again = await refresh(token);
      assert.deepEqual([again.status, tablesOf(again.json)], [200, { orders: 'u' }], again.text);
    });

    test('RT-02 refreshes of one token get one successor, with the new values of the row', async () => {
      const { id, refresh: token } = await somebody();
      await world.engine.update('customers', id, { groups: 'boss', locale: 'it-CH' });
      const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(token)));
      const late = await refresh(token);
      const successors = new Set<string>();
      for (const { status, json, text } of [...answers, late]) {
        assert.equal(status, 200, text);
        successors.add(json.refresh_token);
        assert.equal(decodeJwt(json.access_token).locale, 'it-CH');
      }
      assert.equal(successors.size, 1);
      const [successor = ''] = successors;
      const { account } = await loginOf(successor);
      assert.deepEqual([account?.groups, account?.columns?.locale], [['boss'], 'it-CH']);
      await world.engine.update('customers', id, { locale: 'de-CH' });
      assert.equal((await refresh(successor)).status, 200);
    });

    test('a refresh ends the login if its row is gone, not active or has another password', async () => {
      const changes: [string, Record<string, string | boolean> | undefined][] = [
        ['inactive', { active: false }],
        ['another password', { password: hashes.other }],
        ['a later change', { changed: '2026-02-02T00:00:00Z' }],
        ['gone', undefined],
      ];
      for (const [what, change] of changes) {
        const { id, token, refresh: login } = await somebody();
        if (change) await world.engine.update('customers', id, change);
        else await world.engine.update('customers', id, { id: -id });
        const { status, json } = await refresh(login);
        assert.deepEqual([status, json.error], [400, 'invalid_grant'], what);
        assert.equal(await isActive(token), false, what);
        await world.engine.update('customers', change ? id : -id, {
          id,
          password: hashes.right,
          active: true,
          changed: '2026-01-01T00:00:00Z',
        });
        const again = await refresh(login);
        assert.deepEqual([again.status, again.json.error], [400, 'invalid_grant'], `${what}, and back`);
      }
      const { entries } = await world.server.server.foundations.storage.audit.page({ limit: 50 });
      assert.equal(entries.filter(({ event }) => event === 'login.ended').length, changes.length);
    });

    test('a changed password ends the access tokens made before, and none made after', async () => {
      const { id, token, login } = await somebody();
      assert.equal(await isActive(token), true);
      await world.engine.update('customers', id, { password: hashes.other, changed: '2026-03-03T00:00:00Z' });
      const after = await world.logIn({ ...login, password: 'other' });
      world.server.clock.offset += CHECKED_EVERY_MS;
      assert.equal(await isActive(token), false);
      assert.equal(await isActive(after.json.access_token), true);
      assert.equal((await exchange(token)).status, 400);
    });

    test('an exchanged token keeps the person, narrows the rights and ends with the login', async () => {
      const { token, refresh: login } = await somebody();
      const { json, status, text } = await exchange(token, 'machine', {
        permissions: JSON.stringify({ isAdmin: false, tables: { orders: { read: true } } }),
      });
      assert.equal(status, 200, text);
      const [parent, child] = [
        await world.server.introspect(token),
        await world.server.introspect(json.access_token),
      ];
      assert.deepEqual([child.sub, child.username, child.locale], [parent.sub, parent.username, 'de-CH']);
      assert.deepEqual(tablesOf(child), { orders: 'r' });
      await world.server.post('/oauth/revoke', 'shop', { token: login });
      assert.deepEqual([await isActive(token), await isActive(json.access_token)], [false, false]);
    });

    test('the command line ends all that an account has, and explains its tokens', async () => {
      const { token, refresh: login } = await somebody();
      const { sub } = await world.server.introspect(token);
      const run = async (...args: string[]) => {
        const out: string[] = [];
        const { config } = world.server.server.foundations;
        const code = await runCommand(args, {
          stdin: (async function* () {})(),
          stdout: { write: (text) => out.push(text) },
          stderr: { write: (text) => out.push(text) },
          env: {
            GRANTABLE_DATA_DIR: world.server.dataDir,
            GRANTABLE_ISSUER: world.server.issuer,
            GRANTABLE_LOG_LEVEL: 'silent',
            GRANTABLE_BCRYPT_COST: '4',
            ...(config.storage.kind === 'mongodb' && { GRANTABLE_STORAGE: config.storage.url }),
          },
          cwd: world.server.dataDir,
          now: () => Date.now() + world.server.clock.offset,
          stopRequested: () => Promise.resolve(),
          startServer: createServer,
        });
        assert.equal(code, 0, out.join(''));
        return out.join('');
      };
      const explained = await run('explain', token);
      assert.match(explained, /datasource crm/);
      assert.match(explained, /database account/);
      assert.ok(!explained.includes(hashes.right));
      assert.match(await run('revoke', '--user', sub), /all tokens and logins of datasource:/);
      assert.equal(await isActive(token), false);
      assert.equal((await refresh(login)).status, 400);
    });

    test('only the application sees and ends the token, and userinfo refuses it', async () => {
      const { token } = await somebody();
      assert.deepEqual(await world.server.introspect(token, 'other-api'), { active: false });
      const info = await fetch(`${world.server.issuer}/oauth/userinfo`, {
        headers: { authorization: `Bearer ${token}` },
      });
      assert.equal(info.status, 401);
      assert.equal((await world.server.post('/oauth/revoke', 'shop', { token })).status, 200);
      assert.equal(await isActive(token), false);
    });

    test('IN-02 removing the table or disabling the datasource ends its tokens at once', async () => {
      const { foundations } = world.server.server;
      const { datasources } = foundations.storage.directory;
      const find = async () => {
        const { items } = await datasources.page({ limit: 1 });
        assert.ok(items[0]);
        return items[0];
      };
      const author = { actor: 'test' };
      const before = await find();

      const mapped = await somebody();
      const [first, second] = before.userTables;
      assert.ok(first && second);
      await foundations.changes.datasources.replace(
        { ...before, userTables: [{ ...first, roleMap: [] }, second] },
        author,
      );
      assert.deepEqual(tablesOf(await world.server.introspect(mapped.token)), { orders: 'r' });
      await foundations.changes.datasources.replace(
        { ...(await find()), userTables: before.userTables },
        author,
      );

      const moved = await somebody(onlyUpdate);
      await world.engine.update('customers', moved.id, { groups: 'boss' });
      const [, boss] = first.roleMap;
      assert.ok(boss);
      await foundations.changes.datasources.replace(
        { ...(await find()), userTables: [{ ...first, roleMap: [boss] }, second] },
        author,
      );
      const asBoss = await refresh(moved.refresh);
      assert.deepEqual([asBoss.status, tablesOf(asBoss.json)], [200, { orders: 'u' }], asBoss.text);

      await foundations.changes.datasources.replace(
        { ...(await find()), userTables: [{ ...first, verified: false }, second] },
        author,
      );
      assert.equal((await refresh(asBoss.json.refresh_token)).status, 400, 'refused like a login');
      await foundations.changes.datasources.replace(
        { ...(await find()), userTables: before.userTables },
        author,
      );
      assert.equal((await refresh(asBoss.json.refresh_token)).status, 200, 'and not ended');

      const unregistered = await somebody();
      const child = (await exchange(unregistered.token)).json.access_token;
      await foundations.changes.datasources.replace({ ...(await find()), userTables: [second] }, author);
      assert.equal(await isActive(unregistered.token), false);
      assert.equal(await isActive(child), false);
      assert.equal((await refresh(unregistered.refresh)).status, 400);
      assert.equal((await world.logIn(unregistered.login)).status, 400);
      await foundations.changes.datasources.replace(
        { ...(await find()), userTables: before.userTables },
        author,
      );

      const disabled = await somebody();
      await foundations.changes.datasources.replace({ ...(await find()), enabled: false }, author);
      assert.equal(await isActive(disabled.token), false);
      assert.equal((await refresh(disabled.refresh)).status, 400);
      assert.equal((await world.logIn(disabled.login)).status, 400);
      await foundations.changes.datasources.replace({ ...(await find()), enabled: true }, author);
      assert.equal(await isActive(disabled.token), false, 'what ended stays dead');
      assert.equal((await world.logIn(disabled.login)).status, 200);
    });
  });
}
