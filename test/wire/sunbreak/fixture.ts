/** A vendor's organization, whose application `sites` serves whatever sites connect. */
import type { Fixture, Fixtures } from '../stage.ts';

function sites(name: string, permissions: object): Record<string, unknown> {
  return {
    name: 'sites',
    clientId: name,
    clientSecret: `secret-of-${name}-`.padEnd(40, 'x'),
    grants: ['password', 'token_exchange'],
    permissions,
  };
}

const world = (settings: object = {}, permissions: object = { isAdmin: true, tables: {} }): Fixture => ({
  env: { GRANTABLE_HOSTS: 'other.localhost' },
  change(fixture) {
    const [acme, other] = fixture.organizations;
    acme.applications.push(sites('sites', permissions));
    acme.faces = { sunbreak: { application: 'sites', registration: true, ...settings } };
    other.applications.push(sites('other-sites', { isAdmin: true, tables: {} }));
    other.hosts = ['other.localhost'];
    other.faces = { sunbreak: { application: 'sites', registration: true } };
  },
});

export const fixtures: Fixtures = {
  default: world(),
  expiredAt: world({ expiredAt: true }),
  'no registration': world({ registration: false }),
  'off for the organization': world({ enabled: false }),
  'a narrow ceiling': world(
    {},
    {
      isAdmin: false,
      tables: { 'c0a45736-6225-4fd0-bd3c-70e956b3e9d6': { read: true } },
    },
  ),
};
