/** Limits, variables, groups and `*` in apply files: what is wrong with them, where, and what becomes of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseApplyFile } from '../../src/apply/file.ts';
import { ApplyFileError } from '../../src/apply/file-error.ts';
import { toWritten } from '../../src/permissions/permissions-json.ts';
import { fileOf, openAdministration } from '../admin/fixture.ts';

const IDENTIFIER = 'urn:acme:db';

type Kind = 'roles' | 'applications' | 'connections';

const RESOURCE = `  resources:
  - identifier: ${IDENTIFIER}
    tables:
    - id: orders
      columns: [{ name: id, type: integer }, { name: customer, type: text }, { name: placed, type: date }]
    - { id: invoices, columns: [{ name: id, type: integer }] }
    - id: notes
    groups: [{ id: sales, tables: [orders, invoices] }, { id: paid, tables: [invoices] }]
`;

/** A file whose tables begin in line 15. */
function fileWith(tables: string, kind: Kind = 'roles'): string {
  return `organizations:
- name: acme
${RESOURCE}  ${kind}:
  - name: clerk
    resource: ${IDENTIFIER}
    permissions:
      tables: ${tables}
${kind === 'connections' ? '    application: shop\n' : ''}`;
}

/** `line:column message` each. */
function problemsOf(text: string): string[] {
  try {
    parseApplyFile(text, 'acme.yaml');
    return [];
  } catch (error) {
    assert.ok(error instanceof ApplyFileError, String(error));
    return error.lines.map((line) => line.replace(/^acme\.yaml:/, ''));
  }
}

const many = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(', ');

const MISTAKES: readonly [tables: string, problem: string | RegExp][] = [
  ['orders: { read: { row: { id: [1] } } }', '15:35 unknown key row (did you mean rows?)'],
  [
    'orders: { read: [{ rows: { id: [1] } }, { colums: [id] }] }',
    '15:59 unknown key colums (did you mean columns?)',
  ],
  ['orders: { read: {} }', '15:33 read is empty: write true to allow all rows and columns'],
  ['orders: { read: [] }', '15:33 read is empty'],
  ['orders: { read: 1 }', '15:33 read must be true, false, a limit or a list of limits'],
  ['orders: { read: "yes" }', '15:33 read must be true, false, a limit or a list of limits'],
  ['orders: { read: [true] }', '15:34 read[0] must be a group of keys, but is true or false'],
  ['orders: { read: { columns: [] } }', '15:44 columns is empty'],
  ['orders: { read: { columns: id } }', '15:44 columns must be a list, but is text'],
  ['orders: { read: { columns: [id, id] } }', '15:49 columns[1] is there twice'],
  ['orders: { read: { columns: ["*"] } }', '15:45 columns[0] must not be a wildcard'],
  ['orders: { read: { rows: {} } }', '15:41 rows is empty: leave it out to mean all rows'],
  ['orders: { read: { rows: { id: 1 } } }', '15:47 id must be a list, but is a number'],
  ['orders: { read: { rows: { id: [] } } }', '15:47 id is empty'],
  [
    'orders: { read: { rows: { id: [1.50] } } }',
    '15:48 id[0] is a number with a fraction: write it in quotes',
  ],
  ['orders: { read: { rows: { id: [1, "1"] } } }', '15:51 id[1] is there twice'],
  ['orders: { read: { rows: { customer: [""] } } }', '15:54 customer[0] is empty'],
  ['orders: { read: { rows: { customer: ["\\0user.id"] } } }', '15:54 customer[0] holds control characters'],
  ['orders: { read: { rows: { constructor: [1] } } }', /^15:\d+ constructor must not be a name that/],
  [
    'orders: { read: { rows: { id: [[1]] } } }',
    '15:48 id[0] must be text, a whole number, true, false or a variable',
  ],
  ['orders: { read: { rows: { id: [{ $usr: id }] } } }', '15:50 unknown key $usr (did you mean $user?)'],
  [
    'orders: { read: { rows: { id: [{}] } } }',
    '15:48 id[0] must have one of $user, $account and $application',
  ],
  [
    'orders: { read: { rows: { id: [{ $user: id, $account: id }] } } }',
    '15:48 id[0] must have one of $user, $account and $application',
  ],
  [
    'orders: { read: { rows: { id: [{ $user: username }] } } }',
    '15:57 $user must be id, email or attributes.<name>: people can change what else they have',
  ],
  ['orders: { delete: { columns: [id] } }', '15:46 columns cannot limit delete: a row is deleted whole'],
  [
    'orders: { delete: [{ rows: { id: [1] } }, { columns: [id] }] }',
    '15:70 columns cannot limit delete: a row is deleted whole',
  ],
  [
    '"*": { read: { columns: [id] } }',
    '15:30 read cannot be limited for *: its tables have no columns in common',
  ],
  [
    '"*": { read: true }, orders: { read: false }',
    '15:54 read takes nothing away from *: name the tables, or a group',
  ],
  [
    '"*": { read: true }, "@sales": { read: { columns: [id] } }',
    '15:56 read takes nothing away from *: name the tables, or a group',
  ],
  [
    `orders: { read: [${many(17, (id) => `{ rows: { id: [${id}] } }`)}] }`,
    '15:33 read must be at most 16 entries',
  ],
  [
    `orders: { read: { rows: { ${many(9, (name) => `c${name}: [1]`)} } } }`,
    '15:41 rows has more than 8 columns',
  ],
  [`orders: { read: { rows: { id: [${many(101, String)}] } } }`, '15:47 id must be at most 100 entries'],
];

