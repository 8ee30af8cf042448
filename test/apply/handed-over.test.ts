/** Values that only one noun may have, taken from one and given to another within one file. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { COLLECTIONS } from '../../src/nouns/index.ts';
import { type Administration, fileOf, openAdministration, refusal } from '../admin/fixture.ts';
import { STORE, storageForTests } from '../support/mongodb.ts';

const PASSWORD = 'correct-horse-battery';
const IDP = 'https://idp.example';
const LAST = /This is the last owner/;

interface Person {
  readonly username: string;
  readonly email?: string;
  readonly subjects?: readonly string[];
  readonly roles?: readonly string[];
  readonly application?: string;
}

const person = ({ subjects = [], ...rest }: Person): object => ({
  password: PASSWORD,
  ...rest,
  identities: subjects.map((subject) => ({ issuer: IDP, subject })),
});
const acme = (organization: object): object => ({ name: 'acme', ...organization });
const people = (...list: Person[]): object => acme({ users: list.map(person) });
const channels = (list: Readonly<Record<string, string>>): object =>
  acme({ resources: Object.entries(list).map(([identifier, channel]) => ({ identifier, channel })) });

interface Options {
  readonly prune?: boolean;
}

/** Applies both files, and requires that the second one is the end: another apply changes nothing. */
async function reach(administration: Administration, files: [object, object], options: Options = {}) {
  const [first, second] = files.map((organization) => fileOf({ organizations: [organization] }));
  assert.ok(first && second);
  await administration.apply(first);
  const planned = await administration.apply(second, { ...options, dryRun: true });
  const { changes } = await administration.apply(second, options);
  assert.deepEqual(
    changes.map(({ action, name }) => `${action} ${name}`),
    planned.changes.map(({ action, name }) => `${action} ${name}`),
  );
  assert.deepEqual((await administration.apply(second, options)).changes, []);
}

async function open(t: TestContext): Promise<Administration> {
  return openAdministration(t, await storageForTests());
}

/** Number of writes so far: versions only grow. */
async function writesIn({ storage }: Administration): Promise<number> {
  let sum = 0;
  for (const collection of COLLECTIONS) {
    const { items } = await storage.directory[collection].page({ limit: 100 });
    for (const { version } of items) sum += version;
  }
  return sum;
}

async function requireNothingWritten(administration: Administration, organization: object, options = {}) {
  const before = await writesIn(administration);
  const problems = await refusal(
    administration.apply(fileOf({ organizations: [organization, { name: 'fresh' }] }), options),
  );
  assert.equal(await writesIn(administration), before);
  return problems;
}

async function user({ storage }: Administration, username: string) {
  const { items } = await storage.directory.users.page({ limit: 100 });
  return items.find((each) => each.username === username) ?? assert.fail(username);
}

