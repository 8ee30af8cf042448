/** Strangers who register at the same time. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Passwords } from '../../src/accounts/passwords.ts';
import { createRegister, EmailTaken } from '../../src/accounts/registration.ts';
import { AlreadyTaken, RegistrationClosed } from '../../src/errors/domain.ts';
import { AUTHOR, openFixture } from '../directory/fixture.ts';
import { until } from '../support/until.ts';

const EMAIL = 'victim@acme.example';

/** @param parties who hash their passwords only when all of them have seen that their names are free */
async function open(t: TestContext, parties: number) {
  const { storage, changes, application, now } = await openFixture(t);
  const gate = Promise.withResolvers<void>();
  let hashes = 0;
  const passwords: Passwords = {
    async hash() {
      hashes += 1;
      if (hashes >= parties) gate.resolve();
      await gate.promise;
      return 'hmac-bcrypt$passwords-1$x';
    },
    verify: () => assert.fail(),
  };
  const password = 'correct-horse-7';
  return {
    register: createRegister({ store: storage.directory, changes, passwords, now }),
    registrant: { application, password, author: AUTHOR },
    hashes: () => hashes,
    storage,
    changes,
    application,
  };
}

test('two registrations that cross name and address leave one user', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    await t.test(async (inner) => {
      const { register, registrant, storage, application } = await open(inner, 2);
      const both = [
        register({ ...registrant, username: EMAIL }),
        register({ ...registrant, username: 'victim', email: EMAIL }),
      ];
      const results = await Promise.allSettled(round % 2 ? both : both.reverse());
      const [done] = results.filter((result) => result.status === 'fulfilled');
      const [refused] = results.filter((result) => result.status === 'rejected');
      assert.ok(done && refused?.reason instanceof AlreadyTaken, JSON.stringify(results));
      const { items } = await storage.directory.users.page({ limit: 100 });
      const people = items.filter(({ realm, username }) => realm === application.realm && username !== 'ann');
      assert.deepEqual(
        people.map(({ id }) => id),
        [done.value.id],
      );
    });
  }
});

test('of two that cross one stays although the store takes long to remove the other', async (t) => {
  const { registrant, storage, changes, application } = await open(t, 2);
  const both = Promise.withResolvers<void>();
  const { users } = storage.directory;
  let hashes = 0;
  let looks = 0;
  const findBy: typeof users.findBy = (...given) => {
    looks += 1;
    return users.findBy(...given);
  };
  const register = createRegister({
    store: { ...storage.directory, users: { ...users, findBy } },
    changes: {
      users: {
        ...changes.users,
        async remove(user, author) {
          await until('the other one has looked often', () => looks > 40);
          await changes.users.remove(user, author);
        },
      },
    },
    passwords: {
      async hash() {
        hashes += 1;
        if (hashes === 2) both.resolve();
        await both.promise;
        return 'hmac-bcrypt$passwords-1$x';
      },
      verify: () => assert.fail(),
    },
    now: Date.now,
  });
  const results = await Promise.allSettled([
    register({ ...registrant, username: EMAIL }),
    register({ ...registrant, username: 'victim', email: EMAIL }),
  ]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  const key = results[0].status === 'fulfilled' ? 'username' : 'email';
  assert.ok(await users.findBy(key, `${application.realm}/${EMAIL}`));
});

test('the user with the lower number goes too when the other one stays', async (t) => {
  const { register, registrant, storage, changes, application } = await open(t, 1);
  const { users } = storage.directory;
  // Stands for a store that gave this one the number before, and wrote the other one first.
  const late = createRegister({
    store: storage.directory,
    changes: {
      users: {
        ...changes.users,
        async create(noun, author) {
          const user = await changes.users.create(noun, author);
          const { id: _, ...given } = user;
          await users.insert({
            ...given,
            id: 'established',
            username: 'v',
            canonicalUsername: 'v',
            email: EMAIL,
            canonicalEmail: EMAIL,
          });
          return user;
        },
      },
    },
    passwords: { hash: async () => 'hmac-bcrypt$passwords-1$x', verify: () => assert.fail() },
    now: Date.now,
  });
  await assert.rejects(late({ ...registrant, username: EMAIL }), AlreadyTaken);
  assert.equal(await users.findBy('username', `${application.realm}/${EMAIL}`), undefined);
  assert.ok(await users.get('established'));
  await assert.rejects(register({ ...registrant, username: EMAIL }), AlreadyTaken);
});

test('a user is taken back if the application was disabled meanwhile', async (t) => {
  const { registrant, storage, changes, application } = await open(t, 1);
  const { users } = storage.directory;
  const register = createRegister({
    store: storage.directory,
    changes: {
      users: {
        ...changes.users,
        async create(noun, author) {
          await changes.applications.replace({ ...application, enabled: false }, AUTHOR);
          return changes.users.create(noun, author);
        },
      },
    },
    passwords: { hash: async () => 'hmac-bcrypt$passwords-1$x', verify: () => assert.fail() },
    now: Date.now,
  });
  assert.equal(application.realm, `application:${application.id}`);
  await assert.rejects(register({ ...registrant, username: EMAIL }), RegistrationClosed);
  assert.equal(await users.findBy('username', `${application.realm}/${EMAIL}`), undefined);
});

test('AC-09 a taken address costs a hash as a free one does', async (t) => {
  const { register, registrant, hashes } = await open(t, 1);
  const holder = await register({ ...registrant, username: 'victim', email: EMAIL });
  assert.equal(hashes(), 1);
  await assert.rejects(
    register({ ...registrant, username: 'other', email: EMAIL.toUpperCase() }),
    (error) => {
      assert.ok(error instanceof EmailTaken);
      assert.equal(error.holder?.id, holder.id);
      return true;
    },
  );
  assert.equal(hashes(), 2);
  const isOfName = (error: unknown) => error instanceof AlreadyTaken && !(error instanceof EmailTaken);
  await assert.rejects(register({ ...registrant, username: 'victim', email: 'b@acme.example' }), isOfName);
  await assert.rejects(register({ ...registrant, username: 'victim', email: EMAIL }), isOfName);
  assert.equal(hashes(), 2);
});