for (const [tables, problem] of MISTAKES) {
  test(`refused in one sentence: ${tables.slice(0, 55)}`, () => {
    const problems = problemsOf(fileWith(`{ ${tables} }`));
    assert.equal(problems.length, 1, problems.join('\n'));
    const [said = ''] = problems;
    if (typeof problem === 'string') assert.equal(said, problem);
    else assert.match(said, problem);
  });
}

test('each mistake of one file has its own line', () => {
  const tables = `{
          orders: {
            read: { row: 1 },
            update: { columns: [] },
            create: { rows: { id: [1.5],
              customer: [{ $user: name }] } },
            delete: 1 } }`;
  assert.deepEqual(
    problemsOf(fileWith(tables)).map((problem) => Number.parseInt(problem, 10)),
    [17, 18, 19, 20, 21],
  );
});

test('variables may stand in ceilings and roles, and $application in ceilings only', () => {
  const rows = (value: string) => `{ orders: { read: { rows: { customer: [${value}] } } } }`;
  for (const value of [
    '{ $user: id }',
    '{ $user: email }',
    '{ $user: attributes.customer }',
    '{ $account: customer }',
  ]) {
    for (const kind of ['roles', 'applications'] as const) {
      assert.deepEqual(problemsOf(fileWith(rows(value), kind)), [], value);
    }
    assert.match(
      problemsOf(fileWith(rows(value), 'connections')).join(),
      /customer\[0\] must not be a variable: variables may stand in ceilings and roles only$/,
    );
  }
  assert.deepEqual(problemsOf(fileWith(rows('{ $application: id }'), 'applications')), []);
  assert.match(
    problemsOf(fileWith(rows('{ $application: id }'), 'roles')).join(),
    /\$application may stand in the ceilings of applications only$/,
  );
  assert.match(
    problemsOf(fileWith(rows('{ $application: name }'), 'applications')).join(),
    /\$application must be id$/,
  );
});

test('a value may be a whole number or a boolean, and is text from there on', () => {
  const { organizations = [] } = parseApplyFile(
    fileWith('{ orders: { read: { rows: { id: [7, "8"], customer: [true, x] } } } }'),
    'acme.yaml',
  );
  const permissions = organizations[0]?.roles?.[0]?.permissions;
  assert.deepEqual(permissions && toWritten(permissions).tables, {
    orders: { read: { rows: { customer: ['true', 'x'], id: ['7', '8'] } } },
  });
});

test('a misfit with the resource is told where it stands', () => {
  const tables = `{
          orders: {
            read: {
              columns: [id, custmer],
              rows: {
                id: ["7",
                  "x7"],
                plced: [{ $user: id }] } },
            update: [{ rows: { placed: [2026-02-30] } }, { columns: [id] }] },
          ordrs: { read: { columns: [id] } } }`;
  assert.deepEqual(problemsOf(fileWith(tables)), [
    '18:29 read names the column custmer, which the table orders does not declare (did you mean customer?)',
    '21:19 read has the value x7 for the column id, which is of type integer',
    '22:24 read names the column plced, which the table orders does not declare (did you mean placed?)',
    '23:41 update has the value 2026-02-30 for the column placed, which is of type date',
    `24:18 ordrs is not a table of ${IDENTIFIER} (did you mean orders?)`,
  ]);
});

