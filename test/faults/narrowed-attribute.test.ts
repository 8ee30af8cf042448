/** An attribute changes in one process while others give tokens by it. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { loadConfig } from '../../src/config/load.ts';
import type { User } from '../../src/nouns/index.ts';
import { type Foundations, openFoundations } from '../../src/server/foundations.ts';
import { AUTHOR, exchangeForm } from '../support/exchange.ts';
import { STORE, storageForTests } from '../support/mongodb.ts';
import { PASSWORD } from '../support/server.ts';
import { until } from '../support/until.ts';
import { ask, type ChildServer, createChildServers } from './child-server.ts';

const ROUNDS = process.env.GRANTABLE_TEST_LONG ? 50 : 3;
const OWN = { rows: { customer_id: [{ $user: 'attributes.customer' }] } };

describe(`PM-08 an attribute changes while two processes give tokens by it, ${STORE}`, () => {
  let servers: ChildServer[];
  let third: Foundations;
  before(async () => {
    const storage = await storageForTests();
    // Logins that have begun count as attempts.
    servers = await createChildServers(2, { ...storage, GRANTABLE_ACCOUNT_LIMIT: '10000/1m' });
    const [{ dataDir }] = servers as [ChildServer];
    const file = join(dataDir, 'apply.json');
    const fixture = JSON.parse(await readFile(file, 'utf8'));
    const [acme] = fixture.organizations;
    acme.resources[0].tables[0].columns = [{ name: 'customer_id', type: 'integer' }];
    acme.roles.push({ name: 'customer', permissions: { tables: { orders: { read: OWN } } } });
    acme.applications[0].grants.push('token_exchange');
    const attributes = { customer: '0' };
    const person = { username: 'carl', password: PASSWORD, application: 'shop', roles: ['customer'] };
    acme.users.push({ ...person, attributes });
    await writeFile(file, JSON.stringify(fixture));
    for (const server of servers) await server.start();
    const env = { GRANTABLE_DATA_DIR: dataDir, GRANTABLE_HOSTS: 'localhost', ...storage };
    third = await openFoundations(loadConfig(env, { cwd: dataDir }), Date.now);
  });
  after(async () => {
    await third?.close();
    for (const server of servers.toReversed()) await server[Symbol.asyncDispose]();
  });

  const issuerOf = (index: number): string => (servers[index % 2] as ChildServer).issuer;

  async function giveCustomer(customer: string): Promise<void> {
    const { storage, changes } = third;
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    const carl = await storage.directory.users.findBy('username', `${shop?.realm}/carl`);
    await changes.users.replace({ ...(carl as User), attributes: { customer } }, AUTHOR);
  }

  interface Given {
    readonly access_token: string;
    readonly refresh_token?: string;
  }

  async function get(index: number, form: Record<string, string>): Promise<Given | undefined> {
    const answer = await ask(issuerOf(index), '/oauth/token', 'shop', form);
    assert.ok(answer);
    if (answer.status === 200) return answer.json as Given;
    // What it is made from holds nothing by then.
    assert.match(answer.json.error, /^invalid_(grant|request)$/, JSON.stringify(answer.json));
    assert.doesNotMatch(answer.json.error_description, /attempts/);
    return undefined;
  }

  const logIn = (index: number) =>
    get(index, { grant_type: 'password', username: 'carl', password: PASSWORD });

  /** The customers of whom a token, or an answer about one, lets orders be read. */
  const customersIn = ({ authorization_details: details = [] }: Record<string, any>): string[] =>
    details.flatMap(({ rows }: { rows: Record<string, string[]> }) => rows.customer_id);

  test(`no token is more than one of both states, and then the newest, ${ROUNDS} times`, async () => {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const [old, current] = [String(round - 1), String(round)];
      const earlier = (await Promise.all(Array.from({ length: 20 }, (_, n) => logIn(n)))).filter(
        (each) => each !== undefined,
      );
      assert.equal(earlier.length, 20);
      const working = earlier.flatMap(({ access_token, refresh_token = '' }, n) => [
        logIn(n),
        get(n, exchangeForm(access_token)),
        get(n + 1, { grant_type: 'refresh_token', refresh_token }),
      ]);
      const [later] = await Promise.all([Promise.all(working), giveCustomer(current)]);
      const given = [...earlier, ...later.filter((each) => each !== undefined)];
      for (const { access_token } of given) {
        const customers = customersIn(decodeJwt(access_token));
        // Nothing, if it was made in the very moment: of what the parent had, and what there is.
        assert.ok(['', old, current].includes(customers.join()), `${customers}`);
      }
      for (const index of [0, 1]) {
        await until('every token speaks of the newest state', async () => {
          const told = await Promise.all(
            given.map(({ access_token: token }) =>
              ask(issuerOf(index), '/oauth/introspect', 'shop-api', { token }),
            ),
          );
          return given.every(({ access_token }, n) => {
            const [customer] = customersIn(decodeJwt(access_token));
            const { active, ...rest } = told[n]?.json ?? {};
            if (customer === old) return active === false;
            return customersIn(rest).join() === (customer ?? '');
          });
        });
      }
      for (const n of [0, 1]) {
        const again = await logIn(n);
        assert.deepEqual(customersIn(decodeJwt(String(again?.access_token))), [current]);
      }
    }
  });
});
