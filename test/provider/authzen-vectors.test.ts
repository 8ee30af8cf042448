/** Decisions over HTTP about tokens with the rights of docs/vectors, as far as a client can ask for these. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { toAuthorizationDetails } from '../../src/permissions/authorization-details.ts';
import { readRights } from '../../src/resource-server/verified-token.ts';
import { basic, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { type Case, createdRow, readVectors, readWorld, type VectorTable } from '../support/vectors.ts';

const world = readWorld();
assert.equal(world.resource, RESOURCE);
/** How many of their tokens are judged at least. */
const FILES = { 'names.json': 9, 'rights.json': 40, 'values.json': 70, 'writes.json': 20 };

describe('AuthZEN gives the verdicts of docs/vectors', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        acme.resources[0].tables = Object.entries(world.tables).map(([id, { columns }]) => ({
          id,
          columns: Object.entries(columns).map(([name, type]) => ({ name, type })),
        }));
        acme.applications = acme.applications.filter(({ name }: any) => ['admin', 'shop-api'].includes(name));
        acme.roles = [];
        acme.users = [];
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  /** @returns undefined if no client can ask for such rights */
  async function tokenWith(claims: Readonly<Record<string, unknown>>): Promise<string | undefined> {
    const details = toAuthorizationDetails(readRights(claims, RESOURCE), RESOURCE);
    const { json } = await server.token('admin', { authorization_details: JSON.stringify(details) });
    return json.access_token;
  }

  async function decide(token: string, evaluations: readonly object[]) {
    const response = await fetch(`${server.issuer}/access/v1/evaluations`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: basic('shop-api', server.secretOf('shop-api')),
      },
      body: JSON.stringify({ subject: { type: 'access_token', id: token }, evaluations }),
    });
    const { evaluations: decisions } = (await response.json()) as any;
    assert.equal(decisions.length, evaluations.length);
    return decisions as { decision: boolean; context: { columns?: string[] } }[];
  }

  async function judge(token: string, given: Case): Promise<Partial<Case>> {
    const table = world.tables[given.table] as VectorTable;
    const on = (row: object) => ({ type: 'table', id: given.table, properties: { resource: RESOURCE, row } });
    if (given.action === 'read') {
      const rows = Object.entries(table.rows);
      const action = { name: 'read' };
      const decisions = await decide(
        token,
        rows.map(([, row]) => ({ resource: on(row), action })),
      );
      const visible = rows.map(([name, row], index): [string, string[]] => {
        const { columns = Object.keys(row) } = decisions[index]?.context ?? {};
        assert.equal(decisions[index]?.decision, decisions[index]?.context.columns === undefined);
        return [name, Object.keys(row).filter((column) => columns.includes(column))];
      });
      return { rows: Object.fromEntries(visible.filter(([, columns]) => columns.length > 0)) };
    }
    const properties = {
      create: () => ({ columns: Object.keys(given.action === 'create' ? given.set : {}) }),
      update: () => ({ changes: given.action === 'update' ? given.set : {} }),
      delete: () => ({}),
    }[given.action]();
    const row = given.action === 'create' ? createdRow(table, given.set) : (table.rows[given.row] as object);
    const [made] = await decide(token, [{ resource: on(row), action: { name: given.action, properties } }]);
    return { allowed: made?.decision === true };
  }

  for (const [file, least] of Object.entries(FILES)) {
    test(`those of ${file}`, async () => {
      let judged = 0;
      for (const { name, claims, text, verdict, cases } of readVectors(file)) {
        const token =
          verdict === 'accepted' && text === undefined && claims ? await tokenWith(claims) : undefined;
        if (token === undefined) continue;
        judged += 1;
        for (const given of cases) {
          const expected = given.action === 'read' ? { rows: given.rows } : { allowed: given.allowed };
          assert.deepEqual(await judge(token, given), expected, `${name}: ${JSON.stringify(given)}`);
        }
      }
      assert.ok(judged >= least, `${judged}`);
    });
  }
});
