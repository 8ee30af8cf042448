/** What an apply file says of the tables of a resource: their columns, groups of them, and the claims that carry rights on them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseApplyFile } from '../../src/apply/file.ts';
import { ApplyFileError } from '../../src/apply/file-error.ts';
import { writeApplyFile } from '../../src/apply/write-file.ts';
import type { Resource } from '../../src/nouns/index.ts';
import { COLUMN_TYPES } from '../../src/permissions/column-types.ts';
import { type Administration, fileOf, openAdministration, refusal } from '../admin/fixture.ts';

const IDENTIFIER = 'urn:acme:db';

const withResource = (members: object) => ({
  organizations: [{ name: 'acme', resources: [{ identifier: IDENTIFIER, ...members }] }],
});

/** The problems of a file with this resource, each as `line:column message`. */
function problemsOf(members: string): string[] {
  const text = `organizations:\n- name: acme\n  resources:\n  - identifier: ${IDENTIFIER}\n    ${members}\n`;
  try {
    parseApplyFile(text, 'acme.yaml');
    return [];
  } catch (error) {
    assert.ok(error instanceof ApplyFileError, String(error));
    return error.lines.map((line) => line.replace(/^acme\.yaml:/, ''));
  }
}

function assertProblem(members: string, expected: RegExp): void {
  const problems = problemsOf(members);
  assert.equal(problems.length, 1, `${members}\n${problems.join('\n')}`);
  assert.match(problems[0] ?? '', expected);
}

async function resourceOf({ storage }: Administration): Promise<Resource> {
  const resource = await storage.directory.resources.findBy('identifier', IDENTIFIER);
  assert.ok(resource);
  return resource;
}

test('a table has columns of every type', () => {
  const columns = COLUMN_TYPES.map((type) => `{ name: ${type}_column, type: ${type} }`);
  assert.deepEqual(problemsOf(`tables: [{ id: orders, columns: [${columns.join(', ')}] }]`), []);
});

test('a column of an unknown type is refused with its line', () => {
  assertProblem(
    'tables: [{ id: orders, columns: [{ name: id, type: int }] }]',
    /^5:\d+ type must be one of text, integer, decimal, boolean, uuid, date, timestamp$/,
  );
});

test('PM-01 hostile names of columns are refused', () => {
  const names = [
    '',
    '*',
    '__proto__',
    'constructor',
    'toString',
    ' id',
    'id\u0000',
    'a\u202eb',
    'x'.repeat(129),
  ];
  for (const name of names) {
    assertProblem(
      `tables: [{ id: orders, columns: [{ name: ${JSON.stringify(name)}, type: text }] }]`,
      /^5:\d+ name must/,
    );
  }
  const allowed = ['Order ID', 'o"r', "o'r", 'a;b', '@id', 'größe', '注文', '__proto', 'x'.repeat(128)];
  const columns = allowed.map((name) => `{ name: ${JSON.stringify(name)}, type: text }`);
  assert.deepEqual(problemsOf(`tables: [{ id: orders, columns: [${columns.join(', ')}] }]`), []);
});

test('a table has at most 1,000 columns, each once', () => {
  const columns = (count: number) =>
    Array.from({ length: count }, (_, index) => `{ name: c${index}, type: text }`).join(', ');
  assert.deepEqual(problemsOf(`tables: [{ id: orders, columns: [${columns(1000)}] }]`), []);
  assertProblem(`tables: [{ id: orders, columns: [${columns(1001)}] }]`, /at most 1000 entries$/);
  assertProblem(
    `tables: [{ id: orders, columns: [${columns(2)}, ${columns(1)}] }]`,
    /columns\[2\] is there twice$/,
  );
});

test('PM-04 a table cannot be called as all tables or as a group', () => {
  assertProblem('tables: [{ id: "*" }]', /^5:20 id must not be .*[*].* every table/);
  assertProblem('tables: [{ id: "@sales" }]', /^5:20 id must not begin with @, which marks groups/);
  assert.deepEqual(problemsOf('tables: [{ id: "**" }, { id: "a@b" }]'), []);
});

