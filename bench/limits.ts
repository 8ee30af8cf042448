/**
 * `node bench/limits.ts`: what a request costs by how many tables its rights name and by how many alternatives each has, and
 * how large the token is. Servers on one core, the load on the other.
 * Flags: `--rounds 5`, `--amount 500` (requests of one round), `--tables 10,200,2000`, `--alternatives 0,1,4,16`; 0 means
 * rights without limits.
 */
import { parseArgs } from 'node:util';
import { APPLY, clientOf, JWT_RESOURCE, OPAQUE_RESOURCE } from './directory.ts';
import { ask, load, median, type Target } from './load.ts';
import { type BenchServer, pinLoad, startGrantable } from './processes.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    amount: { type: 'string', default: '500' },
    tables: { type: 'string', default: '10,200,2000' },
    alternatives: { type: 'string', default: '0,1,4,16' },
  },
});
const numbers = (list: string): number[] => list.split(',').map(Number);

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const columns = ['id', 'customer', 'status', 'total'].map((name) => ({ name, type: 'text' }));

/** The first alternative has a variable. */
const limits = (alternatives: number) =>
  Array.from({ length: alternatives }, (_, n) => ({
    columns: ['id', 'status', ...(n % 2 === 0 ? ['total'] : [])],
    rows: { customer: [n === 0 ? { $application: 'id' } : `${n}`], status: ['open', 'paid'] },
  }));

/** One application with rights to so many tables, through a group if they are limited. */
function directoryOf(tables: number, alternatives: number): object {
  const [organization] = APPLY.organizations;
  const ids = Array.from({ length: tables }, (_, n) => `table_${String(n).padStart(10, '0')}`);
  const read = alternatives === 0 ? true : limits(alternatives);
  const names = alternatives === 0 ? ids : ['@all'];
  const permissions = { tables: Object.fromEntries(names.map((name) => [name, { read, update: read }])) };
  return {
    organizations: [
      {
        name: 'bench',
        resources: organization?.resources.map((resource) => ({
          ...resource,
          tables: ids.map((id) => ({ id, columns })),
          groups: [{ id: 'all', tables: ids }],
        })),
        applications: [
          {
            name: 'machine',
            ...clientOf('machine'),
            grants: ['client_credentials', 'token_exchange'],
            resource: JWT_RESOURCE,
            permissions,
            resources: { [OPAQUE_RESOURCE]: permissions },
          },
          { name: 'api', ...clientOf('api'), grants: [], introspects: [JWT_RESOURCE, OPAQUE_RESOURCE] },
        ],
      },
    ],
  };
}

/** @returns microseconds of processor time of one request */
async function cost(server: BenchServer, target: Target): Promise<number> {
  const amount = Number(values.amount);
  await load(target, { amount });
  const took: number[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const before = server.cpu();
    await load(target, { amount });
    took.push(((server.cpu() - before) * 1e6) / amount);
  }
  return Math.round(median(took));
}

async function measure(tables: number, alternatives: number): Promise<string[]> {
  const server = await startGrantable(directoryOf(tables, alternatives), {
    GRANTABLE_EXCHANGE_LIMIT: '9999999/1s',
  });
  try {
    const to = (path: string, client: string, form: Target['form']): Target => ({
      url: `${server.url}${path}`,
      ...clientOf(client),
      form,
    });
    const token = (resource: string) =>
      to('/oauth/token', 'machine', { grant_type: 'client_credentials', resource });
    const jwt = String((await ask(token(JWT_RESOURCE))).access_token);
    const opaque = String((await ask(token(OPAQUE_RESOURCE))).access_token);
    const narrowed = { tables: { table_0000000000: { read: true }, table_0000000001: { read: true } } };
    const exchange = to('/oauth/token', 'machine', {
      grant_type: EXCHANGE,
      subject_token: opaque,
      subject_token_type: ACCESS_TOKEN,
      permissions: JSON.stringify(narrowed),
    });
    const introspection = (presented: string) => to('/oauth/introspect', 'api', { token: presented });
    const targets = [
      token(JWT_RESOURCE),
      token(OPAQUE_RESOURCE),
      exchange,
      introspection(jwt),
      introspection(opaque),
    ];
    const costs: number[] = [];
    for (const target of targets) costs.push(await cost(server, target));
    const size = jwt.includes('.') ? `${jwt.length} B` : 'opaque';
    return [...costs.map((each) => `${each} µs`), size];
  } finally {
    await server.stop();
  }
}

pinLoad();
const row = (cells: readonly (string | number)[]): void => console.log(`| ${cells.join(' | ')} |`);
row([
  'tables',
  'alternatives',
  'client_credentials, JWT',
  'opaque',
  'exchange for 2 tables',
  'introspection, JWT',
  'opaque',
  'JWT',
]);
row(Array.from({ length: 8 }, () => '---'));
for (const tables of numbers(values.tables)) {
  for (const alternatives of numbers(values.alternatives)) {
    row([tables, alternatives === 0 ? 'no limits' : alternatives, ...(await measure(tables, alternatives))]);
  }
}
