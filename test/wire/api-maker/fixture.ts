/** An organization with a user, and with the customers of a shop in a database of its own. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import bcrypt from 'bcrypt';
import type { Fixture, Fixtures } from '../stage.ts';

const world = (settings: object = {}): Fixture => ({
  prepare(dataDir) {
    const folder = join(dataDir, 'datasources');
    mkdirSync(folder);
    const crm = new DatabaseSync(join(folder, 'crm.db'));
    crm.exec('CREATE TABLE customers (id INTEGER, email TEXT, password TEXT)');
    const hash = bcrypt.hashSync('open-sesame', 4);
    crm.prepare('INSERT INTO customers VALUES (7, ?, ?)').run('eve@acme.example', hash);
    crm.close();
  },
  change(fixture) {
    const [acme] = fixture.organizations;
    acme.applications.find(({ name }: { name: string }) => name === 'shop').grants.push('database_user');
    acme.faces = { apiMaker: { application: 'shop', ...settings } };
    acme.datasources = [
      {
        name: 'crm',
        kind: 'sqlite',
        file: 'crm.db',
        userTables: [
          {
            collection: 'customers',
            usernameColumn: 'email',
            passwordColumn: 'password',
            passwordFormat: 'bcrypt',
            subjectColumn: 'id',
            roles: ['reader'],
            realm: 'shop',
          },
        ],
      },
    ];
  },
});

export const fixtures: Fixtures = {
  default: world(),
  'an empty authTokenInfo': world({ authTokenInfo: [] }),
  'off for the organization': world({ enabled: false }),
};