test('a group is named as a table is, and once', () => {
  const group = (id: string) =>
    `tables: [{ id: orders }], groups: [{ id: ${JSON.stringify(id)}, tables: [] }]`;
  for (const id of ['', '*', '@sales', 'constructor', ' sales', 'x'.repeat(128)]) {
    assertProblem(group(id).replace(', groups', '\n    groups'), /^6:\d+ id must/);
  }
  assert.deepEqual(problemsOf(group('x'.repeat(127)).replace(', groups', '\n    groups')), []);
  assertProblem(
    'groups: [{ id: sales, tables: [] }, { id: sales, tables: [] }]',
    /^5:\d+ groups\[1\] is there twice$/,
  );
  assertProblem(
    'tables: [{ id: orders }]\n    groups: [{ id: sales, tables: [orders, orders] }]',
    /^6:\d+ tables\[1\] is there twice$/,
  );
});

test('a resource has at most 1,000 groups', () => {
  const groups = (count: number) =>
    `groups: [${Array.from({ length: count }, (_, index) => `{ id: g${index}, tables: [] }`).join(', ')}]`;
  assert.deepEqual(problemsOf(groups(1000)), []);
  assertProblem(groups(1001), /groups must be at most 1000 entries$/);
});

test('a group with a table that a closed catalogue lacks is refused with its line', () => {
  const members = (catalogue: string) =>
    `catalogue: ${catalogue}\n    tables: [{ id: orders }]\n    groups: [{ id: sales, tables: [orders, ordres] }]`;
  assertProblem(
    members('closed'),
    /^7:\d+ tables\[1\] of the group \w+ names ordres, which is not a table of urn:acme:db \(did you mean orders\?\)$/,
  );
  assert.deepEqual(problemsOf(members('open')), []);
});

test('a scope that reads as one of a group is refused', () => {
  assertProblem(
    'groups: [{ id: sales, tables: [] }]\n    scopes: ["@sales:read", "@sale:read"]',
    /^6:\d+ scopes\[0\] is \S+, a table scope of the resource: rename the scope$/,
  );
});

test('the nearest table is named beside one that is not there', () => {
  const text = `organizations:
- name: acme
  resources: [{ identifier: ${IDENTIFIER}, tables: [{ id: orders }] }]
  roles: [{ name: clerk, resource: ${IDENTIFIER}, permissions: { tables: { oders: { read: true } } } }]
`;
  assert.throws(() => parseApplyFile(text, 'acme.yaml'), {
    message: /oders is not a table of urn:acme:db \(did you mean orders\?\)/,
  });
});

test('a table may not leave a closed catalogue while a group names it', async (t) => {
  const administration = await openAdministration(t);
  const tables = [{ id: 'orders' }, { id: 'invoices' }];
  const groups = [{ id: 'sales', tables: ['orders', 'invoices'] }];
  await administration.apply(fileOf(withResource({ tables, groups })));
  const left = { tables: [{ id: 'orders' }] };
  assert.deepEqual(await refusal(administration.apply(fileOf(withResource(left)))), [
    `resource ${IDENTIFIER}: tables[1] of the group sales names invoices, which is not a table of ${IDENTIFIER}`,
  ]);
  await administration.apply(
    fileOf(withResource({ ...left, groups: [{ id: 'sales', tables: ['orders'] }] })),
  );
  assert.deepEqual((await resourceOf(administration)).groups, [{ id: 'sales', tables: ['orders'] }]);
});

const ORDERS = 'columns: [{ name: id, type: integer }, { name: customer_id, type: uuid }]';

test('row columns are columns of their table', () => {
  assert.deepEqual(problemsOf(`tables: [{ id: orders, ${ORDERS}, rowColumns: [customer_id, id] }]`), []);
  assertProblem(
    `tables: [{ id: orders, ${ORDERS}, rowColumns: [id, custmer_id] }]`,
    /^5:\d+ rowColumns\[1\] names custmer_id, which is not one of the columns of the table orders \(did you mean customer_id\?\)$/,
  );
  assertProblem('tables: [{ id: orders, columns: [], rowColumns: [id] }]', /names id, which is not one of/);
  assertProblem(
    `tables: [{ id: orders, ${ORDERS}, rowColumns: [id, id] }]`,
    /rowColumns\[1\] is there twice$/,
  );
});

