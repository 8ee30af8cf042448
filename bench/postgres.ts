/**
 * `node bench/postgres.ts`: what it costs in PostgreSQL that `grantable guard` checks rights, beside the same statement of a
 * superuser, whom policies do not bind. In each round all of them run in turn.
 * Flags: `--rows 1000000`, `--rounds 20`, and `--check`, which exits with 1 when a figure misses its mark.
 */
import { parseArgs } from 'node:util';
import pg from 'pg';
import type { Table } from '../src/nouns/index.ts';
import { type TokenClient, withToken } from '../src/resource-server/postgres.ts';
import { type Claims, claims, startGuarded } from '../test/guard/world.ts';
import { median } from './load.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '20' },
    check: { type: 'boolean', default: false },
  },
});
const [rows, rounds] = [Number(values.rows), Number(values.rounds)];
/** How many rows each customer has. */
const OF_A_CUSTOMER = Math.min(1000, rows);
const PASSWORD = 'web-of-the-bench';

const COLUMNS = 'id serial PRIMARY KEY, customer_id int NOT NULL, status text, total int';
const fill = (table: string): string => `
  CREATE TABLE ${table} (${COLUMNS});
  INSERT INTO ${table} (customer_id, status, total)
    SELECT n % ${rows / OF_A_CUSTOMER}, 'open', n FROM generate_series(1, ${rows}) n;
  CREATE INDEX ON ${table} (customer_id);`;

const declared: Table[] = [
  { id: 'products', name: 'products' },
  {
    id: 'orders',
    name: 'orders',
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'customer_id', type: 'integer' },
      { name: 'status', type: 'text' },
      { name: 'total', type: 'integer' },
    ],
    rowColumns: ['customer_id'],
  },
];

const set = (limit: object): Claims =>
  claims({
    authorization_details: [{ type: 'table_access_set', tables: ['orders'], actions: ['read'], ...limit }],
  });
const unlimited = claims({ permissions: { tables: { orders: { read: true }, products: { read: true } } } });
const ownRows = set({ rows: { customer_id: ['42'] } });
const ownRowsSomeColumns = set({ rows: { customer_id: ['42'] }, columns: ['id', 'customer_id'] });

interface Line {
  readonly what: string;
  readonly said: Claims;
  readonly text: string;
  /** Through no view and without policies. */
  readonly plain: string;
  /** At most so many times the plain statement. */
  readonly ratio?: number;
  /** At most, and with every scan by an index. */
  readonly milliseconds?: number;
}

const ofCustomer = 'WHERE customer_id = 42';
const LINES: readonly Line[] = [
  {
    what: 'gate only, sum of all rows',
    said: unlimited,
    text: 'SELECT sum(total) FROM products',
    plain: 'SELECT sum(total) FROM public.products',
    ratio: 1.3,
  },
  {
    what: 'unlimited right, sum of all rows',
    said: unlimited,
    text: 'SELECT sum(total) FROM orders',
    plain: 'SELECT sum(total) FROM public.orders',
    ratio: 2.5,
  },
  {
    what: `one row condition, its ${OF_A_CUSTOMER} rows`,
    said: ownRows,
    text: 'SELECT * FROM orders',
    plain: `SELECT * FROM public.orders ${ofCustomer}`,
    milliseconds: 20,
  },
  {
    what: 'the same with two columns hidden',
    said: ownRowsSomeColumns,
    text: 'SELECT * FROM orders',
    plain: `SELECT * FROM public.orders ${ofCustomer}`,
  },
  {
    what: 'gate only, one row by its key',
    said: unlimited,
    text: 'SELECT * FROM products WHERE id = 1042',
    plain: 'SELECT * FROM public.products WHERE id = 1042',
  },
  {
    what: 'unlimited right, one row by its key',
    said: unlimited,
    text: 'SELECT * FROM orders WHERE id = 1042',
    plain: 'SELECT * FROM public.orders WHERE id = 1042',
  },
  {
    what: 'one row condition, one row by its key',
    said: ownRows,
    text: 'SELECT * FROM orders WHERE id = 1042',
    plain: 'SELECT * FROM public.orders WHERE id = 1042',
  },
];

