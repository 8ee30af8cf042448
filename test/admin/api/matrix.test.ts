/**
 * Every operation for every caller: without a token, for another organization, for the server, and with each built-in role.
 * What should happen follows from what the operation says that it needs, and from what the role allows.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { operations } from '../../../src/admin/operations/index.ts';
import type { OperationFacts } from '../../../src/admin/operations/operation.ts';
import { adminRole, BUILT_IN_ROLES, type BuiltInRole, MANAGEMENT } from '../../../src/nouns/built-in.ts';
import { toBit } from '../../../src/permissions/actions.ts';
import { contains, createPermissions } from '../../../src/permissions/permissions.ts';
import { fromStored } from '../../../src/permissions/stored.ts';
import { type Kind, startAdmin, type TestAdmin } from './support.ts';

/** A value for each kind of parameter: a UUID, and ids of others that are not there. */
const VALUES = ['00000000-0000-4000-8000-000000000000', 'x'.repeat(22), `evt_${'0'.repeat(32)}`];

function pathOf({ path, parameters }: OperationFacts): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (name === 'organization') return 'acme';
    const own = parameters?.[name];
    const value = own ? VALUES.find((each) => own.test(each)) : VALUES[0];
    assert.ok(value, `no value for {${name}} of ${path}`);
    return value;
  });
}

const isOfServer = ({ path }: OperationFacts): boolean => !path.includes('{organization}');

function isAllowed(role: BuiltInRole, { needs }: OperationFacts): boolean {
  const { permissions } = adminRole(MANAGEMENT, role, 'http://localhost');
  const needed = createPermissions([[needs.table, toBit(needs.action)]]);
  return contains(fromStored(permissions), needed);
}

/** The statuses of refusals; anything else is `through`: the operation looked at the request. */
type Expected = 401 | 403 | 404 | 'through';

function expectedFor(kind: Kind | undefined, facts: OperationFacts): Expected {
  if (kind === undefined) return 401;
  if (kind === 'other') return isOfServer(facts) ? 403 : 404;
  if (kind !== 'server' && isOfServer(facts)) return 403;
  if (kind !== 'server' && !isAllowed(kind, facts)) return 403;
  return 'through';
}

describe('every operation answers each caller by what it needs and what the caller may', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin({ env: { GRANTABLE_ADMINISTRATION_LIMIT: '1000000/1m' } });
  });
  after(() => admin[Symbol.asyncDispose]());

  const callers: readonly (Kind | undefined)[] = [undefined, 'other', 'server', ...BUILT_IN_ROLES];

  for (const facts of operations as readonly OperationFacts[]) {
    test(facts.id, async () => {
      for (const kind of callers) {
        const answer = await admin.call(facts.method, pathOf(facts), kind);
        const { status, json, headers } = answer;
        const expected = expectedFor(kind, facts);
        const says = `${kind ?? 'no token'}: ${status} ${answer.text.slice(0, 200)}`;
        if (expected === 'through') assert.ok(status !== 401 && status !== 403 && status < 500, says);
        else assert.equal(status, expected, says);
        if (status === 401 || status === 403)
          assert.match(headers.get('www-authenticate') ?? '', /^Bearer/, says);
        if (expected === 403) assert.equal(json.code, 'insufficient_scope', says);
      }
    });
  }

  test('a login of six minutes ago is not fresh enough for what is dangerous', async () => {
    const dangerous = (operations as readonly OperationFacts[]).filter((facts) => facts.dangerous);
    assert.ok(dangerous.length > 0);
    admin.server.clock.offset += 360_000;
    for (const facts of dangerous) {
      const { status, json, headers } = await admin.call(facts.method, pathOf(facts), 'server');
      assert.deepEqual([status, json.code], [401, 'insufficient_user_authentication'], facts.id);
      assert.match(headers.get('www-authenticate') ?? '', /max_age="?300"?/, facts.id);
    }
  });
});
