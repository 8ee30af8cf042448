import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createApply } from '../../src/apply/apply.ts';
import { formatReport } from '../../src/apply/report.ts';
import { type Author, authorOf } from '../../src/changes/author.ts';
import type { Changes } from '../../src/changes/changes.ts';
import { COLLECTIONS, type CollectionName, type Nouns, nameOf } from '../../src/nouns/index.ts';
import { type Administration, fileOf, openAdministration, refusal } from '../admin/fixture.ts';

const [API, OLD_API] = ['https://api.acme.example/', 'https://old.acme.example/'];
const EVERYTHING = { isAdmin: true, tables: {} };
const PERSON = authorOf({ address: '192.0.2.1' }, { user: 'ann' });

/** An organization with two of each kind; the second ones stand in lists of their own below. */
const KEPT = {
  name: 'acme',
  resources: [{ identifier: API }],
  roles: [{ name: 'reader', resource: API }],
  applications: [
    { name: 'shop', clientId: 'shop', grants: ['token_exchange'], resource: API, permissions: EVERYTHING },
  ],
  users: [{ username: 'ann', roles: ['reader'] }],
  connections: [{ name: 'site', application: 'shop', resource: API }],
  datasources: [{ name: 'crm', kind: 'sqlite', file: 'crm.db' }],
  webhooks: [{ name: 'crm', url: 'https://crm.example/', events: ['*'] }],
};
const LEFT_OUT = {
  resources: [{ identifier: OLD_API }],
  roles: [{ name: 'old', resource: OLD_API }],
  applications: [
    {
      name: 'kiosk',
      clientId: 'kiosk',
      grants: ['token_exchange'],
      resource: OLD_API,
      permissions: EVERYTHING,
    },
  ],
  users: [{ username: 'bob', application: 'kiosk', roles: ['old'] }],
  connections: [{ name: 'door', application: 'kiosk', owner: 'bob' }],
  datasources: [{ name: 'erp', kind: 'sqlite', file: 'erp.db' }],
  webhooks: [{ name: 'erp', url: 'https://erp.example/', events: ['*'] }],
};
type List = keyof typeof LEFT_OUT;
const LISTS = Object.keys(LEFT_OUT) as List[];

const both = (list: List): object[] => [...KEPT[list], ...LEFT_OUT[list]];
const WHOLE = { ...KEPT, ...Object.fromEntries(LISTS.map((list) => [list, both(list)])) };

const acme = (organization: object) => fileOf({ organizations: [{ name: 'acme', ...organization }] });

async function openWhole(t: TestContext, organization: object = WHOLE): Promise<Administration> {
  const administration = await openAdministration(t);
  await administration.apply(acme(organization));
  return administration;
}

async function namesIn({ storage }: Administration): Promise<Record<string, string[]>> {
  const names: Record<string, string[]> = {};
  for (const collection of COLLECTIONS) {
    const { items } = await storage.directory[collection].page({ limit: 100 });
    names[collection] = items.map((noun) => nameOf(noun as Nouns[CollectionName])).sort();
  }
  return names;
}

async function find<C extends CollectionName>(
  { storage }: Administration,
  collection: C,
  name: string,
): Promise<Nouns[C]> {
  const { items } = await storage.directory[collection].page({ limit: 100 });
  const noun = items.find((each) => nameOf(each as Nouns[CollectionName]) === name);
  assert.ok(noun, `${collection} ${name}`);
  return noun as Nouns[C];
}

/** A user of the application who registered. */
async function register(administration: Administration, application: string, username: string) {
  const { id, organization } = await find(administration, 'applications', application);
  return administration.changes.users.create(
    {
      enabled: true,
      organization,
      realm: `application:${id}`,
      username,
      canonicalUsername: username,
      emailVerified: false,
      secondFactor: false,
      roles: [],
      administers: [],
    },
    PERSON,
  );
}

test('pruning removes what the file leaves out, in an order that references allow', async (t) => {
  const administration = await openWhole(t);
  const report = await administration.apply(acme(KEPT), { prune: true });
  assert.deepEqual(formatReport(report), [
    '- webhook acme/erp',
    '- datasource acme/erp',
    '- connection acme/door',
    '- user acme/kiosk/bob',
    '- application acme/kiosk',
    '- role acme/old',
    `- resource ${OLD_API}`,
    '0 added, 0 changed, 7 removed, 8 left as they are',
  ]);
  assert.deepEqual(await namesIn(administration), {
    organizations: ['acme'],
    resources: [API],
    roles: ['reader'],
    applications: ['shop'],
    users: ['ann'],
    connections: ['site'],
    datasources: ['crm'],
    webhooks: ['crm'],
  });
  assert.deepEqual((await administration.apply(acme(KEPT), { prune: true })).changes, []);
});

