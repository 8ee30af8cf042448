import assert from 'node:assert/strict';
import { type ExecFileException, execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { OPAQUE_RESOURCE, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';

const EXAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'python');
const env = { PATH: process.env.PATH ?? '', PYTHONDONTWRITEBYTECODE: '1' };

/** The first Python of the PATH with the packages: there may be others in front of the system's. */
const python = (process.env.PATH ?? '')
  .split(':')
  .map((folder) => join(folder, 'python3'))
  .find((program) => {
    try {
      const script = 'import sys, jwt, cryptography; sys.exit(sys.version_info < (3, 11))';
      execFileSync(program, ['-c', script], { env, stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });

function pythonMissing(): string | false {
  if (python !== undefined) return false;
  const sentence =
    'no Python 3.11 with PyJWT: on Debian apt-get install python3 python3-jwt python3-cryptography';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const run = (args: readonly string[], more: Record<string, string> = {}): Promise<Outcome> =>
  new Promise((resolve) => {
    const options = { cwd: EXAMPLE, env: { ...env, ...more } };
    execFile(python ?? '', args, options, (error: ExecFileException | null, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

describe('the verifier in Python', { skip: pythonMissing() }, () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      fixture(fixture) {
        const [orders] = fixture.organizations[0].resources[0].tables;
        orders.columns = [
          { name: 'id', type: 'integer' },
          { name: 'customer_id', type: 'integer' },
        ];
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const verify = (token: string, more: Record<string, string> = {}): Promise<Outcome> =>
    run(['grantable_verifier.py', token], {
      ISSUER: server.issuer,
      RESOURCE,
      CLIENT_ID: 'shop-api',
      CLIENT_SECRET: server.secretOf('shop-api'),
      ...more,
    });
  const rightsOf = async (token: string, more: Record<string, string> = {}): Promise<unknown> => {
    const { stdout, stderr } = await verify(token, more);
    assert.equal(stderr, '');
    return JSON.parse(stdout);
  };
  const refuses = async (token: string, more: Record<string, string> = {}, sentence = /^Refused: /) => {
    const { code, stderr, stdout } = await verify(token, more);
    assert.equal(stdout, '');
    assert.match(stderr, sentence);
    assert.equal(code, 1);
  };
  const newToken = async (form: Record<string, string> = {}, client = 'machine'): Promise<string> => {
    const { json } = await server.token(client, form);
    assert.ok(json.access_token, JSON.stringify(json));
    return json.access_token;
  };
  const own = { columns: ['id'], rows: { customer_id: ['42'] } };
  const details = [{ type: 'table_access_set', tables: ['orders'], actions: ['read'], ...own }];
  const limited = { authorization_details: JSON.stringify(details) };

  test('it gives the verdicts of docs/vectors', async () => {
    const { code, stderr } = await run(['-m', 'unittest']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^Ran 3 tests/m);
  });
  test('it reads a JWT, with limits, from the token and from an introspection', async () => {
    const token = await newToken(limited);
    assert.deepEqual(await rightsOf(token), { orders: { read: [own] } });
    assert.deepEqual(await rightsOf(token, { INTROSPECT_ALL: '1' }), { orders: { read: [own] } });
    const { orders } = (await rightsOf(await newToken())) as { orders: object };
    assert.deepEqual(orders, { create: [{}], read: [{}], update: [{}] });
  });
  test('it introspects an opaque token', async () => {
    const token = await newToken({ resource: OPAQUE_RESOURCE });
    const { products } = (await rightsOf(token, { RESOURCE: OPAQUE_RESOURCE })) as { products: object };
    assert.deepEqual(products, { read: [{}] });
    await refuses(token);
  });
  test('it refuses a revoked token that it introspects', async () => {
    const token = await newToken();
    await server.post('/oauth/revoke', 'machine', { token });
    await refuses(token, { INTROSPECT_ALL: '1' }, /^Refused: The token is not active\.$/m);
  });
  test('it refuses tokens of others, changed ones, and what is not a token', async () => {
    const token = await newToken();
    await refuses(await newToken({}, 'other-shop'));
    await refuses(token, { RESOURCE: 'https://api.other.example/' });
    await refuses(tampered(token));
    await refuses(`${token}=`);
    await refuses('not a token');
    await refuses('a.b.c');
    const { json } = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: 'correct-horse-battery',
    });
    await refuses(json.refresh_token);
  });
  test('it says when it cannot check a token', async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    await refuses('opaque', { ISSUER: nowhere }, /^Unavailable: \/oauth\/introspect was not answered/);
  });
});
