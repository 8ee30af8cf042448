import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AuditEntry } from '../../src/storage/contract.ts';
import { startServer, type TestServer } from '../support/server.ts';

const LEFT_OUT = 'request.refusals_left_out';
const ROWS = 10;

describe('refused requests in the audit log', () => {
  let server: TestServer;
  /** Each test has an address of its own. */
  let addresses = 0;
  before(async () => {
    server = await startServer({ env: { GRANTABLE_TRUSTED_PROXIES: '127.0.0.1/32' } });
    server.clock.stoppedAt = Date.now();
  });
  after(() => server[Symbol.asyncDispose]());

  const newAddress = (): string => `203.0.113.${++addresses}`;

  async function entriesOf(isWanted: (entry: AuditEntry) => boolean): Promise<AuditEntry[]> {
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 1_000 });
    return entries.filter(isWanted);
  }

  const ask = (client: string | undefined, form: Record<string, string>, address: string) =>
    server.post('/oauth/token', client, form, { 'x-forwarded-for': address });

  async function repeat(times: number, work: () => Promise<unknown>): Promise<void> {
    for (let done = 0; done < times; done += 10) await Promise.all(Array.from({ length: 10 }, work));
  }

  test('ten rows are written per address and minute, and one row counts the rest', async () => {
    const address = newAddress();
    const form = { grant_type: 'client_credentials', client_id: 'machine', client_secret: 'wrong' };
    await repeat(60, () => ask(undefined, form, address));
    const rows = () => entriesOf((entry) => entry.address === address);
    assert.equal((await rows()).length, ROWS);
    server.clock.stoppedAt = Number(server.clock.stoppedAt) + 60_000;
    await ask(undefined, form, newAddress());
    const [told, ...others] = await rows();
    assert.equal(others.length, ROWS);
    assert.equal(told?.event, LEFT_OUT);
    assert.deepEqual(told?.details, { count: 50, seconds: 60 });
    await ask(undefined, form, address);
    assert.equal((await rows()).length, ROWS + 2);
  });

  test('another address has rows of its own', async () => {
    const [one, other] = [newAddress(), newAddress()];
    const form = { grant_type: 'refresh_token', refresh_token: 'x', client_id: 'spa' };
    await repeat(20, () => ask(undefined, form, one));
    await ask(undefined, form, other);
    assert.equal((await entriesOf(({ address }) => address === other)).length, 1);
  });

  test('the many IPv6 networks of one customer have the rows of one address', async () => {
    let network = 0;
    const form = { grant_type: 'client_credentials', client_id: 'machine', client_secret: 'wrong' };
    await repeat(30, () => ask(undefined, form, `2001:db8:9:${++network}::1`));
    const rows = await entriesOf(({ address }) => address?.startsWith('2001:db8:9:') === true);
    assert.equal(rows.length, ROWS);
  });

  test('a clock that is set back does not stop the rows', async () => {
    const [before, after] = [newAddress(), newAddress()];
    const form = { grant_type: 'client_credentials', client_id: 'machine', client_secret: 'wrong' };
    await repeat(20, () => ask(undefined, form, before));
    server.clock.stoppedAt = Number(server.clock.stoppedAt) - 600_000;
    await ask(undefined, form, after);
    const told = await entriesOf((entry) => entry.address === before && entry.event === LEFT_OUT);
    assert.equal(told[0]?.details?.count, 10);
  });

  test('wrong passwords of people are counted though their client proved itself', async () => {
    const address = newAddress();
    await repeat(20, () =>
      ask('shop', { grant_type: 'password', username: `n${Math.random()}`, password: 'x' }, address),
    );
    assert.equal((await entriesOf((entry) => entry.address === address)).length, ROWS);
  });

  test('refusals of a client that proved itself are written one by one', async () => {
    const address = newAddress();
    await repeat(20, () =>
      ask('machine', { grant_type: 'client_credentials', scope: 'unheard.of' }, address),
    );
    const rows = await entriesOf((entry) => entry.address === address);
    assert.deepEqual([rows.length, rows[0]?.client], [20, 'machine']);
  });

  test('an authorization request proves no client', async () => {
    const address = newAddress();
    const url = `${server.issuer}/oauth/authorize?client_id=web&response_type=code&scope=unheard.of`;
    await repeat(20, () => fetch(url, { redirect: 'manual', headers: { 'x-forwarded-for': address } }));
    assert.equal((await entriesOf((entry) => entry.address === address)).length, ROWS);
  });

  test('rows left out until the server stops are counted', async () => {
    const address = newAddress();
    const form = { grant_type: 'client_credentials', client_id: 'machine', client_secret: 'wrong' };
    await repeat(20, () => ask(undefined, form, address));
    await server.restart();
    const [told] = await entriesOf((entry) => entry.address === address && entry.event === LEFT_OUT);
    assert.equal(told?.details?.count, 10);
  });
});