test('without prune nothing is removed', async (t) => {
  const administration = await openWhole(t);
  const before = await namesIn(administration);
  assert.deepEqual((await administration.apply(acme(KEPT))).changes, []);
  assert.deepEqual(await namesIn(administration), before);
});

test('a dry run says what would be removed, and writes nothing', async (t) => {
  const administration = await openWhole(t);
  const { storage, apply, config } = administration;
  const [before, revision] = [await namesIn(administration), await storage.directory.revision()];
  const secrets = await readFile(join(config.dataDir, 'generated-secrets.txt'), 'utf8');
  const lines = formatReport(await apply(acme(KEPT), { prune: true, dryRun: true }));
  assert.deepEqual(lines.slice(-2), [
    `- resource ${OLD_API}`,
    '0 would be added, 0 would be changed, 7 would be removed, 8 left as they are',
  ]);
  assert.deepEqual(await namesIn(administration), before);
  assert.equal(await storage.directory.revision(), revision);
  assert.equal(await readFile(join(config.dataDir, 'generated-secrets.txt'), 'utf8'), secrets);
});

test('an absent list prunes nothing, and an empty one all that apply made', async (t) => {
  const administration = await openWhole(t);
  const { apply } = administration;
  const before = await namesIn(administration);
  assert.deepEqual((await apply(acme({}), { prune: true })).changes, []);
  assert.deepEqual(await namesIn(administration), before);
  await apply(acme({ connections: [], users: [] }), { prune: true });
  assert.deepEqual(await namesIn(administration), { ...before, connections: [], users: [] });
  await apply(acme(Object.fromEntries(LISTS.map((list) => [list, []]))), { prune: true });
  const nothing = Object.fromEntries(COLLECTIONS.map((collection) => [collection, []]));
  assert.deepEqual(await namesIn(administration), { ...nothing, organizations: ['acme'] });
});

test('organizations, their own clients and administrators are never pruned', async (t) => {
  const administration = await openAdministration(t);
  const file = { organizations: [{ ...KEPT, clientId: 'acme' }, { name: 'other' }] };
  await administration.apply(fileOf({ ...file, administrators: [{ username: 'root' }] }));
  const before = await namesIn(administration);
  await administration.apply(fileOf({ organizations: [KEPT], administrators: [] }), { prune: true });
  assert.deepEqual(await namesIn(administration), before);
});

test("another organization's nouns are not pruned", async (t) => {
  const administration = await openWhole(t);
  await administration.apply(fileOf({ organizations: [{ name: 'other', users: [{ username: 'eve' }] }] }));
  await administration.apply(acme({ connections: [], users: [] }), { prune: true });
  assert.deepEqual((await namesIn(administration)).users, ['eve']);
});

test('nouns that others made, or of unknown makers, are never pruned', async (t) => {
  for (const managedBy of ['api', 'person', 'face', 'agent', undefined] as const) {
    const administration = await openWhole(t);
    const { directory } = administration.storage;
    for (const collection of COLLECTIONS) {
      for (const noun of (await directory[collection].page({ limit: 100 })).items) {
        const { managedBy: _, ...made } = noun;
        await directory[collection].replace({ ...made, ...(managedBy && { managedBy }) } as never);
      }
    }
    const before = await namesIn(administration);
    const { changes } = await administration.apply(acme({ ...KEPT, connections: [], users: [] }), {
      prune: true,
    });
    assert.deepEqual(
      changes.filter(({ action }) => action === 'removed'),
      [],
    );
    assert.deepEqual(await namesIn(administration), before, managedBy);
  }
});

test('a noun that stays and needs a removed one is a problem before the first write', async (t) => {
  const cases: [file: object, ...problems: RegExp[]][] = [
    [
      { applications: KEPT.applications },
      /^application acme\/kiosk .* by connection acme\/door, user acme\/kiosk\/bob:/,
    ],
    [{ resources: KEPT.resources }, new RegExp(`^resource ${OLD_API} .* by .*role acme/old`)],
    [{ ...KEPT, users: [{ username: 'ann', roles: ['old'] }] }, /^role acme\/old .* by user acme\/ann:/],
    [{ ...KEPT, connections: LEFT_OUT.connections }, /^user acme\/kiosk\/bob .* by connection acme\/door:/],
    [
      { ...KEPT, faces: { fusio: { application: 'kiosk' } } },
      /^application acme\/kiosk .* by organization acme:/,
    ],
    [
      {
        ...KEPT,
        applications: both('applications'),
        faces: { devicehive: { application: 'kiosk', plugins: [{ topic: 'news', creator: 'bob' }] } },
      },
      /^user acme\/kiosk\/bob .* by organization acme:/,
    ],
    [
      { ...KEPT, applications: [{ ...KEPT.applications[0], mayExchange: ['kiosk'] }] },
      /^application acme\/kiosk .* by application acme\/shop:/,
    ],
  ];
  const administration = await openWhole(t);
  const revision = await administration.storage.directory.revision();
  for (const [file, ...wanted] of cases) {
    const problems = await refusal(administration.apply(acme(file), { prune: true }));
    for (const each of wanted)
      assert.ok(
        problems.some((problem) => each.test(problem)),
        problems.join('\n'),
      );
  }
  assert.equal(await administration.storage.directory.revision(), revision);
});

