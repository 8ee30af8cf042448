/** Random files, and random parts of them that are applied with `--prune` while people and faces have things there too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeApplyFile } from '../../src/apply/write-file.ts';
import { authorOf } from '../../src/changes/author.ts';
import type { Organization, Realm } from '../../src/nouns/index.ts';
import { type Administration, fileOf, openAdministration } from '../admin/fixture.ts';
import fc from '../support/properties.ts';

const RUNS = 15;
const PASSWORD = 'correct-horse-battery';
const REQUEST = { address: '192.0.2.1' };
const PERSON = authorOf(REQUEST, { user: 'ann' });
const FACE = authorOf(REQUEST, { client: 'shop' });

/** Each noun of the whole file, with the numbers of those that it names, and whether the second file has it. */
const NOUN = fc.record({ to: fc.nat(), also: fc.array(fc.nat(), { maxLength: 2 }), isKept: fc.boolean() });
const nouns = (maxLength: number) => fc.array(NOUN, { maxLength });
const CONTENT = fc.record({
  resources: fc.array(NOUN, { minLength: 1, maxLength: 3 }),
  roles: nouns(4),
  applications: nouns(4),
  users: nouns(3),
  connections: nouns(3),
});
type Content = typeof CONTENT extends fc.Arbitrary<infer T> ? T : never;

/** The whole file, and the part of it that is kept: a noun that names another one is kept only with it. */
function parts(name: string, content: Content) {
  const resources = content.resources.map(({ isKept }, index) => ({
    name: `https://${name}.example/${index}`,
    isKept: isKept || index === 0,
  }));
  const roles = standOn(resources, 'role', content.roles);
  const applications = standOn(resources, `${name}-app`, content.applications);
  const connections = standOn(applications, 'link', content.connections);
  const file = (has: (noun: { isKept: boolean }) => boolean) => {
    const listed = <T extends { name: string; isKept: boolean }>(
      list: readonly T[],
      which: readonly number[],
    ) => [
      ...new Set(
        which
          .flatMap((number) => list[number % list.length] ?? [])
          .filter(has)
          .map((each) => each.name),
      ),
    ];
    return {
      name,
      resources: resources.filter(has).map((each) => ({ identifier: each.name })),
      roles: roles.filter(has).map((each) => ({ name: each.name, resource: each.base })),
      applications: applications.filter(has).map((each) => ({
        name: each.name,
        clientId: each.name,
        authMethod: 'none',
        resource: each.base,
        permissions: { isAdmin: true, tables: {} },
        mayExchange: listed(applications, each.also),
      })),
      users: content.users.flatMap((each, index) =>
        has(each) ? [{ username: `user${index}`, password: PASSWORD, roles: listed(roles, each.also) }] : [],
      ),
      connections: connections.filter(has).map((each) => ({ name: each.name, application: each.base })),
    };
  };
  return { whole: file(() => true), part: file(({ isKept }) => isKept) };
}

function standOn(
  bases: readonly { name: string; isKept: boolean }[],
  prefix: string,
  nouns: Content['roles'],
): { name: string; base: string; also: readonly number[]; isKept: boolean }[] {
  return nouns.flatMap(({ to, also, isKept }, index) => {
    const base = bases[to % bases.length];
    return base ? [{ name: `${prefix}${index}`, base: base.name, also, isKept: isKept && base.isKept }] : [];
  });
}

type Part = ReturnType<typeof parts>['part'];

/** Nouns of people and faces that stand on what the second file keeps. */
async function addOthers(
  administration: Administration,
  { name, applications: [kept] }: Part,
): Promise<void> {
  const { changes, storage } = administration;
  const { id } = await requireOrganization(administration, name);
  const client = kept && (await storage.directory.applications.findBy('clientId', kept.clientId));
  const realms: Realm[] = [`organization:${id}`];
  if (client) realms.push(`application:${client.id}`);
  for (const realm of realms) {
    const names = { username: 'eve', canonicalUsername: 'eve' };
    const rest = { emailVerified: false, secondFactor: false, roles: [], administers: [] };
    await changes.users.create({ enabled: true, organization: id, realm, ...names, ...rest }, PERSON);
  }
  const permissions = { isAdmin: false, tables: [] };
  const resource = `https://${name}.example/0`;
  await changes.roles.create(
    {
      enabled: true,
      organization: id,
      name: 'made',
      default: false,
      resource,
      scopes: [],
      permissions,
    },
    FACE,
  );
}

test('a part that is pruned equals a fresh apply of it, with what others made', async (t) => {
  const [pruned, fresh] = [await openAdministration(t), await openAdministration(t)];
  let run = 0;
  let removals = 0;
  await fc.assert(
    fc.asyncProperty(CONTENT, async (content) => {
      run += 1;
      const { whole, part } = parts(`o${run}`, content);
      const [all, some] = [whole, part].map((each) => fileOf({ organizations: [each] })) as [any, any];
      await pruned.apply(all);
      await addOthers(pruned, part);
      const { changes } = await pruned.apply(some, { prune: true });
      removals += changes.filter(({ action }) => action === 'removed').length;
      assert.deepEqual((await pruned.apply(some, { prune: true })).changes, []);
      await fresh.apply(some);
      await addOthers(fresh, part);
      assert.equal(await written(pruned, `o${run}`), await written(fresh, `o${run}`));
    }),
    { numRuns: RUNS },
  );
  assert.ok(removals > RUNS, `${removals} removals`);
  t.diagnostic(`${removals} removals in ${run} files`);
});

async function requireOrganization({ storage }: Administration, name: string): Promise<Organization> {
  const organization = await storage.directory.organizations.findBy('name', name);
  assert.ok(organization);
  return organization;
}

async function written(administration: Administration, name: string): Promise<string> {
  const organization = await requireOrganization(administration, name);
  return writeApplyFile(organization, administration.storage.directory, { accessTokenTtl: 600 });
}