test('row columns stay until an empty list, and fit the columns of the store', async (t) => {
  const administration = await openAdministration(t);
  const columns = [{ name: 'id', type: 'integer' }];
  const apply = (...tables: object[]) => administration.apply(fileOf(withResource({ tables })));
  assert.match(
    String(await refusal(apply({ id: 'orders', rowColumns: ['id'] }))),
    /rowColumns\[0\] names id/,
  );
  await apply({ id: 'orders', columns });
  await apply({ id: 'orders', rowColumns: ['id'] });
  await apply({ id: 'orders', name: 'Orders' });
  const [table] = (await resourceOf(administration)).tables;
  assert.deepEqual(table, { id: 'orders', name: 'Orders', columns, rowColumns: ['id'] });
  assert.match(String(await refusal(apply({ id: 'orders', columns: [] }))), /rowColumns\[0\] names id/);
  await apply({ id: 'orders', rowColumns: [] });
  assert.equal((await resourceOf(administration)).tables[0]?.rowColumns, undefined);
});

test('a file that says nothing of columns, groups and claims leaves them', async (t) => {
  const administration = await openAdministration(t);
  const columns = [{ name: 'id', type: 'integer' }];
  const groups = [{ id: 'sales', tables: ['orders'] }];
  const token = { claims: ['authorization_details'] };
  await administration.apply(fileOf(withResource({ tables: [{ id: 'orders', columns }], groups, token })));
  await administration.apply(fileOf(withResource({ tables: [{ id: 'orders' }], token: { ttl: 60 } })));
  const resource = await resourceOf(administration);
  assert.deepEqual(resource.tables, [{ id: 'orders', name: 'orders', columns }]);
  assert.deepEqual(resource.groups, groups);
  assert.deepEqual(resource.token.claims, ['authorization_details']);
});

test('empty lists remove columns and groups, and both claims are the default', async (t) => {
  const administration = await openAdministration(t);
  const bare = { tables: [{ id: 'orders' }] };
  await administration.apply(fileOf(withResource(bare)));
  const before = await resourceOf(administration);
  const whole = {
    tables: [{ id: 'orders', columns: [{ name: 'id', type: 'uuid' }] }],
    groups: [{ id: 'sales', tables: ['orders'] }],
    token: { claims: ['permissions'] },
  };
  await administration.apply(fileOf(withResource(whole)));
  const none = {
    tables: [{ id: 'orders', columns: [] }],
    groups: [],
    token: { claims: ['authorization_details', 'permissions'] },
  };
  await administration.apply(fileOf(withResource(none)));
  const { tables, groups, token } = await resourceOf(administration);
  assert.deepEqual(
    { tables, groups, token },
    { tables: before.tables, groups: undefined, token: before.token },
  );
  assert.deepEqual((await administration.apply(fileOf(withResource(bare)))).changes, []);
});

test('the claims that carry permissions are one or both of two', () => {
  assert.deepEqual(problemsOf('token: { claims: [permissions] }'), []);
  assertProblem('token: { claims: [] }', /^5:\d+ claims is empty$/);
  assertProblem('token: { claims: [scope] }', /must be one of permissions, authorization_details$/);
  assertProblem('token: { claims: [permissions, permissions] }', /claims\[1\] is there twice$/);
});

test('a stored table with a name that a file must not use can be read', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(fileOf(withResource({ tables: [{ id: 'orders' }] })));
  const { directory } = administration.storage;
  const resource = await resourceOf(administration);
  await directory.resources.replace({ ...resource, tables: [{ id: '@old', name: '@old' }] });
  assert.equal((await resourceOf(administration)).tables[0]?.id, '@old');
  const organization = await directory.organizations.findBy('name', 'acme');
  assert.ok(organization);
  const text = await writeApplyFile(organization, directory, { accessTokenTtl: 600 });
  assert.match(text, /An apply file cannot say: 1 resource/);
});

/** A file with a resource and a role whose permissions on tables these are. */
function roleFile(tables: string, resource = COLUMNS_AND_GROUPS): string {
  return `organizations:
- name: acme
  resources: [{ identifier: ${IDENTIFIER}, ${resource} }]
  roles:
  - name: clerk
    resource: ${IDENTIFIER}
    permissions: { tables: ${tables} }
`;
}
const COLUMNS_AND_GROUPS =
  'tables: [{ id: orders, columns: [{ name: id, type: integer }, { name: status, type: text }] }, { id: invoices, columns: [] }, { id: notes }], groups: [{ id: sales, tables: [orders, invoices] }, { id: open, tables: [orders] }, { id: texts, tables: [notes] }]';

