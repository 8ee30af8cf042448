/** A search for ways to more rights: random administrators make up to four changes that are allowed to them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Actor } from '../../../src/admin/rights/actor.ts';
import { findReach } from '../../../src/admin/rights/find-actor.ts';
import { createGuards } from '../../../src/admin/rights/guards.ts';
import { DomainError } from '../../../src/errors/domain.ts';
import type { Application, Role, User } from '../../../src/nouns/index.ts';
import { fromStored } from '../../../src/permissions/stored.ts';
import { type Reach, reaches, reachOfRights, uniteReach } from '../../../src/rights/reach.ts';
import { findHeld, findRights } from '../../../src/rights/rights.ts';
import fc from '../../support/properties.ts';
import { fileOf, openAdministration } from '../fixture.ts';

/** The whole search takes minutes; one percent of it finds a hole that is wide. */
const RUNS = process.env.GRANTABLE_TEST_FIGURES === undefined ? 20 : 2_000;
const API = 'https://api.test/';
const ALL = { create: true, read: true, update: true, delete: true };
const READ = { read: true };

/** Rights that a role or a ceiling may get. */
const RIGHTS = [
  { isAdmin: false, tables: [] },
  { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] },
  { isAdmin: false, tables: [{ table: 'users', actions: 'ru' }] },
  { isAdmin: false, tables: [{ table: '*', actions: 'crud' }] },
  { isAdmin: true, tables: [] },
] as const;

const step = fc.record({
  what: fc.constantFrom('give', 'role', 'hand out', 'ceiling', 'exchange', 'group', 'password', 'attribute'),
  whom: fc.nat(6),
  to: fc.nat(7),
  rights: fc.constantFrom(...RIGHTS),
});

test('no four allowed changes lead above what an administrator had', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(6), fc.array(step, { minLength: 1, maxLength: 4 }), async (who, steps) => {
      await using ending = new AsyncDisposableStack();
      const administration = await openAdministration({ after: (end) => ending.defer(end) });
      const { apply, store, world, changes, directory, issuer } = administration;
      const admin = `${issuer}/admin/acme`;
      const person = (username: string, ...roles: string[]) => ({ username, passwordHash: HASH, roles });
      await apply(
        fileOf({
          organizations: [
            {
              name: 'acme',
              resources: [{ identifier: API, tables: [{ id: 'orders' }, { id: 'staff' }] }],
              roles: [
                { name: 'looker', resource: API, permissions: { tables: { orders: READ } } },
                { name: 'boss', resource: API, permissions: { tables: { '*': ALL } } },
                {
                  name: 'desk',
                  resource: admin,
                  permissions: { tables: { users: ALL, roles: ALL, applications: ALL, resources: ALL } },
                  mayGrant: { [API]: { permissions: { tables: { orders: READ } } } },
                },
              ],
              applications: [
                { name: 'console', resource: admin, permissions: { tables: { '*': ALL } } },
                { name: 'plain', permissions: { tables: {} }, resource: API },
              ],
              users: [
                person('olga', 'owner'),
                person('mia', 'maintainer'),
                person('aude', 'auditor'),
                person('dev', 'developer'),
                person('dora', 'desk'),
                person('bob', 'boss', 'desk'),
                person('ann'),
              ],
            },
          ],
        }),
      );
      const organization = await store.organizations.findBy('name', 'acme');
      assert.ok(organization);
      const { id } = organization;
      const users = (await store.users.page({ limit: 10, organization: id })).items;
      const resource = await store.resources.findBy('identifier', admin);
      const api = await store.resources.findBy('identifier', API);
      assert.ok(resource && api);
      const bearer = users[who] as User;
      const { permissions } = await findHeld(await directory.view(), bearer, resource);
      const reach = await findReach(permissions, resource, bearer, world);
      const actor: Actor = {
        author: { actor: bearer.id },
        key: bearer.id,
        permissions,
        reach,
        organization,
        isDangerous: true,
      };
      const data = await findHeld(await directory.view(), bearer, api);
      const most: Reach = uniteReach([reach, reachOfRights(api, data)]);
      const guards = createGuards({ ...administration });
      const touched = new Set<string>();

      async function attempt(
        collection: 'users' | 'roles' | 'applications' | 'resources',
        noun: any,
        change: object,
      ) {
        const wanted = { ...noun, ...change };
        if (permissions.cell(collection, 'update').length === 0) return;
        try {
          await guards.requireChange(actor, collection, noun, wanted);
          await changes[collection].replace(wanted as never, actor.author);
          touched.add(noun.id);
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
        }
      }

      for (const { what, whom, to, rights } of steps) {
        const roles: Role[] = (await store.roles.page({ limit: 10, organization: id })).items;
        const builtIn = await Promise.all(
          ['owner', 'maintainer', 'auditor', 'developer'].map((name) =>
            store.roles.findBy('name', `${id}/${name}`),
          ),
        );
        const all = [...roles, ...builtIn.flatMap((each) => each ?? [])];
        const applications: Application[] = (await store.applications.page({ limit: 10, organization: id }))
          .items;
        const user = await store.users.get((users[whom] as User).id);
        const role = roles[to % roles.length] as Role;
        const application = applications[whom % applications.length] as Application;
        const current = await store.resources.findBy('identifier', API);
        if (what === 'give') await attempt('users', user, { roles: [all[to % all.length]?.id] });
        if (what === 'password') await attempt('users', user, { displayName: `${to}`, passwordHash: HASH });
        if (what === 'attribute') await attempt('users', user, { attributes: { customer: `${to}` } });
        if (what === 'role') await attempt('roles', role, { permissions: rights });
        if (what === 'hand out') {
          await attempt('roles', role, { mayGrant: [{ resource: API, permissions: rights, scopes: [] }] });
        }
        if (what === 'ceiling') {
          const named = to % 2 === 0 ? admin : API;
          await attempt('applications', application, {
            resource: named,
            ceilings: [{ resource: named, permissions: rights }],
          });
        }
        if (what === 'exchange') {
          await attempt('applications', application, {
            mayExchange: [applications[to % applications.length]?.id],
          });
        }
        if (what === 'group')
          await attempt('resources', current, { groups: [{ id: 'g', tables: ['staff'] }] });
      }

      const view = await directory.view();
      for (const on of [resource, await store.resources.findBy('identifier', API)]) {
        assert.ok(on);
        for (const { id: one } of users) {
          const user = await store.users.get(one);
          if (!user || (!touched.has(one) && one !== bearer.id)) continue;
          const held = await findHeld(view, user, on);
          assert.ok(reaches(most, reachOfRights(on, held)), `${bearer.username} as ${user.username}`);
        }
        for (const application of (await store.applications.page({ limit: 10, organization: id })).items) {
          const rights = touched.has(application.id) && (await findRights(view, application, on));
          if (rights) assert.ok(reaches(most, reachOfRights(on, rights)), application.name);
        }
      }
      for (const each of (await store.roles.page({ limit: 10, organization: id })).items) {
        if (!touched.has(each.id)) continue;
        const named = await store.resources.findBy('identifier', each.resource);
        const held = { permissions: fromStored(each.permissions), scopes: new Set<string>() };
        if (named) assert.ok(reaches(most, reachOfRights(named, held)), `role ${each.name}`);
      }
    }),
    { numRuns: RUNS },
  );
});

const HASH = '$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234';