/** A node of a plan, as EXPLAIN writes it. */
interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Loops': number;
  readonly 'Parallel Aware': boolean;
  readonly Plans?: readonly Plan[];
}

/** @returns how tables are read, without what was planned and did not run */
function scansOf(plan: Plan): string[] {
  if (plan['Actual Loops'] === 0) return [];
  const scan = `${plan['Parallel Aware'] ? 'Parallel ' : ''}${plan['Node Type']}`;
  const own = plan['Relation Name'] === undefined ? [] : [scan];
  return [...own, ...(plan.Plans ?? []).flatMap(scansOf)];
}

await using world = await startGuarded({ tables: ['products', 'orders'].map(fill).join('\n'), declared });
await world.server.run(`CREATE ROLE web LOGIN NOINHERIT PASSWORD '${PASSWORD}'; GRANT app TO web`);
for (const table of ['products', 'orders']) await world.server.run(`VACUUM ANALYZE ${table}`);
const connection = { host: '127.0.0.1', port: world.server.port, database: 'crm', max: 1 };
const owners = new pg.Pool({ ...connection, user: 'owner' });
const clients = new pg.Pool({ ...connection, user: 'web', password: PASSWORD });

const asToken = <Result>(said: Claims, run: (client: TokenClient) => Promise<Result>): Promise<Result> =>
  withToken(clients, { claims: said }, run, { role: 'app', schema: 'api' });

/** @returns milliseconds */
async function time(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

async function scans({ said, text }: Line): Promise<string[]> {
  const { rows: found } = await asToken(said, (client) =>
    client.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`),
  );
  return (found[0]?.['QUERY PLAN'] ?? []).flatMap(({ Plan: plan }) => scansOf(plan));
}

const guarded = LINES.map((): number[] => []);
const plain = LINES.map((): number[] => []);
const whole: number[] = [];
// The first round fills caches.
for (let round = 0; round <= rounds; round += 1) {
  for (const [index, { said, text, plain: plainText }] of LINES.entries()) {
    const against = await time(() => owners.query(plainText));
    const ours = await asToken(said, (client) => time(() => client.query(text)));
    if (round === 0) continue;
    guarded[index]?.push(ours);
    plain[index]?.push(against);
  }
  const took = await time(() => asToken(unlimited, (client) => client.query('SELECT 1')));
  if (round > 0) whole.push(took);
}

const print = (cells: readonly string[]): void => console.log(`| ${cells.join(' | ')} |`);
const milliseconds = (amount: number): string => `${amount.toFixed(amount < 10 ? 2 : 0)} ms`;
const HEAD = ['what', 'guarded', 'without guard', 'ratio', 'scans', 'mark', 'reached'];
print(HEAD);
print(HEAD.map(() => '---'));
let isReached = true;
for (const [index, line] of LINES.entries()) {
  const [ours, against] = [median(guarded[index] ?? []), median(plain[index] ?? [])];
  const used = await scans(line);
  const marks = [
    line.ratio === undefined
      ? []
      : [{ mark: `at most ${line.ratio} times`, reached: ours / against <= line.ratio }],
    line.milliseconds === undefined
      ? []
      : [
          {
            mark: `at most ${line.milliseconds} ms, by an index`,
            reached: ours <= line.milliseconds && used.every((scan) => /Index|Bitmap/.test(scan)),
          },
        ],
  ].flat();
  isReached &&= marks.every(({ reached }) => reached);
  print([
    line.what,
    milliseconds(ours),
    milliseconds(against),
    (ours / against).toFixed(2),
    [...new Set(used)].join(', '),
    marks.map(({ mark }) => mark).join(', '),
    marks.map(({ reached }) => (reached ? 'yes' : 'no')).join(', '),
  ]);
}
console.log(`\nA transaction of withToken around SELECT 1 takes ${milliseconds(median(whole))}.`);
await owners.end();
await clients.end();
if (values.check && !isReached) process.exitCode = 1;
