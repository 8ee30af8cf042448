import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAuthorizationDetails } from '../../src/permissions/authorization-details.ts';
import { PermissionsError, quoteName } from '../../src/permissions/errors.ts';
import {
  createPermissions,
  describeDifference,
  difference,
  EVERYTHING,
  NOTHING,
} from '../../src/permissions/permissions.ts';
import { parsePermissions, parsePermissionsText } from '../../src/permissions/permissions-json.ts';
import { splitTableScopes } from '../../src/permissions/table-scopes.ts';

const native = { unknownFlags: 'refuse' } as const;
const shop = 'https://api.acme.example/';

test('every message to a client can stand in an error_description', async (t) => {
  const allowed = /^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/;
  const nasty = [
    '"',
    '\\',
    '\r\nSet-Cookie: a=b',
    '<script>',
    '注文'.repeat(60),
    '\ud800',
    '',
    'x'.repeat(1_000_000),
    '😀'.repeat(31),
  ];
  await t.test('in every refusal', () => {
    const attempts = nasty.flatMap((text) => [
      () => parsePermissions({ [text]: true }, native),
      () => parsePermissions({ tables: { [text]: 1 } }, native),
      () => parsePermissions({ tables: { orders: { [text]: true } } }, native),
      () => parsePermissionsText(`{${JSON.stringify(text)}:1,${JSON.stringify(text)}:2}`, native),
      () => parseAuthorizationDetails([{ type: 'table_access', [text]: 1 }], shop),
      () =>
        parseAuthorizationDetails([{ type: 'table_access', identifier: 'a', actions: [`${text}!`] }], shop),
      () =>
        parseAuthorizationDetails(
          [{ type: 'table_access', identifier: `${text}\0`, actions: ['read'] }],
          shop,
        ),
      () => splitTableScopes([`%${text}:read`], () => false),
    ]);
    for (const attempt of attempts) {
      assert.throws(attempt, (error: unknown) => {
        assert.ok(error instanceof PermissionsError);
        assert.match(error.message, allowed);
        assert.ok(error.message.length < 250, error.message);
        return true;
      });
    }
  });
  await t.test('and in the sentence about what goes too far', () => {
    const asked = createPermissions([...nasty.map((text) => [text, 15] as const), ['orders', 15]]);
    const sentence = describeDifference(difference(asked, NOTHING));
    assert.match(sentence, allowed);
    assert.ok(sentence.length < 600);
    assert.match(sentence, / and \d+ more\.$/);
    assert.equal(
      describeDifference(difference(createPermissions([['a b', 0b1011]]), createPermissions([['a b', 1]]))),
      'The request asks for more than is allowed: a%20b:read, a%20b:delete.',
    );
    assert.match(describeDifference(difference(EVERYTHING, asked)), /^Admin of the resource/);
    assert.match(describeDifference(difference(asked, EVERYTHING)), /^Nothing/);
  });
  await t.test('with names that stay readable when they are harmless', () => {
    assert.equal(quoteName('public.users'), 'public.users');
    assert.equal(quoteName('x'.repeat(64)), 'x'.repeat(64));
    assert.equal(quoteName('x'.repeat(65)), `${'x'.repeat(64)}...`);
    assert.match(quoteName('注'.repeat(64)), /^(%[0-9A-F]{2})+\.\.\.$/);
  });
});
