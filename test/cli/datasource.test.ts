import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import bcrypt from 'bcrypt';
import { openTerminal } from './run.ts';

const FILE = {
  organizations: [
    {
      name: 'acme',
      resources: [{ identifier: 'https://api.acme.example/', tables: [{ id: 'orders' }] }],
      roles: [{ name: 'clerk', permissions: { tables: { orders: { read: true } } } }],
      datasources: [
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
              activeColumn: 'active',
              roles: ['clerk'],
            },
          ],
        },
      ],
    },
  ],
};

test('CN-06 an operator tries a datasource step by step without seeing a password', async (t) => {
  const terminal = await openTerminal(t);
  const folder = join(terminal.dataDir, 'datasources');
  mkdirSync(folder);
  const hash = bcrypt.hashSync('correct-horse', 4);
  const crm = new DatabaseSync(join(folder, 'crm.db'));
  crm.exec('CREATE TABLE customers (id INTEGER, email TEXT, password TEXT, active INTEGER)');
  const insert = crm.prepare('INSERT INTO customers VALUES (?, ?, ?, ?)');
  insert.run(1, 'ann@acme.example', hash, 1);
  insert.run(2, 'bob@acme.example', '5f4dcc3b5aa765d61d8327deb882cf99', 0);
  insert.run(3, 'twin@acme.example', hash, 1);
  insert.run(4, 'twin@acme.example', hash, 1);
  crm.close();
  renameSync(join(folder, 'crm.db'), join(folder, 'later.db'));
  writeFileSync(join(terminal.dataDir, 'acme.json'), JSON.stringify(FILE));
  const applied = await terminal.run(['apply', 'acme.json']);
  assert.equal(applied.code, 0, applied.err);
  assert.match(applied.out + applied.err, /crm cannot be reached .*unverified/);

  const away = await terminal.run(['datasource', 'test', 'acme/crm']);
  assert.equal(away.code, 1);
  assert.match(away.out, /^FAILED {2}It does not answer: crm\.db is not there\.$/m);
  renameSync(join(folder, 'later.db'), join(folder, 'crm.db'));

  const first = await terminal.run(['datasource', 'test', 'acme/crm']);
  assert.deepEqual(first.out.trimEnd().split('\n'), [
    'ok      It answers, as sqlite.',
    'ok      main.customers has the columns email, password, id, active.',
    'ok      Its tables are verified: people can log in.',
  ]);
  assert.equal(first.code, 0);

  const as = (user: string, input: string) =>
    terminal.run(['datasource', 'test', 'acme/crm', '--as', user], { input });
  const right = await as('ann@acme.example', 'correct-horse\n');
  assert.equal(right.code, 0, right.out);
  assert.match(right.out, /^ok {6}The row is datasource:[0-9a-f-]{36}\/[\w-]{11}\/1\.$/m);
  assert.match(right.out, /^ok {6}Its stored password looks like bcrypt, cost 04\.$/m);
  assert.match(right.out, /^ok {6}The password is right\.$/m);
  assert.match(right.out, /^ok {6}It gives the roles clerk\.$/m);
  const wrong = await as('ann@acme.example', 'wrong');
  assert.equal(wrong.code, 1);
  assert.match(wrong.out, /^FAILED {2}The password is wrong\.$/m);
  const other = await as('bob@acme.example', '');
  assert.match(other.out, /looks like a digest of 128 bits/);
  assert.match(other.out, /^FAILED {2}It is not of the declared format bcrypt/m);
  assert.match(other.out, /^FAILED {2}The row is not active\.$/m);
  assert.match((await as('twin@acme.example', '')).out, /^FAILED {2}More than one row/m);
  assert.match((await as('nobody', '')).out, /^FAILED {2}No row of main\.customers/m);
  for (const { out, err } of [right, wrong, other]) {
    assert.ok(!`${out}${err}`.includes(hash) && !`${out}${err}`.includes('correct-horse'));
  }

  assert.equal((await terminal.run(['datasource', 'test', 'acme/none'])).code, 1);
  assert.equal((await terminal.run(['datasource', 'try', 'acme/crm'])).code, 2);
});