const WRONG_RIGHTS: readonly [tables: string, problem: RegExp][] = [
  ['{ "@sale": { read: true } }', /@sale is not a group of urn:acme:db \(did you mean @sales\?\)$/],
  ['{ oders: { read: true } }', /oders is not a table of urn:acme:db \(did you mean orders\?\)$/],
  ['{ oders: { read: { columns: [id] } } }', /oders is not a table of urn:acme:db/],
  [
    '{ orders: { read: { columns: [id, totl] } } }',
    /read names the column totl, which the table orders does not declare$/,
  ],
  [
    '{ orders: { read: { rows: { customer: ["42"] } } } }',
    /read names the column customer, which the table orders does not declare$/,
  ],
  [
    '{ orders: { read: { rows: { id: ["4x2"] } } } }',
    /read has the value 4x2 for the column id, which is of type integer$/,
  ],
  [
    '{ invoices: { read: { columns: [id] } } }',
    /read names the column id, which the table invoices does not declare$/,
  ],
  [
    '{ "@sales": { read: { columns: [id] } } }',
    /read names the column id, which the table invoices does not declare$/,
  ],
  [
    '{ "@sales": { read: true }, orders: { read: { columns: [id] } } }',
    /read takes nothing away from @sales: name the tables, or a group$/,
  ],
  [
    '{ "@sales": { read: true }, "@open": { read: { columns: [id] } } }',
    /read takes nothing away from @sales: name the tables, or a group$/,
  ],
  [
    '{ orders: { read: { columns: [statu, id] } } }',
    /:\d+ read names the column statu, which the table orders does not declare \(did you mean status\?\)$/,
  ],
  [
    '{ "@texts": { read: true }, notes: { read: false } }',
    /read takes nothing away from @texts: name the tables, or a group$/,
  ],
];

for (const [tables, problem] of WRONG_RIGHTS) {
  test(`permissions that do not fit are refused with their line: ${tables}`, () => {
    assert.throws(
      () => parseApplyFile(roleFile(tables), 'acme.yaml'),
      (error) => {
        assert.ok(error instanceof ApplyFileError);
        assert.equal(error.lines.length, 1, error.lines.join('\n'));
        assert.match(error.lines[0] ?? '', /^acme\.yaml:7:\d+ /);
        assert.match(error.lines[0] ?? '', problem);
        return true;
      },
    );
  });
}

test('permissions name groups and limits that the resource declares', async (t) => {
  const administration = await openAdministration(t);
  const tables =
    '{ "@sales": { read: true }, "@open": { update: { rows: { id: ["042"] }, columns: [status] } } }';
  const file = parseApplyFile(roleFile(tables), 'acme.yaml');
  await administration.apply(file);
  assert.deepEqual((await administration.apply(file)).changes, []);
});

test('permissions are held against what only the store knows of the resource', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(parseApplyFile(roleFile('{}'), 'acme.yaml'));
  const later = (tables: string) =>
    administration.apply(
      parseApplyFile(roleFile(tables, 'tables: [{ id: orders }, { id: invoices }, { id: notes }]'), 'a.yaml'),
    );
  await later('{ "@sales": { read: true }, orders: { update: { columns: [status] } } }');
  assert.deepEqual(
    await refusal(later('{ "@sale": { read: true }, orders: { update: { columns: [total] } } }')),
    [
      `role acme/clerk allows something of the group @sale, which ${IDENTIFIER} does not have (did you mean @sales?)`,
      'role acme/clerk has permissions of which update of orders names the column total, which the table orders does not declare',
    ],
  );
});

test('a connection with a table of a group that its application has gives no more', async (t) => {
  const administration = await openAdministration(t);
  const application = {
    name: 'shop',
    grants: ['token_exchange'],
    resource: IDENTIFIER,
    permissions: { tables: { '@sales': { read: true } } },
  };
  const notesOf = async (name: string, permissions: object) => {
    const [organization] = withResource({
      tables: [{ id: 'orders' }, { id: 'notes' }],
      groups: [{ id: 'sales', tables: ['orders'] }],
    }).organizations;
    const connections = [{ name, application: 'shop', permissions }];
    const file = { organizations: [{ ...organization, applications: [application], connections }] };
    const { notes } = await administration.apply(fileOf(file));
    return notes.filter((note) => note.includes('gives more'));
  };
  assert.deepEqual(await notesOf('one', { tables: { orders: { read: true } } }), []);
  assert.match(
    (await notesOf('two', { tables: { notes: { read: true } } })).join(),
    /gives more than the ceiling of application shop: notes/,
  );
});
