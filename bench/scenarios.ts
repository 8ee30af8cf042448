/** The requests that are measured: ours, the same one to the bare engine, and what it costs at least. */
import type { BenchConnections } from './connections.ts';
import { clientOf, JWT_RESOURCE, OPAQUE_RESOURCE, PASSWORD, USERS } from './directory.ts';
import { descend, exchanging } from './exchange.ts';
import { ask, CONNECTIONS, type Target } from './load.ts';
import type { BenchServer } from './processes.ts';

export interface Run {
  readonly server: BenchServer;
  readonly target: Target;
}

export interface Scenario {
  readonly name: string;
  readonly ours: Run;
  /** The bare engine's, unless the name says otherwise. */
  readonly against: Run;
  readonly floor?: Run;
  /** Processor time of `against` / ours, at least. */
  readonly mark?: number;
  /** The slowest hundredth of ours / that of `against`, at most. */
  readonly p99?: number;
}

export interface Servers {
  readonly grantable: BenchServer;
  readonly bare: BenchServer;
  readonly floor: BenchServer;
  readonly connections: BenchConnections;
  /** As many as a server can use up in one run. */
  readonly refreshTokens: number;
}

/** So many that no answer about one is followed by another one soon. */
const MANY_TOKENS = 5_000;

/** A round that ends leaves the requests under way without an answer, and with it without a next token. */
export const refreshTokensFor = (rounds: number): number => CONNECTIONS * (rounds + 2);

/** Each token is used once; its answer brings the next. */
function refreshing(target: Omit<Target, 'form'>, tokens: string[]): Target {
  return {
    ...target,
    form: () => ({ grant_type: 'refresh_token', refresh_token: tokens.pop() ?? '' }),
    onAnswer: (body) => tokens.push(JSON.parse(body).refresh_token),
  };
}

async function logIn(login: Omit<Target, 'form'>, amount: number): Promise<string[]> {
  const tokens: string[] = [];
  const form = loginForms();
  while (tokens.length < amount) tokens.push((await ask({ ...login, form })).refresh_token ?? '');
  return tokens;
}

/** One person after the other, so that no person has as many logins under way as a guesser has. */
export function loginForms(): () => Record<string, string> {
  let next = 0;
  return () => ({ grant_type: 'password', username: `user${next++ % USERS}`, password: PASSWORD });
}

async function makeTokens(target: Target, amount: number): Promise<string[]> {
  const tokens: string[] = [];
  while (tokens.length < amount) tokens.push((await ask(target)).access_token ?? '');
  return tokens;
}

function inTurn(tokens: readonly string[]): () => { token: string } {
  let next = 0;
  return () => ({ token: tokens[next++ % tokens.length] ?? '' });
}

export async function scenarios(servers: Servers): Promise<Scenario[]> {
  const { grantable, bare, floor, connections } = servers;
  const ours = (path: string, client: string) => ({ url: grantable.url + path, ...clientOf(client) });
  const { clientId, clientSecret, refreshTokens } = bare.seed;
  const theirs = (path: string) => ({ url: bare.url + path, clientId, clientSecret });
  const cc = { grant_type: 'client_credentials' };
  const jwt: Target = { ...ours('/oauth/token', 'machine'), form: { ...cc, resource: JWT_RESOURCE } };
  const opaque: Target = { ...ours('/oauth/token', 'machine'), form: { ...cc, resource: OPAQUE_RESOURCE } };
  const bareJwt: Target = { ...theirs('/token'), form: { ...cc, resource: 'urn:jwt' } };
  const bareOpaque: Target = { ...theirs('/token'), form: { ...cc, resource: 'urn:opaque' } };
  const introspect = (form: Target['form']): Target => ({ ...ours('/oauth/introspect', 'api'), form });
  const introspectOne = async (made: Target): Promise<Target> =>
    introspect({ token: (await ask(made)).access_token ?? '' });
  const bareIntrospection: Target = {
    ...theirs('/token/introspection'),
    form: { token: (await ask(bareOpaque)).access_token ?? '' },
  };
  const login = ours('/oauth/token', 'login');
  const logins = await logIn(login, servers.refreshTokens);
  const connection = await connections.create('site');
  const rootIntrospection = await introspectOne(jwt);
  const run = (server: BenchServer) => (target: Target) => ({ server, target });
  const byUs = run(grantable);
  const byBare = run(bare);
  const atLeast = (path: string) =>
    run(floor)({ url: floor.url + path, clientId, clientSecret, form: { token: 'the same' } });
  return [
    {
      name: 'client_credentials, JWT ES256',
      ours: byUs(jwt),
      against: byBare(bareJwt),
      floor: atLeast('/jwt'),
      mark: 1.9,
      p99: 1.2,
    },
    {
      name: 'client_credentials, opaque',
      ours: byUs(opaque),
      against: byBare(bareOpaque),
      floor: atLeast('/opaque'),
      mark: 2,
      p99: 1.7,
    },
    {
      name: 'introspection, opaque',
      ours: byUs(await introspectOne(opaque)),
      against: byBare(bareIntrospection),
      floor: atLeast('/introspection'),
      mark: 3,
      p99: 0.9,
    },
    {
      name: 'introspection, JWT (bare: opaque)',
      ours: byUs(rootIntrospection),
      against: byBare(bareIntrospection),
      floor: atLeast('/introspection'),
      mark: 3,
      p99: 1.3,
    },
    {
      name: `introspection, ${MANY_TOKENS} opaque tokens in turn`,
      ours: byUs(introspect(inTurn(await makeTokens(opaque, MANY_TOKENS)))),
      against: byBare(bareIntrospection),
      floor: atLeast('/introspection'),
    },
    {
      name: 'exchange, connection to JWT ES256 (bare: client_credentials)',
      ours: byUs(exchanging(grantable, connection)),
      against: byBare(bareJwt),
      floor: atLeast('/exchange'),
      mark: 1.4,
      p99: 2.3,
    },
    {
      name: 'refresh_token, rotating',
      ours: byUs(refreshing(login, logins)),
      against: byBare(refreshing(theirs('/token'), refreshTokens)),
      floor: atLeast('/refresh'),
      mark: 1.3,
      p99: 1.1,
    },
    {
      name: 'introspection, JWT of depth 3 (against a root token)',
      ours: byUs(introspect({ token: await descend(grantable, connection, 3) })),
      against: byUs(rootIntrospection),
      mark: 0.85,
    },
  ];
}
