/**
 * `node bench/entered.ts`: how much of our source one warm request of each kind enters, by V8's precise coverage. The
 * server runs in this process on a SQLite file; requests go over real HTTP, and `server.system.getToken` is called.
 *
 * Two counts of what ran at least once: the functions of `src` that have a name, with the files they stand in; and all
 * functions of `src` and `adapters`, callbacks too. The bodies of modules do not count. Of several measurements of a kind
 * the smallest stands, so that background work of the server is not taken for the request's.
 * Flags: `--files KIND` lists files and functions of the kinds whose names contain KIND, `--json` prints the counts.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { switchOnFaces } from '../test/support/faces.ts';
import { OPAQUE_RESOURCE, PASSWORD, startServer, type TestServer } from '../test/support/server.ts';

const { values } = parseArgs({
  options: { files: { type: 'string' }, json: { type: 'boolean', default: false } },
});

/** Requests before the first that is measured. */
const WARM_UPS = 3;
const MEASUREMENTS = 5;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OURS = /^(?:src|adapters)\//;
const EXCHANGE = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
};
const LOGIN = { grant_type: 'password', username: 'ann', password: PASSWORD };

interface EnteredFunction {
  readonly file: string;
  /** `<instance_members_initializer>` of a class; empty for a callback. */
  readonly name: string;
  /** Characters from the start of the file. */
  readonly offset: number;
}

interface Kind {
  readonly name: string;
  /** @returns the request: what has to be there before it is made first, and is not measured */
  readonly prepare: () => Promise<() => Promise<unknown>>;
}

