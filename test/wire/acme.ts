/**
 * The organization that most recordings speak of: one application `shop` with the users ann, bob and dan, who is
 * disabled, the server `shop-api` of its resource, and root, who administers it. Another organization has an ann too.
 */
import { PASSWORD, REDIRECT_URI } from '../support/server.ts';
import type { Fixture } from './stage.ts';

interface World {
  /** Settings of faces, by their names. */
  readonly faces: object;
  readonly facesOfOther?: object;
  /** What the users have beside names and passwords, by their names. */
  readonly users?: Readonly<Record<string, object>>;
  /** Further applications, as `shop` is but for what they say. */
  readonly applications?: readonly object[];
  readonly env?: Fixture['env'];
}

const GRANTS = [
  'client_credentials',
  'password',
  'refresh_token',
  'authorization_code',
  'database_user',
  'token_exchange',
];

/** Leaves of an organization one application with its users, and the server of the resource. */
function narrow(organization: any, shop: string, api: string): any {
  const named = (name: string) => organization.applications.find((each: any) => each.name === name);
  organization.applications = [named(shop), named(api)];
  organization.users = organization.users.filter(({ application }: any) => application === shop);
  organization.resources = organization.resources.slice(0, 1);
  named(api).introspects = named(api).introspects.slice(0, 1);
  return named(shop);
}

export const acmeWith = ({
  faces,
  facesOfOther,
  users = {},
  applications = [],
  env = {},
}: World): Fixture => ({
  env: { GRANTABLE_HOSTS: 'other.localhost', ...env },
  change(fixture) {
    const [acme, other] = fixture.organizations;
    const shop = narrow(acme, 'shop', 'shop-api');
    Object.assign(shop, { grants: GRANTS, redirectUris: [REDIRECT_URI] });
    delete shop.resources;
    acme.applications.push(...applications.map((each) => ({ ...shop, ...each })));
    acme.faces = faces;
    acme.clientId = 'acme-org';
    acme.clientSecret = 'secret-of-acme-org-'.padEnd(40, 'x');
    acme.users.push({
      username: 'dan',
      password: PASSWORD,
      email: 'dan@acme.example',
      application: 'shop',
      roles: ['clerk'],
      enabled: false,
    });
    for (const [username, rest] of Object.entries(users)) {
      const user = acme.users.find((each: any) => each.username === username);
      if (user) Object.assign(user, rest);
      else acme.users.push({ username, password: PASSWORD, application: 'shop', roles: ['reader'], ...rest });
    }
    narrow(other, 'other-shop', 'other-api').grants = GRANTS.slice(0, 3);
    other.hosts = ['other.localhost'];
    if (facesOfOther) other.faces = facesOfOther;
    fixture.administrators = [
      {
        username: 'root',
        password: 'correct-horse-battery-root',
        email: 'root@acme.example',
        displayName: 'Root Admin',
        organizations: ['acme'],
      },
    ];
  },
});
