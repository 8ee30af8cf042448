/** A datasource of customers for whole-server tests: the SQLite file `crm.db` and how an apply file registers it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import bcrypt from 'bcrypt';

/** Writes the file, with one customer: id 7, `eve@acme.example`. */
export function writeCrm(dataDir: string, password: string): void {
  const folder = join(dataDir, 'datasources');
  mkdirSync(folder);
  const crm = new DatabaseSync(join(folder, 'crm.db'));
  crm.exec('CREATE TABLE customers (id INTEGER, email TEXT, password TEXT)');
  crm.prepare('INSERT INTO customers VALUES (7, ?, ?)').run('eve@acme.example', bcrypt.hashSync(password, 4));
  crm.close();
}

/** @param realm the application whose users the customers are; they have the role `reader` */
export function crmDatasource(realm: string) {
  return {
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
        realm,
      },
    ],
  };
}