test('the role that users who register get is not pruned without another one', async (t) => {
  const organization = { ...WHOLE, roles: [KEPT.roles[0], { name: 'member', resource: API, default: true }] };
  const administration = await openWhole(t, { ...organization, users: [], connections: [] });
  const file = (role: object) => acme({ roles: [{ ...KEPT.roles[0], ...role }] });
  const [problem] = await refusal(administration.apply(file({}), { prune: true }));
  assert.match(problem ?? '', /^role acme\/member is left out .* users who register get it/);
  await administration.apply(file({ default: true }), { prune: true });
  assert.deepEqual((await namesIn(administration)).roles, ['reader']);
});

test('nouns that the file does not list lose a removed role and partner', async (t) => {
  const administration = await openWhole(t, {
    ...WHOLE,
    users: [{ username: 'ann', roles: ['reader', 'old'] }],
    connections: [],
    applications: [{ ...KEPT.applications[0], mayExchange: ['kiosk'] }, ...LEFT_OUT.applications],
  });
  const { notes } = await administration.apply(
    acme({ ...KEPT, users: undefined, applications: [{ name: 'shop' }] }),
    { prune: true },
  );
  assert.deepEqual(notes, ['role acme/old is taken from one that the file does not list']);
  assert.deepEqual((await find(administration, 'applications', 'shop')).mayExchange, []);
  await administration.apply(acme({ users: [{ username: 'ann' }] }), { prune: true });
});

test('a listed user who says nothing of roles loses a removed one', async (t) => {
  const users = [{ username: 'ann', roles: ['reader', 'old'] }];
  const administration = await openWhole(t, { ...WHOLE, users, connections: [] });
  await administration.apply(acme({ ...KEPT, users: [{ username: 'ann' }] }), { prune: true });
  const { id } = await find(administration, 'roles', 'reader');
  assert.deepEqual((await find(administration, 'users', 'ann')).roles, [id]);
});

test('a user who moves to a new application is pruned where they were', async (t) => {
  const administration = await openWhole(t, { users: [{ username: 'ann', email: 'ann@acme.example' }] });
  const moved = acme({
    applications: [{ name: 'desk', clientId: 'desk' }],
    users: [
      { username: 'ann', application: 'desk' },
      { username: 'bob', email: 'ann@acme.example' },
    ],
  });
  await administration.apply(moved, { prune: true });
  assert.deepEqual((await namesIn(administration)).users, ['ann', 'bob']);
  assert.deepEqual((await administration.apply(moved, { prune: true })).changes, []);
});

test('a resource goes to another organization with two files, as the first one is told', async (t) => {
  const administration = await openWhole(t, { resources: [{ identifier: API }] });
  const file = (here: object[], there: object[]) =>
    fileOf({
      organizations: [
        { name: 'acme', resources: here },
        { name: 'other', resources: there },
      ],
    });
  const both = administration.apply(file([], [{ identifier: API }]), { prune: true });
  assert.deepEqual(await refusal(both), [
    `resource ${API} is another organization's, which this file takes it from: list it here in the next file`,
  ]);
  await administration.apply(file([], []), { prune: true });
  await administration.apply(file([], [{ identifier: API }]), { prune: true });
});

test('an application with people who registered is a problem, not removed with them', async (t) => {
  const administration = await openWhole(t);
  await register(administration, 'kiosk', 'eve');
  const [problem, ...others] = await refusal(administration.apply(acme(KEPT), { prune: true }));
  assert.match(problem ?? '', /^application acme\/kiosk .* needed by user acme\/kiosk\/eve:/);
  assert.deepEqual(others, []);
  assert.deepEqual((await namesIn(administration)).connections, ['door', 'site']);
});

/** Changes that call back before each removal. */
function watched(changes: Changes, before: (collection: CollectionName) => Promise<void>): Changes {
  const entries = Object.entries(changes).map(([collection, nouns]) => [
    collection,
    {
      ...nouns,
      remove: async (noun: Nouns[CollectionName], author: Author) => {
        await before(collection as CollectionName);
        await nouns.remove(noun, author);
      },
    },
  ]);
  return Object.fromEntries(entries);
}