async function kindsOf(server: TestServer): Promise<Kind[]> {
  const form = async (path: string, client: string, fields: Record<string, string>) => {
    const { status, json, text } = await server.post(path, client, fields);
    assert.equal(status, 200, text);
    return json;
  };
  const face = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const response = await fetch(server.issuer + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${path} ${response.status} ${text}`);
    return JSON.parse(text);
  };
  const token = (client: string, fields: Record<string, string>) => form('/oauth/token', client, fields);
  const cc = { grant_type: 'client_credentials' };
  const jwt = async (): Promise<string> => (await token('machine', cc)).access_token;
  const opaque = async (): Promise<string> =>
    (await token('machine', { ...cc, resource: OPAQUE_RESOURCE })).access_token;
  const always = (name: string, request: () => Promise<unknown>): Kind => ({
    name,
    prepare: async () => request,
  });
  const sunbreak = (isNewUser: boolean) =>
    face('/api/database/connection', {
      data: [{ email: 'ada@shop.example.org', password: PASSWORD, name: 'Ada' }],
      context: { domain: 'shop.example.org', isNewUser, location: 'custom', locale: 'en_US' },
    });
  await sunbreak(true);
  const asked = { isAdmin: false, tables: { posts: { create: true, read: true } } };

  return [
    always('client_credentials, JWT', jwt),
    always('client_credentials, opaque', opaque),
    {
      name: 'introspection, JWT',
      async prepare() {
        const fields = { token: await jwt() };
        return () => form('/oauth/introspect', 'shop-api', fields);
      },
    },
    {
      name: 'introspection, opaque',
      async prepare() {
        const fields = { token: await opaque() };
        return () => form('/oauth/introspect', 'shop-api', fields);
      },
    },
    {
      name: 'revocation',
      async prepare() {
        const fields = { token: await jwt() };
        return () => server.post('/oauth/revoke', 'machine', fields);
      },
    },
    {
      name: 'token exchange',
      async prepare() {
        const fields = { ...EXCHANGE, subject_token: await jwt() };
        return () => token('machine', fields);
      },
    },
    {
      name: 'refresh',
      async prepare() {
        const { refresh_token } = await token('shop', LOGIN);
        return () => token('shop', { grant_type: 'refresh_token', refresh_token });
      },
    },
    always('password', () => token('shop', LOGIN)),
    always('Usergrid, login', () => face('/acme/shop/token', LOGIN)),
    always('Sunbreak, login', () => sunbreak(false)),
    {
      name: 'Sunbreak, short token',
      async prepare() {
        const { accessToken } = await sunbreak(false);
        const body = { data: [{ permissions: asked }], context: {} };
        return () => face('/api/auth/subscribe', body, { authorization: `Bearer ${accessToken}` });
      },
    },
    always('DeviceHive, login', () => face('/token', { login: 'ann', password: PASSWORD })),
    always('API Maker, login', () =>
      face('/api/system-api/acme/token', {
        authTokenType: 'AM',
        authTokenAM: { u: 'ann', p: PASSWORD },
      }),
    ),
    always('Fusio, login', () => face('/consumer/login', { username: 'ann', password: PASSWORD })),
    always('server.system.getToken', () =>
      server.server.system.getToken({ authTokenType: 'AM', authTokenAM: { u: 'ann', p: PASSWORD } }, 'acme'),
    ),
  ];
}

/** What ran since the last call, in the order of the files. */
async function takeEntered(session: Session): Promise<EnteredFunction[]> {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  return result
    .map(({ url, functions }) => ({
      file: url.startsWith('file:') ? fileURLToPath(url).slice(ROOT.length) : '',
      functions,
    }))
    .filter(({ file }) => OURS.test(file))
    .toSorted((one, other) => one.file.localeCompare(other.file))
    .flatMap(({ file, functions }) =>
      functions.flatMap(({ functionName: name, ranges: [whole] }) => {
        const isModule = name === '' && whole?.startOffset === 0;
        return whole && whole.count > 0 && !isModule ? [{ file, name, offset: whole.startOffset }] : [];
      }),
    );
}

async function measure(session: Session, { prepare }: Kind): Promise<EnteredFunction[]> {
  // Some requests can be made once: each measurement prepares its own.
  for (let warmUp = 0; warmUp < WARM_UPS; warmUp += 1) await (await prepare())();
  const measured: EnteredFunction[][] = [];
  while (measured.length < MEASUREMENTS) {
    const request = await prepare();
    await takeEntered(session);
    await request();
    measured.push(await takeEntered(session));
  }
  return measured.reduce((least, each) => (each.length < least.length ? each : least));
}

const hasName = ({ name }: EnteredFunction): boolean => /^[^<]/.test(name);
const isSource = ({ file }: EnteredFunction): boolean => file.startsWith('src/');

function count(entered: readonly EnteredFunction[]): { files: number; functions: number } {
  return { files: new Set(entered.map(({ file }) => file)).size, functions: entered.length };
}

const dataDir = await mkdtemp(join(tmpdir(), 'grantable-entered-'));
const server = await startServer({
  dataDir,
  fixture: ({ organizations: [acme] }) => {
    switchOnFaces(acme);
    for (const application of acme.applications)
      if (['machine', 'shop'].includes(application.name)) application.grants.push('token_exchange');
  },
});
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

const rows: { kind: string; named: ReturnType<typeof count>; all: ReturnType<typeof count> }[] = [];
for (const kind of await kindsOf(server)) {
  if (values.files !== undefined && !kind.name.includes(values.files)) continue;
  const entered = await measure(session, kind);
  const named = entered.filter((each) => isSource(each) && hasName(each));
  rows.push({ kind: kind.name, named: count(named), all: count(entered) });
  if (values.files === undefined) continue;
  console.log(`\n${kind.name}`);
  for (const [file, functions] of Map.groupBy(entered, (each) => each.file))
    console.log(
      `  ${file}: ${functions.map(({ name, offset }) => name || `(callback at ${offset})`).join(', ')}`,
    );
}
session.disconnect();
await server[Symbol.asyncDispose]();
await rm(dataDir, { recursive: true, force: true });

if (values.json) console.log(JSON.stringify(rows, undefined, 2));
else {
  console.log('\n| request | files of src | named functions | files with adapters | all functions |');
  console.log('|---|---|---|---|---|');
  for (const { kind, named, all } of rows)
    console.log(`| ${kind} | ${named.files} | ${named.functions} | ${all.files} | ${all.functions} |`);
}
