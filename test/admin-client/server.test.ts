/** The typed client against a started server: every operation once, and one object from its creation to its end. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { OperationFacts } from '../../src/admin/operations/operation.ts';
import { createAdminOver } from '../../src/admin-client/admin.ts';
import { type Admin, AdminError, createAdmin } from '../../src/admin-client/index.ts';
import { TABLE } from '../../src/admin-client/table.ts';
import { declared, describedAs } from '../admin/api/described.ts';
import { startAdmin, type TestAdmin } from '../admin/api/support.ts';

const NOBODY = '00000000-0000-4000-8000-000000000000';
const VALUES = [NOBODY, 'x'.repeat(22), `evt_${'0'.repeat(32)}`];

describe('the client and a server', () => {
  let server: TestAdmin;
  let admin: Admin;
  before(async () => {
    server = await startAdmin();
    admin = createAdmin({ issuer: server.issuer, token: () => server.tokens.owner });
  });
  after(() => server[Symbol.asyncDispose]());

  function argumentsFor({ path, parameters, conditional, body }: OperationFacts) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
    const given = names.map((name) => {
      const own = parameters?.[name];
      return [name, name === 'organization' ? 'acme' : own ? VALUES.find((each) => own.test(each)) : NOBODY];
    });
    return { ...Object.fromEntries(given), ...(conditional && { version: 9 }), ...(body && { body: {} }) };
  }

  test('a call of every operation gets an answer that the operation declares', async () => {
    const any = createAdminOver<any>(TABLE, { issuer: server.issuer, token: server.tokens.owner });
    for (const facts of declared) {
      const { responses } = describedAs(facts);
      const failure = await any.call(facts.id, argumentsFor(facts)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) continue;
      assert.ok(failure instanceof AdminError, `${facts.id}: ${failure}`);
      assert.notEqual(failure.code, 'unexpected_answer', facts.id);
      assert.ok(failure.status in responses, `${facts.id}: ${failure.status} ${failure.message}`);
      assert.doesNotMatch(failure.message, /nothing at this path/, facts.id);
    }
  });

  test('an object is made, read, changed, listed and removed', async () => {
    const made = await admin.roles.create({ organization: 'acme', body: { name: 'made-here' } });
    assert.equal(made.name, 'made-here');
    const told = await admin.roles.change({
      organization: 'acme',
      role: made,
      dryRun: true,
      body: { enabled: false },
    });
    assert.deepEqual([told.action, told.fields.map(({ field }) => field)], ['changed', ['enabled']]);
    const changed = await admin.roles.change({ organization: 'acme', role: made, body: { enabled: false } });
    assert.equal(changed.version, made.version + 1);
    await assert.rejects(admin.roles.remove({ organization: 'acme', role: made }), { status: 412 });
    const names: string[] = [];
    for await (const { name } of admin.roles.each({ organization: 'acme', query: { limit: 1 } }))
      names.push(name);
    assert.ok(names.length > 2 && names.includes('made-here'));
    await admin.roles.remove({ organization: 'acme', role: changed });
    await assert.rejects(admin.roles.get({ organization: 'acme', role: made }), {
      code: 'not_found',
      status: 404,
    });
  });

  test('a creation with the same key makes one object', async () => {
    const make = () =>
      admin.roles.create(
        { organization: 'acme', body: { name: 'only-one' } },
        { idempotencyKey: 'only-one' },
      );
    const [first, second] = [await make(), await make()];
    assert.equal(first.id, second.id);
  });

  test('a faulty body is an error with the path of each fault', async () => {
    const failure: AdminError = await admin.users
      .create({ organization: 'acme', body: { username: '' } })
      .then(
        () => assert.fail('it was made'),
        (error) => error,
      );
    assert.deepEqual(
      [failure.status, failure.code, failure.errors.length > 0],
      [422, 'invalid_fields', true],
    );
  });
});
