import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedRequest, RegistrationClosed } from '../../src/errors/domain.ts';
import { VersionConflict } from '../../src/storage/contract.ts';
import { AUTHOR, applicationsOf, openApplications, openFixture } from '../directory/fixture.ts';

/** Of one person. */
const MOST = 50;

test('of two parallel secret rotations one is told that it lost', async (t) => {
  const { applications, register, storage } = await openApplications(t);
  const { application } = await register();
  const renew = () => applications.renewSecret(application, AUTHOR);
  const answers = await Promise.allSettled([renew(), renew()]);
  const told = answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const refused = answers.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  assert.deepEqual([told.length, refused.length], [1, 1]);
  assert.ok(refused[0] instanceof VersionConflict, String(refused[0]));
  const stored = await storage.directory.applications.get(application.id);
  assert.ok(stored);
  assert.equal(await applications.showSecret(stored, AUTHOR), told[0]);
});

test('an application is taken back if the one it is registered through was disabled', async (t) => {
  const fixture = await openFixture(t);
  const { changes, user, application } = fixture;
  const applications = applicationsOf(fixture, {
    applications: {
      ...changes.applications,
      async create(noun, author) {
        await changes.applications.replace({ ...application, enabled: false }, AUTHOR);
        return changes.applications.create(noun, author);
      },
    },
  });
  const registering = applications.register({ name: 'Foo', scopes: [] }, user, application, AUTHOR);
  await assert.rejects(registering, RegistrationClosed);
  assert.deepEqual(await applications.findOwn(user), []);
});

test('SE-05 that a secret was shown is in the audit, and the secret is not', async (t) => {
  const { applications, register, storage, application: chosen, organization } = await openApplications(t);
  const { application, secret } = await register();
  const { length } = (await storage.audit.page({ limit: 100 })).entries;
  assert.equal(await applications.showSecret(chosen, AUTHOR), undefined);
  assert.equal((await storage.audit.page({ limit: 100 })).entries.length, length, 'nothing was shown');
  const author = { actor: 'user:1', address: '192.0.2.1', requestId: 'r' };
  assert.equal(await applications.showSecret(application, author), secret);
  const { cursor: _, at: __, ...entry } = (await storage.audit.page({ limit: 1 })).entries[0]!;
  assert.deepEqual(entry, {
    event: 'application.secret_shown',
    outcome: 'allowed',
    ...author,
    subject: application.id,
    client: application.clientId,
    organization: organization.id,
  });
});

test('a name is a line that can be seen', async (t) => {
  const { register } = await openApplications(t);
  for (const name of [
    '',
    ' ',
    '\u200b',
    '\u2060\u2060',
    '\u00ad',
    '\ufeff',
    '\u3164',
    '\u115f',
    '\u{e0041}',
  ]) {
    await assert.rejects(register(name), MalformedRequest, JSON.stringify(name));
  }
  for (const name of ['sh\u200bop', 'a\nb', 'a\u202eb', 'x'.repeat(101)]) {
    await assert.rejects(register(name), MalformedRequest, JSON.stringify(name));
  }
  for (const name of ['shop', 'x'.repeat(100), 'Žluťoučký kůň', '鍵 (2)']) await register(name);
});

test('a person has at most fifty, however many register in parallel', async (t) => {
  const { applications, register, user } = await openApplications(t);
  for (let index = 0; index < MOST - 3; index += 1) await register(`App ${index}`);
  const answers = await Promise.allSettled(
    Array.from({ length: 10 }, (_, index) => register(`Late ${index}`)),
  );
  const told = answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value.application.id] : []));
  for (const each of answers) {
    if (each.status === 'rejected') assert.ok(each.reason instanceof RegistrationClosed, String(each.reason));
  }
  const own = await applications.findOwn(user);
  assert.deepEqual([told.length, own.length], [3, MOST]);
  const ids = own.map(({ id }) => id);
  assert.ok(
    told.every((id) => ids.includes(id)),
    'what was told to be there is',
  );
  await assert.rejects(register(), RegistrationClosed);
});
