/** Mails about accounts: what a request for one does, and when. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createAccountMails } from '../../src/accounts/account-mails.ts';
import { createOneTimeTokens, type OneTimeTokens } from '../../src/accounts/one-time-tokens.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createThrottle } from '../../src/http/throttle.ts';
import { AUTHOR, newUser, openFixture } from '../directory/fixture.ts';

const ANN = 'ann@acme.example';

async function open(t: TestContext) {
  const { storage, changes, organization, application } = await openFixture(t);
  const clock = { at: Date.UTC(2026, 0, 1) };
  const now = (): number => clock.at;
  const user = await changes.users.create(
    {
      ...newUser(organization.id, application.realm, 'ann2', []),
      email: ANN,
      canonicalEmail: ANN,
    },
    AUTHOR,
  );
  const sent: { to: string; text: string }[] = [];
  const tokens: { purpose: string; user: string }[] = [];
  const steps: string[] = [];
  let begin = (): void => {};
  let finish = (): void => {};
  const inner = createOneTimeTokens({ artifacts: storage.artifacts, now });
  const counted: Pick<OneTimeTokens, 'create' | 'redeem'> = {
    async create(purpose, id, seconds, email) {
      tokens.push({ purpose, user: id });
      steps.push('token');
      const token = await inner.create(purpose, id, seconds, email);
      // What follows it has been begun by then.
      setImmediate(finish);
      return token;
    },
    redeem: inner.redeem,
  };
  const accountMails = createAccountMails({
    mail: {
      available: true,
      async send(letter) {
        sent.push(letter);
      },
    },
    tokens: counted,
    store: {
      users: {
        get: (id) => storage.directory.users.get(id),
        findBy(key, value) {
          steps.push(`find by ${key}`);
          return storage.directory.users.findBy(key, value);
        },
      },
    },
    changes,
    passwordChange: async () => {},
    audit: {
      async append(entry) {
        steps.push(entry.event);
        await storage.audit.append(entry);
      },
    },
    refusals: { append: async () => {} },
    limits: createThrottle({
      counters: storage.counters,
      limits: loadConfig({}, { cwd: '/' }).throttle,
      now,
    }),
    now,
    delay: () => new Promise((resolve) => (begin = resolve)),
    onFailure: (error) => assert.fail(String(error)),
  });
  /** Asks, lets the work begin, and waits for its end. */
  async function ask(email: string): Promise<string[]> {
    steps.length = 0;
    const { promise: finished, resolve } = Promise.withResolvers<void>();
    finish = resolve;
    accountMails.sendPasswordReset(application, email, undefined, AUTHOR);
    assert.equal(steps.length, 0, 'nothing begins before the delay');
    begin();
    await finished;
    return [...steps];
  }
  return { ask, sent, tokens, user, clock, storage, changes };
}

test('AC-09 an unknown address causes the same work as a known one', async (t) => {
  const { ask, sent, tokens, user } = await open(t);
  const known = await ask(ANN);
  assert.deepEqual(known, ['find by email', 'password_reset.requested', 'token']);
  assert.equal(tokens[0]?.user, user.id);
  for (const email of ['nobody@acme.example', 'no address', 'ann2', '', 'a'.repeat(10_000)]) {
    assert.deepEqual(await ask(email), known);
  }
  assert.equal(
    new Set(tokens.map((token) => token.user)).size,
    6,
    'each is for somebody else, who is nobody',
  );
  assert.deepEqual(
    sent.map(({ to }) => to),
    [ANN],
  );
});

test('a closed account is answered like one that is not there', async (t) => {
  const { ask, sent, tokens, user, changes } = await open(t);
  await changes.users.replace({ ...user, enabled: false }, AUTHOR);
  await ask(ANN);
  assert.notEqual(tokens[0]?.user, user.id);
  assert.deepEqual(sent, []);
});

test('a person gets at most 3 mails in 15 minutes', async (t) => {
  const { ask, sent, tokens, user, clock, storage } = await open(t);
  for (let at = 0; at < 10; at += 1) await ask(at % 2 ? ANN : ANN.toUpperCase());
  assert.equal(sent.length, 3);
  assert.equal(tokens.filter((token) => token.user === user.id).length, 3);
  const { entries } = await storage.audit.page({ limit: 1, event: 'password_reset.requested' });
  assert.equal(entries[0]?.reason, 'too many mails');
  clock.at += 901_000;
  await ask(ANN);
  assert.equal(sent.length, 4);
});

test('mails of one kind do not use up the limit of another kind', async (t) => {
  const { storage } = await openFixture(t);
  const clock = { at: 0 };
  const { mail: takeMail } = createThrottle({
    counters: storage.counters,
    limits: loadConfig({}, { cwd: '/' }).throttle,
    now: () => clock.at,
  });
  const take = () => takeMail('reset', 'ann');
  const taken = await Promise.all(Array.from({ length: 20 }, take));
  assert.equal(taken.filter((isTaken) => isTaken).length, 3);
  assert.equal(await takeMail('reset', 'bob'), true);
  assert.equal(await takeMail('activation', 'ann'), true);
  assert.equal(await take(), false);
  clock.at += 900_000;
  assert.equal(await take(), true);
});