describe(`values that are handed over, ${STORE}`, () => {
  test('an email address goes to another user, whatever the order of the file', async (t) => {
    const administration = await open(t);
    const [ann, bob] = [{ username: 'ann', email: 'a@acme.example' }, { username: 'bob' }];
    const [given, taken] = [
      { ...ann, email: 'new@acme.example' },
      { ...bob, email: ann.email },
    ];
    await reach(administration, [people(ann, bob), people(given, taken)]);
    await reach(administration, [people(given, taken), people({ ...bob, email: 'b@acme.example' }, ann)]);
    assert.equal((await user(administration, 'ann')).email, ann.email);
  });

  test('users swap their email addresses and identities', async (t) => {
    const administration = await open(t);
    const one = { email: 'a@acme.example', subjects: ['s1', 's2'] };
    const other = { email: 'b@acme.example', subjects: ['s3'] };
    const [ann, bob] = [{ username: 'ann' }, { username: 'bob' }];
    await reach(administration, [
      people({ ...ann, ...one }, { ...bob, ...other }),
      people({ ...ann, ...other }, { ...bob, ...one }),
    ]);
    const { email, identities } = await user(administration, 'bob');
    assert.equal(email, one.email);
    assert.deepEqual(
      identities?.map(({ subject }) => subject),
      one.subjects,
    );
  });

  test('administrators swap their email addresses', async (t) => {
    const administration = await open(t);
    const file = (one: string, other: string) =>
      fileOf({
        administrators: [
          { username: 'root', email: one, password: PASSWORD },
          { username: 'zoe', email: other, password: PASSWORD },
        ],
      });
    await administration.apply(file('a@acme.example', 'b@acme.example'));
    const swapped = file('b@acme.example', 'a@acme.example');
    await administration.apply(swapped);
    assert.deepEqual((await administration.apply(swapped)).changes, []);
  });

  test('an email address becomes the name of another user', async (t) => {
    const administration = await open(t);
    const ann = { username: 'ann', email: 'a@acme.example' };
    const named = { username: ann.email };
    await reach(administration, [people(ann), people({ ...ann, email: 'new@acme.example' }, named)]);
    const addressed = { username: 'bob', email: ann.email };
    await reach(administration, [people(named), people(addressed)], { prune: true });
  });

  test('the verification of an email address does not go with it', async (t) => {
    const administration = await open(t);
    const [ann, bob] = [
      { username: 'ann', email: 'a@acme.example' },
      { username: 'bob', email: 'b@acme.example' },
    ];
    const verified = acme({ users: [ann, bob].map((each) => ({ ...person(each), emailVerified: true })) });
    const swapped = people({ ...ann, email: bob.email }, { ...bob, email: ann.email });
    await reach(administration, [verified, swapped]);
    assert.equal((await user(administration, 'ann')).emailVerified, false);
  });

  test('resources swap their channels, or hand them on to an earlier one', async (t) => {
    const administration = await open(t);
    await reach(administration, [
      channels({ 'urn:a': 'one', 'urn:b': 'two' }),
      channels({ 'urn:a': 'two', 'urn:b': 'one' }),
    ]);
    const after = channels({ 'urn:a': 'one', 'urn:b': 'three' });
    await reach(administration, [channels({ 'urn:a': 'two', 'urn:b': 'one' }), after]);
  });

  test('a channel of a pruned resource is free although applications named it', async (t) => {
    const administration = await open(t);
    const file = (identifier: string) =>
      acme({
        resources: [{ identifier, channel: 'news' }],
        applications: [{ name: 'shop', clientId: 'shop', resources: { [identifier]: { isAdmin: true } } }],
      });
    await reach(administration, [file('urn:old'), file('urn:new')], { prune: true });
  });

  test('an owner who is pruned leaves the email address to the next owner', async (t) => {
    const administration = await open(t);
    const owner = { email: 'owner@acme.example', subjects: ['s1'], roles: ['owner'] };
    const files: [object, object] = [
      people({ username: 'olga', ...owner }),
      people({ username: 'zoe', ...owner }),
    ];
    await reach(administration, files, { prune: true });
    assert.deepEqual((await user(administration, 'zoe')).identities, [{ issuer: IDP, subject: 's1' }]);
  });

  test('a value that two would have is told before the first write', async (t) => {
    const administration = await open(t);
    const before = people({ username: 'ann', email: 'a@acme.example', subjects: ['s1'] });
    await administration.apply(fileOf({ organizations: [before] }));
    const after = people({ username: 'bob', email: 'a@acme.example', subjects: ['s1'] });
    assert.deepEqual(await requireNothingWritten(administration, after), [
      "user acme/bob: the email address is ann's already",
      `user acme/bob: the identity s1 of ${IDP} is ann's already`,
    ]);
  });

  test('a client id that the application of the last owner leaves is told before', async (t) => {
    const administration = await open(t);
    const [olga, zoe] = ['olga', 'zoe'].map((username) => ({ username, roles: ['owner'] }));
    assert.ok(olga && zoe);
    const file = (name: string, owner: Person) =>
      acme({ applications: [{ name, clientId: 'shop' }], users: [person(owner)] });
    const before = file('desk', { ...olga, application: 'desk' });
    await administration.apply(fileOf({ organizations: [before] }));
    const after = file('front', { ...zoe, application: 'front' });
    const problems = await requireNothingWritten(administration, after, { prune: true });
    assert.match(String(problems), LAST);
    const both = file('desk', { ...olga, application: 'desk' });
    const withZoe = { ...both, users: [person({ ...olga, application: 'desk' }), person(zoe)] };
    await reach(administration, [withZoe, file('front', zoe)], { prune: true });
  });
});