function applierOf({ config, storage, ...rest }: Administration, changes: Changes) {
  const { dataDir, ttl } = config;
  const settings = { dataDir, accessTokenTtl: ttl.accessToken, hosts: [], registration: false };
  return createApply({ ...rest, ...settings, store: storage.directory, changes });
}

test('a person who registers while an application is pruned stays, and so does it', async (t) => {
  const administration = await openWhole(t);
  const changes = watched(administration.changes, async (collection) => {
    if (collection === 'applications') await register(administration, 'kiosk', 'eve');
  });
  const problems = await refusal(applierOf(administration, changes)(acme(KEPT), { prune: true }));
  assert.ok(problems.some((each) => /application acme\/kiosk .* user acme\/kiosk\/eve/.test(each)));
  assert.equal((await find(administration, 'applications', 'kiosk')).enabled, true);
  assert.equal((await find(administration, 'users', 'eve')).enabled, true);
});

test('applying again after an end at any removal comes to the same', async (t) => {
  for (let last = 1; last <= 7; last += 1) {
    const administration = await openWhole(t);
    let removals = 0;
    const ending = watched(administration.changes, async () => {
      removals += 1;
      if (removals === last) throw new Error('the process ends');
    });
    await assert.rejects(applierOf(administration, ending)(acme(KEPT), { prune: true }), /process ends/);
    await administration.apply(acme(KEPT), { prune: true });
    assert.deepEqual((await administration.apply(acme(WHOLE), { dryRun: true })).changes.length, 7);
    assert.deepEqual((await namesIn(administration)).resources, [API]);
  }
});

test('the secrets of what was pruned are marked in the file of generated secrets', async (t) => {
  const administration = await openWhole(t);
  const path = join(administration.config.dataDir, 'generated-secrets.txt');
  await administration.apply(acme(KEPT), { prune: true });
  const marks = (await readFile(path, 'utf8')).split('\n').filter((line) => line.includes('was removed'));
  assert.deepEqual(marks, [
    '# webhook acme/erp: it was removed, and its secrets above are unused',
    '# connection acme/door: it was removed, and its secrets above are unused',
    '# user acme/kiosk/bob: it was removed, and its secrets above are unused',
    '# application acme/kiosk: it was removed, and its secrets above are unused',
  ]);
});

test('a removed noun that is applied again is another one', async (t) => {
  const administration = await openWhole(t);
  const before = await find(administration, 'applications', 'kiosk');
  await administration.apply(acme(KEPT), { prune: true });
  await administration.apply(acme(WHOLE));
  assert.notEqual((await find(administration, 'applications', 'kiosk')).id, before.id);
});

test('a new noun takes the clientId, email address or channel of a pruned one', async (t) => {
  const organization = (suffix: string) => ({
    resources: [{ identifier: `urn:${suffix}`, channel: 'news' }],
    roles: [],
    applications: [{ name: suffix, clientId: 'shop', resource: `urn:${suffix}`, permissions: EVERYTHING }],
    users: [{ username: suffix, email: 'ann@acme.example' }],
    connections: [],
    datasources: [],
  });
  const administration = await openWhole(t, organization('old'));
  await refusal(administration.apply(acme(organization('new'))));
  const dry = await administration.apply(acme(organization('new')), { prune: true, dryRun: true });
  const { changes } = await administration.apply(acme(organization('new')), { prune: true });
  assert.deepEqual(changes, dry.changes);
  const { applications, users, resources } = await namesIn(administration);
  assert.deepEqual([applications, users, resources], [['new'], ['new'], ['urn:new']]);
});

test('lists of management are pruned, and administrators stay', async (t) => {
  const administration = await openAdministration(t);
  const management = {
    roles: [{ name: 'reader' }, { name: 'old' }],
    applications: [
      { name: 'hub', clientId: 'hub' },
      { name: 'old-hub', clientId: 'old-hub' },
    ],
  };
  const administrators = [{ username: 'root', password: 'correct-horse-battery', roles: ['owner', 'old'] }];
  await administration.apply(fileOf({ management, administrators }));
  const none = await administration.apply(fileOf({ management: {} }), { prune: true });
  assert.deepEqual(none.changes, []);
  const [[reader], [hub]] = [management.roles, management.applications];
  const named = fileOf({ management: { roles: [reader] }, administrators });
  assert.match((await refusal(administration.apply(named, { prune: true }))).join(), /old/);
  const left = fileOf({ management: { roles: [reader], applications: [hub] } });
  const report = await administration.apply(left, { prune: true });
  assert.deepEqual(
    report.changes.map(({ name }) => name),
    ['application management/old-hub', 'role management/old'],
  );
  assert.deepEqual(report.notes, ['role management/old is taken from one that the file does not list']);
  assert.deepEqual((await namesIn(administration)).users, ['root']);
});