test('differences spell limits in words, and a second apply changes nothing', async (t) => {
  const administration = await openAdministration(t);
  const mine = '{ rows: { customer: [{ $user: attributes.customer }, "42"] }, columns: [id, placed] }';
  await administration.apply(parseApplyFile(fileWith('{ notes: { read: true } }'), 'acme.yaml'));
  const file = parseApplyFile(
    fileWith(`{ "*": { create: true }, notes: { read: true }, orders: { read: ${mine}, update: ${mine} },
        "@paid": { read: [{ columns: [id] }, { rows: { id: [7] } }] } }`),
    'acme.yaml',
  );
  const [change] = (await administration.apply(file, { dryRun: true })).changes;
  assert.deepEqual(change?.fields, [
    {
      field: 'permissions',
      from: 'notes: read',
      to: [
        '*: create, notes: create read',
        '@paid: read columns id',
        '@paid: read where id is 7',
        'orders: read update where customer is {"$user": "attributes.customer"} or 42; columns id, placed',
      ].join(' | '),
    },
  ]);
  await administration.apply(file);
  assert.deepEqual((await administration.apply(file)).changes, []);
});

test('a column, a table or a group that rights need is noted when it goes', async (t) => {
  const administration = await openAdministration(t);
  const rights = `{ orders: { read: { rows: { customer: [x] }, columns: [id] } }, notes: { read: true },
        "@paid": { read: true } }`;
  await administration.apply(parseApplyFile(fileWith(rights), 'acme.yaml'));
  const less = fileOf({
    organizations: [
      {
        name: 'acme',
        resources: [
          {
            identifier: IDENTIFIER,
            tables: [{ id: 'orders', columns: [{ name: 'id', type: 'integer' }] }, { id: 'invoices' }],
            groups: [],
          },
        ],
      },
    ],
  });
  const expected = [
    `role acme/clerk allows something of the group @paid, which ${IDENTIFIER} does not have: this right is gone then`,
    `role acme/clerk allows something of the table notes, which ${IDENTIFIER} does not have: this right is gone then`,
    'role acme/clerk has permissions of which read of orders names the column customer, which the table orders does not declare: this right is gone then',
  ];
  assert.deepEqual((await administration.apply(less, { dryRun: true })).notes.toSorted(), expected);
  assert.deepEqual((await administration.apply(less)).notes.toSorted(), expected);
  assert.deepEqual((await administration.apply(less)).notes, []);
});

test('a variable that nothing has is noted, with the nearest name', async (t) => {
  const administration = await openAdministration(t);
  const rows = (...values: object[]) => ({ tables: { orders: { read: { rows: { customer: values } } } } });
  const [organization] = parse(fileWith('{}')).organizations;
  const withRights = (...values: object[]) =>
    fileOf({
      organizations: [
        {
          ...organization,
          roles: [{ name: 'clerk', permissions: rows(...values) }],
          applications: [
            { name: 'shop', resource: IDENTIFIER, permissions: rows({ $application: 'id' }, ...values) },
          ],
          users: [{ username: 'ann', password: 'correct-horse-battery', attributes: { customer: '42' } }],
          datasources: [
            {
              name: 'crm',
              kind: 'sqlite',
              file: 'crm.db',
              userTables: [
                {
                  collection: 'people',
                  usernameColumn: 'email',
                  passwordColumn: 'password',
                  subjectColumn: 'id',
                  passwordFormat: 'bcrypt',
                  claims: { dept: 'department' },
                },
              ],
            },
          ],
        },
      ],
    });
  const good = [{ $user: 'id' }, { $user: 'attributes.customer' }, { $account: 'department' }];
  const notesOf = async (values: object[], dryRun: boolean) =>
    (await administration.apply(withRights(...values), { dryRun })).notes.filter((note) =>
      note.includes('{"$'),
    );
  assert.deepEqual(await notesOf(good, true), []);
  const bad = [{ $user: 'attributes.custmer' }, { $account: 'departmnt' }];
  const account =
    'role acme/clerk, application acme/shop: {"$account": "departmnt"} gives nothing, because no user table copies such a column into claims (did you mean department?)';
  assert.deepEqual(await notesOf(bad, true), [
    account,
    'role acme/clerk, application acme/shop: {"$user": "attributes.custmer"} gives nothing, because no user has such an attribute (did you mean customer?)',
  ]);
  assert.deepEqual(await notesOf(bad, false), [account]);
});
